"""C04: a COMMIT fails, and its result is not looked at; its PENDING lock keeps readers out."""

from lockscope.lab.zoo.stage import Stage, play


def _played(stage: Stage, journal: str) -> None:
    stage.program("create", journal).step()
    reader = stage.program("browse")
    reader.step()
    stage.program("note").step()
    reader.step()
    stage.program("read").step()


def ill(stage: Stage) -> None:
    _played(stage, "delete")


def cured(stage: Stage) -> None:
    _played(stage, "wal")  # no reader is in the way of a COMMIT


if __name__ == "__main__":
    play(__file__, ill, cured, ())
