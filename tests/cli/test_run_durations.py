"""Durations on the command line."""

import argparse

import pytest

from lockscope.cli.durations import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3), ("3s", 3), ("250ms", 0.25), ("2m", 120), ("0", 0), (".5", 0.5), ("1.5h", 5400)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "3 days", "1e9", "99999h", "٣", "s"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)
