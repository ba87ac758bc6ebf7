"""A lab's machines do at their next start what their BMCs were told, by real firmware."""

import http.server
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from netboot.lab.bmc.machine import BootDevice, Refused
from netboot.lab.up.file import read
from netboot.lab.up.lab import Lab, LabNode
from tests.boot_code import boot_sector, cd

pytestmark = pytest.mark.firmware

TIMEOUT = 90
"""Seconds to what a firmware says, with other tests on two cores."""
FROM_DISK, FROM_CD = "started from disk", "started from CD"
FROM_NETWORK = "iPXE initialising devices"  # its ROM has said more before, wherever it boots from
SYSTEM = "https://10.78.0.11/redfish/v1/Systems/1"


class Node:
    """One machine of a lab, with an operator beside it who knows ipmitool and curl."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.node: LabNode = lab.nodes["n1"]
        self.machine = self.node.machine
        self._heard = 0

    def ipmitool(self, *words: str) -> str:
        command = ["ipmitool", "-I", "lanplus", "-H", "10.78.0.11", "-U", "admin", "-E", *words]
        return self.lab.server.run(command, env={"IPMI_PASSWORD": "password"}).stdout.strip()

    def redfish(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        said = ["--request", method, "--json", json.dumps(body)] if body is not None else []
        command = ["curl", "-sSk", "--fail-with-body", "-u", "admin:password", *said, path]
        answer = self.lab.server.run(command, timeout=TIMEOUT).stdout
        return json.loads(answer) if answer else None

    def hears(self, *patterns: str) -> str:
        """Which of some texts the serial line says first, from where this was asked last."""
        either = "|".join(f"(?:{re.escape(pattern)})" for pattern in patterns)
        found = self.machine.program.wait_for(either, TIMEOUT, since=self._heard)
        self._heard = self.machine.program.position
        return found[0]


@pytest.fixture
def node(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Node]:
    (tmp_path / "disk.img").write_bytes(request.param.ljust(1 << 20, b"\0"))
    file = tmp_path / "lab.yaml"
    file.write_text(
        """
        nodes:
          n1:
            firmware: bios
            memory: 128
            disks: [./disk.img]
        """,
        "utf-8",
    )
    with Lab(read(file)) as lab:
        yield Node(lab)


with_a_system = pytest.mark.parametrize("node", [boot_sector(FROM_DISK)], indirect=True, ids=[""])


@with_a_system
def test_ipmi_boots_from_the_network_once_and_from_disk_afterwards(node: Node) -> None:
    assert node.ipmitool("power", "status") == "Chassis Power is off"
    node.ipmitool("chassis", "bootdev", "pxe")
    node.ipmitool("power", "on")
    assert node.hears(FROM_NETWORK, FROM_DISK) == FROM_NETWORK
    assert node.ipmitool("power", "status") == "Chassis Power is on"
    node.ipmitool("power", "cycle")
    assert node.hears(FROM_NETWORK, FROM_DISK) == FROM_DISK
    node.ipmitool("power", "off")
    assert not node.machine.is_on


@with_a_system
def test_redfish_boots_from_the_network_once_and_from_disk_afterwards(node: Node) -> None:
    boot = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}
    node.redfish(SYSTEM, {"Boot": boot}, "PATCH")
    reset = f"{SYSTEM}/Actions/ComputerSystem.Reset"
    node.redfish(reset, {"ResetType": "On"})
    assert node.hears(FROM_NETWORK, FROM_DISK) == FROM_NETWORK
    system = node.redfish(SYSTEM)
    assert system["PowerState"] == "On"
    assert system["Boot"]["BootSourceOverrideEnabled"] == "Disabled"
    node.redfish(reset, {"ResetType": "ForceRestart"})
    assert node.hears(FROM_NETWORK, FROM_DISK) == FROM_DISK


@with_a_system
def test_a_continuous_override_lasts(node: Node) -> None:
    node.ipmitool("chassis", "bootdev", "pxe", "options=persistent")
    node.ipmitool("power", "on")
    assert node.hears(FROM_NETWORK, FROM_DISK) == FROM_NETWORK
    node.ipmitool("power", "reset")
    assert node.hears(FROM_NETWORK, FROM_DISK) == FROM_NETWORK
    node.ipmitool("chassis", "bootdev", "none")
    node.ipmitool("power", "reset")
    assert node.hears(FROM_NETWORK, FROM_DISK) == FROM_DISK


class Image(http.server.BaseHTTPRequestHandler):
    """A file and its ranges, as a BMC reads an ISO."""

    content = cd(FROM_CD)
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.asked.append("HEAD")
        self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self) -> None:
        self.asked.append("GET")
        first, last = map(int, re.findall(r"\d+", self.headers["Range"]))
        part = self.content[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def asked(node: Node) -> Iterator[list[str]]:
    """How an image on the lab's server was asked for."""
    Image.asked.clear()
    server = http.server.ThreadingHTTPServer(("", 0), Image, bind_and_activate=False)
    server.socket.close()
    server.socket = node.lab.server.inside(lambda: socket.create_server(("", 8000)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Image.asked
    server.shutdown()
    thread.join()
    server.server_close()


@with_a_system
def test_a_virtual_cd_is_read_over_http(node: Node, asked: list[str]) -> None:
    server = node.lab.bmcs.subnet[-2]
    medium = "https://10.78.0.11/redfish/v1/Managers/1/VirtualMedia/Cd"
    actions = f"{medium}/Actions/VirtualMedia"
    node.redfish(f"{actions}.InsertMedia", {"Image": f"http://{server}:8000/x.iso"})
    assert node.redfish(medium)["Inserted"] is True
    node.ipmitool("chassis", "bootdev", "cdrom")
    node.ipmitool("power", "on")
    assert node.hears(FROM_CD, FROM_DISK) == FROM_CD
    assert asked[0] == "HEAD"
    assert asked.count("GET") > 1
    node.redfish(f"{actions}.EjectMedia", {})
    node.ipmitool("chassis", "bootdev", "cdrom")
    node.ipmitool("power", "reset")
    assert node.hears(FROM_CD, FROM_DISK) == FROM_DISK


@with_a_system
def test_what_the_machine_cannot_do_is_refused(node: Node) -> None:
    with pytest.raises(Refused, match="QMP blockdev-change-medium"):
        node.machine.insert("Cd", "http://10.78.0.254:1/x.iso")
    with pytest.raises(Refused, match="only http, https, nfs"):
        node.machine.insert("Cd", "/etc/hostname")
    with pytest.raises(Refused, match="cannot boot from setup"):
        node.machine.set_boot(BootDevice.SETUP, once=True)
    assert node.machine.modes == ("Legacy",)


@pytest.mark.parametrize("node", [boot_sector("disk ", reboots=True)], indirect=True, ids=[""])
def test_a_reboot_by_the_system_itself_uses_up_once(node: Node) -> None:
    node.machine.power_on()
    node.hears("disk ")
    node.machine.set_boot(BootDevice.NETWORK, once=True)
    node.hears(FROM_NETWORK)
    used = node.machine.starts
    node.hears("disk ")
    node.hears("disk ")
    assert node.machine.starts > used
    assert node.machine.program.text.count(FROM_NETWORK) == 1


def test_uefi_boots_from_the_network_once_and_from_disk_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("nodes: {n1: {memory: 256, disks: [64M]}}", "utf-8")
    network, disk = "Start PXE over IPv4", '"UEFI Misc Device'
    with Lab(read(file)) as lab:
        node = Node(lab)
        node.ipmitool("chassis", "bootdev", "pxe", "options=efiboot")
        node.ipmitool("power", "on")
        assert node.hears(network, disk) == network
        node.ipmitool("power", "cycle")
        assert node.hears(network, disk) == disk
