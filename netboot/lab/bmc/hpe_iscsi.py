"""HPE's own resource for the iSCSI of its UEFI firmware, where others have NetworkDeviceFunctions.

``Bios`` links to it; its sources are written to the settings under it and are in force from the
next start on. They have fixed places: ``{}`` leaves one as it is, and an attempt number of 0 says
that there is no source. The one that a start logged in to has a name among the boot sources.
"""

from collections.abc import Callable
from typing import Any

from netboot.lab.bmc.firmware import Bios, Pending, PostLock
from netboot.lab.bmc.hpe_sources import BootSource, of_lun
from netboot.lab.bmc.machine import IscsiDrive, VirtualMachine
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.messages import bad
from netboot.redfish.resources import Json, head, link

SOURCES = 8
"""How many targets its firmware keeps."""

_TYPE, _VERSION = "HpeiSCSISoftwareInitiator", "v2_0_0"
_FOUND: Json = {"StructuredBootString": "", "UEFIDevicePath": ""}
_SOURCE: Json = {
    "iSCSIAttemptInstance": 0,
    "iSCSIAttemptName": "",
    "iSCSIAuthenticationMethod": "None",
    "iSCSIChapSecret": "",
    "iSCSIChapType": "OneWay",
    "iSCSIChapUsername": "",
    "iSCSIConnectRetry": 0,
    "iSCSIConnectTimeout": 1000,
    "iSCSIConnection": "Disabled",
    "iSCSIInitiatorGateway": "0.0.0.0",  # noqa: S104 -- no address to listen on: "none", as iLO has it
    "iSCSIInitiatorInfoViaDHCP": True,
    "iSCSIInitiatorIpAddress": "0.0.0.0",  # noqa: S104 -- likewise
    "iSCSIInitiatorNetmask": "0.0.0.0",  # noqa: S104 -- likewise
    "iSCSIIpAddressType": "IPv4",
    "iSCSILUN": "0",
    "iSCSINicSource": "",
    "iSCSITargetInfoViaDHCP": False,
    "iSCSITargetIpAddress": "0.0.0.0",  # noqa: S104 -- likewise
    "iSCSITargetName": "",
    "iSCSITargetTcpPort": 3260,
}


class HpeIscsi:
    """The resource and its settings.

    Args:
        tree: its resources are added here.
        bios: links to it.
        machine: applies what is pending by starting.
        lock: refuses writes in POST.

    Attributes:
        changed: called after a write.
    """

    def __init__(self, tree: Tree, bios: Bios, machine: VirtualMachine, lock: PostLock) -> None:
        self._path = f"{bios.path}/oem/hpe/iscsi"
        self._lock = lock
        self._nics = [f"NicBoot{number}" for number in range(1, len(machine.macs) + 1)]
        name = f"iqn.2015-02.com.hpe:uefi-{machine.name}"
        self._machine = machine
        sources = [dict(_SOURCE) for _ in range(SOURCES)]
        self._pending = Pending(machine, {"iSCSIInitiatorName": name, "iSCSISources": sources})
        self.changed: Callable[[], None] = lambda: None
        bios.hpe_links["iScsi"] = link(self._path)
        tree[self._path] = Resource(self._read)
        tree[f"{self._path}/settings"] = Resource(
            self._read_settings,
            {"iSCSISources": self._set_sources, "iSCSIInitiatorName": self._set_name},
        )

    @property
    def found(self) -> BootSource | None:
        """What the last start logged in to."""
        return self._boot_source(self._pending.values)

    @property
    def awaited(self) -> BootSource | None:
        """What the next start logs in to."""
        return self._boot_source(self._pending.next)

    def _boot_source(self, values: Json) -> BootSource | None:
        first, drive = _first(values), _drive(values)
        if first is None or drive is None:
            return None
        return of_lun(self._machine, self._nics.index(first["iSCSINicSource"]) + 1, drive)

    def _read(self) -> Json:
        resource = head(self._path, _TYPE, _VERSION, "iSCSI Software Initiator")
        return (
            resource
            | _shown(self._pending.values, self.found)
            | {
                "iSCSINicSources": self._nics,
                "@Redfish.Settings": {
                    "@odata.type": "#Settings.v1_0_0.Settings",
                    "SettingsObject": link(f"{self._path}/settings"),
                },
            }
        )

    def _read_settings(self) -> Json:
        path = f"{self._path}/settings"
        resource = head(path, _TYPE, _VERSION, "iSCSI Software Initiator, pending")
        return resource | _shown(self._pending.next) | {"iSCSINicSources": self._nics}

    def _set_name(self, value: object) -> None:
        if not isinstance(value, str) or not value.startswith("iqn."):
            raise bad("PropertyValueTypeError", "iSCSIInitiatorName")
        self._change({"iSCSIInitiatorName": value})

    def _set_sources(self, wanted: Any) -> None:  # noqa: ANN401 -- any JSON
        if not isinstance(wanted, list) or len(wanted) > SOURCES:
            raise bad("PropertyValueTypeError", "iSCSISources")
        sources = list(self._pending.next["iSCSISources"])
        for place, changes in enumerate(wanted):
            sources[place] = self._source(sources[place], changes)
        used = [number for one in sources if (number := one["iSCSIAttemptInstance"])]
        if len(set(used)) < len(used):
            raise bad("PropertyValueNotInList", str(used), "iSCSIAttemptInstance")
        self._change({"iSCSISources": sources})

    def _source(self, source: Json, changes: object) -> Json:
        if not isinstance(changes, dict):
            raise bad("PropertyValueTypeError", "iSCSISources")
        for name, value in changes.items():
            if name in _FOUND:
                raise bad("PropertyNotWritable", name)
            if name not in _SOURCE:
                raise bad("PropertyUnknown", name)
            if type(value) is not type(_SOURCE[name]):
                raise bad("PropertyValueTypeError", name)
        changed = source | changes
        number = changed["iSCSIAttemptInstance"]
        if not 0 <= number <= SOURCES:
            raise bad("PropertyValueNotInList", str(number), "iSCSIAttemptInstance")
        if number and changed["iSCSINicSource"] not in self._nics:
            raise bad("PropertyValueNotInList", changed["iSCSINicSource"], "iSCSINicSource")
        return changed

    def _change(self, changes: Json) -> None:
        self._lock.check()
        self._pending.change(changes)
        self._machine.set_iscsi(_drive(self._pending.next))
        self.changed()


def _first(values: Json) -> Json | None:
    """The attempt with the lowest number."""
    attempts = [
        source
        for source in values["iSCSISources"]
        if source["iSCSIAttemptInstance"] and source["iSCSIConnection"] == "Enabled"
    ]
    return min(attempts, key=lambda source: int(source["iSCSIAttemptInstance"]), default=None)


def _drive(values: Json) -> IscsiDrive | None:
    """What it logs in to."""
    first = _first(values)
    if first is None:
        return None
    chap = first["iSCSIAuthenticationMethod"] != "None"
    return IscsiDrive(
        target=first["iSCSITargetName"],
        portal=first["iSCSITargetIpAddress"],
        port=first["iSCSITargetTcpPort"],
        lun=int(first["iSCSILUN"], 16),
        initiator=values["iSCSIInitiatorName"],
        user=first["iSCSIChapUsername"] if chap else "",
        secret=first["iSCSIChapSecret"] if chap else "",
    )


def _shown(values: Json, found: BootSource | None = None) -> Json:
    """Without the secrets, and with the names of what was found."""
    first = _first(values) if found else None
    names = {name: found.shown()[name] for name in _FOUND} if found else _FOUND
    sources = [
        (names if source is first else _FOUND) | source | {"iSCSIChapSecret": ""}
        for source in values["iSCSISources"]
    ]
    return values | {"iSCSISources": sources}
