"""Machines boot from their iSCSI volumes by their firmware, as their BMCs were told over Redfish.

Each has a disk of its own that it boots from first, unless its BMC says otherwise: by a boot
override, or as HPE has it, by its boot order. The target is tgt and wants CHAP; the firmware's
initiator is QEMU's own.
"""

from pathlib import Path

import pytest

from netboot.lab.site import Site
from netboot.lab.up.file import read
from netboot.lab.up.lab import Lab, LabNode
from netboot.volume import initiator
from tests.iscsi_target import IQN, LUN, Chap, Target
from tests.uefi_disk import bootable
from tests.waiting import await_

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

TIMEOUT = 120
FROM_LUN, FROM_DISK = "started from the LUN", "started from its own disk"
CHAP = Chap("n1", "four-teen-char")
LAB = """
nodes:
  n1:
    memory: 256
    disks: [{disk}]
    bmc:
      protocols: [redfish]
  hpe:
    memory: 256
    disks: [{disk}]
    bmc:
      protocols: [redfish]
      personality: hpe-ilo6
      quirks:
        locked_during_post: "no"
"""
AWAITED = "first in its boot order as soon as a start has found it"


def test_a_volume_is_booted_while_it_is_set_and_not_after(tmp_path: Path, images: Path) -> None:
    loader = images / "ipxe/current/ipxe.efi"
    lun = bootable(tmp_path / "lun.img", loader, FROM_LUN)
    disk = bootable(tmp_path / "disk.img", loader, FROM_DISK)
    (tmp_path / "lab.yaml").write_text(LAB.format(disk=disk), "utf-8")
    with Lab(read(tmp_path / "lab.yaml")) as lab:
        target = Target(lab.bmcs, lun, CHAP)
        site = Site(next(iter(lab.networks.values())), images, "http://mirror.invalid/debian")
        machines = {name: node.machine for name, node in lab.nodes.items()}
        for name, node in lab.nodes.items():
            register(site, name, node)
            attach(site, name, target)
        said = site.netboot("node", "iscsi", *machines, "set").stdout
        assert "boots iscsi always in uefi mode" in line_of("n1", said)
        assert AWAITED in line_of("hpe", said)
        assert not any(machine.lun.is_plugged for machine in machines.values())  # with a start

        site.netboot("node", "power", *machines, "on")
        for name, machine in machines.items():
            machine.program.wait_for(FROM_LUN, TIMEOUT)
            assert FROM_DISK not in machine.program.text
            assert f"Initiator: {initiator(name)}" in target.initiators()
            command = Path(f"/proc/{machine.program.process.pid}/cmdline").read_text("utf-8")
            assert CHAP.secret not in command
        assert CHAP.secret not in site.netboot("timeline", "n1", "--json").stdout
        said = site.netboot("node", "iscsi", *machines, "status").stdout
        assert "iscsi always in uefi mode" in line_of("n1", said)
        assert "first in its boot order, no override" in line_of("hpe", said)

        site.netboot("node", "iscsi", *machines, "clear")
        since = {name: machine.program.position for name, machine in machines.items()}
        site.netboot("node", "power", *machines, "cycle")
        for name, machine in machines.items():
            machine.program.wait_for(FROM_DISK, TIMEOUT, since=since[name])
            assert FROM_LUN not in machine.program.text_since(since[name])
        await_(lambda: "Initiator: " not in target.initiators(), "their firmware logs out")


def line_of(name: str, said: str) -> str:
    """What a command said of this node."""
    (line,) = [line for line in said.splitlines() if line.startswith(f"{name}: ")]
    return line


def register(site: Site, name: str, node: LabNode) -> None:
    (site.data / "password").write_text("password", "ascii")
    mac, (bmc,) = node.machine.macs[0], node.bmcs
    words: list[str | Path] = ["--mac", mac, "--profile", "volume", "--bmc", bmc]
    words += ["--bmc-fingerprint", node.fingerprint]
    words += ["--bmc-user", "admin", "--bmc-password-file", site.data / "password"]
    site.netboot("node", "add", name, *words)


def attach(site: Site, name: str, target: Target) -> None:
    secret = site.data / "chap"
    secret.write_text(CHAP.secret, "ascii")
    words: list[str | Path] = ["--target", IQN, "--portal", target.portal, "--lun", str(LUN)]
    words += ["--chap-user", CHAP.user, "--chap-secret-file", secret]
    site.netboot("volume", "add", f"of-{name}", *words)
    site.netboot("volume", "attach", f"of-{name}", name)
