"""What `lockscope check` found: as a table, and as the document `lockscope.check/1`."""

import json
from dataclasses import asdict
from typing import Any, Final, TextIO

from rich.markup import escape
from rich.table import Table

from lockscope.live.environment import Environment, Verdict
from lockscope.report.terminal import console_for

__all__ = ["environment_document", "render_json", "render_table"]

_STYLE: Final = {
    Verdict.FINE: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILED: "bold red",
    Verdict.UNKNOWN: "yellow",
}


def environment_document(environment: Environment) -> dict[str, Any]:
    """The document."""
    return {"schema": "lockscope.check/1", "fit": environment.is_fit, **asdict(environment)}


def render_json(environment: Environment, out: TextIO) -> None:
    """Write the document."""
    json.dump(environment_document(environment), out, indent=1)
    out.write("\n")


def render_table(environment: Environment, out: TextIO) -> None:
    """Write two tables: what this machine is, and what was checked."""
    console = console_for(out)
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(environment):
        facts.add_row(f"[dim]{name}[/]", escape(value))
    console.print(facts)
    console.print()
    checks = Table.grid(padding=(0, 2))
    for check in environment.checks:
        style = _STYLE[check.verdict]
        advice = f"\n[bold]{escape(check.advice)}[/]" if check.advice else ""
        checks.add_row(f"[{style}]{check.verdict}[/]", check.name, escape(check.found) + advice)
    console.print(checks)


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
