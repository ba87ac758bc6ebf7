"""Firmware's iSCSI by the standard (DSP0268, NetworkDeviceFunction.iSCSIBoot).

What a BMC keeps for the next start is in the resource that ``@Redfish.Settings`` names, where there
is one; it is written there, and read from there before the rest.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from netboot.bmc.iscsi import BootPlace, IscsiTarget
from netboot.bmc.model import Secret
from netboot.bmc.quirks import Quirk
from netboot.bmc.redfish_boot import etags, link, links, part
from netboot.bmc.redfish_http import Connection, Reply
from netboot.bmc.redfish_media import patch
from netboot.bmc.redfish_words import Json
from netboot.errors import BmcError

MOST_FUNCTIONS = 64
"""Network device functions of one system that are read."""

_MODE, _AFTERWARDS = "iSCSI", "PXE"
_CLEARED: Json = {
    "PrimaryTargetName": "",
    "PrimaryTargetIPAddress": "",
    "PrimaryLUN": 0,
    "AuthenticationMethod": "None",
    "CHAPUsername": "",
    "CHAPSecret": "",
}
_WHERE_SHOWN = frozenset({"IPAddressType", "IPMaskDNSViaDHCP", "TargetInfoViaDHCP"})
"""Properties that are written only where the BMC has them."""


@dataclass(frozen=True, slots=True)
class _Function:
    """One function as it will be at the next start.

    Attributes:
        path: where it is written.
        etag: of that resource, as its header says.
        written: that resource.
        said: with what waits there laid over what is in force.
    """

    path: str
    etag: str | None
    written: Json
    said: Json

    @property
    def iscsi(self) -> Json:
        return part(self.said, "iSCSIBoot")

    @property
    def macs(self) -> set[str]:
        ethernet = part(self.said, "Ethernet")
        said = (ethernet.get("MACAddress"), ethernet.get("PermanentMACAddress"))
        return {mac.lower() for mac in said if isinstance(mac, str)}


class DeviceFunctions:
    """The iSCSI of one system's network device functions.

    Args:
        connection: to its BMC.
        quirk: what this BMC does otherwise.
        system: as read.
    """

    def __init__(self, connection: Connection, quirk: Quirk, system: Json) -> None:
        self._connection = connection
        self._quirk = quirk
        self._system = system

    @property
    def usable(self) -> bool:
        """Whether a function of it boots by iSCSI."""
        return any(True for _ in self._functions())

    def read(self, macs: Sequence[str]) -> IscsiTarget | None:
        """What the function of the first of ``macs`` boots from."""
        function = self._chosen(macs)
        said = function.iscsi
        name = said.get("PrimaryTargetName")
        if not name or function.said.get("BootMode", _MODE) != _MODE:
            return None
        chap = said.get("AuthenticationMethod") not in (None, "None")
        return IscsiTarget(
            name=str(name),
            address=str(said.get("PrimaryTargetIPAddress", "")),
            port=_number(said.get("PrimaryTargetTCPPort")),
            lun=_number(said.get("PrimaryLUN")),
            initiator=str(said.get("InitiatorName", "")),
            chap_user=str(said.get("CHAPUsername") or "") if chap else "",
        )

    def set(self, target: IscsiTarget, secret: Secret | None, macs: Sequence[str]) -> list[str]:
        """Write ``target`` to the function of the first of ``macs``; returns the requests."""
        version = ipaddress.ip_address(target.address).version
        wanted: dict[str, Any] = {
            "IPAddressType": f"IPv{version}",
            "IPMaskDNSViaDHCP": True,
            "TargetInfoViaDHCP": False,
            "InitiatorName": target.initiator,
            "PrimaryTargetName": target.name,
            "PrimaryTargetIPAddress": target.address,
            "PrimaryTargetTCPPort": target.port,
            "PrimaryLUN": target.lun,
            "AuthenticationMethod": "CHAP" if secret else "None",
            "CHAPUsername": target.chap_user,
            "CHAPSecret": secret.reveal() if secret else "",
        }
        return self._write(self._chosen(macs), wanted, _MODE)

    def clear(self, macs: Sequence[str]) -> list[str]:
        """Take the target out of it, and have it boot by PXE again; returns the requests."""
        return self._write(self._chosen(macs), _CLEARED, _AFTERWARDS)

    def place(self, target: IscsiTarget) -> BootPlace | None:  # noqa: ARG002 -- where others have one
        """Nowhere: DSP0268 has a boot override for it."""
        return None

    def put_first(self, target: IscsiTarget, macs: Sequence[str]) -> list[str]:  # noqa: ARG002 -- likewise
        """Nothing to do."""
        return []

    def put_back(self) -> list[str]:
        """Nothing to do."""
        return []

    def _write(self, function: _Function, wanted: Json, mode: str) -> list[str]:
        shown = function.iscsi
        fits = {name: wanted[name] for name in wanted if name in shown or name not in _WHERE_SHOWN}
        body: dict[str, Any] = {"iSCSIBoot": fits}
        if "BootMode" in function.said:
            body["BootMode"] = mode
        matches = tuple(etags(function.written, function.etag, self._quirk))
        reply = patch(self._connection, function.path, body, matches)
        self._connection.finish(reply)
        return [reply.request]

    def _chosen(self, macs: Sequence[str]) -> _Function:
        """The function of the machine's first NIC that has one, or the only one there is."""
        functions = list(self._functions())
        for mac in macs:
            for function in functions:
                if mac in function.macs:
                    return function
        if len(functions) == 1 and not functions[0].macs:
            return functions[0]
        theirs = ", ".join(sorted(mac for one in functions for mac in one.macs))
        if not functions:
            raise BmcError("the BMC has no network device function that boots by iSCSI")
        problem = f"none of the BMC's functions that boot by iSCSI ({theirs or 'no MAC is said'})"
        raise BmcError(
            f"{problem} is of a NIC of this machine: {', '.join(macs) or 'none is known'}"
        )

    def _functions(self) -> Iterator[_Function]:
        """Those that have iSCSI, in the BMC's order."""
        for path in self._paths()[:MOST_FUNCTIONS]:
            reply = self._found(path)
            if reply is None or not part(reply.said, "iSCSIBoot"):
                continue
            settings = link(part(reply.said, "@Redfish.Settings"), "SettingsObject")
            waiting = None if settings is None else self._found(settings)
            if settings is None or waiting is None:
                yield _Function(path, reply.etag, reply.said, reply.said)
                continue
            iscsi = _over(part(reply.said, "iSCSIBoot"), part(waiting.said, "iSCSIBoot"))
            mode = waiting.said.get("BootMode") or reply.said.get("BootMode")
            said = {**reply.said, "iSCSIBoot": iscsi, **({"BootMode": mode} if mode else {})}
            yield _Function(settings, waiting.etag, waiting.said, said)

    def _found(self, path: str) -> Reply | None:
        """A resource; None for one that is listed and not there."""
        try:
            return self._connection.get(path)
        except BmcError as error:
            if error.retryable:
                raise
            return None

    def _paths(self) -> tuple[str, ...]:
        """Of the functions, by the system's network interfaces, else by its chassis' adapters."""
        find = self._connection.find
        owners = links(find(link(self._system, "NetworkInterfaces")))
        if not owners:
            chassis = links(part(self._system, "Links"), "Chassis")
            adapters = [link(find(path), "NetworkAdapters") for path in chassis]
            owners = tuple(path for one in adapters for path in links(find(one)))
        found = (links(find(link(find(path), "NetworkDeviceFunctions"))) for path in owners)
        return tuple(dict.fromkeys(path for paths in found for path in paths))


def _over(now: Json, waiting: Json) -> Json:
    return {**now, **{name: value for name, value in waiting.items() if value is not None}}


def _number(value: object) -> int:
    return value if isinstance(value, int) else -1
