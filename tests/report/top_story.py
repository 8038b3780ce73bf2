"""A story of two databases for the screens of `lockscope top`: the same at every look."""

from pathlib import Path

from lockscope.live.lanes import Lane, Mark
from lockscope.live.model import HeldLock, Holder, Opener, Process, Snapshot, Waiter
from lockscope.live.moment import Moment, Row, Watched, rows_of

__all__ = ["APP", "NOW_NS", "SHOP", "StoryFeed", "crowd", "lane", "moment"]

NOW_NS = 3_600_000_000_000
APP, SHOP = "/srv/app.db", "/srv/shop.db"
HOSTILE = "python3 /srv/\033[31m[bold red]x\u202eevil\n.py --now"


def lane(
    database: str,
    pid: int,
    *steps: tuple[float, Mark],
    since: float | None = None,
    waits: float | None = None,
) -> Lane:
    """A lane by seconds before now."""
    return Lane(
        database,
        pid,
        tuple((NOW_NS - int(seconds * 1e9), mark) for seconds, mark in steps),
        None if since is None else NOW_NS - int(since * 1e9),
        None if waits is None else NOW_NS - int(waits * 1e9),
    )


def process(pid: int, command: str, state: str = "sleeping") -> Process:
    return Process(
        pid, command, "www", "/srv", "", "2026-11-24T03:00:00+0000", state, inner_pid=None
    )


def held(database: str, *names: str) -> tuple[HeldLock, ...]:
    return tuple(HeldLock(name, database, "is what the story says") for name in names)


WRITER = process(4242, "/usr/bin/python3 /srv/worker.py --queue mails")
READER = process(4250, "/usr/bin/python3 /srv/nightly_report_of_everything_that_was_sold.py")
RETRIES = process(4243, "/usr/bin/python3 /srv/web.py --port 8001")
IDLE = process(4251, "gunicorn: worker [shop]")
DRAINS = process(5001, HOSTILE)
READS = process(5002, "sqlite3 shop.db")
GONE = process(5003, "/usr/bin/node import.js", "gone")


def snapshots() -> tuple[Snapshot, ...]:
    app = Snapshot(
        database=APP,
        at="2026-11-24T03:12:31+0000",
        write_locked=True,
        holders=(
            Holder(
                WRITER,
                held(APP, "SHARED", "WAL WRITE", "WAL READ1", "WAL DMS"),
                writes=True,
                blocks=(4243,),
                doing="waits for the network or a timer",
                idle_s=12.0,
                source="worker.py:88",
                stack=("send (/srv/worker.py:88)", "main (/srv/worker.py:12)"),
            ),
            Holder(READER, held(APP, "SHARED", "WAL READ2", "WAL DMS"), writes=False, doing="runs"),
        ),
        waiters=(Waiter(RETRIES, "WAL WRITE", 9.0, (4242,), inferred=True, how="it sleeps"),),
        attached=(Opener(IDLE, held(APP, "SHARED", "WAL DMS")),),
        wal=None,
        notes=(),
        is_wal=True,
    )
    shop = Snapshot(
        database=SHOP,
        at="2026-11-24T03:12:31+0000",
        write_locked=True,
        holders=(
            Holder(READS, held(SHOP, "SHARED"), writes=False, blocks=(5001,), doing="sleeps"),
            Holder(DRAINS, held(SHOP, "PENDING", "RESERVED", "SHARED"), writes=True),
        ),
        waiters=(Waiter(DRAINS, "EXCLUSIVE", None, (5002,), inferred=True, how="PENDING"),),
        attached=(),
        wal=None,
        notes=(),
    )
    return app, shop


def moment() -> Moment:
    """The story."""
    retries = [(48.0 - 2 * n, (Mark.OPEN, Mark.WRITE)[n % 2]) for n in range(10)]
    lanes = (
        lane(
            APP,
            4242,
            (50, Mark.OPEN),
            (30, Mark.WRITE),
            (20, Mark.OPEN),
            (12, Mark.WRITE),
            since=12,
        ),
        lane(APP, 4250, (41, Mark.OPEN), (40, Mark.READ), since=40),
        lane(
            APP,
            4243,
            *retries,
            (30, Mark.WAIT),
            (20, Mark.CHECKPOINT),
            (19, Mark.OPEN),
            (9, Mark.WAIT),
            waits=9,
        ),
        lane(APP, 4251, (59, Mark.OPEN)),
        lane(SHOP, 5001, (20, Mark.OPEN), (3, Mark.WRITE), (2.5, Mark.PENDING), since=3),
        lane(SHOP, 5002, (55, Mark.NOTHING), (35, Mark.READ), since=35),
        lane(SHOP, 5003, (59, Mark.EXCLUSIVE), (38, Mark.OPEN), (37, Mark.ABSENT)),
    )
    told = snapshots()
    return Moment(
        now_ns=NOW_NS,
        at="03:12:31",
        samples_per_s=10.0,
        watched=(Watched(APP, "app.db", told[0]), Watched(SHOP, "shop.db", told[1])),
        rows=rows_of(lanes, told, {5003: GONE}, NOW_NS),
    )


def crowd(count: int) -> Moment:
    """So many processes that read one database."""
    rows = tuple(
        Row(
            APP,
            process(100 + n, f"/usr/bin/python3 reader{n}.py"),
            lane(APP, 100 + n, (9, Mark.READ)),
        )
        for n in range(count)
    )
    snapshot = snapshots()[0]._replace(holders=(), waiters=(), attached=(), write_locked=False)
    return Moment(NOW_NS, "03:12:31", 10, (Watched(APP, "app.db", snapshot),), rows)


class StoryFeed:
    """Tells one story again and again."""

    def __init__(self, told: Moment | None = None) -> None:
        self.told = told or moment()
        self.saved = 0

    def look(self) -> Moment:
        return self.told

    def look_closer(self, database: str) -> Snapshot:
        return next(one for one in snapshots() if one.database == database)

    def save(self) -> Path:
        self.saved += 1
        return Path("app-20261124-031231.trace")
