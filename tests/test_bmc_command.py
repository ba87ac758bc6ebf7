"""Machines whose power an operator's own programs switch."""

import errno
import os
import sys
from pathlib import Path

import pytest

from netboot.bmc.address import parse_address
from netboot.bmc.command import MAX_OUTPUT, OFF_FOR, CommandDriver
from netboot.bmc.model import BootOverride, BootTarget, PowerAction, PowerState, Rung, Tls
from netboot.bmc.open import open_driver
from netboot.bmc.run import Ran, run
from netboot.config import PowerCommands
from netboot.errors import BmcError

WHOSE = {"node": "n1", "mac": "52:54:00:00:00:01"}
STRIP = PowerCommands(on="strip on {node}", off="strip 'to {mac}' off", status="strip status")


class Strip:
    """Programs; keeps what was run, and answers the same to all."""

    def __init__(self, output: bytes = b"", status: int = 0, *, late: bool = False) -> None:
        self.done: list[list[str] | float] = []
        self.answer = Ran(status, output, late, too_long=False)

    def __call__(self, words: list[str]) -> Ran:
        self.done.append(words)
        return self.answer

    def driver(self, commands: PowerCommands = STRIP) -> CommandDriver:
        return CommandDriver("strip", commands, WHOSE, start=self, sleep=self.done.append)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (PowerAction.ON, ["strip", "on", "n1"]),
        (PowerAction.OFF, ["strip", "to 52:54:00:00:00:01", "off"]),
    ],
)
def test_the_machine_is_filled_in_within_words(action: PowerAction, words: list[str]) -> None:
    strip = Strip()
    strip.driver().power(action)
    assert strip.done == [words]


@pytest.mark.parametrize("action", [PowerAction.CYCLE, PowerAction.RESET])
def test_a_cycle_is_off_a_wait_and_on(action: PowerAction) -> None:
    strip = Strip()
    strip.driver().power(action)
    assert strip.done == [
        ["strip", "to 52:54:00:00:00:01", "off"],
        OFF_FOR,
        ["strip", "on", "n1"],
    ]


def test_or_what_is_named_for_it() -> None:
    strip = Strip()
    strip.driver(PowerCommands(on="a", off="b", cycle="c")).power(PowerAction.CYCLE)
    assert strip.done == [["c"]]


def test_a_cycle_whose_off_failed_switches_nothing_on() -> None:
    strip = Strip(b"no such outlet\n", status=3)
    with pytest.raises(BmcError, match=r"power_commands\.strip\.off ended with exit status 3: no"):
        strip.driver().power(PowerAction.CYCLE)
    assert len(strip.done) == 1


@pytest.mark.parametrize(
    ("output", "power"),
    [
        (b"on\n", PowerState.ON),
        (b" OFF\nsince noon", PowerState.OFF),
    ],
)
def test_status_is_what_it_prints_first(output: bytes, power: PowerState) -> None:
    assert Strip(output).driver().observe().power is power


@pytest.mark.parametrize("output", [b"", b"Power: on", b"\xff", b"on off"])
def test_any_other_word_is_an_error(output: bytes) -> None:
    with pytest.raises(BmcError, match="printed neither on nor off"):
        Strip(output).driver().observe()


def test_without_status_nobody_can_tell() -> None:
    strip = Strip()
    observed = strip.driver(PowerCommands(on="a", off="b")).observe()
    assert (observed.power, observed.boot, strip.done) == (PowerState.UNKNOWN, None, [])


def test_what_did_not_end_may_have_happened() -> None:
    with pytest.raises(BmcError, match="did not end within 60 s") as failed:
        Strip(late=True).driver().power(PowerAction.ON)
    assert failed.value.effect_unknown


def test_an_error_repeats_one_short_printable_line() -> None:
    with pytest.raises(BmcError) as failed:
        Strip(b"first\n\x1b[2Jlast" + b"x" * 10_000, status=1).driver().power(PowerAction.ON)
    assert "first" not in str(failed.value)
    assert str(failed.value).isprintable()
    assert len(str(failed.value)) < 300


def test_the_boot_server_alone_decides_what_it_boots() -> None:
    driver = Strip().driver()
    pxe = BootOverride(BootTarget.PXE)
    assert driver.rungs(pxe) == (Rung.CYCLE_ONLY,)
    assert driver.rungs(BootOverride(BootTarget.CD)) == ()
    driver.set_boot(pxe, Rung.CYCLE_ONLY)
    with pytest.raises(BmcError, match="cannot set a boot source"):
        driver.set_boot(pxe, Rung.FULL_BODY)
    with pytest.raises(BmcError, match="has no virtual media"):
        driver.insert("http://192.0.2.1/a.iso")
    with pytest.raises(BmcError, match="cannot ask the system to shut down"):
        driver.power(PowerAction.SHUTDOWN)


def test_a_real_program_is_run_without_a_shell(tmp_path: Path) -> None:
    here = tmp_path / "here"
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
    line = f"{sys.executable} -c '{code}' {here} '$HOME; {{node}}'"
    address = parse_address("command:strip")
    commands = {"strip": PowerCommands(on=line, off="/nowhere/off")}
    driver = open_driver(address, None, Tls(), machine="n1", commands=commands)
    driver.power(PowerAction.ON)
    assert here.read_text() == "$HOME; n1"
    with pytest.raises(BmcError, match=f"/nowhere/off cannot be run: {os.strerror(errno.ENOENT)}"):
        driver.power(PowerAction.OFF)


def test_a_name_the_configuration_has_not_says_which_there_are() -> None:
    address = parse_address("command:other")
    with pytest.raises(BmcError, match=r"no power_commands\.other; it has: strip"):
        open_driver(address, None, Tls(), commands={"strip": STRIP})


class TestRun:
    def test_what_does_not_end_is_killed_with_its_children(self) -> None:
        ran = run(["sh", "-c", "sleep 60 & sleep 60"], seconds=0.2, most_output=10)
        assert ran.late

    def test_what_prints_too_much_is_killed(self) -> None:
        ran = run(["yes"], seconds=60, most_output=MAX_OUTPUT)
        assert (ran.too_long, ran.late) == (True, False)

    def test_standard_error_counts_only_where_it_is_asked_for(self) -> None:
        words = ["sh", "-c", "echo a; echo b >&2"]
        assert run(words, seconds=60, most_output=99).output == b"a\n"
        both = run(words, seconds=60, most_output=99, with_errors=True).output
        assert sorted(both.split()) == [b"a", b"b"]
