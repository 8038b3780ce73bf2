"""C25: two connections of a program in C share a cache."""

from lockscope.lab.zoo.stage import Stage, play


def ill(stage: Stage) -> None:
    stage.program("work", "shared").step()


def cured(stage: Stage) -> None:
    stage.program("work", "private").step()


if __name__ == "__main__":
    play(__file__, ill, cured, ())
