"""C07: short transactions of many programs, one after the other; who waits for them gives up."""

from itertools import cycle
from typing import Final

from lockscope.lab.zoo.stage import Stage, play

_WORKERS: Final = 6


def ill(stage: Stage) -> None:
    stage.program("create").step()
    workers = [stage.program("work") for _ in range(_WORKERS)]
    waiter = stage.program("late")
    for actor in (*workers, waiter):
        actor.step()
    workers[0].step()
    waiter.begin()
    turns = cycle(workers)
    now = next(turns)
    while not waiter.is_ready():
        now.step()  # works
        waiter.stop()  # it never asks in the moment in which nobody has the lock
        now.step()
        now = next(turns)
        now.step()
        waiter.go_on()
    for worker in workers:
        worker.kill()


def cured(stage: Stage) -> None:
    stage.program("create").step()
    waiter = stage.program("late")
    waiter.step()
    stage.program("work for all").step()
    waiter.step()


if __name__ == "__main__":
    play(__file__, ill, cured, ())
