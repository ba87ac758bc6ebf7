"""What one machine is answered, and how it is offered. Frozen, and free of I/O."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from netboot.model import Override


class Verdict(Enum):
    """What kind of answer a request gets."""

    IGNORE = "ignore"
    LOADER = "loader"
    """Firmware: hand it a network boot program (iPXE)."""
    SCRIPT = "script"
    """iPXE: hand it this machine's script."""


class Shape(StrEnum):
    """How an OFFER says where to boot from; firmware differs in which one it takes."""

    BINL = "binl"
    """Option 60 alone: the client asks port 4011 for its boot file."""
    DISCOVERY_CONTROL = "discovery-control"
    """The boot file, and option 43 with discovery control 8: use this very file."""
    BOOTFILE = "bootfile"
    """The boot file without option 43."""
    HTTP = "http"
    """Option 60 ``HTTPClient`` and a URL."""
    RASPBERRY_PI = "raspberry-pi"
    """Option 43 with the one menu entry a Raspberry Pi's ROM looks for."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What one machine taught us: which of the offers and loaders for its kind to try now.

    Attributes:
        shape: position among the shapes for its kind; counts on without end.
        loader: position among the loaders for its kind, likewise.
        why: what happened to the ones before, "" while the first are tried.
    """

    shape: int = 0
    loader: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one machine gets, and why, in the order the reasons were found.

    Attributes:
        profile: the profile's name; None exactly when the verdict is IGNORE.
        loader: catalogue name of the network boot program; None unless the verdict is LOADER,
            and for a Raspberry Pi, whose ROM knows its own files' names.
        shape: how to offer it; None exactly when the verdict is IGNORE.
        lesson: why it is not the first offer for its kind, "" where it is; one of the reasons.
        override: the boot override it obeys, None where there is none.
        notice: what the machine's own screen says before it boots, "" for nothing.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    profile: str | None = None
    loader: str | None = None
    shape: Shape | None = None
    lesson: str = ""
    override: Override | None = None
    notice: str = ""
