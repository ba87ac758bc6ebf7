"""What is common to machines whose power alone can be changed: their boot order is their own."""

from netboot.bmc.model import BootOverride, BootTarget, Hardware, Rung
from netboot.errors import BmcError

_BY_BOOT_SERVER = frozenset({BootTarget.PXE, BootTarget.HTTP, BootTarget.DISK, BootTarget.NONE})


class NoBmc:
    """The part of a driver that cannot set where a machine boots from; the boot server decides it.

    Args:
        called: what errors call the way it is switched.
    """

    def __init__(self, called: str) -> None:
        self._called = called

    def rungs(self, wanted: BootOverride) -> tuple[Rung, ...]:
        """The boot server alone, where it can decide that."""
        return (Rung.CYCLE_ONLY,) if wanted.target in _BY_BOOT_SERVER else ()

    def set_boot(self, wanted: BootOverride, rung: Rung) -> None:
        """Leave it to the boot server.

        Raises:
            BmcError: any other rung.
        """
        if rung is not Rung.CYCLE_ONLY:
            raise BmcError(f"{self._called} cannot set a boot source ({wanted.target} by {rung})")

    def insert(self, url: str, slot: str | None = None) -> None:  # noqa: ARG002 -- the protocol's signature
        """There is no virtual media.

        Raises:
            BmcError: always.
        """
        raise BmcError(f"{self._called} has no virtual media")

    def eject(self, slot: str | None = None) -> None:  # noqa: ARG002 -- likewise
        """There is no virtual media.

        Raises:
            BmcError: always.
        """
        raise BmcError(f"{self._called} has no virtual media")

    def inspect(self) -> Hardware:
        """Nothing can be read."""
        return Hardware()

    def close(self) -> None:
        """Nothing is open."""
