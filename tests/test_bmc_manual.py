"""A person in a BMC's place: what they are told, and how long they are waited for."""

import io
import os
from collections.abc import Iterator
from typing import TextIO

import pytest

from netboot.bmc import manual
from netboot.bmc.manual import ManualDriver, at_the_terminal
from netboot.bmc.model import BootMode, BootOverride, BootTarget, PowerAction, PowerState, Rung
from netboot.errors import BmcError


@pytest.fixture
def keyboard() -> Iterator[tuple[TextIO, TextIO]]:
    """What a person types at, and where it is read."""
    read, write = os.pipe()
    with os.fdopen(read) as source, os.fdopen(write, "w") as keys:
        yield keys, source


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manual, "LOOK_EVERY", 0.01)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (PowerAction.ON, "n1: switch it on"),
        (PowerAction.OFF, "n1: hold its power button until it is off"),
        (PowerAction.SHUTDOWN, "n1: shut it down"),
        (PowerAction.CYCLE, "n1: switch it off, wait 10 seconds, and switch it on"),
        (PowerAction.RESET, "n1: press its reset button"),
    ],
)
def test_what_is_asked_for(action: PowerAction, said: str) -> None:
    asked: list[str] = []
    ManualDriver("n1", asked.append).power(action)
    assert asked == [said]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (BootOverride(BootTarget.PXE), "boot from the network, for this once"),
        (
            BootOverride(BootTarget.DISK, once=False, mode=BootMode.UEFI),
            "boot from its disk in UEFI mode, from now on",
        ),
        (
            BootOverride(BootTarget.HTTP, url="http://server/x.efi"),
            "boot by HTTP from the network (http://server/x.efi), for this once",
        ),
    ],
)
def test_where_to_boot_from_is_said_with_the_start(wanted: BootOverride, said: str) -> None:
    asked: list[str] = []
    driver = ManualDriver("n1", asked.append)
    assert driver.rungs(wanted) == (Rung.CYCLE_ONLY,)
    driver.set_boot(wanted, Rung.CYCLE_ONLY)
    driver.power(PowerAction.SHUTDOWN)
    driver.power(PowerAction.ON)
    assert asked == ["n1: shut it down", f"n1: switch it on and have it {said}"]


def test_media() -> None:
    asked: list[str] = []
    driver = ManualDriver("n1", asked.append)
    driver.insert("http://server/x.iso")
    driver.eject()
    assert asked == [
        "n1: insert a CD or stick with http://server/x.iso",
        "n1: take the medium out of its drive",
    ]


def test_nothing_can_be_read() -> None:
    driver = ManualDriver("n1", lambda _sentence: None)
    observed = driver.observe()
    assert (observed.power, observed.boot) == (PowerState.UNKNOWN, None)
    with pytest.raises(BmcError, match="by full-body"):
        driver.set_boot(BootOverride(BootTarget.PXE), Rung.FULL_BODY)
    driver.close()


def test_enter_says_that_it_is_done(keyboard: tuple[TextIO, TextIO]) -> None:
    keys, source = keyboard
    shown = io.StringIO()
    keys.write("\n")
    keys.flush()
    at_the_terminal(typed=source, shown=shown)("n1: switch it on")
    assert shown.getvalue() == "n1: switch it on; then press Enter\n"


def test_so_does_the_machine_itself(keyboard: tuple[TextIO, TextIO]) -> None:
    looks = iter([False, False, True])
    ask = at_the_terminal(lambda: next(looks), typed=keyboard[1], shown=io.StringIO())
    ask("n1: switch it on")
    assert next(looks, None) is None


def test_nobody_at_the_terminal_is_said_at_once(keyboard: tuple[TextIO, TextIO]) -> None:
    keys, source = keyboard
    keys.close()
    with pytest.raises(BmcError, match="nobody is at the terminal") as failed:
        at_the_terminal(typed=source, shown=io.StringIO())("n1: switch it on")
    assert not failed.value.retryable


def test_patience_ends(keyboard: tuple[TextIO, TextIO]) -> None:
    with pytest.raises(BmcError, match=r"nobody did it within 0 s") as failed:
        at_the_terminal(typed=keyboard[1], shown=io.StringIO(), patience=0.03)("n1: switch it on")
    assert failed.value.retryable
