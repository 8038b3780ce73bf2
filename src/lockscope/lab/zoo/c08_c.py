"""C08: one program commits and begins again at once; another sleeps through each such moment."""

from lockscope.lab.zoo.stage import Actor, Stage, play


def _waiting(stage: Stage) -> tuple[Actor, Actor]:
    stage.program("create").step()
    loader, waiter = stage.program("load"), stage.program("other")
    waiter.step()
    loader.step()
    waiter.begin()
    return loader, waiter


def ill(stage: Stage) -> None:
    loader, waiter = _waiting(stage)
    while not waiter.is_ready():
        loader.step()  # works
        waiter.stop()  # asleep, as it mostly is
        loader.step()
        loader.step()
        waiter.go_on()
    loader.kill()


def cured(stage: Stage) -> None:
    loader, waiter = _waiting(stage)
    loader.step()
    loader.step()
    waiter.outcome()  # the loader pauses until the other has had its turn
    loader.kill()


if __name__ == "__main__":
    play(__file__, ill, cured, ())
