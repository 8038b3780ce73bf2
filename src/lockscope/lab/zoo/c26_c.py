"""C26: two programs in C write to two attached databases in opposite order."""

from lockscope.lab.zoo.stage import Stage, play


def ill(stage: Stage) -> None:
    stage.program("create").step()
    one, other = stage.program("move", "main", "archive"), stage.program("move", "archive", "main")
    one.step()
    other.step()
    one.begin()
    other.begin()
    one.outcome()
    other.outcome()


def cured(stage: Stage) -> None:
    stage.program("create").step()
    one, other = stage.program("move", "main", "archive"), stage.program("move", "main", "archive")
    one.step()
    one.step()
    other.step()
    other.step()


if __name__ == "__main__":
    play(__file__, ill, cured, ())
