"""What every BMC driver can do. One file a protocol implements it; all calls block."""

from typing import Protocol

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
