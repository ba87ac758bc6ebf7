"""A child process's output can be awaited, is bounded, and the child always ends."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netboot.errors import OperationError
from netboot.lab import program as program_module
from netboot.lab.program import Program

Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Program] = []

    def begin(code: str, on_line: Callable[[str], None] | None = None) -> Program:
        process = subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE)
        started.append(Program(process, tmp_path / "log", name="child", on_line=on_line))
        return started[-1]

    yield begin
    for program in started:
        program.end()


def test_a_pattern_said_later_is_awaited(start: Start) -> None:
    program = start("import time; print('one'); time.sleep(0.2); print('port 69')")
    assert program.wait_for(r"port (\d+)", 60)[1] == "69"


def test_a_pattern_said_before_since_does_not_count(start: Start) -> None:
    program = start("print('boot 1'); print('boot 2')")
    program.wait_for("boot 2", 60)
    position = program.position
    with pytest.raises(OperationError, match="boot 1"):
        program.wait_for("boot 1", 10, since=position)


def test_silence_is_an_error_that_shows_the_last_lines(start: Start) -> None:
    program = start("import time; print('no bootable device'); time.sleep(60)")
    program.wait_for("device", 60)
    with pytest.raises(OperationError, match=r"(?s)did not say it in 0 s.*no bootable device"):
        program.wait_for("never", 0.05)


def test_a_process_that_ends_is_not_waited_for_any_longer(start: Start) -> None:
    program = start("print('port 69 is held'); raise SystemExit(2)")
    with pytest.raises(OperationError, match=r"(?s)ended \(2\).*port 69 is held"):
        program.wait_for("ready", 60)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param([b"\x1b[2J\x1b[01;01Hboot"], id="whole"),
        pytest.param([b"\x1b", b"[2", b"J", b"boot"], id="cut into pieces"),
        pytest.param([b"bo", b"\x1b[0m", b"ot"], id="within a word"),
        pytest.param([b"\x1b[?25lboot\x1b(B"], id="private and charset"),
    ],
)
def test_terminal_escapes_are_no_part_of_the_text_but_of_the_log(
    start: Start, written: list[bytes]
) -> None:
    program = start(
        f"import os, time\nfor piece in {written!r}:\n os.write(1, piece); time.sleep(0.02)\n"
    )
    program.wait_for("boot", 60)
    program.end()
    assert program.text == "boot"
    assert program.log.read_bytes() == b"".join(written)


def test_each_whole_line_is_handed_on(start: Start) -> None:
    lines: list[str] = []
    program = start("print('a\\r'); print('b'); print('unfinished', end='')", lines.append)
    program.wait_for("unfinished", 60)
    program.end()
    assert lines == ["a", "b"]


def test_memory_and_log_are_bounded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "KEPT_TEXT", 1000)
    monkeypatch.setattr(program_module, "LONGEST_LOG", 100_000)
    program = start("print('x' * 1_000_000); print('last')")
    program.wait_for("last\n", 60)
    assert len(program.text) <= 1000
    assert program.position == 1_000_006
    assert program.log.stat().st_size <= 100_000 + (1 << 16)


def test_a_process_that_ignores_sigterm_is_killed(start: Start) -> None:
    program = start(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf')\ntime.sleep(60)"
    )
    program.wait_for("deaf", 60)
    assert program.end(grace=0.1) == -9
