"""What `lockscope check DATABASE` found, for a person: what is wrong comes first."""

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lockscope.live.environment import Check, Environment, Verdict
from lockscope.live.health import Health

__all__ = ["checks_table", "print_health", "print_machine_briefly"]

_STYLE: Final = {
    Verdict.FAILED: "bold red",
    Verdict.WARNING: "yellow",
    Verdict.UNKNOWN: "yellow",
    Verdict.FINE: "green",
}
"""Worst first."""
_WIDTH: Final = 80


def print_health(health: Health, console: Console) -> None:
    """Write what was found of a database."""
    wrong = sum(check.verdict is not Verdict.FINE for check in health.checks)
    told = f"{wrong} of {len(health.checks)} to look at" if wrong else "fine"
    console.print(f"[bold]{escape(health.path)}[/]: {told}", soft_wrap=True)
    console.print()
    order = list(_STYLE)
    worst_first = sorted(health.checks, key=lambda check: order.index(check.verdict))
    console.print(checks_table(worst_first), width=min(_WIDTH, console.width))


def print_machine_briefly(environment: Environment, console: Console) -> None:
    """Write what is wrong with this machine, and nothing of what is not."""
    wrong = [check for check in environment.checks if check.verdict is not Verdict.FINE]
    console.print()
    if wrong:
        console.print("This machine (lockscope check tells all of it):")
        console.print()
        console.print(checks_table(wrong), width=min(_WIDTH, console.width))
    else:
        console.print("This machine is fit; lockscope check tells more of it.")


def checks_table(checks: Iterable[Check]) -> Table:
    """A line for each check; what to do about it in bold below."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        style = _STYLE[check.verdict]
        advice = f"\n[bold]{escape(check.advice)}[/]" if check.advice else ""
        found = escape(check.found) + advice
        table.add_row(f"[{style}]{check.verdict}[/]", escape(check.name), found)
    return table
