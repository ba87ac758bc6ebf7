"""Every kind of BMC in ``quirks.toml``, tried: what our client asks it, and by which rung it boots.

Each is a virtual BMC before a machine in memory, on a clock that moves only when somebody waits.
Each way of booting is tried twice, by a client that knows this kind of BMC and by one that has no
entry for it and takes it for ``generic``: what differs is what the entry is good for.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from netboot.bmc import quirks
from netboot.bmc.address import Address
from netboot.bmc.closed_loop import ClosedLoop, Result
from netboot.bmc.goal import Done, Goal
from netboot.bmc.history import Came, Did, where
from netboot.bmc.model import BootOverride, BootTarget, Login, Rung, Secret, Tls
from netboot.bmc.quirks import GENERIC, Quirk
from netboot.bmc.redfish import RedfishDriver
from netboot.bmc.redfish_http import Timing
from netboot.errors import BmcError
from netboot.lab.bmc.http import Server
from netboot.lab.bmc.machine import BootDevice, FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc

LOADER_URL = "http://192.0.2.1/ipxe.efi"
"""What is booted by UEFI HTTP; nobody fetches it."""
IMAGE = "192.0.2.1/images/springboard.iso"
"""What is inserted as a CD, by the first scheme that the BMC reads."""

_LOGIN = Login("admin", Secret("password"))
_PXE = BootOverride(BootTarget.PXE)
_ETAG = re.compile(r'(If-Match: (?:W/)?"+)[^"]+')
_WHERE = re.compile(r"^[A-Z]+ /\S*: ")


class Way(StrEnum):
    """How a machine is to be booted."""

    NETWORK = "network"
    HTTP = "UEFI HTTP"
    CD = "virtual CD"


_RUNG = {Way.HTTP: Rung.UEFI_HTTP, Way.CD: Rung.VIRTUAL_MEDIA}
"""The one rung allowed; the network may be reached by any."""


@dataclass(frozen=True, slots=True)
class Given:
    """A rung that was given up.

    Attributes:
        rung: it.
        requests: what was sent, each in one line; empty where the client knew better.
        words: what the BMC said to it, or what was missing after it.
    """

    rung: Rung
    requests: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How one try ended.

    Attributes:
        rung: that worked; None where none did.
        accepted: the requests that were, from the override to the ejection.
        given_up: the rungs before it, in order.
        next_boot: what the machine starts from after that, by itself.
        sessions: left open on the BMC.
    """

    rung: Rung | None
    accepted: tuple[str, ...]
    given_up: tuple[Given, ...]
    next_boot: str
    sessions: int


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of BMC, one way of booting; ``unknown`` is what happens without its entry."""

    quirk: Quirk
    way: Way
    known: Ending
    unknown: Ending

    @property
    def entry_matters(self) -> bool:
        """Whether the entry changes which rung works, or what is given up before it."""
        return _course(self.known) != _course(self.unknown)


@functools.cache
def rows() -> tuple[Row, ...]:
    """Every row, in the order of ``quirks.toml``; a way that a BMC does not have is left out."""
    with Server() as server:
        return tuple(
            Row(quirk, way, _try(server, quirk, way), _try(server, quirk, way, Stranger))
            for quirk in quirks.known().values()
            for way in _ways(quirk)
        )


class Stranger(RedfishDriver):
    """A client without an entry for the BMC it meets."""

    def __init__(self, address: Address, login: Login, tls: Tls, *, timing: Timing) -> None:
        super().__init__(address, login, tls, timing=timing)
        vars(self._system)["quirk"] = quirks.known()[GENERIC]


class _OwnOrder(FakeMachine):
    """A machine whose BMC cannot change what it starts from: a CD, else the network."""

    def __init__(self) -> None:
        super().__init__()
        self.set_boot(BootDevice.NETWORK, once=False)

    def insert(self, slot: str, image: str) -> None:
        """Start from it."""
        super().insert(slot, image)
        self.set_boot(BootDevice.CD, once=False)

    def eject(self, slot: str) -> None:
        """Start from the network again."""
        super().eject(slot)
        self.set_boot(BootDevice.NETWORK, once=False)


@dataclass(slots=True)
class _Clock:
    """Time that passes when somebody sleeps."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _ways(quirk: Quirk) -> Iterator[Way]:
    yield Way.NETWORK
    if quirk.boot_patch == "works" and "UefiHttp" in quirk.boot_targets:
        yield Way.HTTP
    if quirk.media_at != "none":
        yield Way.CD


def _try(
    server: Server, quirk: Quirk, way: Way, client: type[RedfishDriver] = RedfishDriver
) -> Ending:
    machine = FakeMachine() if quirk.boot_patch == "works" else _OwnOrder()
    machine.power_on()
    machine.boots.clear()
    clock = _Clock()
    with VirtualBmc(machine, quirk, server=server) as bmc:
        timing = Timing(sleep=clock.sleep, clock=clock)
        driver = client(Address("redfish", "127.0.0.1", bmc.port), _LOGIN, Tls(), timing=timing)
        result = ClosedLoop(
            driver,
            _goal(machine, quirk, way),
            lambda _mac, _since, _timeout: _heard(machine, way),
            clock=clock,
            sleep=clock.sleep,
        ).run()
        ejected = _eject(driver) if machine.media else ""
        machine.reset()
        return _ending(result, ejected, machine.boots[-1], bmc.sessions)


def _goal(machine: FakeMachine, quirk: Quirk, way: Way) -> Goal:
    rungs = (_RUNG[way],) if way in _RUNG else None
    iso = f"{quirk.media_schemes[0]}://{IMAGE}"
    return Goal(machine.macs[0], _PXE, rungs, http_url=LOADER_URL, iso_url=iso)


def _heard(machine: FakeMachine, way: Way) -> str | None:
    """What the machine started from, if that is what was wanted; a CD only with an image in it."""
    signs = {
        Way.NETWORK: ("network", f"http {LOADER_URL}", "cd "),
        Way.HTTP: (f"http {LOADER_URL}",),
        Way.CD: ("cd ",),
    }
    return next((boot for boot in machine.boots if boot.startswith(signs[way])), None)


def _eject(driver: RedfishDriver) -> str:
    try:
        return driver.eject() or ""
    except BmcError as error:
        return f"{error.request}: {error}"
    finally:
        driver.close()


def _ending(result: Result, ejected: str, next_boot: str, sessions: int) -> Ending:
    rung = result.end.rung if isinstance(result.end, Done) else None
    taken = [
        event.request
        for event in result.history
        if event.rung is rung and event.came is Came.OK and event.request
    ]
    given_up = [
        Given(
            climb.rung or Rung.CYCLE_ONLY,
            _requests(event.request for event in where(result.history, Did.SET, rung=climb.rung)),
            _WHERE.sub("", climb.words),
        )
        for climb in where(result.history, Did.CLIMB)
    ]
    accepted = _requests([*taken, ejected]) if rung else ()
    return Ending(rung, accepted, tuple(given_up), next_boot, sessions)


def _requests(texts: Iterable[str]) -> tuple[str, ...]:
    """Single requests, without what differs from run to run."""
    parts = (part for text in texts for part in text.split("; ") if part)
    return tuple(_ETAG.sub(r"\1etag", part) for part in parts)


def _course(ending: Ending) -> tuple[Rung | None, list[Rung]]:
    return ending.rung, [given.rung for given in ending.given_up]
