"""``netboot dhcp-snippet``: each server takes it, and machines boot by it alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netboot.cli.dhcp_snippet import WRITERS, dhcp_snippet, rules
from netboot.clients import KINDS
from netboot.decision import Shape
from netboot.errors import ConfigError
from netboot.events import Kind as EventKind
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.namespaces import Host, Lan
from netboot.lab.site import HTTP_PORT, Site
from netboot.model import Server
from tests.pxe_peer import stock

SERVER = Server("10.78.0.2", "10.78.0.2", HTTP_PORT)
MAC = "52:54:00:5e:00:00"
COMMAND = "from netboot.cli.dhcp_snippet import dhcp_snippet; dhcp_snippet()"
SUBNET = "subnet 10.77.0.0 netmask 255.255.255.0"


def checked(folder: Path, *command: str | Path) -> None:
    """Have a DHCP server check a file; nothing is started."""
    env = {**os.environ, "KEA_LOCKFILE_DIR": str(folder), "KEA_PIDFILE_DIR": str(folder)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr


def snippet(*words: str, config: Path | None = None) -> Result:
    file = "/dev/null" if config is None else str(config)
    return CliRunner(env={"NETBOOT_CONFIG": file}).invoke(dhcp_snippet, words)


class TestRules:
    def test_every_kind_with_a_loader_has_one_and_nobody_else(self) -> None:
        assert {rule.arch for rule in rules(SERVER)} == {
            arch for arch, kind in KINDS.items() if kind.loaders
        }

    def test_http_boot_is_told_a_url_and_others_a_name(self) -> None:
        for rule in rules(SERVER):
            by_http = Shape.HTTP in KINDS[rule.arch].shapes
            name = KINDS[rule.arch].loaders[0]
            assert rule.bootfile == (f"{SERVER.url}/{name}" if by_http else name)
            assert rule.by_http == by_http

    @pytest.mark.parametrize("server", WRITERS)
    def test_every_snippet_names_every_loader_and_the_first_script(self, server: str) -> None:
        text = WRITERS[server](SERVER)
        assert f"{SERVER.url}/autoexec.ipxe" in text
        assert all(rule.bootfile in text for rule in rules(SERVER))
        assert "Choose one of two ways" in text


class TestCommand:
    def test_the_address_is_the_one_given(self) -> None:
        done = snippet("dnsmasq", "--address", "192.0.2.7")
        assert done.exit_code == 0
        assert "dhcp-boot=tag:netboot-ipxe,http://192.0.2.7:8080/autoexec.ipxe" in done.output

    def test_else_the_one_advertised_and_the_port_configured(self, tmp_path: Path) -> None:
        config = tmp_path / "netboot.toml"
        config.write_text('[http]\nadvertise = "192.0.2.9"\nport = 8081\n')
        done = snippet("isc", config=config)
        assert 'filename "http://192.0.2.9:8081/autoexec.ipxe";' in done.output
        assert "next-server 192.0.2.9;" in done.output

    @pytest.mark.parametrize("address", ["fd00::1", "server.example", "10.0.0.256", ""])
    def test_what_is_no_address_is_refused(self, address: str) -> None:
        error = snippet("kea", "--address", address).exception
        assert isinstance(error, ConfigError)
        assert "--address" in str(error)
        assert "must be an IPv4 address" in str(error)

    def test_a_tftp_port_firmware_cannot_be_told_is_refused(self, tmp_path: Path) -> None:
        config = tmp_path / "netboot.toml"
        config.write_text("[tftp]\nport = 6969\n")
        error = snippet("kea", "--address", "192.0.2.7", config=config).exception
        assert isinstance(error, ConfigError)
        assert "must be 69" in str(error)


class TestServersTakeIt:
    def test_dnsmasq(self, tmp_path: Path) -> None:
        file = tmp_path / "netboot.conf"
        file.write_text(WRITERS["dnsmasq"](SERVER))
        checked(tmp_path, "dnsmasq", "--test", "-C", file)

    def test_isc(self, tmp_path: Path) -> None:
        file = tmp_path / "dhcpd.conf"
        file.write_text(WRITERS["isc"](SERVER) + f"{SUBNET} {{ }}\n")
        checked(tmp_path, "dhcpd", "-t", "-cf", file)

    def test_kea(self, tmp_path: Path) -> None:
        file = tmp_path / "kea-dhcp4.conf"
        file.write_text(WRITERS["kea"](SERVER))
        checked(tmp_path, "kea-dhcp4", "-t", file)


def start_dnsmasq(lan: Lan, text: str) -> None:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    PlainDhcp(lan, extra=("--no-ping", *(f"--{line}" for line in lines)))


def start_isc(lan: Lan, text: str) -> None:
    file, leases = lan.directory / "dhcpd.conf", lan.directory / "dhcpd.leases"
    pool = f"range {lan.subnet[100]} {lan.subnet[199]}; option routers {lan.dhcp.address};"
    file.write_text(f"ping-check false;\n{text}{SUBNET} {{ {pool} }}\n")
    leases.touch()
    command = ["dhcpd", "-4", "-f", "-d", "--no-pid", "-cf", file, "-lf", leases, "eth0"]
    program = lan.dhcp.start(command, lan.directory / "dhcpd.log")
    program.wait_for("Server starting service", 60)


def start_kea(lan: Lan, text: str) -> None:
    subnet = f"""
      "interfaces-config": {{ "interfaces": [ "eth0" ] }},
      "lease-database": {{ "type": "memfile", "persist": false }},
      "subnet4": [ {{
        "subnet": "{lan.subnet}",
        "pools": [ {{ "pool": "{lan.subnet[100]} - {lan.subnet[199]}" }} ],
        "option-data": [ {{ "name": "routers", "data": "{lan.dhcp.address}" }} ]
      }} ],"""
    file = lan.directory / "kea-dhcp4.conf"
    file.write_text(text.replace('"Dhcp4": {', f'"Dhcp4": {{{subnet}', 1))
    folder = str(lan.directory)
    env = {**os.environ, "KEA_LOCKFILE_DIR": folder, "KEA_PIDFILE_DIR": folder}
    program = lan.dhcp.start(["kea-dhcp4", "-c", file], lan.directory / "kea.log", env=env)
    program.wait_for("DHCP4_STARTED", 60)


BOOTS = {
    "edk2": ["offer", "loader", "script"],
    "bios": ["offer", "loader", "script"],
    "http": ["offer", "loader", "script"],
    "ipxe": ["offer", "script"],
}
STARTS = {"dnsmasq": start_dnsmasq, "isc": start_isc, "kea": start_kea}


def stocked(lan: Lan) -> Path:
    images = lan.directory / "images"
    (images / "ipxe").mkdir(parents=True)
    stock(images, "ipxe", {name: bytes(70_000) for name in ("snponly.efi", "undionly.kpxe")})
    return images


def boots_all(machine: Host) -> None:
    """Every kind of machine gets its loader and its script."""
    for firmware, stages in BOOTS.items():
        command = [*(sys.executable, "-m", "netboot", "simulate"), "--firmware", firmware]
        options = ["--interface", "eth0", "--until", "script", "--eager", "--json"]
        done = machine.run([*command, *options], check=False)
        outcome = json.loads(done.stdout)
        assert [*outcome["stages"]] == stages, done.stdout


@pytest.fixture
def far() -> Iterator[Lan]:
    with Lan("far", "10.78.0.0/24") as made:
        yield made


@pytest.fixture
def site(lan: Lan, far: Lan) -> Site:
    """netboot on another network than the machines: it hears no broadcast of theirs."""
    router = str(far.subnet[254])
    far.join(lan.dhcp, "eth1", router)
    lan.dhcp.run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
    far.server.run(["ip", "route", "add", str(lan.subnet), "via", router])
    return Site(far, stocked(far), "http://10.78.0.9/debian")


@pytest.fixture
def machine(lan: Lan) -> Host:
    found = lan.host("machine")
    found.run(["ip", "route", "add", "default", "via", str(lan.dhcp.address)])
    return found


@pytest.mark.root
@pytest.mark.parametrize("server", STARTS)
def test_machines_boot_by_the_edited_server_alone(
    server: str, lan: Lan, site: Site, machine: Host
) -> None:
    env = {**os.environ, "NETBOOT_CONFIG": str(site.config)}
    done = site.host.run([sys.executable, "-c", COMMAND, server], env=env)
    STARTS[server](lan, done.stdout)
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "local")
    site.serve()
    boots_all(machine)
    site.wait_for_event("n1", EventKind.SCRIPT, 60)
    kinds = {record.event.kind for record in site.timeline("n1")}
    assert {EventKind.DISCOVER, EventKind.OFFER}.isdisjoint(kinds)  # netboot's own DHCP was silent


@pytest.mark.root
@pytest.mark.parametrize("server", STARTS)
def test_netboot_beside_an_edited_server_agrees_with_it(server: str, lan: Lan) -> None:
    site = Site(lan, stocked(lan), "http://10.77.0.9/debian")
    STARTS[server](lan, WRITERS[server](Server("10.77.0.2", "10.77.0.2", HTTP_PORT)))
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "local")
    site.serve()
    boots_all(lan.host("machine"))
    site.wait_for_event("n1", EventKind.OFFER, 60)
