"""Real firmware network-boots beside a DHCP server nobody touched, into its own installer."""

import pytest

from netboot.events import Kind
from netboot.lab.machine import Machine
from netboot.lab.mirror import Mirror
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site, kinds

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror, pytest.mark.timeout(600)]

FIRST, SECOND, THIRD = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
SERIAL = ("--set", "console=ttyS0,115200n8")
INSTALLED = [
    Kind.DISCOVER,
    Kind.OFFER,
    Kind.REQUEST_4011,
    Kind.ACK_4011,
    Kind.PROBE,
    Kind.LOADER,
    Kind.FILE,
    Kind.SCRIPT,
    Kind.KERNEL,
    Kind.INITRD,
    Kind.PRESEED,
]


def test_two_machines_at_once_each_boot_into_their_own_installer(
    lan: Lan, site: Site, mirror: Mirror
) -> None:
    site.netboot("node", "add", "n1", "--mac", FIRST, "--profile", "debian-12", *SERIAL)
    site.netboot("node", "add", "n2", "--mac", SECOND, "--profile", "debian-13", *SERIAL)
    site.serve()
    machines = {"n1": Machine(lan, "n1", [FIRST]), "n2": Machine(lan, "n2", [SECOND])}
    for machine in machines.values():
        machine.power_on()
    for name, version in (("n1", "12"), ("n2", "13")):
        site.wait_for_event(name, Kind.PRESEED, 300)
        events = site.timeline(name)
        assert kinds(events) == INSTALLED
        files = [record.event.data.get("file") for record in events]
        files = [name for name in files if str(name).startswith("images/")]
        assert files == [f"images/debian-{version}/linux", f"images/debian-{version}/initrd.gz"]
        line = machines[name].wait_for_serial(r"Command line: (.*)", 5)[1]
        assert f"netcfg/hostname={name} " in line
        assert "url=http://10.77.0.2:8080/node/" in line
    mirror.wait_for("dists/bookworm/Release", 120)
    mirror.wait_for("dists/trixie/Release", 120)


def test_a_machine_is_known_by_its_second_nic(lan: Lan, site: Site) -> None:
    site.netboot("node", "add", "n1", "--mac", SECOND, "--profile", "debian-12", *SERIAL)
    site.serve()
    machine = Machine(lan, "n1", [FIRST, SECOND])
    machine.power_on()
    site.wait_for_event("n1", Kind.PRESEED, 300)
    assert kinds(site.timeline(FIRST))[:2] == [Kind.DISCOVER, Kind.IGNORED]
    assert "BOOTIF=01-52-54-00-00-00-02" in machine.wait_for_serial(r"Command line: (.*)", 5)[1]


def test_a_local_machine_is_handed_back_to_its_firmware(lan: Lan, site: Site) -> None:
    site.netboot("node", "add", "n1", "--mac", FIRST, "--profile", "local")
    site.serve()
    machine = Machine(lan, "n1", [FIRST])
    machine.power_on()
    machine.wait_for_serial("starting from the local disk", 120)
    machine.wait_for_serial("failed to start Boot0001 .UEFI PXEv4", 30)
    machine.wait_for_serial("starting Boot.* .EFI Internal Shell", 90)


def test_a_broken_script_is_told_on_the_screen_and_mended_without_touching_the_machine(
    lan: Lan, site: Site
) -> None:
    site.netboot(
        "node", "add", "n1", "--mac", FIRST, "--profile", "debian-12", "--set", "ip=10.77.0.50"
    )
    site.serve()
    machine = Machine(lan, "n1", [FIRST])
    machine.power_on()
    machine.wait_for_serial("netmask", 120)
    failed = site.wait_for_event("n1", Kind.FAILED, 10)
    assert "templates/ipxe/debian.ipxe line " in failed.detail
    assert "n1" in failed.detail
    site.netboot("node", "set", "n1", "--set", "netmask=255.255.255.0")
    site.wait_for_event("n1", Kind.KERNEL, 60)
