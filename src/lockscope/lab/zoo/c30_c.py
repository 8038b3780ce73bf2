"""C30: a program in C carries a connection over fork."""

from lockscope.lab.zoo.stage import Stage, play


def _played(stage: Stage, how: str) -> None:
    stage.program("create").step()
    stage.program("serve", how).step()


def ill(stage: Stage) -> None:
    _played(stage, "inherited")


def cured(stage: Stage) -> None:
    _played(stage, "opened after fork")


if __name__ == "__main__":
    play(__file__, ill, cured, ())
