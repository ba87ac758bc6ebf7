"""What is asked of a machine's BMC and what is answered: the same over the API and without it."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from netboot.bmc.iscsi import IscsiTarget
from netboot.bmc.model import (
    BootMode,
    BootOverride,
    BootTarget,
    Hardware,
    Medium,
    PowerAction,
    PowerState,
    Rung,
)
from netboot.checked import Checked
from netboot.errors import ConfigError
from netboot.store.bmc_shapes import BmcShown

LONGEST_WAIT = 3600
"""Seconds a machine may be waited for after its power was changed."""
LONGEST_URL = 2048
"""Characters of an image's URL; BMCs take fewer."""

Wait = Annotated[
    float,
    Meta(ge=1, le=LONGEST_WAIT, description=f"seconds from 1 to {LONGEST_WAIT}"),
]
Slot = Annotated[
    str, Meta(pattern=r"^[\x21-\x7e]{1,64}\Z", description="a slot's name as its BMC says it")
]

_URL = re.compile(r"(https?|nfs|cifs)://[^/@\s]+(/\S*)?")


class PowerAsked(Checked, frozen=True):
    """Change the power; ``wait``: until the machine is heard, or is off, at most so long."""

    action: PowerAction
    wait: Wait | None = None


class BootAsked(Checked, frozen=True):
    """Set where it boots from; ``url`` is what an HTTP boot loads."""

    target: BootTarget
    once: bool = True
    mode: BootMode | None = None
    url: str | None = None

    def override(self, source: str) -> BootOverride:
        """The override it is.

        Raises:
            ConfigError: there is no such boot.
        """
        if self.target is BootTarget.HTTP and self.mode is BootMode.BIOS:
            raise ConfigError(source, "mode", '= "bios": HTTP boot is UEFI\'s')
        if self.url is not None and self.target is not BootTarget.HTTP:
            raise ConfigError(source, "url", "is for http; a CD is inserted by `node media`")
        if self.url is not None:
            check_url(self.url, source)
        return BootOverride(self.target, self.once, self.mode, self.url)


class MediaAsked(Checked, frozen=True):
    """Insert or eject an image; ``slot`` None is the first slot for a CD."""

    action: Literal["insert", "eject"]
    url: str | None = None
    slot: Slot | None = None

    def image(self, source: str) -> str | None:
        """What is inserted, None where something is ejected.

        Raises:
            ConfigError: a URL is missing, one too many, or wrong.
        """
        if (self.action == "insert") != (self.url is not None):
            raise ConfigError(source, "url", "goes with insert, and insert with it")
        if self.url is not None:
            check_url(self.url, source)
        return self.url


class IscsiAsked(Checked, frozen=True):
    """Have the firmware boot from the node's volume, or from no volume any more."""

    action: Literal["set", "clear"]


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of it: ``words`` for a person, the rest as far as it was read or set."""

    node: str
    words: str
    power: PowerState | None = None
    boot: BootOverride | None = None
    media: tuple[Medium, ...] = ()
    rung: Rung | None = None
    hardware: Hardware | None = None
    iscsi: IscsiTarget | None = None


class Known(msgspec.Struct, frozen=True):
    """What is kept of a node's BMC and machine; ``seen``: when it was inspected, epoch seconds."""

    bmc: BmcShown | None = None
    hardware: Hardware | None = None
    seen: float | None = None


class Overview(msgspec.Struct, frozen=True):
    """Every BMC by its node's name, and what is being done right now."""

    bmcs: dict[str, BmcShown]
    under_way: dict[str, str]


def check_url(text: str, source: str) -> None:
    """Refuse what is no image's URL, without repeating it: it may hold a password.

    Raises:
        ConfigError: it is none.
    """
    if len(text) > LONGEST_URL or not text.isprintable() or not _URL.fullmatch(text):
        problem = "must be an http, https, nfs or cifs URL without a user or password in it"
        raise ConfigError(source, "url", problem)


def said_url(url: str) -> str:
    """A URL for the timeline: without its query, which may be a signature."""
    return url.partition("?")[0]


def said_override(wanted: BootOverride) -> str:
    """An override for a person: ``pxe once in uefi mode``."""
    if wanted.target is BootTarget.NONE:
        return "no override"
    mode = f" in {wanted.mode} mode" if wanted.mode else ""
    url = f" from {said_url(wanted.url)}" if wanted.url else ""
    return f"{wanted.target} {'once' if wanted.once else 'always'}{mode}{url}"


def said_hardware(hardware: Hardware) -> str:
    """A machine in one line; "nothing" where its BMC says nothing of it."""
    name = " ".join(filter(None, [hardware.manufacturer, hardware.model]))
    parts = [
        name,
        f"serial {hardware.serial}" if hardware.serial else "",
        _counted(hardware.cpus or 0, "CPU"),
        f"{hardware.memory_mib / 1024:g} GiB" if hardware.memory_mib else "",
        _counted(len(hardware.nics), "NIC"),
    ]
    return ", ".join(filter(None, parts)) or "nothing"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}" if count else ""
