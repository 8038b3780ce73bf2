"""C09: a busy handler that sleeps whole seconds sleeps on while the lock is long free."""

from lockscope.lab.zoo.stage import Stage, play


def _played(stage: Stage, how: str) -> None:
    stage.program("create").step()
    holder, waiter = stage.program("hold"), stage.program("write", how)
    holder.step()
    waiter.step()  # was denied, and is about to sleep
    holder.step()
    waiter.step()


def ill(stage: Stage) -> None:
    _played(stage, "a second")


def cured(stage: Stage) -> None:
    _played(stage, "a millisecond")


if __name__ == "__main__":
    play(__file__, ill, cured, ())
