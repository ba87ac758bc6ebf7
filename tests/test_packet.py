"""What a packet socket hears on a real cable, and what it leaves to others."""

import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from select import select
from typing import Any

import pytest

from netboot.boot.packet import MAX_PACKET, PacketPort, RawSender, address_towards
from netboot.lab.namespaces import Host, Lan
from netboot.wire import udp4
from netboot.wire.dhcp4 import NO_ADDRESS
from netboot.wire.udp4 import Datagram

pytestmark = pytest.mark.root

SERVER, PEER, EVERYBODY = "10.78.0.2", "10.78.0.3", "10.78.0.255"
CABLE = "cable"
"""A veth from host to host: a bridge between them may drop what is malformed."""
BROADCAST, NOBODY = b"\xff" * 6, bytes.fromhex("020000000099")
IPV4, VLAN = 0x0800, 0x8100
SENTINEL = b"the last one"


class Reactor:
    """Only remembers who reads."""

    def __init__(self) -> None:
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:  # noqa: N802 -- twisted's name
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:  # noqa: N802 -- twisted's name
        self.readers.remove(reader)


class Ear:
    """A port on an interface, and what it has heard."""

    def __init__(self, host: Host, interface: str = CABLE) -> None:
        self.reactor = Reactor()
        self.drops: Counter[str] = Counter()
        self.heard: list[bytes] = []
        self.port = PacketPort(self.reactor, interface, self.heard.append, self.drops)
        host.inside(self.port.start)

    def read(self, seconds: float = 2.0) -> bool:
        """As the reactor does; whether something was there to be read in time."""
        ready = bool(select([self.port], [], [], seconds)[0])
        if ready:
            self.port.doRead()
        return ready

    def until(self, payload: bytes = SENTINEL) -> list[bytes]:
        """What was heard before ``payload`` came."""
        while payload not in self.heard:
            assert self.read(), f"{payload!r} did not come"
        before = self.heard[: self.heard.index(payload)]
        self.heard.clear()
        return before


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    with Lan("packet") as made:
        peer = made.host("peer")
        end = ["type", "veth", "peer", "name", CABLE, "netns", peer.namespace]
        made.server.run(["ip", "link", "add", CABLE, *end])
        for host, address in ((made.server, SERVER), (peer, PEER)):
            whole = [f"{address}/24", "broadcast", EVERYBODY]
            host.run(["ip", "address", "add", *whole, "dev", CABLE])
            host.run(["ip", "link", "set", CABLE, "up"])
        yield made


@pytest.fixture
def ear(lan: Lan) -> Iterator[Ear]:
    found = Ear(lan.server)
    yield found
    found.port.stop()


@pytest.fixture
def cable(lan: Lan) -> Iterator[socket.socket]:
    """The peer's end, for whole frames."""

    def opened() -> socket.socket:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        raw.bind((CABLE, 0))
        return raw

    with lan.host("peer").inside(opened) as raw:
        yield raw


def packet(payload: bytes, port: int = 67, target: str = "255.255.255.255") -> bytes:
    return udp4.build(Datagram(NO_ADDRESS, 68, target, port, payload))


def offer(target: str) -> bytes:
    return udp4.build(Datagram(SERVER, 67, target, 68, b"offer"))


def frame(ip: bytes, target: bytes = BROADCAST, tag: int | None = None) -> bytes:
    head = target + bytes.fromhex("020000000001")
    if tag is not None:
        head += struct.pack("!HH", VLAN, tag)
    return head + struct.pack("!H", IPV4) + ip


def changed(ip: bytes, at: int, value: bytes) -> bytes:
    return ip[:at] + value + ip[at + len(value) :]


def with_ip_options(ip: bytes) -> bytes:
    """The same with four bytes of IP options (no-operation): its UDP header stands later."""
    longer = changed(ip, 0, b"\x46" + ip[1:2] + struct.pack("!H", len(ip) + 4))
    return longer[:20] + b"\x01" * 4 + longer[20:]


PASSED = {
    "broadcast": frame(packet(b"x")),
    "with IP options": frame(with_ip_options(packet(b"x"))),
    "with a wrong checksum": frame(changed(packet(b"x"), 26, b"\xab\xcd")),
    "with don't-fragment": frame(changed(packet(b"x"), 6, b"\x40\x00")),
    "with priority only (802.1p)": frame(packet(b"x"), tag=3 << 13),
    "padded by the link": frame(packet(b"x")) + bytes(40),
}
FILTERED = {
    "to the client's port": frame(packet(b"x", 68)),
    "to port 4011": frame(packet(b"x", 4011)),
    "of a VLAN": frame(packet(b"x"), tag=5),
    "first fragment": frame(changed(packet(b"x"), 6, b"\x20\x00")),
    "later fragment": frame(changed(packet(b"x"), 6, b"\x00\x01")),
    "TCP": frame(changed(packet(b"x"), 9, b"\x06")),
    "to another machine": frame(packet(b"x"), NOBODY),
    "not IPv4": changed(frame(packet(b"x")), 12, b"\x86\xdd"),
    "cut inside its UDP header": frame(packet(b"x")[:22]),
}


@pytest.mark.parametrize("name", PASSED)
def test_heard(ear: Ear, cable: socket.socket, name: str) -> None:
    cable.send(PASSED[name])
    cable.send(frame(packet(SENTINEL)))
    assert ear.until() == [b"x"]


@pytest.mark.parametrize("name", FILTERED)
def test_left_to_others_and_not_even_counted(ear: Ear, cable: socket.socket, name: str) -> None:
    cable.send(FILTERED[name])
    cable.send(frame(packet(SENTINEL)))
    assert ear.until() == []
    assert not ear.drops


@pytest.mark.parametrize(
    ("ip", "reason"),
    [
        (changed(packet(b"x"), 2, b"\xff\xff"), "udp: IPv4 lengths do not fit"),
        (changed(packet(b"x"), 24, b"\xff\xff"), "udp: length does not fit"),
        (changed(packet(b"x"), 0, b"\x65"), "udp: no IPv4 header"),
    ],
    ids=["total length", "UDP length", "version"],
)
def test_lies_are_counted(ear: Ear, cable: socket.socket, ip: bytes, reason: str) -> None:
    cable.send(frame(ip))
    cable.send(frame(packet(SENTINEL)))
    assert ear.until() == []
    assert ear.drops == {reason: 1}


def test_what_this_host_sends_itself_is_not_heard(lan: Lan, ear: Ear, cable: socket.socket) -> None:
    def say() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            own.sendto(b"own", (EVERYBODY, 67))

    lan.server.inside(say)
    cable.send(frame(packet(SENTINEL)))
    assert ear.until() == []


def test_whoever_holds_the_port_gets_its_copy(lan: Lan, ear: Ear, cable: socket.socket) -> None:
    def held() -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind(("", 67))
        opened.settimeout(60)
        return opened

    address = lan.server.run(["cat", f"/sys/class/net/{CABLE}/address"]).stdout.strip()
    with lan.server.inside(held) as holder:
        unicast = udp4.build(Datagram(PEER, 68, SERVER, 67, b"renewal"))
        cable.send(frame(unicast, bytes.fromhex(address.replace(":", ""))))
        assert holder.recv(100) == b"renewal"
    assert ear.until(b"renewal") == []


class TestSend:
    @pytest.fixture
    def client(self, lan: Lan) -> Iterator[socket.socket]:
        def opened() -> socket.socket:
            found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            found.bind(("", 68))
            found.settimeout(60)
            return found

        with lan.host("peer").inside(opened) as found:
            yield found

    def test_a_broadcast_comes_from_port_67_without_holding_it(
        self, ear: Ear, client: socket.socket
    ) -> None:
        ear.port.broadcast(offer(EVERYBODY))
        assert client.recvfrom(100) == (b"offer", (SERVER, 67))

    def test_it_comes_from_the_hardware_address_the_interface_has_now(
        self, lan: Lan, ear: Ear, cable: socket.socket
    ) -> None:
        cable.bind((CABLE, IPV4))  # it hears from now on
        cable.settimeout(60)
        lan.server.run(["ip", "link", "set", CABLE, "address", "02:00:00:00:00:42"])
        lan.server.inside(ear.port.follow)
        ear.port.broadcast(offer(EVERYBODY))
        while not (heard := cable.recv(MAX_PACKET)).endswith(b"offer"):
            pass
        assert heard[:14] == BROADCAST + bytes.fromhex("020000000042") + b"\x08\x00"

    def test_a_routed_reply_comes_from_port_67_too(self, lan: Lan, client: socket.socket) -> None:
        drops: Counter[str] = Counter()
        sender = lan.server.inside(lambda: RawSender(drops))
        sender.send(PEER, offer(PEER))
        assert client.recvfrom(100) == (b"offer", (SERVER, 67))
        assert not drops
        for nowhere, reason in (("192.0.2.1", "ENETUNREACH"), (EVERYBODY, "EACCES")):
            sender.send(nowhere, offer(nowhere))
            assert drops.pop(f"dhcp: not sent ({reason})") == 1
        sender.close()

    def test_a_reply_too_long_for_the_cable_is_counted(self, ear: Ear) -> None:
        ear.port.broadcast(bytes(MAX_PACKET))
        assert ear.drops == {"dhcp: not sent (EMSGSIZE)": 1}

    def test_our_address_towards_a_relay_is_the_route_s(self, lan: Lan) -> None:
        def towards(*peers: str) -> Callable[[], list[str | None]]:
            return lambda: [address_towards(peer) for peer in peers]

        assert lan.server.inside(towards(PEER, "192.0.2.1")) == [SERVER, None]


class TestInterfaceTrouble:
    def test_down_and_up_again(self, lan: Lan, ear: Ear, cable: socket.socket) -> None:
        lan.server.run(["ip", "link", "set", CABLE, "down"])
        assert ear.read()
        assert ear.drops == {"dhcp: ENETDOWN": 1}
        assert not ear.read(0.1)  # once, not for ever
        ear.port.broadcast(offer(EVERYBODY))
        assert ear.drops["dhcp: not sent (ENETDOWN)"] == 1
        lan.server.run(["ip", "link", "set", CABLE, "up"])
        cable.send(frame(packet(SENTINEL)))
        assert ear.until() == []
        assert ear.reactor.readers == [ear.port]

    def test_no_such_interface_leaves_nothing_open(self, lan: Lan) -> None:
        reactor = Reactor()
        port = PacketPort(reactor, "eth9", print, Counter())
        with pytest.raises(OSError, match="No such device"):
            lan.server.inside(port.start)
        assert (port.fileno(), reactor.readers) == (-1, [])

    def test_a_stopped_port_is_silent(self, lan: Lan) -> None:
        ear = Ear(lan.server)
        ear.port.connectionLost(None)
        assert (ear.port.fileno(), ear.reactor.readers) == (-1, [])
        ear.port.doRead()
        ear.port.broadcast(offer(EVERYBODY))
        ear.port.stop()
