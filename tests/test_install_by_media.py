"""Machines whose NICs have no network boot, installed by virtual CDs of their BMCs.

One, of UEFI, has a BMC that reads over HTTP, and has a bad day besides: it answers 503 before it
takes the CD, and the reply to the reset gets lost. The other, of BIOS, has one that reads by NFS
alone, from a share by somebody else's server.
"""

from pathlib import Path

import pytest

from netboot.events import Event, Kind
from netboot.lab.site import Site, kinds
from netboot.lab.up.file import read
from netboot.lab.up.lab import Lab
from tests.boot_code import boot_sector
from tests.uefi_disk import bootable
from tests.waiting import await_

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

TIMEOUT = 300
FROM_DISK, FROM_SCRIPT = "started from disk", "started by its own script"
BIOS = "firmware: bios, memory: 256, disks: [./bios.img], boot: [disk]"
UEFI = "firmware: uefi, memory: 256, disks: [./uefi.img], boot: [disk]"
LAB = f"""
nodes:
  http:
    {{{UEFI}, bmc: {{protocols: [redfish], faults: [
      {{kind: busy, method: POST, path: InsertMedia, retry_after: 1}},
      {{kind: drop, method: POST, path: ComputerSystem.Reset}}]}}}}
  nfs: {{{BIOS}, bmc: {{protocols: [redfish], personality: h3c}}}}
"""
SHARE = "/srv/netboot"
GANESHA = Path(__file__).parent.parent / "docker/ganesha.conf"
PROFILE = """
description = "Is installed at once"
script = "ipxe/proof.ipxe"
installs = true
"""
SCRIPT = f"""#!ipxe
echo {FROM_SCRIPT}
imgfetch {{{{ boot.url }}}}/installed?status=0
reboot
"""


def test_nodes_are_installed_via_media_and_their_bmcs_keep_no_cd(
    tmp_path: Path, images: Path
) -> None:
    bootable(tmp_path / "uefi.img", images / "ipxe/current/ipxe.efi", FROM_DISK)
    (tmp_path / "bios.img").write_bytes(boot_sector(FROM_DISK).ljust(1 << 20, b"\0"))
    (tmp_path / "lab.yaml").write_text(LAB, "utf-8")
    for kind, name, text in (("profiles", "proof.toml", PROFILE), ("ipxe", "proof.ipxe", SCRIPT)):
        (tmp_path / "templates" / kind).mkdir(parents=True)
        (tmp_path / "templates" / kind / name).write_text(text, "utf-8")
    with Lab(read(tmp_path / "lab.yaml")) as lab:
        lan, bmcs = next(iter(lab.networks.values())), str(lab.bmcs.subnet[-2])
        settings = {
            "server": {"templates": [str(tmp_path / "templates")]},
            "virtual_media": {"nfs": f"nfs://{bmcs}/netboot"},
        }
        site = Site(lan, images, "http://mirror.invalid/debian", settings=settings)
        register(site, lab)
        site.serve()
        share(site, bmcs, "nfs", lab.nodes["nfs"].machine.macs[0])
        site.netboot("node", "install", *lab.nodes, "--via", "media")
        for name, node in lab.nodes.items():
            program = node.machine.program
            program.wait_for(FROM_SCRIPT, TIMEOUT)
            ended = site.wait_for_event(name, Kind.JOB, TIMEOUT, "install done")
            assert ended.data["came"] == "done"
            program.wait_for(FROM_DISK, TIMEOUT)  # it was off before
            assert "empty" in site.netboot("node", "media", name, "status").stdout
            came_by_the_cd_alone([record.event for record in site.timeline(name)])
        assert Kind.MEDIA in kinds(site.timeline("http"))
        assert resets(site, "http") == ["intent", "unknown"]
        assert Kind.MEDIA not in kinds(site.timeline("nfs"))
        assert resets(site, "nfs") == ["intent", "ok"]


def register(site: Site, lab: Lab) -> None:
    password = site.data / "password"
    password.write_text("password", "utf-8")
    for name, node in lab.nodes.items():
        site.netboot("node", "add", name, "--mac", node.machine.macs[0], "--profile", "proof")
        words = ["--bmc", node.bmcs[0], "--bmc-user", "admin", "--bmc-password-file", password]
        site.netboot("node", "set", name, *words, "--bmc-fingerprint", node.fingerprint)


def share(site: Site, address: str, name: str, mac: str) -> None:
    """Export a machine's CD as the compose file does, at one address."""
    folder = site.lan.directory / "share"
    medium = folder / "media" / mac.replace(":", "-") / "netboot.iso"
    medium.parent.mkdir(parents=True)
    (folder / "images").mkdir()
    site.netboot("media", "build", name, "-o", medium, "--address", site.host.address)
    config, log = folder.with_name("ganesha.conf"), folder.with_name("ganesha.log")
    config.write_text(GANESHA.read_text("utf-8").replace(SHARE, str(folder)), "utf-8")
    site.host.start(["rpcbind", "-f", "-h", address], folder.with_name("rpcbind.log"))
    await_(lambda: rpc(site, address) is not None, "rpcbind")
    ganesha = ["ganesha.nfsd", "-F", "-L", "/dev/stdout", "-f", config]
    site.host.start([*ganesha, "-p", folder.with_name("ganesha.pid")], log)
    await_(lambda: " nfs" in (rpc(site, address) or ""), "an NFS server")


def rpc(site: Site, address: str) -> str | None:
    done = site.host.run(["rpcinfo", "-p", address], check=False)
    return None if done.returncode else done.stdout


def came_by_the_cd_alone(events: list[Event]) -> None:
    """Its BMC was asked for nothing else, and had it out again."""
    assert {event.kind for event in events} >= {Kind.DISCOVER, Kind.SCRIPT}
    assert not [event for event in events if event.kind is Kind.LOADER]
    steps = [event.data for event in events if event.kind is Kind.BMC]
    assert {step["rung"] for step in steps if step.get("rung")} == {"virtual-media"}
    assert [step["came"] for step in steps if step.get("did") == "eject"] == ["ok"]


def resets(site: Site, name: str) -> list[str]:
    steps = [record.event.data for record in site.timeline(name)]
    return [str(step["came"]) for step in steps if step.get("did") == "reset"]
