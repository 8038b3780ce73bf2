"""The zoo: for each cause a small set of programs that make it on purpose, and its cured form.

Each exhibit is a program in this folder that knows nothing of recorders. `lockscope run zoo/C12`
records one and explains it; `tests/zoo` holds the findings to what was staged.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["EXHIBITS", "Exhibit", "find_exhibit"]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One way to make a cause.

    Attributes:
        cause: The catalogue's id.
        form: What it is written with: `sqlite3`, `sqlalchemy`, `django`, `c`.
        line: What happens, in a line.
        finds: The causes that its trace must show, and no others; empty where it only stages what a
            trace cannot show.
        needs: Modules that must be importable, and commands and headers of C that must be there.
    """

    cause: str
    form: str
    line: str
    finds: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As the command line writes it: `zoo/C12`, `zoo/C12/django`."""
        return f"zoo/{self.cause}" + ("" if self.form == "sqlite3" else f"/{self.form}")

    @property
    def program(self) -> Path:
        """Its file."""
        return Path(__file__).with_name(f"{self.cause.lower()}_{self.form}.py")


_C: Final = ("cc", "sqlite3.h")
_DJANGO: Final = ("django",)
_SQLALCHEMY: Final = ("sqlalchemy",)
EXHIBITS: Final[tuple[Exhibit, ...]] = (
    Exhibit("C01", "sqlite3", "a connection without a timeout, while another writes", ("C01",)),
    Exhibit("C01", "c", "a program in C that sets no busy timeout", ("C01",), _C),
    Exhibit("C02", "sqlite3", "slow work between the first write and the commit", ("C02",)),
    Exhibit("C02", "django", "slow work within transaction.atomic", ("C02",), _DJANGO),
    Exhibit("C03", "sqlite3", "an exception leaves a transaction open for ever", ("C03",)),
    Exhibit("C03", "sqlalchemy", "a session that an exception leaves open", ("C03",), _SQLALCHEMY),
    Exhibit("C04", "sqlite3", "a COMMIT fails, and nobody rolls it back", ("C04",)),
    Exhibit("C04", "c", "a COMMIT whose result nobody looks at", ("C04",), _C),
    Exhibit("C05", "sqlite3", "a report that begins to write, and only reads", ("C05",)),
    Exhibit(
        "C05", "sqlalchemy", "an engine that begins all with BEGIN IMMEDIATE", ("C05",), _SQLALCHEMY
    ),
    Exhibit("C05", "django", "a view that only reads, in an atomic block", ("C05",), _DJANGO),
    Exhibit("C06", "sqlite3", "a COMMIT that waits for its disk", ("C06",), ("cc",)),
    Exhibit("C06", "c", "WAL mode with synchronous=FULL on a slow disk", ("C06",), _C),
    Exhibit("C07", "sqlite3", "many short transactions, and no pause between them", ("C07",)),
    Exhibit("C07", "c", "the same in C", ("C07",), _C),
    Exhibit("C08", "sqlite3", "one that takes the lock again and again", ("C08",)),
    Exhibit("C08", "c", "the same in C", ("C08",), _C),
    Exhibit("C09", "c", "a busy handler that sleeps whole seconds", ("C09",), _C),
    Exhibit("C09", "apsw", "the same in Python", ("C09",), ("apsw",)),
    Exhibit("C10", "sqlite3", "VACUUM while others write", ("C10",)),
    Exhibit("C10", "c", "CREATE INDEX while others write", ("C10",), _C),
    Exhibit("C11", "sqlite3", "a row inserted at every start, though it is there", ("C11",)),
    Exhibit(
        "C11", "django", "bulk_create(ignore_conflicts=True) at every start", ("C11",), _DJANGO
    ),
    Exhibit("C12", "sqlite3", "two transactions read, and both want to write", ("C12",)),
    Exhibit(
        "C12", "sqlalchemy", "the same in two transactions of SQLAlchemy", ("C12",), _SQLALCHEMY
    ),
    Exhibit("C12", "django", "the same in two atomic blocks", ("C12",), _DJANGO),
    Exhibit("C12", "c", "the same in C", ("C12",), _C),
    Exhibit("C13", "sqlite3", "the same in WAL mode, while another writes", ("C13",)),
    Exhibit("C13", "django", "the same in two atomic blocks", ("C13",), _DJANGO),
    Exhibit("C14", "sqlite3", "the same in WAL mode, after another has committed", ("C14",)),
    Exhibit(
        "C14", "sqlalchemy", "the same in two transactions of SQLAlchemy", ("C14",), _SQLALCHEMY
    ),
    Exhibit("C15", "sqlite3", "WAL mode is set at every start", ("C15",)),
    Exhibit("C15", "sqlalchemy", "WAL mode set by each new connection", ("C15",), _SQLALCHEMY),
    Exhibit("C16", "sqlite3", "a log recovered after a crash", ("C16",), ("cc",)),
    Exhibit("C16", "c", "the same in C", ("C16",), _C),
    Exhibit("C17", "sqlite3", "the last connection is closed, another opened", ("C17",), ("cc",)),
    Exhibit("C17", "sqlalchemy", "an engine without a pool", ("C17",), ("cc", *_SQLALCHEMY)),
    Exhibit("C18", "sqlite3", "a SELECT that nobody reads to its end", ("C18",)),
    Exhibit("C18", "sqlalchemy", "a result that is not read to its end", ("C18",), _SQLALCHEMY),
    Exhibit("C18", "c", "a statement that is not reset", ("C18",), _C),
    Exhibit("C19", "sqlite3", "reading on one connection, writing on another", ("C19",)),
    Exhibit("C19", "sqlalchemy", "the same with a pool of SQLAlchemy", ("C19",), _SQLALCHEMY),
    Exhibit("C20", "sqlite3", "a long reader, checkpoints that cannot finish", ("C20",)),
    Exhibit("C21", "sqlite3", "a TRUNCATE checkpoint behind a reader", ("C21",)),
    Exhibit("C22", "sqlite3", "a transaction left open in a shell", ("C22",), ("sqlite3",)),
    Exhibit("C23", "sqlite3", "two threads, a connection each", ("C23",)),
    Exhibit("C23", "sqlalchemy", "two threads on a pool of SQLAlchemy", ("C23",), _SQLALCHEMY),
    Exhibit("C24", "sqlite3", "an event loop that waits for itself", ("C24",)),
    Exhibit("C25", "sqlite3", "DROP TABLE while a statement still reads it", ("C25",)),
    Exhibit("C25", "c", "a cache shared by two connections", ("C25",), _C),
    Exhibit("C26", "sqlite3", "two databases attached, written in opposite order", ("C26",)),
    Exhibit("C26", "c", "the same in C", ("C26",), _C),
    Exhibit("C27", "sqlite3", "locking_mode=EXCLUSIVE keeps everybody else out", ("C27",)),
    Exhibit("C27", "sqlalchemy", "the same, set by an engine", ("C27",), _SQLALCHEMY),
    Exhibit("C28", "sqlite3", "a program stopped inside its transaction", ("C28",)),
    Exhibit("C28", "c", "the same in C", ("C28",), _C),
    Exhibit("C29", "sqlite3", "every worker makes the schema at its start", ("C29",)),
    Exhibit("C29", "sqlalchemy", "every worker calls create_all", ("C29",), _SQLALCHEMY),
    Exhibit("C30", "sqlite3", "a connection opened before fork", ("C30",)),
    Exhibit("C30", "sqlalchemy", "an engine made before fork", ("C30",), _SQLALCHEMY),
    Exhibit("C30", "c", "the same in C", ("C30",), _C),
    Exhibit("C31", "sqlite3", "a program reads its database's file beside SQLite", ("C31",)),
    Exhibit("C31", "c", "the same in C", ("C31",), _C),
    Exhibit("C32", "sqlite3", "locks switched off by nolock=1", ("C32",)),
    Exhibit("C35", "sqlite3", "a transaction rolled back for a dead process", ("C35",), ("cc",)),
    Exhibit("C36", "sqlite3", "a backup is put in the place of a database in use", ("C36",)),
    Exhibit("C36", "c", "a database deleted under a program in C", ("C36",), _C),
)


def find_exhibit(name: str) -> Exhibit | None:
    """The exhibit of a name such as `zoo/C12`, in any case, or the first of that cause; None where
    there is none.
    """
    of_cause = (one for one in EXHIBITS if f"zoo/{one.cause}".lower() == name.lower())
    exact = (one for one in EXHIBITS if one.name.lower() == name.lower())
    return next(exact, next(of_cause, None))
