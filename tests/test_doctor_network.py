"""The doctor on real networks: a healthy site is well, and each fault is named with its cure."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from netboot.lab.dhcp import PlainDhcp
from netboot.lab.namespaces import Host, Lan
from netboot.lab.site import Site
from tests.doctor_site import make_images, make_mirror

pytestmark = pytest.mark.root

Findings = list[dict[str, str]]
FILTER = """
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    meta l4proto icmp accept
    ct state established,related accept
    udp dport { 69, 4011 } accept
  }
}
"""
HOLDER = "import socket, time; s = socket.socket(2, 2); s.bind(('', 69)); time.sleep(100)"


def site_on(lan: Lan) -> Site:
    images = make_images(lan.directory / "images")
    return Site(lan, images, "http://10.77.0.1/debian")


def doctor(site: Site, *options: str) -> tuple[Findings, int]:
    done = site.netboot("doctor", "--json", *options, check=False)
    assert done.returncode in {0, 1}, done.stderr
    found: Findings = json.loads(done.stdout)
    return found, done.returncode


def of(findings: Findings, check: str, severity: str) -> str:
    """What a check says at a severity, cures included, as one text."""
    told = [f for f in findings if (f["check"], f["severity"]) == (check, severity)]
    return "\n".join(f"{one['what']} → {one['cure']}" for one in told)


def bad(findings: Findings) -> Findings:
    return [finding for finding in findings if finding["severity"] != "ok"]


def mirror_on(host: Host, lan: Lan) -> None:
    folder = make_mirror(lan.directory / "mirror", datetime.now(UTC))
    command = ["python3", "-u", "-m", "http.server", "80", "--directory", folder]
    host.start(command, lan.directory / "mirror.log").wait_for("Serving HTTP", 60)


@pytest.fixture(scope="module")
def healthy() -> Iterator[Site]:
    with Lan("healthy") as lan:
        PlainDhcp(lan)
        mirror_on(lan.dhcp, lan)
        site = site_on(lan)
        site.netboot("node", "add", "n1", "--mac", "52:54:00:00:00:01", "--profile", "debian-12")
        site.serve()
        yield site


def test_a_healthy_site_is_well(healthy: Site) -> None:
    findings, code = doctor(healthy, "--full")
    assert bad(findings) == []
    assert code == 0
    assert "3 files read whole by TFTP" in of(findings, "tftp", "ok")
    assert "8 files by HTTP" in of(findings, "http", "ok")
    assert "every hash is right" in of(findings, "images", "ok")
    assert "10.77.0.0/24" in of(findings, "dhcp", "ok")
    assert "boot and control run" in of(findings, "programs", "ok")


def test_a_person_reads_one_line_a_finding_and_the_summary(healthy: Site) -> None:
    done = healthy.netboot("doctor", "--interface", "eth0")
    *lines, summary = done.stdout.splitlines()
    assert all(line.startswith("✓ ") for line in lines)
    assert summary == "all is well"
    assert done.stderr == ""


def test_looking_leaves_nothing_behind(healthy: Site) -> None:
    before = sorted(path for path in healthy.data.rglob("*") if path.name != "heard.json")
    nodes = healthy.netboot("node", "list", "--json").stdout
    doctor(healthy)
    assert sorted(p for p in healthy.data.rglob("*") if p.name != "heard.json") == before
    assert healthy.netboot("node", "list", "--json").stdout == nodes


def test_a_loader_changed_on_disk_is_found_over_the_wire(healthy: Site) -> None:
    path = healthy.data / "images/ipxe/current/snponly.efi"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"!")
    try:
        findings, code = doctor(healthy, "--full")
    finally:
        path.write_bytes(whole)
    assert code == 1
    assert "snponly.efi by TFTP" in of(findings, "tftp", "problem")
    assert "netboot image fetch ipxe" in of(findings, "images", "problem")


@pytest.fixture(scope="module")
def sick() -> Iterator[tuple[Findings, int]]:
    """Everything is wrong at once; each test below looks for one thing."""
    with Lan("sick") as lan:
        PlainDhcp(lan, extra=("--no-ping",))
        lan.dhcp.run(["ip", "link", "set", "eth0", "mtu", "1400"])
        _other_network(lan)
        _rival(lan)
        site = site_on(lan)
        shutil.rmtree(site.data / "images/debian-12")
        site.netboot("node", "add", "n1", "--mac", "52:54:00:00:00:01", "--profile", "debian-12")
        lan.server.run(["nft", "-f", "-"], text_input=FILTER)
        lan.server.start(["python3", "-c", HOLDER], lan.directory / "holder.log")
        _wait_until_held(lan.server)
        yield doctor(site)


def test_problems_are_an_exit_code(sick: tuple[Findings, int]) -> None:
    assert sick[1] == 1


@pytest.mark.parametrize(
    ("check", "severity", "what", "cure"),
    [
        ("mtu", "warning", "10.77.0.1 answers on eth0, but not to packets of 1500", "mtu 1500"),
        ("dhcp", "problem", "gives 10.99.0.0/24", "switch off the one"),
        ("rivals", "warning", "10.77.0.9", "switch its network boot off"),
        ("rivals", "warning", "is a PXE server, boot file to be asked for at 10.77.0.9", ""),
        ("rivals", "warning", "gives the boot file other.efi at 10.99.0.1", ""),
        ("ports", "problem", "UDP 69 (TFTP) is held by python3", "stop it (kill "),
        ("firewall", "problem", "HTTP (TCP 8080) on eth0 is dropped by", "tcp dport 8080 accept"),
        ("firewall", "ok", "TFTP, acknowledgements of TFTP, ProxyDHCP, DHCP", ""),
        ("images", "problem", "image debian-12 is not fetched, and node n1", "image fetch debian"),
        ("mirror", "warning", "http://10.77.0.1/debian does not answer", "debian.mirror"),
        ("programs", "notice", "is not running", "netboot serve"),
        ("tftp", "notice", "not tried", "netboot serve"),
    ],
)
def test_each_fault_is_named_with_its_cure(
    sick: tuple[Findings, int], check: str, severity: str, what: str, cure: str
) -> None:
    told = of(sick[0], check, severity)
    assert what in told
    assert cure in told


def test_nobody_s_silence_is_a_problem(lan: Lan) -> None:
    site = site_on(lan)
    findings, code = doctor(site, "--interface", "eth0")
    assert code == 1
    assert "no DHCP server answered on eth0" in of(findings, "dhcp", "problem")
    assert "not tried: no host there answers an echo" in of(findings, "mtu", "notice")


def test_without_root_it_says_what_it_could_not_see(healthy: Site) -> None:
    command = [sys.executable, "-m", "netboot", "doctor", "--json", "--interface", "eth0"]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    environment = {"NETBOOT_SERVER_DATA_DIR": str(healthy.data), "PATH": os.environ["PATH"]}
    done = healthy.host.run([*nobody, *command], check=False, env=environment)
    findings: Findings = json.loads(done.stdout)
    for check in ("dhcp", "mtu", "firewall", "programs", "images", "nodes", "routes"):
        assert of(findings, check, "notice"), check
    assert of(findings, "programs", "problem") == ""


def test_an_interface_that_is_not_there_is_a_usage_error(lan: Lan) -> None:
    done = site_on(lan).netboot("doctor", "--interface", "eth9", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith('netboot: command line: --interface = "eth9": no such interface')


def test_a_cable_that_was_pulled_is_a_problem_and_nothing_else_breaks(lan: Lan) -> None:
    site = site_on(lan)
    lan.switch.run(["ip", "link", "set", "p2", "down"])
    findings, code = doctor(site)
    assert code == 1
    assert "no carrier" in of(findings, "interfaces", "problem")
    assert "image ipxe" in of(findings, "images", "ok")


def _other_network(lan: Lan) -> None:
    """A second DHCP server, for another network, with boot options."""
    host = lan.host("stray", "10.77.0.8")
    host.run(["ip", "addr", "replace", "10.99.0.1/24", "dev", "eth0"])
    host.run(["ip", "addr", "del", "10.77.0.8/24", "dev", "eth0"])
    _dnsmasq(host, lan, "--dhcp-range=10.99.0.50,10.99.0.60,1h", "--dhcp-boot=other.efi")


def _rival(lan: Lan) -> None:
    service = "--pxe-service=x86-64_EFI,rival,rival.efi"
    _dnsmasq(lan.host("rival", "10.77.0.9"), lan, "--dhcp-range=10.77.0.0,proxy", service)


def _dnsmasq(host: Host, lan: Lan, *options: str) -> None:
    program = host.start(
        [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping"),
            *("--user=root", "--group=root", "--log-facility=-", "--log-dhcp", "--interface=eth0"),
            f"--pid-file={lan.directory}/{host.name}.pid",
            f"--dhcp-leasefile={lan.directory}/{host.name}.leases",
            *options,
        ],
        lan.directory / f"{host.name}.log",
    )
    program.wait_for("DHCP", 60)


def _wait_until_held(host: Host) -> None:
    for _ in range(100):
        if ":69 " in host.run(["ss", "-lun"]).stdout:
            return
    pytest.fail("nobody holds UDP 69")
