"""Real firmware of every kind that runs here reaches the installer's kernel through netboot."""

import pytest

from netboot.events import Kind
from netboot.lab.machine import FirmwareKind, Machine
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site, kinds

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror, pytest.mark.timeout(300)]

MAC = "52:54:00:00:00:01"
INSTALLER = [Kind.SCRIPT, Kind.KERNEL, Kind.INITRD]


@pytest.mark.parametrize(
    ("firmware", "before"),
    [
        ("uefi-http", [Kind.DISCOVER, Kind.OFFER, Kind.LOADER]),
        ("ipxe-rom", [Kind.DISCOVER, Kind.OFFER]),
        ("bios", [Kind.DISCOVER, Kind.OFFER]),
    ],
)
def test_it_reaches_the_installer(
    lan_with_dhcp: Lan, site: Site, firmware: FirmwareKind, before: list[Kind]
) -> None:
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "debian-12")
    site.serve()
    machine = Machine(lan_with_dhcp, "n1", [MAC], firmware)
    machine.power_on()
    site.wait_for_event("n1", Kind.INITRD, 200)
    came = [kind for kind in kinds(site.timeline("n1")) if kind in {*before, *INSTALLER}]
    assert came == before + INSTALLER
