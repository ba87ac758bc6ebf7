"""Firmware's iSCSI by HPE's own resource under Bios (HpeiSCSISoftwareInitiator).

Its sources have fixed places. A place that is not to change is written as ``{}``; a source whose
attempt instance is 0 is none. Ours are told by their names. Which NIC is which is not said here, so
there is one for each NIC, as in Ironic's driver: the firmware tries them in turn.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netboot.bmc.iscsi import IscsiTarget
from netboot.bmc.model import Secret
from netboot.bmc.quirks import Quirk
from netboot.bmc.redfish_boot import etags, link, part
from netboot.bmc.redfish_http import Connection, Reply
from netboot.bmc.redfish_media import patch
from netboot.bmc.redfish_words import Json
from netboot.errors import BmcError

OURS = "netboot-"
"""What the names of our sources begin with; the NIC follows."""


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
            name=str(source.get("iSCSITargetName", "")),
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
            "iSCSITargetName": target.name,
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

    def clear(self, macs: Sequence[str]) -> list[str]:  # noqa: ARG002 -- likewise
        """Take our sources out; returns the requests."""
        settings, sources = self._settings()
        gone = {"iSCSIConnection": "Disabled", "iSCSIAttemptInstance": 0}
        ours = {place: gone for place, one in enumerate(sources) if _is_ours(one)}
        return self._write(settings, ours, {}) if ours else []

    def _write(self, settings: Reply, changed: Mapping[int, Json], more: Json) -> list[str]:
        sources = [changed.get(place, {}) for place in range(max(changed) + 1)]
        path = str(settings.said["@odata.id"])
        matches = tuple(etags(settings.said, settings.etag, self._quirk))
        reply = patch(self._connection, path, {"iSCSISources": sources, **more}, matches)
        self._connection.finish(reply)
        return [reply.request]

    def _settings(self) -> tuple[Reply, list[Json]]:
        """The settings for the next start, and the sources in them by place."""
        path = self._path()
        if path is None:
            raise BmcError("the BMC does not show the firmware's iSCSI: it is for UEFI mode only")
        now = self._connection.get(path)
        named = link(part(now.said, "@Redfish.Settings"), "SettingsObject")
        settings = self._connection.get(named or f"{path.rstrip('/')}/settings")
        listed = settings.said.get("iSCSISources")
        sources = listed if isinstance(listed, list) else []
        return settings, [one if isinstance(one, Mapping) else {} for one in sources]

    def _nics(self) -> list[str]:
        """What the firmware calls its NICs; only the resource in force says it."""
        names = self._connection.get(self._path() or "").said.get("iSCSINicSources")
        return [str(name) for name in names] if isinstance(names, list) else []

    def _path(self) -> str | None:
        bios = self._connection.find(link(self._system, "Bios"))
        return link(bios, "Oem", "Hpe", "Links", "iScsi")


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
