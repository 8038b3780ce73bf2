"""C16: a program was killed and left its log; the next one recovers it while a third one starts."""

from lockscope.lab.zoo.stage import Stage, play


def _started(stage: Stage) -> None:
    first, second = stage.program("start", doors=True), stage.program("read")
    first.step()
    second.step()
    first.step()


def ill(stage: Stage) -> None:
    writer = stage.program("write")
    writer.step()
    writer.kill()
    _started(stage)


def cured(stage: Stage) -> None:
    writer = stage.program("write")
    writer.step()
    writer.step()  # closes its connection, and leaves no log
    _started(stage)


if __name__ == "__main__":
    play(__file__, ill, cured, ())
