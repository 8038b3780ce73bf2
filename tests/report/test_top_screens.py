"""The screen of `lockscope top`, as a person sees it, from a story that is always the same."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from textual.pilot import Pilot
from top_story import StoryFeed, crowd, moment

from lockscope.errors import CaptureError
from lockscope.live.moment import Moment
from lockscope.report.top.app import TopApp
from lockscope.report.top.drawing import draw
from lockscope.report.top.view import View

HERE = Path(__file__).parent


def shown(app: TopApp) -> str:
    """The screen as text."""
    strips = app.screen._compositor.render_strips(app.size)
    return "".join("".join(part.text for part in strip).rstrip() + "\n" for strip in strips)


def after(
    *keys: str,
    feed: StoryFeed | None = None,
    size: tuple[int, int] = (80, 24),
    then: Callable[[TopApp, Pilot[None]], Awaitable[None]] | None = None,
) -> str:
    """The screen after some keys."""

    async def play() -> str:
        app = TopApp(feed or StoryFeed())
        async with app.run_test(size=size) as pilot:
            await pilot.press(*keys)
            if then is not None:
                await then(app, pilot)
            await app.workers.wait_for_complete()
            await pilot.pause()
            return shown(app)

    return asyncio.run(play())


@pytest.mark.parametrize(
    ("size", "keys", "golden"),
    [
        ((80, 24), (), "top_80.txt"),
        ((140, 40), (), "top_140.txt"),
        ((60, 15), (), "top_60.txt"),
        ((80, 24), ("enter",), "top_details.txt"),
        ((80, 24), ("question_mark",), "top_help.txt"),
    ],
)
def test_the_screens(size: tuple[int, int], keys: tuple[str, ...], golden: str) -> None:
    assert after(*keys, size=size) == (HERE / golden).read_text()


def listed(screen: str) -> list[str]:
    """The pids of the list, in order."""
    lines = screen.splitlines()
    titles = next(n for n, line in enumerate(lines) if line.startswith("     PID"))
    return [line.strip("> ").split()[0] for line in lines[titles + 1 : -1] if line.strip()]


def test_who_is_in_the_way_comes_first_and_s_sorts_otherwise() -> None:
    assert listed(after()) == ["5002", "4242", "5001", "4243", "4250", "4251", "5003"]
    assert listed(after("s"))[0] == "4250"
    assert listed(after("s", "s")) == sorted(listed(after()))
    assert "sort: command" in after("s", "s", "s")
    assert after("s", "s", "s", "s") == after()


def test_a_filter_leaves_what_has_all_its_words_and_escape_clears_it() -> None:
    typed = after("slash", *"worker", "space", *"mails")
    assert listed(typed)[:1] == ["4242"]
    assert "Filter  worker mails_  Enter keeps it, Escape clears it" in typed
    assert listed(after("slash", *"webx", "backspace", *".p"))[:1] == ["4243"]
    kept = after("slash", *"web.py", "enter", "down")
    assert listed(kept) == ["4243"]
    assert "filter: web.py" in kept
    assert after("slash", *"web.py", "escape") == after()
    assert "no process matches" in after("slash", *"nobody", "enter")


def test_the_selection_stays_with_its_process() -> None:
    screen = after("down", "down", "s")
    assert [line.split()[1] for line in screen.splitlines() if line.startswith(">")] == ["5001"] * 2
    assert after("down", "up") == after("home") == after("pageup")


def test_paused_it_stands_still_and_does_not_look_closer() -> None:
    feed = StoryFeed()

    async def later(app: TopApp, pilot: Pilot[None]) -> None:
        feed.told = crowd(3)
        await app._look()
        await pilot.pause()

    paused = after("space", feed=feed, then=later)
    assert "PAUSED at 03:12:31" in paused
    assert "go on" in paused
    assert listed(paused) == listed(after())
    gone_on = after("space", "space", feed=StoryFeed(), then=later)
    assert "PAUSED" not in gone_on


def test_a_screen_goes_on_with_what_comes() -> None:
    feed = StoryFeed()

    async def later(app: TopApp, pilot: Pilot[None]) -> None:
        feed.told = crowd(3)
        await app._look()
        await pilot.pause()

    assert listed(after(feed=feed, then=later)) == ["100", "101", "102"]


def test_saving_tells_how_to_read_it_and_why_not() -> None:
    feed = StoryFeed()
    assert "lockscope report app-20261124-031231.trace" in after("w", feed=feed)
    assert feed.saved == 1

    class Full(StoryFeed):
        def save(self) -> Path:
            raise CaptureError("x.trace cannot be written: No space left on device.")

    assert "No space left on device" in after("w", feed=Full())


def test_fifty_lanes_scroll_with_the_selection() -> None:
    feed = StoryFeed(crowd(50))
    assert " below" in after(feed=feed)
    for keys, pid in ((("end",), "149"), (("end", "pageup"), "139"), (("down",) * 20, "120")):
        screen = after(*keys, feed=feed, size=(60, 15))
        assert [x.split()[1] for x in screen.splitlines() if x.startswith(">")] == [pid] * 2


@pytest.mark.parametrize("told", [moment(), crowd(50), crowd(0)])
@pytest.mark.parametrize("view", [View(), View(is_paused=True, words="w"), View(is_typing=True)])
def test_any_size_is_filled_and_not_exceeded(told: Moment, view: View) -> None:
    for width, height in ((60, 15), (61, 16), (80, 24), (133, 17), (200, 60), (20, 5), (1, 2)):
        lines = draw(told, view, width, height)
        assert len(lines) == height
        assert {Segment.get_line_length(line) for line in lines} == {width}


@pytest.mark.parametrize("keys", [("enter",), ("question_mark", "end"), ("slash", "x")])
def test_a_page_goes_into_a_small_terminal(keys: tuple[str, ...]) -> None:
    lines = after(*keys, size=(20, 5)).splitlines()
    assert len(lines) == 5
    assert max(map(cell_len, lines)) <= 20


def test_what_others_wrote_is_shown_as_text() -> None:
    for keys in ((), ("down", "down", "enter")):
        screen = after(*keys, size=(140, 40))
        assert "[bold red]x" in screen
        assert r"\x1b[31m" in screen
        assert r"\u202e" in screen
        assert "\033" not in screen
        assert "\u202e" not in screen


def test_a_database_that_cannot_be_told_says_why() -> None:
    told = moment()
    lost = replace(told.watched[0], snapshot=None, problem="/srv/app.db does not exist: look.")
    feed = StoryFeed(replace(told, watched=(lost, told.watched[1])))
    assert "! /srv/app.db does not exist" in after(feed=feed)
    assert "pid 4242" in after("down", "enter", feed=feed)
