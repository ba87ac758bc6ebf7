"""HPE's own boot order (HpeServerBootSettings under Bios), where others have a boot override.

``PersistentBootConfigOrder`` lists what the last start found; a LUN is not in it before a start has
logged in. ``DesiredBootDevices`` names what is to come first as soon as a start finds it: a target,
its LUN, and the NIC by the path of its PCI device. Its entries have fixed places, and one without
content is none. Both are written to the settings for the next start.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from netboot.bmc.iscsi import BootPlace, IscsiTarget
from netboot.bmc.redfish_boot import objects
from netboot.bmc.redfish_http import Reply
from netboot.bmc.redfish_words import Json

ORDER, DESIRED = "PersistentBootConfigOrder", "DesiredBootDevices"
NAMED = "StructuredBootString"
"""What a boot source is called, here and where the source is set up."""

_NIC, _LUN, _TARGET = "CorrelatableID", "Lun", "iScsiTargetName"
_NONE: Json = {_NIC: "", _LUN: "", "Wwn": "", _TARGET: ""}


@dataclass(frozen=True, slots=True)
class HpeBootOrder:
    """One reading of it.

    Attributes:
        now: the resource in force, with what the last start found.
        settings: those for the next start.
        found: what the sources of the LUN are called; empty before a start has found it.
        others: the targets of iSCSI sources that are not ours.
    """

    now: Json
    settings: Reply
    found: Collection[str]
    others: Collection[str]

    def place(self, target: IscsiTarget) -> BootPlace | None:
        """Where ``target`` stands; None where it can be named in no way."""
        if self.found:
            is_first = any(name in self.found for name in self._order[:1])
            return BootPlace.FIRST if is_first else BootPlace.ELSEWHERE
        if not self._desired:
            return None
        is_named = any(_names(device, target) for device in self._desired)
        return BootPlace.AWAITED if is_named else BootPlace.ELSEWHERE

    def put_first(self, target: IscsiTarget, macs: Sequence[str]) -> Json:
        """What puts ``target`` first, on those of ``macs`` that the firmware boots from."""
        nics = list(dict.fromkeys(self._nics(macs))) or [""]
        lun = _hexadecimal(target.lun)
        ours = [{**_NONE, _NIC: nic, _LUN: lun, _TARGET: target.name} for nic in nics]
        return self._body(ours, lambda name: name not in self.found)

    def put_back(self) -> Json:
        """What puts ours last, and names it no longer."""
        return self._body([], lambda name: name in self.found)

    def _body(self, ours: Sequence[Json], comes_late: Callable[[str], bool]) -> Json:
        body: dict[str, object] = {}
        if places := len(self._desired):
            theirs = [device for device in self._desired if self._is_theirs(device)]
            fits = ours[: max(1, places - len(theirs))]
            body[DESIRED] = [*fits, *theirs, *[_NONE] * places][:places]
        if self.found:
            body[ORDER] = sorted(self._order, key=comes_late)
        return body

    @property
    def _order(self) -> list[str]:
        listed = self.settings.said.get(ORDER)
        return [str(name) for name in listed] if isinstance(listed, list) else []

    @property
    def _desired(self) -> list[Json]:
        return objects(self.settings.said, DESIRED)

    def _is_theirs(self, device: Json) -> bool:
        target = device.get(_TARGET)
        return target in self.others if target else any(device.values())

    def _nics(self, macs: Sequence[str]) -> Iterator[str]:
        """The PCI devices of NICs, by the boot sources that have their MAC in their path."""
        sources = objects(self.now, "BootSources")
        for mac in macs:
            node = f"MAC({mac.replace(':', '').upper()}"
            for source in sources:
                if node in str(source.get("UEFIDevicePath")).upper() and source.get(_NIC):
                    yield str(source[_NIC])


def _names(device: Json, target: IscsiTarget) -> bool:
    lun = str(device.get(_LUN)).lower()
    return device.get(_TARGET) == target.name and lun == _hexadecimal(target.lun).lower()


def _hexadecimal(lun: int) -> str:
    """A LUN with an even number of digits, as HPE wants it."""
    digits = f"{lun:X}"
    return f"0x{'0' * (len(digits) % 2)}{digits}"
