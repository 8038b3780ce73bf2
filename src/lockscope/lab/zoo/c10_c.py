"""C10: CREATE INDEX over a whole table under one lock; whoever writes meanwhile times out."""

from lockscope.lab.zoo.stage import Stage, play


def ill(stage: Stage) -> None:
    stage.program("create").step()
    maintenance = stage.program("index")
    maintenance.step()  # half way
    stage.program("write").step()
    maintenance.step()


def cured(stage: Stage) -> None:
    stage.program("create").step()
    stage.program("write").step()
    maintenance = stage.program("index")  # when nobody writes
    maintenance.step()
    maintenance.step()


if __name__ == "__main__":
    play(__file__, ill, cured, ())
