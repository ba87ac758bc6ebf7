"""Firmware's iSCSI by HPE's own resource under Bios (HpeiSCSISoftwareInitiator).

Its sources have fixed places. A place that is not to change is written as ``{}``; a source whose
attempt instance is 0 is none. Ours are told by their names. Which NIC is which is not said here, so
there is one for each NIC, as in Ironic's driver: the firmware tries them in turn.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netboot.bmc.iscsi import BootPlace, IscsiTarget
from netboot.bmc.model import Secret
from netboot.bmc.quirks import Quirk
from netboot.bmc.redfish_boot import etags, link, objects, part
from netboot.bmc.redfish_boot_hpe import NAMED, HpeBootOrder
from netboot.bmc.redfish_http import Connection, Reply
from netboot.bmc.redfish_media import patch
from netboot.bmc.redfish_words import Json
from netboot.errors import BmcError

OURS = "netboot-"
"""What the names of our sources begin with; the NIC follows."""

_SOURCES, _TARGET = "iSCSISources", "iSCSITargetName"


class HpeInitiator:
    """The iSCSI initiator of one system's firmware.

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
        """Whether its firmware has it: in BIOS mode it has not."""
        return self._path() is not None

    def read(self, macs: Sequence[str]) -> IscsiTarget | None:  # noqa: ARG002 -- it is for all NICs
        """What our sources name, else the first that is in use."""
        settings, sources = self._settings()
        used = [one for one in sources if _instance(one) and _enabled(one)]
        source = next((one for one in used if _is_ours(one)), next(iter(used), None))
        if source is None:
            return None
        chap = source.get("iSCSIAuthenticationMethod") not in (None, "None")
        return IscsiTarget(
            name=str(source.get(_TARGET, "")),
            address=str(source.get("iSCSITargetIpAddress", "")),
            port=int(source.get("iSCSITargetTcpPort") or 0),
            lun=_lun(source.get("iSCSILUN")),
            initiator=str(settings.said.get("iSCSIInitiatorName", "")),
            chap_user=str(source.get("iSCSIChapUsername") or "") if chap else "",
        )

    def set(self, target: IscsiTarget, secret: Secret | None, macs: Sequence[str]) -> list[str]:  # noqa: ARG002 -- likewise
        """Write a source for each NIC; returns the requests."""
        settings, sources = self._settings()
        wanted: dict[str, Any] = {
            "iSCSIConnection": "Enabled",
            "iSCSIIpAddressType": "IPv6" if ":" in target.address else "IPv4",
            "iSCSIInitiatorInfoViaDHCP": True,
            "iSCSITargetInfoViaDHCP": False,
            _TARGET: target.name,
            "iSCSITargetIpAddress": target.address,
            "iSCSITargetTcpPort": target.port,
            "iSCSILUN": f"{target.lun:X}",
            "iSCSIAuthenticationMethod": "Chap" if secret else "None",
        }
        if secret:
            wanted |= {"iSCSIChapType": "OneWay", "iSCSIChapUsername": target.chap_user}
            wanted |= {"iSCSIChapSecret": secret.reveal()}
        places = dict(zip(self._nics(), _free(sources), strict=False))
        if not places:
            raise BmcError(f"all {len(sources)} iSCSI sources of the firmware are in use")
        instances = _unused(sources)
        changed = {
            place: wanted
            | {
                "iSCSIAttemptInstance": next(instances),
                "iSCSIAttemptName": f"{OURS}{nic}",
                "iSCSINicSource": nic,
            }
            for nic, place in places.items()
        }
        return self._write(settings, changed, {"iSCSIInitiatorName": target.initiator})

    def place(self, target: IscsiTarget) -> BootPlace | None:
        """Where ``target`` stands in the boot order."""
        order = self._order(target)
        return order.place(target) if order else None

    def put_first(self, target: IscsiTarget, macs: Sequence[str]) -> list[str]:
        """Put ``target`` first in the boot order; returns the requests."""
        order = self._order(target)
        return self._patch(order.settings, order.put_first(target, macs)) if order else []

    def put_back(self) -> list[str]:
        """Put ours last in it; returns the requests."""
        order = self._order(None)
        return self._patch(order.settings, order.put_back()) if order else []

    def clear(self, macs: Sequence[str]) -> list[str]:  # noqa: ARG002 -- likewise
        """Take our sources out; returns the requests."""
        settings, sources = self._settings()
        gone = {"iSCSIConnection": "Disabled", "iSCSIAttemptInstance": 0}
        ours = {place: gone for place, one in enumerate(sources) if _is_ours(one)}
        return self._write(settings, ours, {}) if ours else []

    def _write(self, settings: Reply, changed: Mapping[int, Json], more: Json) -> list[str]:
        sources = [changed.get(place, {}) for place in range(max(changed) + 1)]
        return self._patch(settings, {_SOURCES: sources, **more})

    def _patch(self, settings: Reply, body: Json) -> list[str]:
        if not body:
            return []
        path = str(settings.said["@odata.id"])
        matches = tuple(etags(settings.said, settings.etag, self._quirk))
        reply = patch(self._connection, path, body, matches)
        self._connection.finish(reply)
        return [reply.request]

    def _settings(self) -> tuple[Reply, list[Json]]:
        """The settings for the next start, and the sources in them by place."""
        path = self._path()
        if path is None:
            raise BmcError("the BMC does not show the firmware's iSCSI: it is for UEFI mode only")
        settings = self._settings_of(path, self._connection.get(path).said)
        return settings, objects(settings.said, _SOURCES)

    def _settings_of(self, path: str, now: Json) -> Reply:
        """The settings for the next start of the resource at ``path``."""
        named = link(part(now, "@Redfish.Settings"), "SettingsObject")
        return self._connection.get(named or f"{path.rstrip('/')}/settings")

    def _order(self, target: IscsiTarget | None) -> HpeBootOrder | None:
        """The boot order, and what in it is of ``target``; where that is None, what is ours."""
        path = self._path("Boot")
        if path is None:
            return None
        _, waiting = self._settings()
        sources = objects(self._connection.get(self._path() or "").said, _SOURCES)
        now = self._connection.get(path).said
        return HpeBootOrder(
            now,
            self._settings_of(path, now),
            frozenset(
                str(one[NAMED])
                for one in sources
                if one.get(NAMED) and (_is_of(one, target) if target else _is_ours(one))
            ),
            frozenset(str(one.get(_TARGET)) for one in waiting if not _is_ours(one)),
        )

    def _nics(self) -> list[str]:
        """What the firmware calls its NICs; only the resource in force says it."""
        names = self._connection.get(self._path() or "").said.get("iSCSINicSources")
        return [str(name) for name in names] if isinstance(names, list) else []

    def _path(self, name: str = "iScsi") -> str | None:
        """Where the firmware has its iSCSI, or another resource of HPE's under Bios."""
        bios = self._connection.find(link(self._system, "Bios"))
        return link(bios, "Oem", "Hpe", "Links", name)


def _free(sources: Sequence[Json]) -> list[int]:
    """Places for ours: those that are, then those of no source."""
    ours = [place for place, one in enumerate(sources) if _is_ours(one)]
    return ours + [
        place for place, one in enumerate(sources) if place not in ours and not _instance(one)
    ]


def _unused(sources: Sequence[Json]) -> Iterator[int]:
    """Instance numbers that no source of another has."""
    theirs = {_instance(one) for one in sources if not _is_ours(one)}
    return (number for number in range(1, 2 * len(sources) + 2) if number not in theirs)


def _is_of(source: Json, target: IscsiTarget) -> bool:
    return source.get(_TARGET) == target.name and _lun(source.get("iSCSILUN")) == target.lun


def _is_ours(source: Json) -> bool:
    return str(source.get("iSCSIAttemptName", "")).startswith(OURS) and _instance(source) != 0


def _enabled(source: Json) -> bool:
    return source.get("iSCSIConnection") != "Disabled"


def _instance(source: Json) -> int:
    number = source.get("iSCSIAttemptInstance")
    return number if isinstance(number, int) else 0


def _lun(value: object) -> int:
    """A LUN of up to 16 hexadecimal digits."""
    try:
        return int(str(value), 16)
    except ValueError:
        return -1
