"""The LUN of a lab's machine, and its place in the boot order, as QEMU is told of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from netboot.errors import OperationError
from netboot.lab.bmc.machine import BootDevice, IscsiDrive
from netboot.lab.up.lun import Lun
from netboot.lab.up.order import BootOrder
from netboot.lab.up.qemu import Hardware, Nic, command
from netboot.model import Mac

DRIVE = IscsiDrive("iqn.2026-01.com.example:disk1", "192.0.2.9", 3260, 1, "iqn.2026-01.n1:n1")
WITH_CHAP = IscsiDrive(DRIVE.target, "2001:db8::9", 3260, 1, "", "n1", "s3cret")
MACHINE = Hardware("n1", "uefi", 256, [Nic(Mac("52:54:00:00:00:01"), "tap0")], [Path("d.img")])


class Monitor:
    """Keeps what it is asked, and which bootindex each device has; refuses what it is told to."""

    def __init__(self, refuses: str = "") -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.indices: dict[str, int] = {}
        self.refuses = refuses

    def command(self, name: str, arguments: Mapping[str, Any]) -> None:
        if name == self.refuses:
            raise OperationError(f"QMP {name}: no")
        if name != "qom-set":
            self.asked.append((name, arguments))
            return
        device, index = arguments["path"].rpartition("/")[2], arguments["value"]
        assert index == -1 or index not in self.indices.values()
        self.indices[device] = index

    def wait_for_event(self, name: str, _timeout: float) -> dict[str, Any]:
        assert name == "DEVICE_DELETED"
        return {"device": "iscsi0"}

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.asked]

    @property
    def order(self) -> list[str]:
        found = {device: index for device, index in self.indices.items() if index >= 0}
        return sorted(found, key=lambda device: found[device])


def lun(monitor: Monitor, wanted: IscsiDrive | None = None) -> Lun:
    made = Lun(monitor)  # type: ignore[arg-type]
    made.wanted = wanted
    return made


def test_it_comes_and_goes_with_what_is_wanted() -> None:
    monitor = Monitor()
    made = lun(monitor, DRIVE)
    assert (made.is_stale, made.is_plugged) == (True, False)
    made.settle()
    assert (made.is_stale, made.is_plugged, str(made)) == (False, True, f"{DRIVE.target} LUN 1")
    made.settle()
    assert monitor.names == ["blockdev-add", "device_add"]
    made.wanted = None
    made.settle()
    assert monitor.names[2:] == ["device_del", "blockdev-del"]
    assert (made.is_plugged, str(made)) == (False, "")


def test_a_secret_is_an_object_that_is_gone_after_the_login() -> None:
    monitor = Monitor()
    lun(monitor, WITH_CHAP).settle()
    assert monitor.names == ["object-add", "blockdev-add", "device_add", "object-del"]
    file = monitor.asked[1][1]["file"]
    assert (file["portal"], file["user"]) == ("[2001:db8::9]:3260", "n1")
    assert "s3cret" not in str(monitor.asked[1:]) + repr(WITH_CHAP)


@pytest.mark.parametrize(
    ("refuses", "left"),
    [
        ("blockdev-add", ["object-add", "object-del"]),
        ("device_add", ["object-add", "blockdev-add", "blockdev-del", "object-del"]),
    ],
)
def test_a_target_that_is_away_is_said_and_leaves_nothing(refuses: str, left: list[str]) -> None:
    monitor = Monitor(refuses)
    made = lun(monitor, WITH_CHAP)
    made.settle()
    assert (made.is_plugged, made.is_stale) == (False, True)  # the next start tries again
    assert str(made) == f"QMP {refuses}: no"
    assert monitor.names == left


@pytest.mark.parametrize(
    ("first", "order"),
    [
        (None, ["disk0", "iscsi0", "nic0"]),
        (BootDevice.ISCSI, ["iscsi0", "disk0", "nic0"]),
        (BootDevice.NETWORK, ["nic0", "disk0", "iscsi0"]),
    ],
)
def test_it_stands_before_the_network_unless_somebody_says_otherwise(
    first: BootDevice | None, order: list[str]
) -> None:
    monitor = Monitor()
    made = lun(monitor, DRIVE)
    own = (BootDevice.DISK, BootDevice.NETWORK)
    boots = BootOrder(monitor, MACHINE, own, made)  # type: ignore[arg-type]
    boots.put_first(first)
    assert monitor.order == [device for device in order if device != "iscsi0"]
    made.settle()
    boots.renew()
    assert monitor.order == order


def test_an_order_that_names_it_is_kept() -> None:
    monitor = Monitor()
    made = lun(monitor, DRIVE)
    boots = BootOrder(monitor, MACHINE, (BootDevice.DISK, BootDevice.NETWORK), made)  # type: ignore[arg-type]
    made.settle()
    boots.own = (BootDevice.NETWORK, BootDevice.DISK, BootDevice.ISCSI)
    boots.renew()
    assert monitor.order == ["nic0", "disk0", "iscsi0"]


def test_a_bios_has_no_initiator(tmp_path: Path) -> None:
    bios = Hardware("n1", "bios", 128, MACHINE.nics, ())
    assert "virtio-scsi-pci,id=scsi0" not in command(bios, tmp_path, ())
