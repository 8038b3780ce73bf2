"""C01: a program in C that never calls sqlite3_busy_timeout is refused at once."""

from lockscope.lab.zoo.stage import Stage, play


def ill(stage: Stage) -> None:
    stage.program("create").step()
    first, second = stage.program("visit", "0"), stage.program("visit", "0")
    first.step()
    second.step()  # refused
    first.step()


def cured(stage: Stage) -> None:
    stage.program("create").step()
    first, second = stage.program("visit", "60000"), stage.program("visit", "60000")
    first.step()
    second.begin()  # waits
    first.step()
    second.outcome()


if __name__ == "__main__":
    play(__file__, ill, cured, ())
