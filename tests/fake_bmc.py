"""A BMC that does what a test says, behind the protocol every driver has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from netboot.bmc.model import (
    BootOverride,
    BootTarget,
    Hardware,
    Login,
    Medium,
    Nic,
    Observed,
    PowerAction,
    PowerState,
    Rung,
)
from netboot.errors import BmcError

EMPTY = Medium("Cd", "cd", None, inserted=False)
MACHINE = Hardware(
    manufacturer="Contoso",
    model="3500",
    serial="437XR1138R2",
    bios_version="P79",
    cpus=2,
    cpu_model="Xeon",
    memory_mib=98304,
    nics=(Nic("52:54:00:00:00:01", "NIC.1", 1000), Nic("52:54:00:00:00:99")),
    capabilities=frozenset({"virtual-media", "boot-override"}),
)


@dataclass
class FakeBmc:
    """A BMC, its machine, and what was asked of it.

    ``tells_resets``: it has a LastResetTime. ``refuses`` has what it says to a call instead of
    doing it, by the call's name or by rung; an error stays for good, a list of them is used up
    first.
    """

    power_state: PowerState = PowerState.ON
    boot: BootOverride = field(default_factory=lambda: BootOverride(BootTarget.NONE))
    medium: Medium = EMPTY
    ways: tuple[Rung, ...] = (Rung.FULL_BODY, Rung.IF_MATCH)
    refuses: dict[str, BmcError | list[BmcError]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    on_power: Callable[[PowerAction], None] = lambda _action: None
    login: Login | None = None
    last_reset: float | None = None
    tells_resets: bool = False
    open: int = 0
    name: str = "fake"
    attributes: dict[str, object] = field(default_factory=dict)
    pending: dict[str, object] = field(default_factory=dict)
    takes_attributes: bool = True

    def observe(self) -> Observed:
        self._said("observe")
        said = (self.last_reset or 0.0) if self.tells_resets else None
        return Observed(self.power_state, self.boot, (self.medium,), said)

    def power(self, action: PowerAction) -> str | None:
        self.asked.append(f"power {action}")
        self._said("power")
        off = action in (PowerAction.OFF, PowerAction.SHUTDOWN)
        self.power_state = PowerState.OFF if off else PowerState.ON
        self.last_reset = (self.last_reset or 0.0) + 1.0
        if not off and self.takes_attributes:
            self.attributes |= self.pending
        self.on_power(action)
        return f"POST Reset {action}"

    def rungs(self, wanted: BootOverride) -> tuple[Rung, ...]:  # noqa: ARG002 -- the protocol's
        return self.ways

    def set_boot(self, wanted: BootOverride, rung: Rung) -> str | None:
        self.asked.append(f"boot {wanted.target} by {rung}")
        self._said(rung.value)
        self.boot = wanted
        if rung is Rung.VIRTUAL_MEDIA and wanted.url:
            self.medium = replace(EMPTY, image=wanted.url, inserted=True)
        return "PATCH Boot"

    def insert(self, url: str, slot: str | None = None) -> str | None:  # noqa: ARG002 -- likewise
        self.asked.append(f"insert {url}")
        self._said("insert")
        self.medium = replace(EMPTY, image=url, inserted=True)
        return None

    def eject(self, slot: str | None = None) -> str | None:  # noqa: ARG002 -- likewise
        self.asked.append("eject")
        self._said("eject")
        self.medium = EMPTY
        return None

    def bios(self) -> Mapping[str, object]:
        self._said("bios")
        return self.attributes

    def set_bios(self, attributes: Mapping[str, str | int | bool]) -> str | None:
        self.asked.append(f"bios {dict(attributes)}")
        self._said("set_bios")
        self.pending |= attributes
        return "PATCH Bios/Settings"

    def inspect(self) -> Hardware:
        self._said("inspect")
        return MACHINE

    def close(self) -> None:
        self.open = 0

    def _said(self, call: str) -> None:
        said = self.refuses.get(call)
        if isinstance(said, list):
            said = said.pop(0) if said else None
        if said is not None:
            raise said
