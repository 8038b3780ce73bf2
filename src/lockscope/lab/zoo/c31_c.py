"""C31: a program in C opens and closes its database's file beside SQLite."""

from lockscope.lab.zoo.stage import Stage, play


def _played(stage: Stage, how: str) -> None:
    stage.program("create").step()
    writer = stage.program("update", how)
    writer.step()
    writer.step()


def ill(stage: Stage) -> None:
    _played(stage, "open")


def cured(stage: Stage) -> None:
    _played(stage, "stat")


if __name__ == "__main__":
    play(__file__, ill, cured, ())
