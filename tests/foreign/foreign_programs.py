"""Programs that nobody wrote for lockscope: each does the same transactions by another driver.

Called with a database, a journal mode and a number of transactions.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["PROGRAMS", "MissingProgramError", "Program"]

FOLDER: Final = Path(__file__).with_name("programs")
VERSION_OF_MODULE: Final = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"


class MissingProgramError(Exception):
    """This machine lacks what the program needs; the message names it."""


@dataclass(frozen=True)
class Program:
    """A program and what runs it.

    Args:
        name: What people call it.
        source: Its file in `programs`.
        runner: The words before the file; `{}` first: the file is compiled by them instead.
        probe: Prints the version of what is tried, status 0 only where it is there.
        statements: Are its statements and lines promised.
    """

    name: str
    source: str
    runner: tuple[str, ...]
    probe: tuple[str, ...]
    statements: bool = False

    def version(self) -> str:
        """What is tried here.

        Raises:
            MissingProgramError: It is not installed.
        """
        if shutil.which(self.probe[0]) is None:
            raise MissingProgramError(f"no {self.probe[0]}")
        found = subprocess.run(self.probe, capture_output=True, text=True, check=False, timeout=60)
        if found.returncode != 0:
            raise MissingProgramError(f"{self.name} is not installed")
        number = re.search(r"\d+(\.\w+)+", found.stdout)
        return number[0] if number else found.stdout.strip()

    def command(self, room: Path) -> list[str]:
        """The words that run it, compiled into `room` where it must be."""
        source = FOLDER / self.source
        if "{}" not in self.runner:
            return [*self.runner, str(source)]
        target = room / source.stem
        words = [str(source) if word == "{}" else word for word in self.runner]
        done = subprocess.run(
            [*words, "-o", str(target)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise MissingProgramError(f"{self.source} cannot be compiled: {done.stderr[-500:]}")
        return [str(target)]


def _python(name: str, source: str, package: str, *, statements: bool = True) -> Program:
    probe = (sys.executable, "-c", VERSION_OF_MODULE, package)
    return Program(name, source, (sys.executable,), probe, statements)


NODE: Final = 'console.log(require("better-sqlite3/package.json").version)'
RUBY: Final = 'require "sqlite3"; puts SQLite3::VERSION'
PERL: Final = 'use DBD::SQLite; print "$DBD::SQLite::VERSION\\n"'
PHP: Final = 'if (!class_exists("SQLite3")) exit(1); echo PHP_VERSION;'
PYTHON: Final = (sys.executable, "-c", "import sys; print(sys.version.split()[0])")

PROGRAMS: Final = (
    Program("sqlite3 shell", "shell.sh", ("sh",), ("sqlite3", "-version")),
    Program("C", "plain.c", ("cc", "-O2", "{}", "-lsqlite3"), ("cc", "-dumpfullversion")),
    Program(
        "Rust, two threads",
        "plain.rs",
        ("rustc", "-O", "--edition", "2021", "{}"),
        ("rustc", "--version"),
    ),
    Program("Node, better-sqlite3", "better.js", ("node",), ("node", "-e", NODE)),
    Program("PHP, PDO and SQLite3", "pdo.php", ("php",), ("php", "-r", PHP)),
    Program("Ruby, sqlite3", "gem.rb", ("ruby",), ("ruby", "-e", RUBY)),
    Program("Perl, DBD::SQLite", "dbi.pl", ("perl",), ("perl", "-e", PERL)),
    Program("Python, sqlite3", "by_sqlite3.py", (sys.executable,), PYTHON, statements=True),
    _python("Python, pysqlite3", "by_pysqlite3.py", "pysqlite3-binary"),
    _python("Python, apsw", "by_apsw.py", "apsw", statements=False),
    _python("Python, SQLAlchemy", "by_sqlalchemy.py", "SQLAlchemy"),
    _python("Python, Django", "by_django.py", "Django"),
    Program("a daemon", "daemonised.py", (sys.executable,), PYTHON, statements=True),
    _python("a service under supervisord", "supervised.py", "supervisor"),
)
