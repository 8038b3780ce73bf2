"""C28: a program in C is stopped inside its transaction."""

from lockscope.lab.zoo.stage import Actor, Stage, play


def _begun(stage: Stage) -> Actor:
    stage.program("create").step()
    worker = stage.program("work")
    worker.step()
    return worker


def ill(stage: Stage) -> None:
    worker = _begun(stage)
    worker.stop()
    stage.program("add").step()
    worker.go_on()
    worker.step()


def cured(stage: Stage) -> None:
    worker = _begun(stage)
    worker.step()
    worker.stop()
    stage.program("add").step()
    worker.go_on()


if __name__ == "__main__":
    play(__file__, ill, cured, ())
