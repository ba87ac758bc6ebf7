"""A machine boots from its iSCSI volume by its firmware, as its BMC was told over Redfish.

The target is tgt and wants CHAP; the firmware's initiator is QEMU's own.
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
FROM_LUN = "started from the LUN"
FROM_NETWORK = "Start PXE over IPv4"
CHAP = Chap("n1", "four-teen-char")
LAB = """
nodes:
  n1:
    firmware: uefi
    memory: 256
    disks: []
    boot: [network]
    bmc:
      protocols: [redfish]
"""


def test_a_volume_is_booted_while_it_is_set_and_not_after(tmp_path: Path, images: Path) -> None:
    disk = bootable(tmp_path / "disk.img", images / "ipxe/current/ipxe.efi", FROM_LUN)
    (tmp_path / "lab.yaml").write_text(LAB, "utf-8")
    with Lab(read(tmp_path / "lab.yaml")) as lab:
        node, machine = lab.nodes["n1"], lab.nodes["n1"].machine
        target = Target(lab.bmcs, disk, CHAP)
        site = Site(next(iter(lab.networks.values())), images, "http://mirror.invalid/debian")
        register(site, node)
        attach(site, target)
        said = site.netboot("node", "iscsi", "n1", "set").stdout
        assert "boots iscsi always in uefi mode" in said
        assert not machine.lun.is_plugged  # from the next start on

        site.netboot("node", "power", "n1", "on")
        machine.program.wait_for(FROM_LUN, TIMEOUT)
        assert f"Initiator: {initiator('n1')}" in target.initiators()
        command = Path(f"/proc/{machine.program.process.pid}/cmdline").read_text("utf-8")
        assert CHAP.secret not in command + site.netboot("timeline", "n1", "--json").stdout

        site.netboot("node", "iscsi", "n1", "clear")
        since = machine.program.position
        site.netboot("node", "power", "n1", "cycle")
        machine.program.wait_for(FROM_NETWORK, TIMEOUT, since=since)
        assert FROM_LUN not in machine.program.text_since(since)
        await_(lambda: initiator("n1") not in target.initiators(), "its firmware logs out")


def register(site: Site, node: LabNode) -> None:
    (site.data / "password").write_text("password", "ascii")
    mac, (bmc,) = node.machine.macs[0], node.bmcs
    site.netboot("node", "add", "n1", "--mac", mac, "--profile", "volume")
    login = ["--bmc-user", "admin", "--bmc-password-file", site.data / "password"]
    site.netboot("node", "set", "n1", "--bmc", bmc, "--bmc-fingerprint", node.fingerprint, *login)


def attach(site: Site, target: Target) -> None:
    secret = site.data / "chap"
    secret.write_text(CHAP.secret, "ascii")
    words: list[str | Path] = ["--target", IQN, "--portal", target.portal, "--lun", str(LUN)]
    words += ["--chap-user", CHAP.user, "--chap-secret-file", secret]
    site.netboot("volume", "add", "disk1", *words)
    site.netboot("volume", "attach", "disk1", "n1")
