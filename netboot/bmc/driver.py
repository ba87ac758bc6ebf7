"""What every BMC driver can do. One file a protocol implements it; all calls block."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from netboot.bmc.model import BootOverride, Hardware, Observed, PowerAction, Rung


class Driver(Protocol):
    """A conversation with one BMC.

    Every method raises ``BmcError``: ``retryable`` when the same call may work later,
    ``effect_unknown`` when the BMC may have acted though it never said so. No method repeats a
    request that changes the machine's power.

    Where a method returns text, it is the requests that were made, in one line for the timeline;
    None where there is nothing to show.
    """

    @property
    def name(self) -> str:
        """The protocol: "redfish", "ipmi", "wol" or "manual"."""

    def observe(self) -> Observed:
        """Read power, boot override and virtual media anew."""

    def power(self, action: PowerAction) -> str | None:
        """Do ``action`` by the means this BMC has; returns when the BMC has taken it."""

    def rungs(self, wanted: BootOverride) -> tuple[Rung, ...]:
        """The ways to get ``wanted`` here, in the order to try them; may read the BMC."""

    def set_boot(self, wanted: BootOverride, rung: Rung) -> str | None:
        """Set the override by ``rung``; that it was accepted does not say that it took."""

    def insert(self, url: str, slot: str | None = None) -> str | None:
        """Insert the image at ``url`` into ``slot``, or the first slot for a CD."""

    def eject(self, slot: str | None = None) -> str | None:
        """Empty ``slot``, or the slot ``insert`` would choose; an empty one stays empty."""

    def inspect(self) -> Hardware:
        """Read what the machine is."""

    def close(self) -> None:
        """Log out and drop the connections; never raises."""


class SerialLine(Protocol):
    """A machine's serial line. One thread may read while another writes."""

    def read(self, timeout: float) -> bytes:
        """What has come, waiting up to ``timeout`` seconds; b"" for nothing.

        Raises:
            BmcError: the line has ended, and all that came before was read.
        """

    def write(self, characters: bytes) -> None:
        """Type; waits while the BMC is slow.

        Raises:
            BmcError: the line has ended, or the BMC takes no more.
        """

    def close(self) -> None:
        """End it; never raises."""


@runtime_checkable
class HasConsole(Protocol):
    """A driver that may reach the serial line."""

    def console(self, *, force: bool = False) -> SerialLine | None:
        """The machine's serial line, until it is closed; None where this BMC has none.

        The line outlives the driver's ``close``. ``force`` takes it from whoever has it.
        """


@runtime_checkable
class ReadsImages(Protocol):
    """A driver whose BMC reads an image itself, where it is inserted."""

    def image_schemes(self) -> Sequence[str]:
        """The schemes of URLs that it reads from, such as ``http``; may read the BMC."""


@runtime_checkable
class HasScreen(Protocol):
    """A driver that may see the screen."""

    def screenshot(self) -> bytes | None:
        """What the machine shows, as PNG or JPEG; None where this BMC does not see it."""


@runtime_checkable
class HasBios(Protocol):
    """A driver that may know the machine's BIOS attributes."""

    def bios(self) -> Mapping[str, object]:
        """Those in force, by name; they are never none."""

    def set_bios(self, attributes: Mapping[str, str | int | bool]) -> str | None:
        """Have these from the machine's next start on; the others stay as they are."""
