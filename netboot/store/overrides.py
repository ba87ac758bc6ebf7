"""The store's boot overrides: what is said over Redfish of nodes that we decide the boots of."""

from netboot.bmc.model import PowerState
from netboot.model import BootSource, Override
from netboot.store import boot_once, nodes
from netboot.store.database import transaction
from netboot.store.opened import COMMAND_LINE, Opened, bump


class Overrides(Opened):
    """What is said of each node. Every method raises ``Unknown`` where there is no such node."""

    def override(self, name: str, source: str = COMMAND_LINE) -> tuple[Override, PowerState]:
        """What was said of a node, and what its power was changed to last."""
        with transaction(self._sure) as connection:
            nodes.known(connection, name, source)
            return boot_once.read(connection, name)

    def arm(
        self, name: str, boots: BootSource, source: str = COMMAND_LINE, *, once: bool
    ) -> Override:
        """Say what a node starts from, next or until something else is said."""
        with self._writing, transaction(self._sure, writes=True) as connection:
            nodes.known(connection, name, source)
            armed = boot_once.arm(connection, name, boots, once=once)
            bump(connection)
            return armed

    def load(self, name: str, image: str | None, source: str = COMMAND_LINE) -> Override:
        """Put an image's URL into a node's virtual CD drive; None empties it."""
        with self._writing, transaction(self._sure, writes=True) as connection:
            nodes.known(connection, name, source)
            loaded = boot_once.load(connection, name, image)
            bump(connection)
            return loaded

    def keep_power(self, name: str, power: PowerState, source: str = COMMAND_LINE) -> None:
        """Keep what a node's power was changed to; no snapshot has it."""
        with self._writing, transaction(self._sure, writes=True) as connection:
            nodes.known(connection, name, source)
            boot_once.keep_power(connection, name, power)
