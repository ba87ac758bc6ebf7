"""What is left of work whose stages took so long the last time; on a clock of its own."""

from pathlib import Path

import pytest

from netboot.media.durations import Durations

USUAL = {"download": 10.0, "install": 60.0, "pack": 10.0}


class Work:
    """Work in a folder, whose time passes when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.durations = Durations(folder / "work.seconds", USUAL, lambda: self.now)

    def left(self, stage: str, after: float = 0.0) -> int:
        self.now += after
        gone, whole = self.durations.at(stage)
        return whole - gone


def test_work_that_goes_as_guessed_has_a_second_less_left_each_second(tmp_path: Path) -> None:
    work = Work(tmp_path)
    assert [work.left("download"), work.left("download", 4.0)] == [80, 76]
    assert [work.left("install", 6.0), work.left("install", 30.0)] == [70, 40]


def test_what_was_slower_than_guessed_makes_what_follows_slower(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.left("download")
    assert work.left("install", 40.0) == 140  # 40 + 20 seconds where 10 + 20 were guessed
    assert work.left("install", 120.0) == 20
    assert work.left("install", 200.0) > 20  # its own stage is late by now, and what follows too


def test_the_next_time_is_guessed_by_this_one(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.left("download")
    work.left("pack", 5.0)
    work.now += 7.0
    work.durations.keep()
    assert Work(tmp_path).left("download") == 12


@pytest.mark.parametrize("broken", [b"", b"[]", b'{"a": "b"}', b'{"a": -1}', b"\xff", b"{" * 9000])
def test_what_cannot_be_read_is_as_usual(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "work.seconds").write_bytes(broken)
    assert Work(tmp_path).left("download") == 80
