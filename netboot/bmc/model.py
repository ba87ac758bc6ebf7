"""What is said to a BMC and what is read from it: values only, frozen, in no protocol's words."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit


class PowerState(StrEnum):
    """Whether the machine is on; UNKNOWN where the BMC does not say, or says it is under way."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class PowerAction(StrEnum):
    """What can be done to a machine's power."""

    ON = "on"
    OFF = "off"  # at once, without asking the system
    SHUTDOWN = "shutdown"  # asks the system, which may ignore it
    CYCLE = "cycle"  # off, then on
    RESET = "reset"


class BootTarget(StrEnum):
    """What the machine should boot from."""

    PXE = "pxe"
    HTTP = "http"
    DISK = "disk"
    CD = "cd"
    ISCSI = "iscsi"  # the volume that its firmware was told
    BIOS = "bios"  # the firmware's set-up
    NONE = "none"  # no override: its own boot order


class BootMode(StrEnum):
    """How the firmware boots."""

    UEFI = "uefi"
    BIOS = "bios"


@dataclass(frozen=True, slots=True)
class BootOverride:
    """A boot override, wanted or read (DSP0268, ComputerSystem.Boot).

    Attributes:
        target: where from.
        once: for the next boot only; else for every boot.
        mode: None leaves it as it is.
        url: what HTTP boot loads; None lets DHCP say it.
    """

    target: BootTarget
    once: bool = True
    mode: BootMode | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Medium:
    """One slot for virtual media; ``kind`` is "cd", "usb", "dvd" or "floppy"."""

    slot: str
    kind: str
    image: str | None
    inserted: bool

    def may_hold(self, url: str) -> bool:
        """Whether the image at ``url`` may be in it: some say its name or its folder alone."""
        image = self.image
        named = image is None or url.startswith(image) or urlsplit(url).path.endswith(f"/{image}")
        return self.inserted and named


@dataclass(frozen=True, slots=True)
class Observed:
    """One reading of a machine.

    Attributes:
        power: on or off.
        boot: the override in force; None where the BMC does not say.
        media: its virtual media slots.
        last_reset: when it last started or was reset, epoch seconds by the BMC's own clock.
        words: the BMC's own words worth keeping.
    """

    power: PowerState
    boot: BootOverride | None
    media: tuple[Medium, ...] = ()
    last_reset: float | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Nic:
    """A network interface; ``mac`` is lower case, with colons."""

    mac: str
    name: str = ""
    speed_mbps: int | None = None


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a BMC says the machine is; None is "not said".

    Attributes:
        capabilities: what can be done through its BMC.
        iscsi_boot: whether that has ``iscsi_boot``, its firmware's iSCSI; None where nobody asked.
    """

    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    uuid: str | None = None
    sku: str | None = None
    bios_version: str | None = None
    bmc_version: str | None = None
    bmc_model: str | None = None
    cpus: int | None = None
    cpu_model: str | None = None
    memory_mib: int | None = None
    nics: tuple[Nic, ...] = ()
    capabilities: frozenset[str] = frozenset()
    iscsi_boot: bool | None = None


class Rung(StrEnum):
    """A way of making a machine boot as wanted, from the plain to the last resort."""

    FULL_BODY = "full-body"  # PATCH with every Boot property
    IF_MATCH = "if-match"  # the same, with the resource's own @odata.etag
    SETTINGS = "settings"  # at the @Redfish.Settings or /SD resource
    UEFI_HTTP = "uefi-http"  # UEFI HTTP boot in place of PXE
    VIRTUAL_MEDIA = "virtual-media"  # a springboard ISO in the virtual CD
    IPMI = "ipmi"  # chassis bootdev
    CYCLE_ONLY = "cycle-only"  # no override: the boot server alone decides


class Secret:
    """A password that shows itself in no repr, log line, error or dump."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; for the wire only."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "…"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to a BMC."""

    user: str
    password: Secret


@dataclass(frozen=True, slots=True)
class Tls:
    """How a BMC's certificate is checked.

    Attributes:
        verify: False takes any certificate.
        ca_file: PEM of the authorities to trust in place of the system's.
        fingerprint: SHA-256 of the one certificate to take: 64 hex digits, with or without colons.
    """

    verify: bool = True
    ca_file: Path | None = None
    fingerprint: str | None = None
