"""Durations, numbers, places and statements, as every report for people writes them."""

__all__ = ["count", "relative", "seconds", "short"]


def seconds(value: float) -> str:
    """A duration as people read it: three significant places at most."""
    if value == 0:
        return "0 s"
    if value >= 100:
        return f"{value:,.0f} s"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things: `1 wait`, `1,200 waits`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def relative(source: str, folder: str, *, anywhere: bool = False) -> str:
    """A source line below a folder, as seen from there; `anywhere` in a sentence."""
    here = folder.rstrip("/") + "/"
    return source.replace(f" {here}", " ") if anywhere else source.removeprefix(here)


def short(statement: str, most: int = 66) -> str:
    """A statement on one line, cut at some width."""
    line = " ".join(statement.split())
    return line if len(line) <= most else line[: most - 1] + "…"
