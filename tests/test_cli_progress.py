"""What a terminal, and what is none, shows of long work."""

import io

import pytest
from rich.console import Console

from netboot.cli import progress


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    drawn = io.StringIO()
    monkeypatch.setattr(
        progress,
        "Console",
        lambda **_: Console(file=drawn, force_terminal=True, width=100, color_system=None),
    )
    return drawn


def test_work_that_is_timed_is_one_bar_with_stage_share_and_estimate(
    terminal: io.StringIO,
) -> None:
    with progress.timed() as told:
        told("tiny: starting", 0, 120)
        told("tiny: compressing the disk", 30, 120)
    last = [line for line in terminal.getvalue().splitlines() if "left" in line][-1]
    assert "tiny: compressing the disk" in last
    assert "25%" in last
    assert "about 1:30 left" in last
    assert "starting" not in last


def test_what_is_no_terminal_has_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.timed() as told:
        told("starting", 0, 65)
        told("starting", 5, 65)
        told("ending", 60, None)
    with progress.shown() as told:
        told("fetching", 0, 2_000_000)
    assert capsys.readouterr().err == "starting (about 1:05 left)\nending\nfetching (2.0 MB)\n"
