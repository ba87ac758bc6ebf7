"""Looking round real networks: namespaces of our own with dnsmasq in every role, or silent."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import await_

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("dnsmasq"), reason="needs root and dnsmasq"
    ),
]

NONE = (
    "none answered. Machines need one for their addresses: "
    "switch on the router's, or start one on this network"
)
LOOK = """
import json, sys, time
from netboot.config import Settings
from netboot.survey import all_interfaces, four_lines, look_round
begin = time.monotonic()
found = look_round(Settings())
print(json.dumps({
    "seconds": time.monotonic() - begin,
    "names": [one.name for one in found.interfaces],
    "skipped": {one.name: one.skipped for one in all_interfaces() if one.skipped},
    "servers": [[s.role, s.server_id, s.address, s.mac, s.bootfile]
                for servers in found.servers.values() for s in servers],
    "lines": four_lines(found),
    "scapy": "scapy" in sys.modules,
}))
"""

OFFERED = """
import json
from concurrent.futures import ThreadPoolExecutor
from netboot.survey import dhcp_servers, interfaces
with ThreadPoolExecutor() as pool:
    found = list(pool.map(lambda one: dhcp_servers(one, 60, 1, patience=60), interfaces()))
print(json.dumps([s.network for servers in found for s in servers if s.offered]))
"""


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


class Lan:
    """A switch, us, and hosts that dnsmasq runs on, each in a namespace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"sv{os.getpid()}"
        self._namespaces: list[str] = []
        self._servers: list[subprocess.Popen[bytes]] = []
        self.switch = self._namespace("sw")
        ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self.switch, "link", "set", "br0", "up")
        self.us = self.host("us", "10.77.0.2/24")

    def _namespace(self, role: str) -> str:
        name = f"{self._name}{role}"
        ip("netns", "add", name)
        self._namespaces.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        return name

    def host(self, role: str, address: str) -> str:
        name = self._namespace(role)
        ip("-n", self.switch, "link", "add", role, "type", "veth", "peer", "eth0", "netns", name)
        ip("-n", self.switch, "link", "set", role, "master", "br0", "up")
        ip("-n", name, "addr", "add", address, "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        return name

    def dnsmasq(self, namespace: str, *options: str) -> subprocess.Popen[bytes]:
        leases = self._folder / f"{namespace}.leases"
        program = subprocess.Popen(
            ["ip", "netns", "exec", namespace, "dnsmasq", "--conf-file=/dev/null", "--port=0",
             "--keep-in-foreground", "--interface=eth0", "--pid-file=", "--log-facility=/dev/null",
             f"--dhcp-leasefile={leases}", *options],
        )  # fmt: skip
        self._servers.append(program)
        table = Path(f"/proc/{program.pid}/net/udp")
        until = time.monotonic() + 60
        while program.poll() is None and ":0043 " not in table.read_text():
            assert time.monotonic() < until, "dnsmasq does not listen"
            time.sleep(0.02)
        assert program.poll() is None, "dnsmasq ended"
        return program

    def plain(self) -> None:
        self.dnsmasq(self.host("dhcp", "10.77.0.1/24"), "--dhcp-range=10.77.0.50,10.77.0.60,1h")

    def rival(self) -> None:
        self.dnsmasq(
            self.host("pxe", "10.77.0.7/24"),
            "--dhcp-range=10.77.0.0,proxy",
            "--pxe-service=x86-64_EFI,rival,rival.efi",
        )

    def leases(self) -> str:
        return "".join(path.read_text() for path in self._folder.glob("*.leases"))

    def look(self) -> dict[str, Any]:
        found: dict[str, Any] = self.run(LOOK)
        return found

    def run(self, code: str) -> Any:
        run = subprocess.run(
            ["ip", "netns", "exec", self.us, sys.executable, "-c", code],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return json.loads(run.stdout)

    def close(self) -> None:
        for server in self._servers:
            server.kill()
            server.wait()
        for namespace in reversed(self._namespaces):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    made = Lan.__new__(Lan)
    made._namespaces, made._servers = [], []
    try:
        made.__init__(tmp_path)  # type: ignore[misc]
        yield made
    finally:
        made.close()


def test_silence_is_an_answer(lan: Lan) -> None:
    found = lan.look()
    assert found["servers"] == []
    assert found["seconds"] < 6
    assert found["lines"] == [
        "interface: eth0 10.77.0.2/24",
        f"DHCP server: {NONE}",
        "other boot servers: none",
        "ports: UDP 69 (TFTP), UDP 4011 (ProxyDHCP), TCP 8080 (HTTP) free",
    ]


def test_a_plain_dhcp_server_is_found_though_it_pings_first_and_gives_no_lease(lan: Lan) -> None:
    lan.plain()
    found = lan.look()
    (server,) = found["servers"]
    assert server[:3] == ["dhcp", "10.77.0.1", "10.77.0.1"]
    assert found["seconds"] < 3  # it does not wait for silence
    assert lan.leases() == ""
    assert found["scapy"] is False


def test_one_server_of_two_networks_is_found_on_both_though_it_pings_for_one_at_a_time(
    lan: Lan,
) -> None:
    dhcp = lan.host("dhcp", "10.77.0.1/24")
    ip("-n", dhcp, "link", "add", "eth1", "type", "veth", "peer", "eth1", "netns", lan.us)
    for namespace, number in ((dhcp, 1), (lan.us, 2)):
        ip("-n", namespace, "addr", "add", f"10.78.0.{number}/24", "dev", "eth1")
        ip("-n", namespace, "link", "set", "eth1", "up")
    await_(lambda: " state UP " in ip("-n", lan.us, "link", "show", "eth1"), "the cable")
    ranges = (f"--dhcp-range={net}.50,{net}.60,1h" for net in ("10.77.0", "10.78.0"))
    lan.dnsmasq(dhcp, "--interface=eth1", *ranges)
    found = lan.look()
    assert [server[1] for server in found["servers"]] == ["10.77.0.1", "10.78.0.1"]
    assert found["lines"][1].count(" answers on eth") == 2
    assert lan.run(OFFERED) == ["10.77.0.0/24", "10.78.0.0/24"]


def test_a_rival_proxy_is_no_dhcp_server(lan: Lan) -> None:
    lan.rival()
    found = lan.look()
    assert [server[:2] for server in found["servers"]] == [["pxe", "10.77.0.7"]]
    dhcp, rivals = found["lines"][1:3]
    assert "none answered" in dhcp
    assert "10.77.0.7" in rivals


def test_both_are_told_apart(lan: Lan) -> None:
    lan.plain()
    lan.rival()
    found = lan.look()
    assert sorted(server[:2] for server in found["servers"]) == [
        ["dhcp", "10.77.0.1"],
        ["pxe", "10.77.0.7"],
    ]
    assert lan.leases() == ""


def test_a_dhcp_server_with_boot_options_is_a_rival_too(lan: Lan) -> None:
    lan.dnsmasq(
        lan.host("dhcp", "10.77.0.1/24"),
        "--dhcp-range=10.77.0.50,10.77.0.60,1h",
        "--dhcp-boot=other.efi",
    )
    found = lan.look()
    assert [(s[0], s[4]) for s in found["servers"]] == [("dhcp-with-boot-options", "other.efi")]
    assert "gives a boot file other.efi" in found["lines"][2]


def test_a_dhcp_server_on_this_host_is_named_and_no_error(lan: Lan) -> None:
    server = lan.dnsmasq(
        lan.us, "--dhcp-range=10.77.0.50,10.77.0.60,1h", "--enable-tftp", "--tftp-root=/"
    )
    lines = lan.look()["lines"]
    assert f"dnsmasq (pid {server.pid}) on this host: we listen beside it" in lines[1]
    assert f"UDP 69 (TFTP) is held by dnsmasq (pid {server.pid})" in lines[3]


def test_container_bridges_and_cables_are_left_out(lan: Lan) -> None:
    for number, name in enumerate(("docker0", "virbr0", "br-0123456789ab")):
        ip("-n", lan.us, "link", "add", name, "type", "bridge")
        ip("-n", lan.us, "addr", "add", f"10.78.{number}.1/24", "dev", name)
        ip("-n", lan.us, "link", "set", name, "up")
    found = lan.look()
    assert found["names"] == ["eth0"]
    assert set(found["skipped"]) == {"docker0", "virbr0", "br-0123456789ab"}
