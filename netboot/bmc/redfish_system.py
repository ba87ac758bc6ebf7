"""Which system of a BMC it is about, what kind of BMC that is, and what belongs to it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from netboot.bmc import quirks
from netboot.bmc.quirks import Quirk
from netboot.bmc.redfish_boot import link, links, part
from netboot.bmc.redfish_http import Connection, Reply
from netboot.bmc.redfish_iscsi import DeviceFunctions
from netboot.bmc.redfish_iscsi_hpe import HpeInitiator
from netboot.bmc.redfish_media import Media
from netboot.bmc.redfish_words import Json
from netboot.errors import BmcError

SYSTEMS, MANAGERS = "/redfish/v1/Systems", "/redfish/v1/Managers"
MOST_SYSTEMS_NAMED = 20
"""Systems that an error lists."""

T = TypeVar("T")


class _Once(Generic[T]):
    """A property read once an instance, as ``functools.cached_property``, but without its lock.

    Before Python 3.12 that lock is one for all instances, and all BMCs would wait for the slowest.
    """

    def __init__(self, read: Callable[[Any], T]) -> None:
        self._read = read
        self._name = read.__name__
        self.__doc__ = read.__doc__

    def __get__(self, instance: object, owner: type) -> T:
        value = vars(instance)[self._name] = self._read(instance)
        return value


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
        reply = self.connection.get(self.path)
        vars(self).setdefault("_first", reply.said)
        return reply

    @_Once
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

    @_Once
    def quirk(self) -> Quirk:
        """What this BMC does otherwise."""
        return quirks.of(
            manufacturer=_text(self._first, "Manufacturer"),
            model=_text(self._first, "Model"),
            bmc_model=_text(self.manager, "Model"),
            root_vendor=_text(self.connection.root, "Vendor"),
            system=self.path.rstrip("/").rpartition("/")[2],
        )

    @_Once
    def manager(self) -> Json:
        """The manager of the system; empty where there is none."""
        path = next(iter(links(part(self._first, "Links"), "ManagedBy")), None)
        if path is None and self.connection.root.get("Managers"):
            members = links(self.connection.find(self._of_root("Managers") or MANAGERS))
            path = next(iter(members), None)
        return self.connection.find(path)

    @_Once
    def media(self) -> Media:
        """Its virtual media."""
        owners = (self._first, self.manager)
        return Media(self.connection, self.quirk, *owners)

    @_Once
    def iscsi(self) -> DeviceFunctions | HpeInitiator | None:
        """Its firmware's iSCSI, where this BMC sets it up; None where it never does."""
        match self.quirk.iscsi:
            case "network-device-functions":
                return DeviceFunctions(self.connection, self.quirk, self._first)
            case "hpe-oem":
                return HpeInitiator(self.connection, self.quirk, self._first)
        return None

    @_Once
    def ipmi_port(self) -> int | None:
        """Where the same BMC speaks IPMI; None where it does not say that it does."""
        protocols = self.connection.find(link(self.manager, "NetworkProtocol"))
        ipmi = part(protocols, "IPMI")
        port = ipmi.get("Port")
        return port if ipmi.get("ProtocolEnabled") is True and isinstance(port, int) else None

    @_Once
    def _first(self) -> Json:
        """As it was first read; its identity and links do not change."""
        return self.read().said

    def _of_root(self, name: str) -> str | None:
        return link(self.connection.root, name)


def _text(resource: Json, name: str) -> str | None:
    value = resource.get(name)
    return value if isinstance(value, str) else None
