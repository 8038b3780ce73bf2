"""The page of a cause, from docs/causes: in an installed lockscope it lies beside this module."""

from pathlib import Path
from typing import Final

from lockscope.errors import UnableError, UsageError

__all__ = ["cause_page"]

_INSTALLED: Final = Path(__file__).with_name("causes")
_REPOSITORY: Final = Path(__file__).parents[3] / "docs" / "causes"
"""Where an editable install finds them."""


def cause_page(cause: str) -> str:
    """The page, in Markdown.

    Args:
        cause: Its id, `C12`, in any case.

    Raises:
        UsageError: There is no such cause.
        UnableError: The pages were not installed.
    """
    folder = _INSTALLED if _INSTALLED.is_dir() else _REPOSITORY
    pages = {page.stem: page for page in folder.glob("C[0-9][0-9].md")}
    if not pages:
        raise UnableError(f"{folder} does not exist: reinstall lockscope.", path=folder)
    page = pages.get(cause.upper())
    if page is None:
        raise UsageError(f"There is no cause {cause!r}: they are C01 to C36.")
    return page.read_text(encoding="utf-8")
