"""The IPMI driver: what it sends, in which order, and what it makes of the answers."""

from collections.abc import Callable

import pytest

from netboot.bmc import ipmi_session
from netboot.bmc.ipmi import POWER_TIMEOUT, IpmiDriver
from netboot.bmc.model import (
    BootMode,
    BootOverride,
    BootTarget,
    Login,
    PowerAction,
    PowerState,
    Rung,
    Secret,
)
from netboot.errors import BmcError

PASSWORD = "calvin"  # noqa: S105 -- looked for where it must not be
LOGIN = Login("root", Secret(PASSWORD))

STATUS, CONTROL, SET_BOOT, GET_BOOT = (0, 1), (0, 2), (0, 8), (0, 9)
PXE_ONCE = BootOverride(BootTarget.PXE, mode=BootMode.BIOS)


class Bmc:
    """The BMC's end of a session: keeps flags and power, and what was asked in which order.

    Attributes:
        asked: netfn, command and data of each request.
        unrepeatable: the commands that were not to be sent twice.
        refused: completion by (netfn, command, parameter), raised in place of an answer.
    """

    def __init__(self, *, on: bool = False, slow: int = 0) -> None:
        self.on = on
        self.slow = slow
        self.flags = bytes(5)
        self.asked: list[tuple[tuple[int, int], tuple[int, ...]]] = []
        self.unrepeatable: list[tuple[int, int]] = []
        self.refused: dict[tuple[int, ...], BmcError] = {}
        self.sessions = 0

    def connect(self, host: str, port: int, login: Login) -> "Bmc":
        assert (host, port, login) == ("bmc", 623, LOGIN)
        self.sessions += 1
        return self

    def request(
        self, netfn: int, command: int, data: tuple[int, ...] = (), *, repeat: bool = True
    ) -> bytes:
        which = (netfn, command)
        self.asked.append((which, data))
        if not repeat:
            self.unrepeatable.append(which)
        for key, error in self.refused.items():
            if (*which, *data)[: len(key)] == key:
                raise error
        if which == STATUS:
            self.slow -= self.slow > 0
            return bytes([self.on if not self.slow else not self.on, 0, 0])
        if which == CONTROL:
            self.on = data[0] != 0
        if which == SET_BOOT and data[0] == 5:
            self.flags = bytes(data[1:])
        return bytes([1, 5, *self.flags]) if which == GET_BOOT else b""

    def close(self) -> None:
        self.sessions -= 1

    def sent(self, which: tuple[int, int]) -> list[tuple[int, ...]]:
        return [data for asked, data in self.asked if asked == which]


class Clock:
    """A clock that goes on while somebody pauses."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


Open = Callable[[Bmc], IpmiDriver]


@pytest.fixture
def driving() -> Open:
    def opened(bmc: Bmc) -> IpmiDriver:
        clock = Clock()
        return IpmiDriver("bmc", 623, LOGIN, connect=bmc.connect, pause=clock.pause, clock=clock)

    return opened


def test_it_logs_in_when_it_is_asked_something_and_out_at_the_end(driving: Open) -> None:
    bmc = Bmc()
    driver = driving(bmc)
    assert bmc.sessions == 0
    driver.observe()
    driver.observe()
    assert bmc.sessions == 1
    driver.close()
    driver.close()
    assert bmc.sessions == 0


@pytest.mark.parametrize(
    ("wanted", "flags"),
    [
        (BootOverride(BootTarget.PXE, mode=BootMode.BIOS), (0x80, 0x04)),
        (BootOverride(BootTarget.PXE, mode=BootMode.UEFI), (0xA0, 0x04)),
        (BootOverride(BootTarget.DISK, once=False, mode=BootMode.UEFI), (0xE0, 0x08)),
        (BootOverride(BootTarget.CD, once=False, mode=BootMode.BIOS), (0xC0, 0x14)),
        (BootOverride(BootTarget.BIOS, mode=BootMode.UEFI), (0xA0, 0x18)),
        (BootOverride(BootTarget.NONE), (0, 0)),
    ],
)
def test_the_flags_and_their_reading_back(
    driving: Open, wanted: BootOverride, flags: tuple[int, int]
) -> None:
    bmc = Bmc()
    driver = driving(bmc)
    driver.set_boot(wanted, Rung.IPMI)
    assert bmc.sent(SET_BOOT) == [(3, 8), (5, *flags, 0, 0, 0)]
    assert driver.observe().boot == wanted


def test_no_mode_leaves_efiboot_as_it_is(driving: Open) -> None:
    bmc = Bmc()
    bmc.flags = bytes([0xA0, 0x08, 0, 0, 0])
    driver = driving(bmc)
    driver.set_boot(BootOverride(BootTarget.PXE), Rung.IPMI)
    assert driver.observe().boot == BootOverride(BootTarget.PXE, mode=BootMode.UEFI)


@pytest.mark.parametrize("action", [PowerAction.ON, PowerAction.CYCLE, PowerAction.RESET])
def test_the_flags_are_sent_again_before_a_start(driving: Open, action: PowerAction) -> None:
    bmc = Bmc(on=action is not PowerAction.ON)
    driver = driving(bmc)
    driver.set_boot(PXE_ONCE, Rung.IPMI)
    bmc.flags = bytes(5)  # a minute later
    driver.power(action)
    assert bmc.flags[0] & 0x80
    orders = [which for which, _ in bmc.asked]
    assert orders.index(CONTROL) > max(i for i, each in enumerate(orders) if each == SET_BOOT)


@pytest.mark.parametrize("action", [PowerAction.OFF, PowerAction.SHUTDOWN])
def test_they_are_not_for_what_starts_nothing(driving: Open, action: PowerAction) -> None:
    bmc = Bmc(on=True)
    driver = driving(bmc)
    driver.set_boot(PXE_ONCE, Rung.IPMI)
    driver.power(action)
    assert len(bmc.sent(SET_BOOT)) == 2


@pytest.mark.parametrize(
    ("on", "action", "control"),
    [
        (False, PowerAction.ON, [(1,)]),
        (True, PowerAction.ON, []),
        (True, PowerAction.OFF, [(0,)]),
        (False, PowerAction.OFF, []),
        (True, PowerAction.CYCLE, [(2,)]),
        (False, PowerAction.CYCLE, [(1,)]),
        (True, PowerAction.RESET, [(3,)]),
        (True, PowerAction.SHUTDOWN, [(5,)]),
    ],
)
def test_one_chassis_control_and_never_a_second(
    driving: Open, on: bool, action: PowerAction, control: list[tuple[int]]
) -> None:
    bmc = Bmc(on=on)
    driving(bmc).power(action)
    assert bmc.sent(CONTROL) == control
    assert bmc.unrepeatable == [CONTROL] * len(control)


def test_it_waits_until_the_machine_is_on(driving: Open) -> None:
    bmc = Bmc()
    driver = driving(bmc)
    driver.observe()
    bmc.slow = 5
    bmc.on = True  # reads as off four times more
    driver.power(PowerAction.ON)
    assert driver.observe().power is PowerState.ON
    assert len(bmc.sent(STATUS)) > 5


def test_a_machine_that_does_not_come_on_is_said(driving: Open) -> None:
    bmc = Bmc()
    bmc.slow = 10_000
    bmc.on = True
    with pytest.raises(BmcError, match=f"not on after {POWER_TIMEOUT:.0f} s") as failed:
        driving(bmc).power(PowerAction.ON)
    assert failed.value.effect_unknown


def test_a_silent_bmc_leaves_the_effect_unknown(driving: Open) -> None:
    bmc = Bmc(on=True)
    bmc.refused[CONTROL] = BmcError("silent", retryable=True, effect_unknown=True)
    with pytest.raises(BmcError) as failed:
        driving(bmc).power(PowerAction.RESET)
    assert failed.value.effect_unknown
    assert len(bmc.sent(CONTROL)) == 1


def test_a_bmc_without_parameter_3_is_no_obstacle(driving: Open) -> None:
    bmc = Bmc()
    bmc.refused[(*SET_BOOT, 3)] = BmcError("not supported")
    driver = driving(bmc)
    driver.set_boot(PXE_ONCE, Rung.IPMI)
    assert driver.observe().boot == PXE_ONCE


def test_a_bmc_without_boot_flags_says_nothing_of_them(driving: Open) -> None:
    bmc = Bmc(on=True)
    bmc.refused[GET_BOOT] = BmcError("not supported")
    observed = driving(bmc).observe()
    assert (observed.power, observed.boot) == (PowerState.ON, None)


@pytest.mark.parametrize(
    ("wanted", "rungs"),
    [
        (BootOverride(BootTarget.PXE), (Rung.IPMI, Rung.CYCLE_ONLY)),
        (BootOverride(BootTarget.HTTP), (Rung.CYCLE_ONLY,)),
        (BootOverride(BootTarget.CD), (Rung.IPMI,)),
        (BootOverride(BootTarget.BIOS), (Rung.IPMI,)),
    ],
)
def test_the_ways_there_are(driving: Open, wanted: BootOverride, rungs: tuple[Rung, ...]) -> None:
    assert driving(Bmc()).rungs(wanted) == rungs


def test_cycle_only_forgets_the_flags(driving: Open) -> None:
    bmc = Bmc(on=True)
    driver = driving(bmc)
    driver.set_boot(PXE_ONCE, Rung.CYCLE_ONLY)
    driver.power(PowerAction.CYCLE)
    assert bmc.sent(SET_BOOT) == []


def test_http_boot_and_media_are_refused(driving: Open) -> None:
    driver = driving(Bmc())
    with pytest.raises(BmcError, match="cannot boot from http"):
        driver.set_boot(BootOverride(BootTarget.HTTP), Rung.IPMI)
    with pytest.raises(BmcError, match="no virtual media"):
        driver.insert("http://server/x.iso")
    with pytest.raises(BmcError, match="no virtual media"):
        driver.eject()


@pytest.mark.parametrize(("user", "password"), [("u" * 17, "p"), ("u", "p" * 21), ("é" * 9, "p")])
def test_what_ipmi_has_no_room_for_is_said_before_a_packet(user: str, password: str) -> None:
    with pytest.raises(BmcError, match="up to 16 bytes and a password of up to 20") as refused:
        ipmi_session.Session("127.0.0.1", 1, Login(user, Secret(password)))
    assert password * 2 not in str(refused.value)


def test_a_name_nobody_knows_is_retryable() -> None:
    with pytest.raises(BmcError, match=r"bmc\.invalid") as refused:
        ipmi_session.Session("bmc.invalid", 623, LOGIN)
    assert refused.value.retryable
