"""One command, from a machine that runs from its disk to the same machine installed.

`netboot node install` tells the BMC, the machine is reset once, network-boots by its real firmware,
and code of its own inside the guest reads its answers and calls home with the token from its own
kernel command line. Nothing here speaks for the machine.
"""

import json
from pathlib import Path

import pytest

from netboot.events import Kind
from netboot.lab.site import Site, kinds
from netboot.lab.up.file import read
from netboot.lab.up.lab import Lab
from tests.boot_code import boot_sector
from tests.test_call_home import site_that_installs

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

TIMEOUT = 300
FROM_DISK = "started from disk"


def site_in(lab: Lab, images: Path) -> Site:
    """netboot in a lab, all of whose machines have a profile that installs by a script of ours."""
    lan = next(iter(lab.networks.values()))
    site, given = site_that_installs(lan, images)
    password = lan.directory / "password"
    password.write_text("password", "utf-8")
    for name, node in lab.nodes.items():
        site.netboot("node", "add", name, "--mac", node.machine.macs[0], *given)
        words = ["--bmc", node.bmcs[0], "--bmc-user", "admin", "--bmc-password-file", password]
        site.netboot("node", "set", name, *words, "--bmc-fingerprint", node.fingerprint)
    return site


def test_install_flips_boots_installs_and_leaves_the_machine_on_its_disk(
    tmp_path: Path, images: Path
) -> None:
    (tmp_path / "disk.img").write_bytes(boot_sector(FROM_DISK).ljust(1 << 20, b"\0"))
    # tests/test_call_home.py has UEFI
    kind = "firmware: bios, memory: 1024, disks: [./disk.img], boot: [disk, network]"
    (tmp_path / "lab.yaml").write_text(f"nodes: {{n1: {{{kind}}}}}\n", "utf-8")
    with Lab(read(tmp_path / "lab.yaml")) as lab:
        site, program = site_in(lab, images), lab.nodes["n1"].machine.program
        site.serve()
        site.netboot("node", "power", "n1", "on")
        program.wait_for(FROM_DISK, TIMEOUT)

        [asked] = json.loads(site.netboot("node", "install", "n1", "--json").stdout)["jobs"]
        program.wait_for("called home: 0", TIMEOUT)
        since = program.position
        site.wait_for_event("n1", Kind.INSTALLED, TIMEOUT)
        ended = site.wait_for_event("n1", Kind.JOB, TIMEOUT, "install done")
        assert (ended.data["job"], ended.data["came"]) == (asked["id"], "done")
        assert "state      installed" in site.netboot("node", "show", "n1").stdout
        program.wait_for(FROM_DISK, TIMEOUT, since=since)

        events = [record.event for record in site.timeline("n1")]
        wanted = {Kind.DISCOVER, Kind.SCRIPT, Kind.KERNEL, Kind.INITRD, Kind.PRESEED}
        assert wanted <= set(kinds(site.timeline("n1")))
        resets = [one for one in events if one.data.get("did") == "reset"]
        assert [one.data["came"] for one in resets][-2:] == ["intent", "ok"]
        assert len([one for one in resets if one.data["came"] == "intent"]) == 2  # on, and install
        assert not [one for one in events if one.kind is Kind.ALARM]
