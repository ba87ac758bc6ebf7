"""Jobs on fakes: a store, BMCs and machines of the test, and a clock that it turns.

Every turn is taken by a worker that knows nothing but the store.
"""

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netboot.bmc.credentials import Safe
from netboot.bmc.manual import ManualDriver
from netboot.bmc.model import BootOverride, BootTarget, Login
from netboot.control.bmc_actions import Actions
from netboot.control.entries import add
from netboot.errors import NetbootError
from netboot.events import Event, Kind
from netboot.job import Job, JobKind
from netboot.jobs import bmc_turn
from netboot.jobs.bmc_locks import BmcLocks
from netboot.jobs.power_cap import PowerCap
from netboot.jobs.screens import Screens
from netboot.jobs.tools import Tools
from netboot.jobs.worker import Worker
from netboot.model import Mac, Profile
from netboot.store.store import Store
from tests.fake_bmc import FakeBmc

SECRET = "calvin-5ecret"  # noqa: S105 -- looked for where it must not be
SOURCE = "test"
PROFILES = {"debian-12": Profile("debian-12", "debian.ipxe", installs=True)}
ISO = "http://192.0.2.1:8080/media/52-54-00-00-00-01/netboot.iso"
"""Where BMCs read springboards."""
BOOT = (
    (Kind.DISCOVER, {"firmware": "uefi"}),
    (Kind.OFFER, {}),
    (Kind.REQUEST_4011, {}),
    (Kind.ACK_4011, {}),
    (Kind.LOADER, {}),
    (Kind.DISCOVER, {"firmware": "ipxe"}),
    (Kind.OFFER, {}),
    (Kind.SCRIPT, {"image": "debian-12"}),
    (Kind.KERNEL, {}),
    (Kind.INITRD, {}),
    (Kind.PRESEED, {}),
)
"""What a machine's boot into its installer makes of events."""


class JobSite:
    """A store, a worker whose turns are taken one by one, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_000_000.0
        (folder / "data").mkdir()
        (folder / "data/netboot.db").write_bytes(_empty())
        self.store = Store(f"sqlite:///{folder}/data/netboot.db")
        self.bmcs: dict[str, FakeBmc] = {}
        self.iso: str | NetbootError | None = ISO
        self.safe = Safe(bytes(32))
        self.locks = BmcLocks(self.store, "here")
        self.actions = Actions(
            self.store, lambda: self.safe, hears=True, opener=self.open, locks=self.locks
        )
        cap = self._cap(60, 40)
        self.tools = Tools(
            *(self.store, lambda: self.safe, self.open, self.locks, cap, 120.0, lambda: None),
            screens=Screens(folder / "screenshots"),
            springboard=self.springboard,
            clock=lambda: self.now,
        )
        self.worker = Worker(self.tools, "here", 1)

    def add(self, name: str, bmc: str | None = "redfish") -> FakeBmc:
        number = len(self.bmcs) + 1
        raw: dict[str, Any] = {"name": name, "macs": [_mac(number)], "profile": "debian-12"}
        if bmc == "redfish":
            raw["bmc"] = {"address": f"redfish://{name}", "user": "root"}
            raw["bmc"]["password"] = f"plain:{SECRET}"
        elif bmc is not None:
            raw["bmc"] = {"address": bmc}
        add(self.store, raw, SOURCE, PROFILES, lambda: self.safe)
        made = self.bmcs[name] = FakeBmc()
        made.on_power = lambda _action: setattr(made, "boot", BootOverride(BootTarget.NONE))
        return made

    def _cap(self, per_minute: int, at_once: int) -> PowerCap:
        return PowerCap(self.store, per_minute, at_once, lambda: self.now)

    def starts(self, *, per_minute: int = 60, at_once: int = 40) -> None:
        """Let no more machines start than these; before the first turn."""
        self.tools = replace(self.tools, cap=self._cap(per_minute, at_once))
        self.worker = Worker(self.tools, "here", 1)

    def open(self, node: Any, bmc: Any, login: Login | None, say: Any) -> Any:
        if bmc.address.scheme == "manual":
            return ManualDriver(node.name, say)
        found = self.bmcs[node.name]
        found.login = login
        return found

    def springboard(self, _node: Any, _bmc: Any, _hands: Any) -> str | None:
        if isinstance(self.iso, NetbootError):
            raise self.iso
        return self.iso

    def submit(self, name: str = "n1", kind: JobKind = JobKind.INSTALL, **asked: Any) -> int:
        return self.store.submit(name, kind, "alice", asked, now=self.now).id

    def turns(self) -> None:
        """All that are due now, each by a worker that knows nothing but the store."""
        while claimed := self.store.claim("here", 120.0, self.now):
            self.worker._take(claimed)

    def pass_(self, seconds: float) -> None:
        """Time goes by, and turns are taken when they are due."""
        until = self.now + seconds
        self.turns()
        while (due := self.store.next_due(self.now)) is not None and due <= until:
            self.now = max(self.now + 0.001, due)
            self.turns()
        self.now = until

    def says(self, kind: Kind, name: str = "n1", **data: Any) -> None:
        """A machine's event, and the turns that it wakes."""
        self.now += 1.0
        mac = self.store.get(name).macs[0]
        self.store.append_events([Event(kind, mac, name, "said", data, self.now)])
        self.store.append_events([])
        self.wake()

    def wake(self) -> None:
        self.now = max(self.now, self.store.next_due(self.now) or self.now)
        self.turns()

    def boots(self, name: str = "n1") -> None:
        for kind, data in BOOT:
            more = (
                {"installation": self.store.get(name).installation} if kind is Kind.SCRIPT else {}
            )
            self.says(kind, name, **data, **more)

    def calls_home(self, name: str = "n1") -> None:
        self.says(Kind.INSTALLED, name, installation=self.store.get(name).installation)

    def job(self, number: int = 1) -> Job:
        return self.store.job(number)

    def told(self, kind: Kind, name: str = "n1") -> list[str]:
        events = [record.event for record in self.store.timeline(name)]
        return [event.detail for event in events if event.kind is kind]


@functools.cache
def _empty() -> bytes:
    """A store with nothing in it: to make one takes longer than most tests here."""
    with tempfile.TemporaryDirectory() as folder:
        Store(f"sqlite:///{folder}/netboot.db").close()
        return Path(folder, "netboot.db").read_bytes()


def _mac(number: int) -> Mac:
    return Mac(f"52:54:00:00:00:{number:02x}")


@contextlib.contextmanager
def job_site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSite]:
    """A site whose clock is everybody's."""
    found = JobSite(folder)
    monkeypatch.setattr("time.time", lambda: found.now)
    monkeypatch.setattr(bmc_turn.Turn, "clock", staticmethod(lambda: found.now))
    yield found
    found.store.close()
