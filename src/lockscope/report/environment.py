"""What `lockscope check` found: as a table, and as the document `lockscope.check/1`."""

import json
from dataclasses import asdict
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lockscope.live.environment import Environment
from lockscope.live.health import Health
from lockscope.report.console import console_for
from lockscope.report.health import checks_table, print_health, print_machine_briefly

__all__ = ["environment_document", "render_json", "render_table"]


def environment_document(environment: Environment, health: Health | None) -> dict[str, Any]:
    """The document."""
    return {
        "schema": "lockscope.check/1",
        "fit": environment.is_fit,
        **asdict(environment),
        "database": None if health is None else {"fine": health.is_fine, **asdict(health)},
    }


def render_json(environment: Environment, health: Health | None, out: TextIO) -> None:
    """Write the document."""
    json.dump(environment_document(environment, health), out, indent=1)
    out.write("\n")


def render_table(environment: Environment, health: Health | None, out: TextIO) -> None:
    """Write what was found: of the database if there is one, else of this machine."""
    console = console_for(out)
    if health is None:
        _print_machine(environment, console)
    else:
        print_health(health, console)
        print_machine_briefly(environment, console)


def _print_machine(environment: Environment, console: Console) -> None:
    """Two tables: what this machine is, and what was checked."""
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(environment):
        facts.add_row(f"[dim]{name}[/]", escape(value))
    console.print(facts)
    console.print()
    console.print(checks_table(environment.checks))


def _facts(environment: Environment) -> tuple[tuple[str, str], ...]:
    return (
        ("date", environment.at),
        ("system", environment.system),
        ("Python", f"{environment.python}, {environment.python_path}"),
        ("SQLite", environment.sqlite),
        ("compiled with", ", ".join(environment.sqlite_options)),
        ("lockscope", environment.lockscope),
        ("cores", str(environment.cores)),
        ("memory", f"{environment.memory_bytes / 2**30:.1f} GiB"),
        ("folder", environment.folder),
        ("file system", f"{environment.file_system}, mounted at {environment.mounted_at}"),
    )
