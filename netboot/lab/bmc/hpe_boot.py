"""HPE's own boot order, HpeServerBootSettings: what a start found, and what is to come first.

``Bios`` links to it. What is written to its settings is in force from the next start on, and is
then the order the machine tries. An iSCSI source stands in it only when a start has found it: last,
unless it was given a place, or ``DesiredBootDevices`` names its target.
"""

import re
from typing import Any

from netboot.lab.bmc.firmware import Bios, Pending, PostLock
from netboot.lab.bmc.hpe_iscsi import HpeIscsi
from netboot.lab.bmc.hpe_sources import BootSource, of_machine
from netboot.lab.bmc.machine import VirtualMachine
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.messages import bad
from netboot.redfish.resources import Json, head, link

DESIRED_DEVICES = 2
"""How many its firmware keeps."""

_TYPE, _VERSION = "HpeServerBootSettings", "v2_0_0"
_ORDER, _DESIRED = "PersistentBootConfigOrder", "DesiredBootDevices"
_NONE: Json = {"CorrelatableID": "", "Lun": "", "Wwn": "", "iScsiTargetName": ""}
_LUN = re.compile(r"(0x([0-9a-f]{2}){1,8})?", re.IGNORECASE)


class HpeBoot:
    """The resource and its settings.

    Args:
        tree: its resources are added here.
        bios: links to it.
        machine: tries what it says.
        iscsi: what its firmware logs in to.
        lock: refuses writes in POST.
    """

    def __init__(
        self, tree: Tree, bios: Bios, machine: VirtualMachine, iscsi: HpeIscsi, lock: PostLock
    ) -> None:
        self._path = f"{bios.path}/oem/hpe/boot"
        self._machine = machine
        self._iscsi = iscsi
        self._lock = lock
        self._own = of_machine(machine)
        order = [source.name for source in self._own]
        desired = [_NONE] * DESIRED_DEVICES
        self._pending = Pending(machine, {_ORDER: order, _DESIRED: desired})
        bios.hpe_links["Boot"] = link(self._path)
        iscsi.changed = self._tell
        tree[self._path] = Resource(self._read)
        tree[f"{self._path}/settings"] = Resource(
            self._read_settings, {_ORDER: self._set_order, _DESIRED: self._set_desired}
        )

    def _read(self) -> Json:
        return self._shown(self._path, self._pending.values) | {
            "@Redfish.Settings": {
                "@odata.type": "#Settings.v1_0_0.Settings",
                "SettingsObject": link(f"{self._path}/settings"),
            }
        }

    def _read_settings(self) -> Json:
        return self._shown(f"{self._path}/settings", self._pending.next)

    def _shown(self, path: str, values: Json) -> Json:
        order = self._order(values, self._iscsi.found)
        sources = {source.name: source.shown() for source in order}
        shown = {"BootSources": list(sources.values()), _ORDER: list(sources)}
        return head(path, _TYPE, _VERSION, "Boot order") | values | shown

    def _order(self, values: Json, iscsi: BootSource | None) -> list[BootSource]:
        """In which the firmware tries them where it has found this iSCSI source."""
        there = {source.name: source for source in (*self._own, *([iscsi] if iscsi else []))}
        names = [name for name in values[_ORDER] if name in there]
        if iscsi and any(iscsi.is_desired(device) for device in values[_DESIRED]):
            names.insert(0, iscsi.name)
        return [there[name] for name in dict.fromkeys([*names, *there])]

    def _set_order(self, wanted: Any) -> None:  # noqa: ANN401 -- any JSON
        if not isinstance(wanted, list):
            raise bad("PropertyValueTypeError", _ORDER)
        there = [source.name for source in self._order(self._pending.next, self._iscsi.found)]
        for name in wanted:
            if name not in there:
                raise bad("PropertyValueNotInList", str(name), _ORDER)
        self._change({_ORDER: wanted})

    def _set_desired(self, wanted: Any) -> None:  # noqa: ANN401 -- any JSON
        if not isinstance(wanted, list) or len(wanted) > DESIRED_DEVICES:
            raise bad("PropertyValueTypeError", _DESIRED)
        devices = list(self._pending.next[_DESIRED])
        for place, changes in enumerate(wanted):
            devices[place] = devices[place] | _device(changes)
        self._change({_DESIRED: devices})

    def _change(self, changes: Json) -> None:
        self._lock.check()
        self._pending.change(changes)
        self._tell()

    def _tell(self) -> None:
        """Have the machine try, from its next start on, what is in the order then."""
        order = self._order(self._pending.next, self._iscsi.awaited)
        self._machine.set_boot_order(tuple(dict.fromkeys(source.device for source in order)))


def _device(changes: object) -> Json:
    """What of a desired device is written."""
    if not isinstance(changes, dict):
        raise bad("PropertyValueTypeError", _DESIRED)
    for name, value in changes.items():
        if name not in _NONE:
            raise bad("PropertyUnknown", name)
        if not isinstance(value, str):
            raise bad("PropertyValueTypeError", name)
    if not _LUN.fullmatch(changes.get("Lun", "")):
        raise bad("PropertyValueFormatError", changes["Lun"], "Lun")
    return changes
