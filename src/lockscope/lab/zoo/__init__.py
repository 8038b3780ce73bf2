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
        needs: Modules that must be importable, and commands that must be there.
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


EXHIBITS: Final[tuple[Exhibit, ...]] = (
    Exhibit("C12", "sqlite3", "two transactions read, and both want to write", ("C12",)),
)


def find_exhibit(name: str) -> Exhibit | None:
    """The exhibit of a name such as `zoo/C12`, in any case; None where there is none."""
    return next((one for one in EXHIBITS if one.name.lower() == name.lower()), None)
