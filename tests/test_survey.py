"""Looking round: interfaces, ports and their holders, servers told apart, four lines."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot import survey
from netboot.config import Server, Settings
from netboot.errors import ConfigError
from netboot.model import Mac
from netboot.survey import (
    DhcpServer,
    Holder,
    Interface,
    Port,
    Role,
    Survey,
    echo,
    four_lines,
    holder,
    network,
    routes,
    sockets,
)
from netboot.survey import dhcp as survey_dhcp
from netboot.survey.dhcp import MAX_SERVERS, told_apart
from netboot.wire import dhcp4, iana, udp4
from netboot.wire.dhcp4 import Message

ETH0 = Interface("eth0", "192.0.2.2", 24, "52:54:00:00:00:01", 1500)
PLAIN = DhcpServer(Role.DHCP, "192.0.2.1", "", "192.0.2.1", "02:00:00:00:00:01")
BOOTS = DhcpServer(
    Role.DHCP_WITH_BOOT, "192.0.2.1", "192.0.2.1", "192.0.2.1", "02:00:00:00:00:01", "pxelinux.0"
)
RIVAL = DhcpServer(
    Role.PXE, "192.0.2.7", "192.0.2.7", "192.0.2.7", "02:00:00:00:00:07", "other.efi"
)
FREE = (
    Port("udp", 69, "TFTP"),
    Port("udp", 4011, "ProxyDHCP"),
    Port("tcp", 8080, "HTTP"),
    Port("udp", 67, "DHCP", needed=False),
)


# --- interfaces


@pytest.fixture
def existing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (
        ETH0,
        Interface("br-0123456789ab", "172.18.0.1", 16, "02:42:00:00:00:01", 1500, skipped="Docker"),
        Interface("eth1", "", 0, "52:54:00:00:00:02", 1500),
        Interface("eth2", "192.0.2.3", 24, "52:54:00:00:00:03", 1500, up=False),
        Interface("eth3", "192.0.2.4", 24, "52:54:00:00:00:04", 1500, carrier=False),
        Interface("lo", "127.0.0.1", 8, "", 65536, never="is no Ethernet interface"),
    )
    monkeypatch.setattr(network, "all_interfaces", lambda: found)


def serving(*names: str) -> Settings:
    return Settings(server=Server(interfaces=names))


@pytest.mark.usefixtures("existing")
def test_without_a_setting_every_fit_interface_is_chosen() -> None:
    assert survey.choose(Settings()) == (ETH0,) == survey.interfaces()


@pytest.mark.usefixtures("existing")
def test_a_container_bridge_is_served_when_it_is_named() -> None:
    chosen = survey.choose(serving("br-0123456789ab", "eth0", "eth0"))
    assert [one.name for one in chosen] == ["br-0123456789ab", "eth0"]


@pytest.mark.usefixtures("existing")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("eth9", '= "eth9": no such interface; there are'),
        ("eth0@if7", '= "eth0@if7": no such interface (its name is eth0)'),
        ("eth1", '= "eth1": has no IPv4 address'),
        ("eth2", '= "eth2": is down (ip link set eth2 up)'),
        ("eth3", '= "eth3": has no carrier (no cable, or its other end is off)'),
        ("lo", '= "lo": is no Ethernet interface'),
    ],
)
def test_a_named_interface_that_will_not_do_is_a_config_error(name: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        survey.choose(serving("eth0", name))
    assert caught.value.key == "server.interfaces"
    assert problem in str(caught.value)
    assert "eth0 (192.0.2.2/24)" in str(caught.value)


def test_no_interface_that_will_do_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "all_interfaces", lambda: ())
    with pytest.raises(ConfigError, match=r"server\.interfaces: is not set, and no interface"):
        survey.choose(Settings())


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("docker0", True),
        ("br-0123456789ab", True),
        ("br-lan", False),
        ("br0", False),
        ("virbr0", True),
        ("veth3f2a1bc", True),
        ("veth-lab", False),
        ("podman1", True),
        ("cni-podman0", True),
        ("lxdbr0", True),
        ("tap0", True),
        ("eth0", False),
        ("enp3s0", False),
        ("eno1.20", False),
        ("bond0", False),
    ],
)
def test_which_names_are_nobody_s_boot_network(name: str, skipped: bool) -> None:
    rules = network._NOT_BY_DEFAULT
    assert any(known.fullmatch(name) for known, _why in rules) == skipped


def test_loopback_is_seen_here_and_never_served() -> None:
    (lo,) = (one for one in survey.all_interfaces() if one.name == "lo")
    assert (lo.address, lo.prefix) == ("127.0.0.1", 8)
    assert lo.never


# --- ways

TABLE = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	01004D0A	0003	0	0	100	00000000	0	0	0
eth1	00000000	0101A8C0	0003	0	0	50	00000000	0	0	0
eth0	00004D0A	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth9	00000009	00000000	0000	0	0	0	000000FF	0	0	0
"""
ARP = """\
IP address       HW type     Flags       HW address            Mask     Device
10.77.0.1        0x1         0x2         22:8b:d3:35:a2:af     *        eth0
10.77.0.9        0x1         0x0         00:00:00:00:00:00     *        eth0
10.78.0.1        0x1         0x2         22:8b:d3:35:a2:b0     *        eth1
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the table is as such a machine prints it")
def test_the_most_specific_route_that_is_up_wins_then_the_lower_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "route").write_text(TABLE)
    monkeypatch.setattr(routes, "_ROUTES", tmp_path / "route")
    table = survey.route_table()
    assert survey.device_to("10.77.0.7", table) == "eth0"
    assert survey.device_to("192.0.2.1", table) == "eth1"
    assert survey.device_to("192.0.2.1", table[:1]) == ""
    assert [route.gateway for route in table] == ["", "192.168.1.1", "10.77.0.1"]


def test_neighbours_are_those_who_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "arp").write_text(ARP)
    monkeypatch.setattr(routes, "_NEIGHBOURS", tmp_path / "arp")
    assert survey.neighbours("eth0") == ("10.77.0.1",)


def test_the_kernel_says_how_it_would_reach_a_peer() -> None:
    way = survey.path_to("127.0.0.2")
    assert way is not None
    assert way.source == "127.0.0.1"
    assert way.mtu > 1500


def test_what_drives_nothing_says_nothing() -> None:
    assert survey.driver("nope9") == ""


@given(st.binary(max_size=100))
def test_no_packet_breaks_the_echo(noise: bytes) -> None:
    assert echo._reply(b"E" + noise, 0x1234) in {None, *range(1 << 16)}


@pytest.mark.parametrize(("identity", "number", "size"), [(0xFFFF, 0xFFFF, 1500), (1, 0, 64)])
def test_an_echo_s_checksum_is_right(identity: int, number: int, size: int) -> None:
    request = echo._request(identity, number, size)
    assert len(request) == size - 20
    assert udp4._checksum(request) == 0
    reply = b"\x45" + bytes(19) + b"\0" + request[1:]
    assert echo._reply(reply, identity) == number
    assert echo._reply(reply, identity ^ 1) is None


# --- ports


@contextmanager
def held(proto: str, address: str = "127.0.0.1") -> Iterator[int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM
    with closing(socket.socket(family, kind)) as opened:
        opened.bind((address, 0))
        if proto == "tcp":
            opened.listen()
        yield opened.getsockname()[1]


@pytest.mark.parametrize("proto", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("bound", "wanted", "collides"),
    [
        ("127.0.0.1", None, True),
        ("127.0.0.1", "0.0.0.0", True),  # noqa: S104 -- a case
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("0.0.0.0", "127.0.0.2", True),  # noqa: S104 -- a case
        ("::", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.2", False),
        ("::1", None, False),
    ],
)
def test_who_holds_a_port(proto: str, bound: str, wanted: str | None, collides: bool) -> None:
    with held(proto, bound) as port:
        found = holder(proto, port, wanted)
        other = holder("tcp" if proto == "udp" else "udp", port, wanted)
    if collides:
        assert found is not None
        assert found.pid == os.getpid()
        assert str(found) == f"{psutil.Process().name()} (pid {os.getpid()})"
    else:
        assert found is None
    assert other is None or other.pid != os.getpid()  # other programs hold ports too
    assert holder(proto, port, wanted) is None


def test_another_process_is_named() -> None:
    program = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.bind(('127.0.0.1', 0))\n"
        "print(s.getsockname()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        found = holder("udp", int(child.stdout.readline()))
        child.communicate()
    assert found is not None
    assert found.pid == child.pid
    assert str(found).endswith(f"(pid {child.pid})")


def test_a_holder_nobody_may_see() -> None:
    assert str(Holder(None, "", "0.0.0.0")).startswith("another user's process")  # noqa: S104 -- a value


def test_a_client_s_tcp_connection_holds_no_port() -> None:
    with held("tcp") as port, socket.create_connection(("127.0.0.1", port)) as client:
        assert holder("tcp", client.getsockname()[1]) is None


@pytest.mark.parametrize("proto", ["udp", "tcp"])
def test_a_held_port_is_a_problem_and_a_free_one_is_not(proto: str) -> None:
    with held(proto) as port:
        assert sockets._problem(proto, port) == "is held"
    assert sockets._problem(proto, port) == ""


# --- servers told apart


def answer(
    kind: int = iana.OFFER,
    *,
    server: bytes = b"\xc0\x00\x02\x01",
    options: dict[int, bytes] | None = None,
    **fields: Any,
) -> Message:
    always = {iana.OPT_MESSAGE_TYPE: bytes((kind,)), iana.OPT_SERVER_ID: server}
    return Message(iana.BOOTREPLY, 1, Mac(ETH0.mac), always | (options or {}), **fields)


PXE = {iana.OPT_VENDOR_CLASS: b"PXEClient"}


@pytest.mark.parametrize(
    ("message", "role", "bootfile"),
    [
        (answer(yiaddr="192.0.2.50"), Role.DHCP, ""),
        (answer(yiaddr="192.0.2.50", siaddr="192.0.2.1"), Role.DHCP, ""),
        (answer(yiaddr="192.0.2.50", file=b"x.0"), Role.DHCP_WITH_BOOT, "x.0"),
        (
            answer(yiaddr="192.0.2.50", options={iana.OPT_BOOTFILE: b"y.efi\0"}),
            Role.DHCP_WITH_BOOT,
            "y.efi",
        ),
        (answer(yiaddr="192.0.2.50", options=PXE), Role.DHCP_WITH_BOOT, ""),
        (answer(options=PXE), Role.PXE, ""),
        (answer(options=PXE, file=b"z\xff"), Role.PXE, "z\\xff"),
        (answer(options={iana.OPT_VENDOR_CLASS: b"HTTPClient"}), Role.PXE, ""),
        (answer(iana.ACK), Role.DHCP, ""),
        (answer(iana.ACK, file=b"x.0"), Role.DHCP_WITH_BOOT, "x.0"),
        (answer(server=b"bad", yiaddr="192.0.2.50"), Role.DHCP, ""),
    ],
)
def test_what_a_server_is(message: Message, role: Role, bootfile: str) -> None:
    (server,) = told_apart([(message, "192.0.2.1", "02:00:00:00:00:01")])
    assert (server.role, server.bootfile) == (role, bootfile)


def test_what_a_server_offers_wins_over_what_it_acknowledges() -> None:
    both = [(each, "192.0.2.1", "m") for each in (answer(iana.ACK), answer(options=PXE))]
    assert [server.role for server in told_apart(both)] == [Role.PXE]


@pytest.mark.parametrize(
    ("options", "yiaddr", "network"),
    [
        ({1: b"\xff\xff\xff\0"}, "192.0.2.50", "192.0.2.0/24"),
        ({1: b"\xff\xff\xff\0", 3: b"\xc6\x33\x64\x01"}, "0.0.0.0", "198.51.100.0/24"),  # noqa: S104 -- a value
        ({1: b"\xff\xff\xff\0"}, "0.0.0.0", ""),  # noqa: S104 -- likewise
        ({1: b"\xff\0\xff\0"}, "192.0.2.50", ""),
        ({1: b"\xff"}, "192.0.2.50", ""),
        ({}, "192.0.2.50", ""),
    ],
)
def test_the_network_a_server_puts_machines_into(
    options: dict[int, bytes], yiaddr: str, network: str
) -> None:
    message = answer(options=options, yiaddr=yiaddr)
    (server,) = told_apart([(message, "192.0.2.1", "m")])
    assert server.network == network
    assert server.offered == ("" if yiaddr == "0.0.0.0" else yiaddr)  # noqa: S104 -- a value


def test_two_servers_are_two_and_a_thousand_are_few() -> None:
    many = [
        (answer(server=number.to_bytes(4), yiaddr="192.0.2.50"), "192.0.2.1", "m")
        for number in range(1000)
    ]
    assert len(told_apart(many[:2])) == 2
    assert len(told_apart(many)) == MAX_SERVERS


def framed(message: Message, port: int = iana.DHCP_CLIENT_PORT) -> bytes:
    payload = dhcp4.build(message)
    return udp4.build(udp4.Datagram("192.0.2.1", 67, "255.255.255.255", port, payload))


def test_only_answers_to_our_question_count() -> None:
    good = answer(yiaddr="192.0.2.50")
    assert survey_dhcp._answer(framed(good), 1) is not None
    assert survey_dhcp._answer(framed(good), 2) is None
    assert survey_dhcp._answer(framed(good, port=67), 1) is None
    assert survey_dhcp._answer(framed(answer(iana.DISCOVER)), 1) is None


@given(st.binary(max_size=600))
def test_no_frame_breaks_the_survey(noise: bytes) -> None:
    assert survey_dhcp._answer(noise, 1) is None


@given(st.binary(max_size=600))
def test_no_answer_breaks_the_survey(noise: bytes) -> None:
    head = framed(answer())[: 28 + 240]
    packet = udp4.build(udp4.Datagram("192.0.2.1", 67, "192.0.2.2", 68, head[28:] + noise))
    if (heard := survey_dhcp._answer(packet, 1)) is not None:
        assert told_apart([(*heard, "m")])


def test_our_questions_are_a_discover_and_an_inform_with_our_own_addresses() -> None:
    inform, discover = (
        dhcp4.parse(udp4.parse(packet).payload) for packet in survey_dhcp._questions(ETH0, 7)
    )
    assert (discover.type, discover.xid, discover.flags) == (iana.DISCOVER, 7, iana.BROADCAST_FLAG)
    assert discover.chaddr == "02:6e:62:00:00:01"
    assert discover.options[iana.OPT_VENDOR_CLASS].startswith(b"PXEClient:Arch:00007")
    assert (inform.type, inform.chaddr, inform.ciaddr) == (8, ETH0.mac, ETH0.address)
    assert iana.OPT_VENDOR_CLASS not in inform.options


# --- four lines


def look(
    *servers: DhcpServer, ports: tuple[Port, ...] = FREE, problems: dict[str, str] | None = None
) -> list[str]:
    return four_lines(Survey((ETH0,), {"eth0": servers}, ports, problems or {}))


DNSMASQ = Holder(812, "dnsmasq", "0.0.0.0")  # noqa: S104 -- a value
HELD = (Port("udp", 69, "TFTP", "is held", DNSMASQ), *FREE[1:])
BESIDE = (*FREE[:3], Port("udp", 67, "DHCP", holder=DNSMASQ, needed=False))


def test_the_four_lines_of_a_healthy_network() -> None:
    assert look(PLAIN) == [
        "interface: eth0 192.0.2.2/24",
        "DHCP server: 192.0.2.1 (02:00:00:00:00:01) answers on eth0",
        "other boot servers: none",
        "ports: UDP 69 (TFTP), UDP 4011 (ProxyDHCP), TCP 8080 (HTTP) free",
    ]


@pytest.mark.parametrize(
    ("lines", "number", "said"),
    [
        (look(), 1, "none answered. Machines need one"),
        (look(RIVAL), 1, "none answered. Machines need one"),
        (look(ports=BESIDE), 1, "dnsmasq (pid 812) on this host: we listen beside it"),
        (look(PLAIN, ports=BESIDE), 1, "answers on eth0; dnsmasq (pid 812) on this host"),
        (look(problems={"eth0": "not permitted"}), 1, "not looked for: not permitted"),
        (look(problems={"eth0": "not permitted"}), 2, "not looked for"),
        (look(PLAIN, RIVAL), 2, "192.0.2.7 (02:00:00:00:00:07) on eth0 is a PXE server other.efi"),
        (look(BOOTS), 2, "gives a boot file pxelinux.0"),
        (look(BOOTS), 1, "answers on eth0"),
        (look(ports=HELD), 3, "UDP 69 (TFTP) is held by dnsmasq (pid 812); UDP 4011"),
    ],
)
def test_what_each_line_says(lines: list[str], number: int, said: str) -> None:
    assert len(lines) == 4
    assert said in lines[number]


@pytest.mark.parametrize(
    ("there", "also"),
    [((PLAIN,), False), ((), True), ((RIVAL,), True)],
    ids=["its own", "silent", "only a rival's"],
)
def test_of_several_interfaces_the_one_without_a_dhcp_server_is_named(
    there: tuple[DhcpServer, ...], also: bool
) -> None:
    found = Survey((ETH0,), {"eth0": (PLAIN,), "eth0.5": there}, FREE)
    assert four_lines(found)[1].endswith("; none on eth0.5") is also


def test_a_rival_s_boot_file_cannot_steer_the_terminal() -> None:
    message = answer(options=PXE, file=b"\x1b[2J\n\x00")
    (server,) = told_apart([(message, "192.0.2.1", "m")])
    assert all(line.isprintable() for line in look(server))
