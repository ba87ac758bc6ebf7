"""UDP on a reactor: the address that was asked, bounded reading, bursts with and without GSO."""

import errno
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from netboot.boot import udp
from netboot.boot.udp import BurstSender, UdpPort, runs


class Readers:
    """As much of a reactor as a port needs; the test says when something is readable."""

    def __init__(self) -> None:
        self.readers: set[Any] = set()

    def addReader(self, reader: Any) -> None:  # noqa: N802 -- twisted's name
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:  # noqa: N802 -- twisted's name
        self.readers.discard(reader)


def bound(address: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made.bind((address, 0))
    made.settimeout(60)
    return made


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with bound() as made:
        yield made


ANY = "0.0.0.0"  # noqa: S104 -- replies leave from any loopback address
Heard = list[tuple[bytes, tuple[str, int], str]]


@pytest.fixture
def port() -> Iterator[tuple[UdpPort, Heard]]:
    heard: Heard = []
    made = UdpPort(Readers(), ANY, 0, lambda *got: heard.append(got))
    made.start()
    yield made, heard
    made.stop()


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.2", "127.1.2.3"])
def test_it_knows_which_address_was_asked_and_answers_from_it(
    client: socket.socket, asked: str
) -> None:
    def answer(data: bytes, peer: tuple[str, int], local: str) -> None:
        port.send(data + local.encode(), peer)

    port = UdpPort(Readers(), ANY, 0, answer)
    port.start()
    client.sendto(b"who? ", (asked, port.port))
    port.doRead()
    assert client.recvfrom(100) == (f"who? {asked}".encode(), (asked, port.port))
    port.send(b"later", client.getsockname(), source="127.0.0.9")
    assert client.recvfrom(100) == (b"later", ("127.0.0.9", port.port))
    port.send(b"unasked", client.getsockname())
    assert client.recvfrom(100) == (b"unasked", ("127.0.0.1", port.port))
    port.stop()


def test_one_wake_up_reads_many_but_not_without_end(
    client: socket.socket, port: tuple[UdpPort, Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    listening, heard = port
    monkeypatch.setattr(udp, "MAX_DATAGRAMS_PER_WAKEUP", 3)
    for n in range(5):
        client.sendto(bytes([n]), ("127.0.0.1", listening.port))
    listening.doRead()
    assert [data for data, _, _ in heard] == [b"\0", b"\1", b"\2"]
    listening.doRead()
    assert len(heard) == 5
    listening.doRead()


def test_a_port_that_is_held_is_an_error_and_leaves_nothing_open(client: socket.socket) -> None:
    readers = Readers()
    port = UdpPort(readers, "127.0.0.1", client.getsockname()[1], lambda *_: None)
    with pytest.raises(OSError, match="in use") as held:
        port.start()
    assert held.value.errno == errno.EADDRINUSE
    assert (readers.readers, port.fileno(), port.port) == (set(), -1, 0)


def test_what_the_kernel_will_not_send_is_counted(port: tuple[UdpPort, Heard]) -> None:
    listening, _ = port
    listening.send(b"x", ("127.0.0.1", 0))
    listening.send(bytes(65508), ("127.0.0.1", 9))
    assert listening.drops == {
        "udp: not sent (EINVAL)": 1,
        "udp: not sent (EMSGSIZE)": 1,
    }


def test_once_stopped_it_is_silent(port: tuple[UdpPort, Heard]) -> None:
    listening, _ = port
    listening.stop()
    listening.stop()
    listening.send(b"x", ("127.0.0.1", 9))
    listening.doRead()
    assert listening.drops == Counter()


def test_it_outlives_a_fault_of_ours_but_not_the_reactor() -> None:
    readers = Readers()
    port = UdpPort(readers, "127.0.0.1", 0, lambda *_: None)
    port.start()
    readers.removeReader(port)
    port.connectionLost(Failure(ZeroDivisionError()))
    assert readers.readers == {port}
    port.connectionLost(Failure(ConnectionLost()))
    assert (readers.readers, port.fileno()) == (set(), -1)


BURSTS = st.one_of(
    st.builds(  # a window: equal blocks, and perhaps a shorter one
        lambda count, size, last: [bytes([n % 256]) * size for n in range(count)] + last,
        st.integers(0, 150),
        st.sampled_from([1, 516, 1472]),
        st.lists(st.binary(max_size=515), max_size=1),
    ),
    st.lists(st.binary(max_size=30), max_size=80),
)


@given(BURSTS)
def test_runs_keep_every_datagram_and_are_what_the_kernel_takes(burst: list[bytes]) -> None:
    found = list(runs(burst))
    assert [one for run in found for one in run] == burst
    for run in found:
        assert 1 <= len(run) <= 64
        assert sum(map(len, run)) <= 65507
        assert {len(one) for one in run[:-1]} <= {len(run[0])}
        assert len(run[-1]) <= len(run[0])
        assert len(run) == 1 or all(run)


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(BURSTS)
@pytest.mark.parametrize("source", [None, "127.0.0.3"])
def test_gso_and_the_plain_loop_put_the_same_datagrams_on_the_wire(
    client: socket.socket, source: str | None, burst: list[bytes]
) -> None:
    for gso in (True, False):
        with bound(ANY) as sock:
            sender = BurstSender(sock, gso=gso)
            assert sender.gso is gso, "this kernel has no UDP_SEGMENT, so nothing is compared"
            sender.send(burst, client.getsockname(), source)
            got = [client.recvfrom(2000) for _ in burst]
        assert [data for data, _ in got] == burst
        assert {address for _, (address, _) in got} <= {source or "127.0.0.1"}


class Refusing(socket.socket):
    """A kernel that refuses UDP_SEGMENT, as with a device that cannot checksum."""

    refusal = errno.EIO

    def sendmsg(self, buffers: Any, control: Any = (), flags: int = 0, address: Any = None) -> int:
        if any(kind == udp._UDP_SEGMENT for _, kind, _ in control):
            raise OSError(self.refusal, "no")
        return super().sendmsg(buffers, control, flags, address)


@pytest.mark.parametrize("source", [None, "127.0.0.1"])
@pytest.mark.parametrize("refusal", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
def test_where_the_kernel_refuses_gso_the_plain_loop_takes_over(
    client: socket.socket, refusal: int, source: str | None
) -> None:
    burst = [bytes([n]) * 100 for n in range(8)]
    with Refusing(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.refusal = refusal
        sender = BurstSender(sock)
        for _ in range(2):
            sender.send(burst, client.getsockname(), source)
            assert [client.recv(200) for _ in burst] == burst
            assert not sender.gso


def test_a_real_kernel_refuses_where_it_may_not_checksum(client: socket.socket) -> None:
    burst = [b"a" * 100, b"b" * 100, b"c"]
    with bound() as sock:
        sock.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
        sender = BurstSender(sock)
        assert sender.gso
        sender.send(burst, client.getsockname())
        assert [client.recv(200) for _ in burst] == burst
        assert not sender.gso


def test_other_errors_are_the_callers_business() -> None:
    with Refusing(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.refusal = errno.ENETUNREACH
        sender = BurstSender(sock)
        with pytest.raises(OSError, match="no"):
            sender.send([b"x", b"y"], ("127.0.0.1", 9))
        assert sender.gso


def test_the_mtu_is_the_routes() -> None:
    assert udp.mtu_towards("127.0.0.1") > 65000
    assert udp.mtu_towards("255.255.255.255") == udp.DEFAULT_MTU
