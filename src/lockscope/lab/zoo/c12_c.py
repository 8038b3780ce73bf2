"""C12: two programs in C read in a transaction, and both want to write."""

from lockscope.lab.zoo.stage import Stage, play


def ill(stage: Stage) -> None:
    stage.program("create").step()
    first, second = stage.program("deposit", "BEGIN"), stage.program("deposit", "BEGIN")
    first.step()
    second.step()
    first.step()
    second.step()  # refused
    first.step()


def cured(stage: Stage) -> None:
    stage.program("create").step()
    first = stage.program("deposit", "BEGIN IMMEDIATE")
    second = stage.program("deposit", "BEGIN IMMEDIATE")
    first.step()
    second.begin()  # waits at its BEGIN
    first.step()
    first.step()
    second.outcome()
    second.step()
    second.step()


if __name__ == "__main__":
    play(__file__, ill, cured, ())
