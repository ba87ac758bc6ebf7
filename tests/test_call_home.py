"""An installation from its beginning to its call home, by code that runs inside the machine.

The Debian mirror that can be reached from a test need not have the installer's own packages, so
what runs here in the place of the installer is a shell script of ours on the installer's kernel.
It has nothing but its kernel's command line to go by, as the installer has.
"""

import sys
from pathlib import Path

import pytest

from netboot.events import Kind
from netboot.lab.machine import Machine
from netboot.lab.namespaces import Host, Lan
from netboot.lab.site import Site, kinds
from netboot.media.cpio import pack

pytestmark = [pytest.mark.root, pytest.mark.firmware, pytest.mark.mirror]

MAC = "52:54:00:00:00:01"
INSTALLER = b"""
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
depmod -a
modprobe virtio_pci; modprobe virtio_net
for nic in /sys/class/net/*; do
    nic=${nic##*/}
    [ "$nic" = lo ] || break
done
chmod +x /udhcpc.sh
ip link set "$nic" up
udhcpc -i "$nic" -n -q -t 20 -s /udhcpc.sh
read -r line </proc/cmdline
for word in $line; do
    case $word in url=*) base=${word#url=} ;; esac
done
base=${base%/preseed.cfg}
wget -q -O /answers "$base/preseed.cfg" && echo "answers: $(head -n 1 /answers)"
wget -q -O /dev/null "$base/progress?stage=late&detail=step+1&status=3"
wget -q -O /dev/null "$base/installed?hostkey=SHA256:made-in-the-guest&status=1"
echo "called home: $?"
reboot -f
"""
LEASE = b"""#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/24" dev "$interface"
"""
PROFILE = """
description = "Says it is installed"
script = "ipxe/linux.ipxe"
image = "debian-12"
installs = true
kernel = "linux"
initrds = ["initrd.gz", "{{ vars.own }}"]
args = "console=ttyS0,115200n8 rdinit=/bin/sh -- /installer.sh"
answer = { kind = "preseed", file = "mine/own.cfg" }
[vars]
countdown = "1"
"""
ANSWERS = "# as it is {{ written }}\n"


def file_server(host: Host, folder: Path) -> str:
    """Serve ``folder`` by somebody else's HTTP server; its URL."""
    command = [sys.executable, "-m", "http.server", "8000", "--directory", str(folder)]
    host.start(command, folder / "http.log").wait_for("Serving", 300)
    return f"http://{host.address}:8000"


def site_that_installs(lan: Lan, images: Path) -> tuple[Site, list[str]]:
    """A site with a profile whose installer is the script above; and what a node of it is given."""
    templates, files = lan.directory / "templates", lan.directory / "files"
    for name, text in (("profiles/own.toml", PROFILE), ("mine/own.cfg", ANSWERS)):
        (templates / name).parent.mkdir(parents=True)
        (templates / name).write_text(text, "utf-8")
    files.mkdir()
    tree = {"installer.sh": INSTALLER, "udhcpc.sh": LEASE}
    (files / "own.cpio").write_bytes(b"".join(pack(tree)))
    url = file_server(lan.host("files"), files)
    settings = {"server": {"templates": [str(templates)]}}
    site = Site(lan, images, "http://mirror.example/debian", settings=settings)
    return site, ["--profile", "own", "--set", f"own={url}/own.cpio"]


@pytest.fixture
def installing(lan_with_dhcp: Lan, images: Path) -> Site:
    """Such a site, and a node that boots that profile."""
    site, given = site_that_installs(lan_with_dhcp, images)
    site.netboot("node", "add", "n1", "--mac", MAC, *given)
    return site


def test_a_machine_is_installed_once_and_then_starts_from_its_disk(
    lan_with_dhcp: Lan, installing: Site
) -> None:
    site = installing
    site.serve()
    machine = Machine(lan_with_dhcp, "n1", [MAC])  # tests/test_install_whole_loop.py has a BIOS
    machine.power_on()
    machine.wait_for_serial("answers: # as it is {{ written }}", 300)
    said = site.wait_for_event("n1", Kind.PROGRESS, 300)
    assert said.detail == "late, step 1, exit status 3"
    home = site.wait_for_event("n1", Kind.INSTALLED, 300)
    assert home.data["hostkey"] == "SHA256:made-in-the-guest"
    assert "state      installed" in site.netboot("node", "show", "n1").stdout
    machine.wait_for_serial("called home: 0", 300)
    machine.wait_for_serial("starting from the local disk", 300)
    assert kinds(site.timeline("n1")).count(Kind.INSTALLED) == 1
    assert not [r for r in site.timeline("n1") if r.event.kind is Kind.ALARM]
    refused = site.netboot("node", "install", "n1", check=False)
    assert refused.returncode == 2
    assert "--reinstall" in refused.stderr
    site.netboot("node", "install", "n1", "--reinstall")
    machine.reset()
    machine.wait_for_serial("answers: ", 300)
