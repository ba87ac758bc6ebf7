"""What HPE's firmware can start from, by its own names."""

from collections.abc import Iterator
from dataclasses import dataclass

from netboot.lab.bmc.machine import BootDevice, IscsiDrive, VirtualMachine
from netboot.redfish.resources import Json


@dataclass(frozen=True, slots=True)
class BootSource:
    """One of them.

    Attributes:
        name: its StructuredBootString.
        text: for people.
        pci: its PCI device.
        path: its UEFI device path.
        device: what the machine starts from.
        drive: the LUN.
    """

    name: str
    text: str
    pci: str
    path: str
    device: BootDevice
    drive: IscsiDrive | None = None

    def shown(self) -> Json:
        """An entry of BootSources."""
        return {
            "StructuredBootString": self.name,
            "BootString": self.text,
            "CorrelatableID": self.pci,
            "UEFIDevicePath": self.path,
        }

    def is_desired(self, device: Json) -> bool:
        """Whether an entry of DesiredBootDevices is about it."""
        if self.drive is None or device["iScsiTargetName"] != self.drive.target:
            return False
        lun = int(device["Lun"] or "0x0", 16)
        return lun == self.drive.lun and device["CorrelatableID"] in ("", self.pci)


def of_machine(machine: VirtualMachine) -> tuple[BootSource, ...]:
    """What it has, in its own order."""
    return tuple(source for kind in machine.boot_order for source in _of_kind(machine, kind))


def of_lun(machine: VirtualMachine, number: int, drive: IscsiDrive) -> BootSource:
    """A LUN that the NIC with this number, from 1, logs in to."""
    pci, path = _nic(machine, number)
    name, text = f"NIC.LOM.1.{number}.iSCSI", f"Embedded LOM 1 Port {number} : NIC (iSCSI IPv4)"
    lun = f"iSCSI({drive.target},0x1,0x{drive.lun:X},None,None,None,TCP)"
    return BootSource(name, text, pci, f"{path}/{lun}", BootDevice.ISCSI, drive)


def _of_kind(machine: VirtualMachine, kind: BootDevice) -> Iterator[BootSource]:
    match kind:
        case BootDevice.DISK:
            pci = "PciRoot(0x0)/Pci(0x1F,0x2)"
            path = f"{pci}/Sata(0x0,0xFFFF,0x0)"
            yield BootSource("HD.Emb.1.1", "Embedded SATA Port 1 HDD", pci, path, kind)
        case BootDevice.NETWORK:
            for number in range(1, len(machine.macs) + 1):
                pci, path = _nic(machine, number)
                text = f"Embedded LOM 1 Port {number} : NIC (PXE IPv4)"
                yield BootSource(f"NIC.LOM.1.{number}.IPv4", text, pci, path, kind)
        case BootDevice.CD:
            pci = "PciRoot(0x0)/Pci(0x1D,0x0)"
            text = "iLO Virtual USB 2 : iLO Virtual USB CD/DVD ROM"
            yield BootSource("CD.Virtual.2.1", text, pci, f"{pci}/USB(0x0,0x0)", kind)


def _nic(machine: VirtualMachine, number: int) -> tuple[str, str]:
    """The PCI device of a NIC, and its UEFI device path."""
    pci = f"PciRoot(0x0)/Pci(0x1C,0x4)/Pci(0x0,0x{number - 1:X})"
    mac = machine.macs[number - 1].replace(":", "").upper()
    return pci, f"{pci}/MAC({mac},0x1)/IPv4(0.0.0.0)"
