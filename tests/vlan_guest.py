"""Netboot on a trunk: what machines on two VLANs and on none get. Writes it down, judges nothing.

Run in a kernel that has VLANs (``tests.other_kernel``) by ``tests/test_vlans.py``, which judges.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from netboot.lab.capture import Capture
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.namespaces import Host, Lan
from netboot.lab.site import Site
from tests.doctor_site import make_images

MODULES = ("bridge", "veth", "8021q", "nf_tables")
"""What it needs of the kernel."""
VLANS = (5, 7)
MACHINES = {
    "eth0.5": ("edk2", "52:54:00:00:05:01"),
    "eth0.7": ("bios", "52:54:00:00:07:01"),
    "eth0": ("ipxe", "52:54:00:00:00:01"),
}
"""Interface → the firmware and the MAC of the machine that boots by it; eth0 is untagged."""
SERVED = (69, 8080)
SIMULATE = (sys.executable, "-m", "netboot", "simulate", "--json", "--eager")
PATIENCE = 90.0
"""Seconds, on a busy machine in a kernel that is a process itself."""


def tag(host: Host, *vlans: int) -> None:
    """Put ``host`` on VLANs, with the last number of its own address."""
    last = str(host.address).rpartition(".")[2]
    for vlan in vlans:
        lines = (
            f"link add link eth0 name eth0.{vlan} type vlan id {vlan}",
            f"address add 10.78.{vlan}.{last}/24 dev eth0.{vlan}",
            f"link set eth0.{vlan} up",
        )
        host.run(["ip", "-batch", "-"], text_input="\n".join(lines))


def boot(client: Host, interface: str) -> dict[str, Any]:
    """What one machine's boot came to, and which addresses it asked for files."""
    firmware, mac = MACHINES[interface]
    with Capture(client, interface, SERVED) as seen:
        words = ("--interface", interface, "--firmware", firmware, "--mac", mac)
        done = client.run([*SIMULATE, *words], check=False, timeout=PATIENCE)
    asked = {packet.destination[0] for packet in seen.packets if packet.destination[1] in SERVED}
    return {"said": json.loads(done.stdout), "asked": sorted(asked)}


def main(folder: Path) -> None:
    """Serve the VLANs of a trunk, boot a machine on each and one on none, ask the doctor."""
    with Lan("trunk") as lan:
        clients = [lan.host("five"), lan.host("seven"), lan.host("untagged")]
        for host, *vlans in (
            (lan.dhcp, *VLANS),
            (lan.server, *VLANS),
            *zip(clients, VLANS, strict=False),
        ):
            tag(host, *vlans)
        ranges = (f"--dhcp-range=10.78.{vlan}.100,10.78.{vlan}.199,1h" for vlan in VLANS)
        PlainDhcp(lan, extra=("--interface=eth0.*", "--no-ping", *ranges))
        images = make_images(lan.directory / "images")
        names = [f"eth0.{vlan}" for vlan in VLANS]
        settings = {"server": {"interfaces": names}, "dhcp": {"unknown": "debian-12"}}
        site = Site(lan, images, "http://10.78.5.1/debian", settings=settings)
        serve = [sys.executable, "-m", "netboot", "--config", site.config, "serve"]
        serving = site.host.start(serve, lan.directory / "serve.log")
        serving.wait_for("^an admin's token", PATIENCE)
        with ThreadPoolExecutor() as pool:
            boots = list(pool.map(boot, clients, MACHINES))
        doctor = json.loads(site.netboot("doctor", "--json", check=False).stdout)
        found = {
            "boots": dict(zip(MACHINES, boots, strict=True)),
            "doctor": doctor,
            "lines": serving.text.splitlines(),
        }
    (folder / "found").write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
