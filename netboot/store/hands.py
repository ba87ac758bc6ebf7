"""The store's BMCs: where they are, what worked with them, and what they said of their machines."""

from collections.abc import Mapping

from netboot.bmc.model import BootTarget, Hardware, Rung
from netboot.store import bmcs, nodes
from netboot.store.bmc_shapes import Bmc, Inspected
from netboot.store.database import transaction
from netboot.store.opened import COMMAND_LINE, Opened


class Hands(Opened):
    """BMCs, kept beside their nodes; no snapshot has any of it."""

    def bmc(self, name: str, source: str = COMMAND_LINE) -> Bmc | None:
        """A node's BMC, None where it has none.

        Raises:
            Unknown: there is no such node.
        """
        with transaction(self._sure) as connection:
            if (found := bmcs.read(connection, name)) is None:
                nodes.known(connection, name, source)
            return found

    def bmcs(self) -> Mapping[str, Bmc]:
        """Every BMC by its node's name."""
        with transaction(self._sure) as connection:
            return bmcs.read_all(connection)

    def rungs(self, model: str) -> Mapping[BootTarget, Rung]:
        """What worked last with machines of this model, by what was to be booted."""
        with transaction(self._quick) as connection:
            return bmcs.rungs(connection, model)

    def remember_rung(self, model: str, target: BootTarget, rung: Rung) -> None:
        """Keep what worked with a machine of this model."""
        with self._writing, transaction(self._quick, writes=True) as connection:
            bmcs.remember(connection, model, target, rung)

    def inspected(self, name: str, source: str = COMMAND_LINE) -> Inspected | None:
        """What a node's BMC said last that the machine is; None where it was never asked.

        Raises:
            Unknown: there is no such node.
        """
        with transaction(self._sure) as connection:
            if (found := bmcs.inspected(connection, name)) is None:
                nodes.known(connection, name, source)
            return found

    def keep_hardware(self, name: str, hardware: Hardware, source: str = COMMAND_LINE) -> None:
        """Keep what a node's BMC says that the machine is.

        Raises:
            Unknown: there is no such node.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            nodes.known(connection, name, source)
            bmcs.keep_hardware(connection, name, hardware)
