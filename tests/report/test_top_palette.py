"""The colours of `lockscope top`, in greyscale and for eyes that lack one of the cones."""

from itertools import combinations, pairwise

import pytest

from lockscope.live.lanes import Mark
from lockscope.report.top.palette import LOOKS

COLOURED = [mark for mark in Mark if LOOKS[mark].colour]

EYES = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""Machado, Oliveira and Fernandes 2009, severity 1.0, for linear RGB."""


def linear(colour: str) -> tuple[float, ...]:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return tuple(p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)


def luminance(rgb: tuple[float, ...]) -> float:
    """WCAG 2.2, relative luminance."""
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(one: float, other: float) -> float:
    """WCAG 2.2, contrast ratio."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_in_greyscale_what_is_more_in_the_way_is_brighter() -> None:
    grey = [luminance(linear(LOOKS[mark].colour)) for mark in COLOURED]
    assert all(contrast(one, other) > 1.15 and one < other for one, other in pairwise(grey))


@pytest.mark.parametrize("eye", EYES)
def test_no_two_colours_fall_together_for_an_eye(eye: str) -> None:
    def seen(mark: Mark) -> tuple[float, ...]:
        rgb = linear(LOOKS[mark].colour)
        rows = (sum(a * b for a, b in zip(row, rgb, strict=True)) for row in EYES[eye])
        return tuple(min(1.0, max(0.0, part)) ** (1 / 2.4) for part in rows)

    for one, other in combinations(COLOURED, 2):
        difference = sum((a - b) ** 2 for a, b in zip(seen(one), seen(other), strict=True)) ** 0.5
        assert difference > 0.1, (one, other)


def test_letters_can_be_read_and_are_all_different() -> None:
    for mark in COLOURED:
        look = LOOKS[mark]
        assert contrast(luminance(linear(look.ink)), luminance(linear(look.colour))) >= 4.5
    letters = [look.letter for look in LOOKS.values()]
    assert len(set(letters)) == len(letters)
