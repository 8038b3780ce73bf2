"""docs/causes: a page for each cause, whose commands and code work."""

import argparse
import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from lockscope.analysis import analyse
from lockscope.analysis.causes import diagnose
from lockscope.interpret import interpret
from lockscope.lab.zoo import EXHIBITS
from notation import trace_of

FOLDER = Path(__file__).parents[2] / "docs" / "causes"
PAGES = sorted(FOLDER.glob("*.md"))
CAUSES = [f"C{number:02}" for number in range(1, 37)]
SECTIONS = ["Why", "Mend it", "Prove it"]
STACKS = ("sqlite3", "sqlalchemy", "django")
BLOCK = re.compile(r"^```(\w*) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PRELUDES = {
    "sqlite3": """
import sqlite3
connection = sqlite3.connect("app.db", isolation_level=None, timeout=5)
""",
    "sqlalchemy": """
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
class Base(DeclarativeBase): pass
class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    count: Mapped[int]
engine = create_engine("sqlite:///app.db")
""",
    "django": """
import django
from django.conf import settings
settings.configure(DATABASES=DATABASES)
django.setup()
from django.db import connections, models, transaction
class Item(models.Model):
    name = models.CharField(max_length=9)
    count = models.IntegerField(default=0)
    class Meta:
        app_label = "shop"
        db_table = "items"
for alias in DATABASES:
    with transaction.atomic(using=alias):
        Item.objects.using(alias).count()
""",
}
"""What a page takes for granted."""
DATABASE = """
import sqlite3
with sqlite3.connect("app.db") as made:
    made.execute(
        "CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, count INTEGER NOT NULL DEFAULT 0)"
    )
    made.executemany("INSERT INTO items VALUES (?, ?, ?)", [(1, "a", 5), (2, "b", 5), (3, "c", 5)])
made.close()
"""
DJANGO_ALONE = (
    'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "app.db"}}\n'
)


def blocks(language: str) -> Iterator[tuple[Path, str, str]]:
    """The page, the second word and the text of each block in a language."""
    for page in PAGES:
        for found, word, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if found == language:
                yield page, word, text


def commands() -> Iterator[tuple[str, str]]:
    """The page and the words of each lockscope command, in blocks and in sentences."""
    for page, _, text in blocks("sh"):
        yield from ((page.stem, line) for line in text.splitlines() if line.startswith("lockscope"))
    for page in PAGES:
        for line in re.findall(r"`(lockscope [^`]+)`", page.read_text(encoding="utf-8")):
            yield page.stem, line


def page_of(cause: str) -> str:
    return (FOLDER / f"{cause}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_a_page_of_the_same_shape(cause: str) -> None:
    text = page_of(cause)
    assert text.startswith(f"# {cause} · ")
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert sections[:3] == SECTIONS
    assert sections[3:] in ([], ["Not this"])
    assert all(stack in text for stack in ("SQLAlchemy", "Django", "```python sqlite3"))
    assert len(text.splitlines()) <= 70
    assert f"[{cause}]({cause}.md)" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_a_page_has_the_title_of_its_rule() -> None:
    quiet = analyse(interpret(trace_of("0 P1 exit")))
    for verdict in diagnose(quiet):
        cause = verdict.cause
        title = page_of(cause.id).splitlines()[0].removeprefix(f"# {cause.id} · ")
        assert title == cause.title


@pytest.mark.parametrize("cause", sorted({exhibit.cause for exhibit in EXHIBITS}))
def test_a_page_names_an_exhibit_of_its_cause(cause: str) -> None:
    named = set(re.findall(rf"`lockscope run (zoo/{cause}[\w/]*)`", page_of(cause)))
    assert named & {exhibit.name for exhibit in EXHIBITS}


def test_an_installed_lockscope_prints_the_page() -> None:
    command = [sys.executable, "-m", "lockscope", "report", "--explain"]
    done = subprocess.run([*command, "c12"], capture_output=True, text=True, check=True)
    assert done.stdout == page_of("C12")
    done = subprocess.run([*command, "C37"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "C01 to C36" in done.stderr


@pytest.mark.parametrize(("page", "command"), sorted(set(commands())))
def test_a_command_that_is_shown_can_be_given(page: str, command: str) -> None:
    del page
    _, verb, *words = shlex.split(command)
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(f"lockscope.cli.{verb}").configure(parser)
    parser.parse_args(words)


@pytest.mark.parametrize(
    ("stack", "text"),
    [
        pytest.param(word, text, id=f"{page.stem}-{word}-{number}")
        for number, (page, word, text) in enumerate(blocks("python"))
    ],
)
def test_the_code_of_a_page_runs(stack: str, text: str, tmp_path: Path) -> None:
    assert stack in STACKS
    if find_spec(stack) is None:
        pytest.skip(f"needs {stack}")
    program = DATABASE + PRELUDES[stack] + text
    if stack == "django":
        of_settings = text.startswith("DATABASES")
        settings, code = (text, "") if of_settings else (DJANGO_ALONE, text)
        program = DATABASE + settings + PRELUDES["django"] + code
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
