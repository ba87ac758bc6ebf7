"""The doctor's judgement of networks, without one: facts in, findings out."""

import json
import threading
from collections.abc import Iterable
from ipaddress import IPv4Network

import pytest
from click.testing import CliRunner

from netboot.cli import doctor as command
from netboot.config import Http, Settings
from netboot.doctor import (
    Context,
    Finding,
    Severity,
    dhcp,
    examination,
    interfaces,
    mtu,
    ports,
    reach,
    routes,
)
from netboot.doctor.context import Unseen
from netboot.doctor.records import Records
from netboot.doctor.running import Running
from netboot.errors import ConfigError, OperationError
from netboot.events import Event, Kind
from netboot.model import Mac
from netboot.survey import DhcpServer, Holder, Interface, Port, Role, Route
from netboot.survey import NetPath as Way

ETH0 = Interface("eth0", "10.77.0.2", 24, "52:54:00:00:00:01", 1500)
OK, NOTICE, WARNING, PROBLEM = Severity
Told = list[tuple[Severity, str]]


def told(findings: Iterable[Finding]) -> Told:
    return [(finding.severity, finding.what) for finding in findings]


def severities(findings: Iterable[Finding]) -> list[Severity]:
    return [finding.severity for finding in findings]


def server(address: str = "10.77.0.1", role: Role = Role.DHCP, **more: str) -> DhcpServer:
    said = {"offered": "10.77.0.50", "network": "10.77.0.0/24"} | more
    return DhcpServer(role, address, more.get("siaddr", ""), address, "m", **_rest(said))


def _rest(said: dict[str, str]) -> dict[str, str]:
    return {name: said[name] for name in ("bootfile", "offered", "network") if name in said}


# --- interfaces


def test_an_interface_that_is_well() -> None:
    context = Context(settings=Settings(), interfaces=(ETH0,))
    assert told(interfaces.check(context)) == [(OK, "eth0 10.77.0.2/24 is up, 52:54:00:00:00:01")]


def test_no_interface_is_a_problem_in_the_survey_s_own_words() -> None:
    context = Context(settings=Settings(), unfit='server.interfaces = "eth0": has no carrier')
    assert told(interfaces.check(context)) == [(PROBLEM, context.unfit)]


def test_two_interfaces_on_one_network_are_one_too_many() -> None:
    other = Interface("eth1", "10.77.0.3", 24, "52:54:00:00:00:02", 1500)
    context = Context(settings=Settings(), interfaces=(ETH0, other))
    assert severities(interfaces.check(context)) == [OK, OK, WARNING]


# --- MTU


def with_mtu(size: int) -> Interface:
    return Interface("eth0", "10.77.0.2", 24, "52:54:00:00:00:01", size)


@pytest.mark.parametrize(
    ("size", "heard", "known", "expected"),
    [
        (1500, {"10.77.0.1": {64, 1500}}, {}, [OK]),
        (1500, {"10.77.0.1": {64}}, {}, [WARNING]),
        (1500, {"10.77.0.1": {64}, "10.77.0.3": {64, 1500}}, {}, [WARNING, OK]),
        (1500, {"10.77.0.1": set()}, {}, [NOTICE]),
        (1500, {}, {}, [NOTICE]),
        (1500, {"10.77.0.1": {64, 1500}}, {"10.77.0.1": 1400}, [NOTICE, OK]),
        (1400, {"10.77.0.1": {64, 1400}}, {"10.77.0.1": 1400}, [NOTICE, OK]),
        (9000, {"10.77.0.1": {64, 9000}}, {}, [OK]),
        (9000, {"10.77.0.1": {64}}, {}, [WARNING]),
    ],
)
def test_what_echoes_say_of_an_mtu(
    size: int, heard: dict[str, set[int]], known: dict[str, int], expected: list[Severity]
) -> None:
    assert severities(mtu.judge(with_mtu(size), heard, known)) == expected


# --- DHCP


@pytest.mark.parametrize(
    ("servers", "beside", "expected"),
    [
        ([server()], None, [OK]),
        ([], None, [PROBLEM]),
        ([], Holder(7, "dnsmasq", ""), [NOTICE]),
        ([server()], Holder(7, "dnsmasq", ""), [OK]),
        ([server(offered="")], None, [WARNING]),
        ([server(), server("10.77.0.3")], None, [NOTICE, OK, OK]),
        ([server(), server("10.77.0.3", offered="")], None, [NOTICE, OK, NOTICE]),
        ([server(), server("10.9.0.1", network="10.9.0.0/24")], None, [PROBLEM, OK, WARNING]),
        ([server("10.9.0.1", network="10.9.0.0/24")], None, [WARNING]),
    ],
)
def test_who_gives_addresses(
    servers: list[DhcpServer], beside: Holder | None, expected: list[Severity]
) -> None:
    assert severities(dhcp.addresses(ETH0, servers, beside)) == expected


@pytest.mark.parametrize(
    ("servers", "severity", "what"),
    [
        ([server()], OK, "no other boot server answers on eth0"),
        ([server(role=Role.PXE, siaddr="10.77.0.1", bootfile="x.efi")], WARNING,
         "is a PXE server, boot file x.efi at 10.77.0.1"),
        ([server(role=Role.PXE)], WARNING, "boot file to be asked for"),
        ([server(role=Role.DHCP_WITH_BOOT, bootfile="pxelinux.0")], WARNING,
         "gives the boot file pxelinux.0"),
        ([server(role=Role.DHCP_WITH_BOOT, siaddr="10.77.0.2", bootfile="snponly.efi")], NOTICE,
         "sends machines here, boot file snponly.efi"),
    ],
)  # fmt: skip
def test_who_else_boots_machines(servers: list[DhcpServer], severity: Severity, what: str) -> None:
    ((found, said),) = told(dhcp.rivals(ETH0, servers, {"10.77.0.2"}))
    assert found is severity
    assert what in said


def test_where_nobody_may_ask_the_doctor_says_so() -> None:
    context = Context(
        settings=Settings(), interfaces=(ETH0,), servers={"eth0": Unseen("not permitted")}
    )
    assert told(dhcp.check(context)) == [(NOTICE, "not looked for on eth0: not permitted")]


# --- ports

TFTP = Port("udp", 69, "TFTP")
DNSMASQ = Holder(812, "dnsmasq", "")
OURS = Holder(9, "netboot-boot", "")
RUNS = Running(control=True, boot=True, pid=8)


def held(by: Holder | None, why: str = "is held") -> Port:
    return Port("udp", 69, "TFTP", why, by)


@pytest.mark.parametrize(
    ("port", "running", "severity", "what"),
    [
        (TFTP, Running(), OK, "UDP 69 (TFTP) free"),
        (held(DNSMASQ), Running(), PROBLEM, "UDP 69 (TFTP) is held by dnsmasq (pid 812)"),
        (held(OURS), RUNS, OK, "UDP 69 (TFTP) held by netboot, which runs"),
        (held(OURS), Running(), PROBLEM, "UDP 69 (TFTP) is held by netboot-boot (pid 9)"),
        (held(None), RUNS, PROBLEM, "UDP 69 (TFTP) is held"),
        (held(None, "needs root"), Running(), NOTICE, "UDP 69 (TFTP) not looked at: needs root"),
        (Port("udp", 67, "DHCP", "", DNSMASQ, needed=False), RUNS, OK,
         "UDP 67 (DHCP) is held by dnsmasq (pid 812): no matter to us"),
    ],
)  # fmt: skip
def test_whose_the_ports_are(port: Port, running: Running, severity: Severity, what: str) -> None:
    assert told(ports.judge((port,), running)) == [(severity, what)]


# --- containers and NAT

HOME = Route(IPv4Network("10.77.0.0/24"), "", "eth0", 0)
DEFAULT = Route(IPv4Network("0.0.0.0/0"), "10.77.0.1", "eth0", 0)


@pytest.mark.parametrize(
    ("driver", "table", "expected"),
    [
        ("veth", (HOME, DEFAULT), PROBLEM),
        ("veth", (HOME,), OK),  # no router between: a network of the operator's own
        ("macvlan", (HOME, DEFAULT), OK),
    ],
)
def test_a_container_s_own_bridge_is_a_problem(
    driver: str, table: tuple[Route, ...], expected: Severity
) -> None:
    ((severity, what),) = told(reach.bridged("docker", {"eth0": driver}, (ETH0,), table))
    assert severity is expected
    assert "docker" in what


@pytest.mark.parametrize(
    ("advertise", "runs", "answers", "expected"),
    [
        (None, True, True, [OK]),
        ("10.77.0.2", True, True, [OK]),
        ("192.0.2.1", True, True, [NOTICE]),
        ("192.0.2.1", True, False, [NOTICE, WARNING]),
        ("10.77.0.2", False, False, [OK, NOTICE]),
    ],
)
def test_what_machines_are_told_is_tried(
    monkeypatch: pytest.MonkeyPatch,
    advertise: str | None,
    runs: bool,
    answers: bool,
    expected: list[Severity],
) -> None:
    monkeypatch.setattr(reach, "engine_of_this_container", lambda: "")
    monkeypatch.setattr(reach, "healthy", lambda url: answers and url.endswith(":8080"))
    context = Context(
        settings=Settings(http=Http(advertise=advertise)),
        interfaces=(ETH0,),
        existing=(ETH0,),
        running=Running(boot=runs),
    )
    findings = [one for one in reach.check(context) if one.check == "advertise"]
    assert severities(findings) == expected


# --- routes


def seen_at(address: str, key: str = "address") -> Event:
    return Event(Kind.SCRIPT, Mac("52:54:00:00:00:07"), "n7", "", {key: address})


@pytest.mark.parametrize(
    ("events", "way", "device", "expected"),
    [
        ([], None, "", [OK]),
        ([seen_at("10.77.0.9"), seen_at("127.0.0.1"), seen_at("nonsense")], None, "", [OK]),
        ([seen_at("10.9.0.9")], Way("10.77.0.2", 1500), "eth0", [OK]),
        ([seen_at("10.9.0.9"), seen_at("10.9.0.10")], Way("10.77.0.2", 1500), "eth0", [OK]),
        ([seen_at("10.9.0.9")], Way("192.0.2.1", 1500), "eth9", [WARNING]),
        ([seen_at("10.9.0.1", "relay")], None, "", [PROBLEM]),
    ],
)
def test_answers_go_back_the_way_questions_came(
    monkeypatch: pytest.MonkeyPatch,
    events: list[Event],
    way: Way | None,
    device: str,
    expected: list[Severity],
) -> None:
    monkeypatch.setattr(routes, "path_to", lambda _address: way)
    monkeypatch.setattr(routes, "device_to", lambda _address, _table: device)
    records = Records(events=tuple(events))
    context = Context(settings=Settings(), interfaces=(ETH0,), records=records)
    assert severities(routes.check(context)) == expected


# --- the examination

ALL_WELL = Finding("a", OK, "well")


def examined(*checks: examination.Check) -> Told:
    named = {f"check {number}": check for number, check in enumerate(checks)}
    return told(examination.examine(Context(settings=Settings()), checks=named))


def _cannot(_context: Context) -> Iterable[Finding]:
    yield ALL_WELL
    raise OperationError("no tool for it")


def _refused(_context: Context) -> Iterable[Finding]:
    raise PermissionError(13, "Permission denied", "/secret")


def _misconfigured(_context: Context) -> Iterable[Finding]:
    raise ConfigError("a.toml", "b", "is wrong")


def test_a_check_that_cannot_look_says_so_and_keeps_what_it_found() -> None:
    assert examined(_cannot, lambda _context: [ALL_WELL], _refused, _misconfigured) == [
        (OK, "well"),
        (NOTICE, "not looked at: no tool for it"),
        (OK, "well"),
        (NOTICE, "not looked at: /secret: Permission denied"),
        (PROBLEM, "a.toml: b: is wrong"),
    ]


def test_a_check_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "TIME", 0.05)
    forever = threading.Event()

    def hangs(_context: Context) -> Iterable[Finding]:
        forever.wait()
        return []

    try:
        assert examined(hangs, lambda _context: [ALL_WELL]) == [
            (NOTICE, "not done within 0 s"),
            (OK, "well"),
        ]
    finally:
        forever.set()


def test_a_fault_of_our_own_is_loud() -> None:
    def broken(_context: Context) -> Iterable[Finding]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        examined(broken)


# --- the command


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setattr(command, "look", lambda found, *, full: Context(settings=found, full=full))
    return CliRunner()


@pytest.mark.parametrize(
    ("severity", "code", "summary"),
    [(OK, 0, "all is well"), (NOTICE, 0, "1 notice"), (WARNING, 1, "1 warning"),
     (PROBLEM, 1, "1 problem")],
)  # fmt: skip
def test_the_exit_code_says_whether_somebody_has_to_act(
    runner: CliRunner,
    monkeypatch: pytest.MonkeyPatch,
    severity: Severity,
    code: int,
    summary: str,
) -> None:
    found = [Finding("x", severity, "a\x1b[2Jb", "do it" if severity is not OK else "")]
    monkeypatch.setattr(command, "examine", lambda _context, _progress: found)
    done = runner.invoke(command.doctor, [])
    assert done.exit_code == code
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].endswith(r" x  a\x1b[2Jb")
    assert lines[-1] == summary
    assert len(lines) == (2 if severity is OK else 3)


def test_json_is_one_document(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "examine", lambda _context, _progress: [ALL_WELL])
    done = runner.invoke(command.doctor, ["--json"])
    assert json.loads(done.stdout) == [{"check": "a", "severity": "ok", "what": "well", "cure": ""}]


def test_one_interface_can_be_named(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Settings] = []
    monkeypatch.setattr(
        command, "examine", lambda context, _progress: asked.append(context.settings) or []
    )
    assert runner.invoke(command.doctor, ["--interface", "lo"]).exit_code == 0
    assert [one.interfaces for one in asked] == [("lo",)]
    done = runner.invoke(command.doctor, ["--interface", "nope9"])
    assert isinstance(done.exception, ConfigError)
    assert '--interface = "nope9": no such interface' in str(done.exception)
