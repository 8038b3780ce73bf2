"""C18: a program in C does not reset a SELECT, and the COMMIT of another waits for it."""

from lockscope.lab.zoo.stage import Stage, play


def _played(stage: Stage, what: str) -> None:
    stage.program("create").step()
    reader = stage.program("look", what)
    reader.step()
    stage.program("write").step()
    reader.step()


def ill(stage: Stage) -> None:
    _played(stage, "one")


def cured(stage: Stage) -> None:
    _played(stage, "all")


if __name__ == "__main__":
    play(__file__, ill, cured, ())
