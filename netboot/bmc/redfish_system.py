"""Which system of a BMC it is about, what kind of BMC that is, and what belongs to it."""

from functools import cached_property

from netboot.bmc import quirks
from netboot.bmc.quirks import Quirk
from netboot.bmc.redfish_boot import link, links, part
from netboot.bmc.redfish_http import Connection, Reply
from netboot.bmc.redfish_media import Media
from netboot.bmc.redfish_words import Json
from netboot.errors import BmcError

SYSTEMS, MANAGERS = "/redfish/v1/Systems", "/redfish/v1/Managers"
MOST_SYSTEMS_NAMED = 20
"""Systems that an error lists."""


class System:
    """One system; what does not change while we talk is read once, all else anew.

    Args:
        connection: to its BMC.
        path: its own; None for the only one there is.
    """

    def __init__(self, connection: Connection, path: str | None) -> None:
        self.connection = connection
        self._given = path

    def read(self) -> Reply:
        """The system's resource, read anew."""
        return self.connection.get(self.path)

    @cached_property
    def path(self) -> str:
        """Its path.

        Raises:
            BmcError: none is given, and there is not just one.
        """
        if self._given:
            return self._given
        collection = self._of_root("Systems") or SYSTEMS
        members = links(self.connection.get(collection).said)
        if len(members) == 1:
            return members[0]
        listed = ", ".join(members[:MOST_SYSTEMS_NAMED]) or "none"
        raise BmcError(f"the address must end in the path of one of its systems: {listed}")

    @cached_property
    def quirk(self) -> Quirk:
        """What this BMC does otherwise."""
        return quirks.of(
            manufacturer=_text(self._first, "Manufacturer"),
            model=_text(self._first, "Model"),
            bmc_model=_text(self.manager, "Model"),
            root_vendor=_text(self.connection.root, "Vendor"),
            system=self.path.rstrip("/").rpartition("/")[2],
        )

    @cached_property
    def manager(self) -> Json:
        """The manager of the system; empty where there is none."""
        path = next(iter(links(part(self._first, "Links"), "ManagedBy")), None)
        if path is None and self.connection.root.get("Managers"):
            members = links(self.connection.find(self._of_root("Managers") or MANAGERS))
            path = next(iter(members), None)
        return self.connection.find(path)

    @cached_property
    def media(self) -> Media:
        """Its virtual media."""
        owners = (self._first, self.manager)
        return Media(self.connection, self.quirk, *owners)

    @cached_property
    def ipmi_port(self) -> int | None:
        """Where the same BMC speaks IPMI; None where it does not say that it does."""
        protocols = self.connection.find(link(self.manager, "NetworkProtocol"))
        ipmi = part(protocols, "IPMI")
        port = ipmi.get("Port")
        return port if ipmi.get("ProtocolEnabled") is True and isinstance(port, int) else None

    @cached_property
    def _first(self) -> Json:
        """As it was first read; its identity and links do not change."""
        return self.read().said

    def _of_root(self, name: str) -> str | None:
        return link(self.connection.root, name)


def _text(resource: Json, name: str) -> str | None:
    value = resource.get(name)
    return value if isinstance(value, str) else None
