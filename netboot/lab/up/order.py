"""The boot order of a virtual machine: its own, and a device in front of it."""

from collections.abc import Sequence

from netboot.lab.bmc.machine import BootDevice
from netboot.lab.qmp import Qmp
from netboot.lab.up.lun import DEVICE, Lun
from netboot.lab.up.qemu import Hardware

_PLUGGED = (BootDevice.NETWORK, BootDevice.DISK, BootDevice.ISCSI, BootDevice.CD)


class BootOrder:
    """The order QEMU tells the firmware at the next reset.

    Args:
        qmp: the machine's monitor; used by one thread at a time.
        hardware: what is plugged in, but for the LUN.
        own: its own order, as its firmware's menu would have it.
        lun: what its firmware's iSCSI has; where ``own`` does not name it, it comes before the
            network.

    Attributes:
        own: as given; what is changed is in force with the next ``renew``.
    """

    def __init__(self, qmp: Qmp, hardware: Hardware, own: Sequence[BootDevice], lun: Lun) -> None:
        self._qmp = qmp
        self._hardware = hardware
        self.own = tuple(own)
        self._lun = lun
        self._first: BootDevice | None = None

    def put_first(self, device: BootDevice | None) -> None:
        """Put a device in front; None is its own order."""
        self._first = device
        self.renew()

    def renew(self) -> None:
        """Make the same order of what is plugged in by now."""
        own = [device for kind in self.own for device in self._in_place_of(kind)]
        first = self._of(self._first) if self._first else []
        for kind in _PLUGGED:
            for device in self._of(kind):
                self._set_index(device, -1)  # an index in use would be refused
        for index, device in enumerate(dict.fromkeys([*first, *own])):
            self._set_index(device, index)

    def _in_place_of(self, kind: BootDevice) -> list[str]:
        is_here = kind is BootDevice.NETWORK and BootDevice.ISCSI not in self.own
        lun = self._of(BootDevice.ISCSI) if is_here else []
        return [*lun, *self._of(kind)]

    def _of(self, kind: BootDevice) -> list[str]:
        match kind:
            case BootDevice.NETWORK | BootDevice.HTTP:
                return [f"nic{number}" for number in range(len(self._hardware.nics))]
            case BootDevice.DISK:
                return [f"disk{number}" for number in range(len(self._hardware.disks))]
            case BootDevice.ISCSI:
                return [DEVICE] if self._lun.is_plugged else []
            case _:
                return ["cd0"]

    def _set_index(self, device: str, index: int) -> None:
        path = f"/machine/peripheral/{device}"
        self._qmp.command("qom-set", {"path": path, "property": "bootindex", "value": index})
