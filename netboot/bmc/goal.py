"""What is wanted of one machine, and the single steps by which it is had: values only."""

from dataclasses import dataclass, replace
from enum import StrEnum

from netboot.bmc.model import BootMode, BootOverride, BootTarget, PowerAction, Rung

BOOT_WITHIN = 300.0
"""Seconds from a reset to the machine's first packet: POST with much memory takes minutes."""


class Sign(StrEnum):
    """What shows that the machine booted as wanted."""

    DISCOVER = "discover"  # its DHCP DISCOVER, or its script
    NONE = "none"  # nothing that reaches us: a boot from disk, or into the set-up


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted of one machine.

    Attributes:
        mac: whose DISCOVER is waited for.
        wanted: the override.
        rungs: ways to get it, in order; None until the BMC has been asked for them.
        reset: how the machine is restarted; None leaves its power alone.
        sign: what is waited for after the reset.
        within: seconds from the reset to the sign.
        http_url: what the UEFI HTTP rung loads; None lets DHCP say it.
        iso_url: the springboard that the virtual media rung inserts; None leaves that rung out.
        begins: the rung to begin with, those before it left out; None for the first.
    """

    mac: str
    wanted: BootOverride
    rungs: tuple[Rung, ...] | None = None
    reset: PowerAction | None = PowerAction.CYCLE
    sign: Sign = Sign.DISCOVER
    within: float = BOOT_WITHIN
    http_url: str | None = None
    iso_url: str | None = None
    begins: Rung | None = None

    def override(self, rung: Rung) -> BootOverride:
        """What ``rung`` sets."""
        if rung is Rung.UEFI_HTTP:
            url = self.wanted.url or self.http_url
            return replace(self.wanted, target=BootTarget.HTTP, mode=BootMode.UEFI, url=url)
        if rung is Rung.VIRTUAL_MEDIA:
            return replace(self.wanted, target=BootTarget.CD, url=self._image())
        return self.wanted

    def usable(self) -> tuple[Rung, ...]:
        """The rungs that have what they need, each once."""
        rungs = list(dict.fromkeys(self.rungs or ()))
        if self.begins is not None:
            rungs = rungs[rungs.index(self.begins) :] if self.begins in rungs else []
        return tuple(rung for rung in rungs if self._can(rung))

    def _can(self, rung: Rung) -> bool:
        if rung is Rung.CYCLE_ONLY:
            return self.reset is not None
        return rung is not Rung.VIRTUAL_MEDIA or self._image() is not None

    @property
    def has_springboard(self) -> bool:
        """Whether what the virtual media rung inserts is ours, and of no use after the boot."""
        return self._image() is not None and self._image() == self.iso_url

    def _image(self) -> str | None:
        own = self.wanted.url if self.wanted.target is BootTarget.CD else None
        return own or self.iso_url


@dataclass(frozen=True, slots=True)
class SetBoot:
    """Set ``override`` by ``rung``; ``clears`` when it undoes a Once that stayed."""

    rung: Rung
    override: BootOverride
    clears: bool = False


@dataclass(frozen=True, slots=True)
class Eject:
    """Take the springboard out again."""

    rung: Rung


@dataclass(frozen=True, slots=True)
class Power:
    """Change the power. Write the intent down first."""

    rung: Rung
    action: PowerAction


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait until ``until`` for a sign of the machine not older than ``since``."""

    rung: Rung
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until ``until``, then read again."""

    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Climb:
    """Give ``rung`` up."""

    rung: Rung
    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """It is as wanted; ``rung`` did it, ``note`` is what a person should know all the same."""

    rung: Rung
    note: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot be had; ``why`` says what was tried and what the BMC said."""

    why: str


Action = SetBoot | Eject | Power | Listen | Wait | Climb
