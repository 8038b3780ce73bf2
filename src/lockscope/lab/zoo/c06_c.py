"""C06: in WAL mode with synchronous=FULL every COMMIT waits for the disk; others time out."""

from lockscope.lab.zoo.stage import Stage, play


def _played(stage: Stage, synchronous: str) -> None:
    stage.program("create").step()
    slow, quick = stage.program("store", synchronous, doors=True), stage.program("other")
    slow.step()
    quick.step()
    slow.step()


def ill(stage: Stage) -> None:
    _played(stage, "FULL")


def cured(stage: Stage) -> None:
    _played(stage, "NORMAL")


if __name__ == "__main__":
    play(__file__, ill, cured, ())
