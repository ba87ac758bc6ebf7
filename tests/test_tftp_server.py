"""The TFTP server on real sockets: who may ask, what is bounded, and what a machine gets."""

import os
import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from netboot.boot.source import BytesSource, FileSource, Source
from netboot.boot.tftp import Outcome, Result, TftpLimits
from netboot.errors import NotServed
from netboot.wire import tftp
from netboot.wire.tftp import Ack, Data, Error, OptionAck, Packet, ReadRequest, WriteRequest
from tests.tftp_peer import PatternSource, Peer, ServerThread, pattern, serving

FILES = {"small": 100, "boot": 5000, "large": 200_000}


def find(name: str, peer: str, local: str) -> Source:
    assert peer.startswith("127.")
    if name == "whence":
        return BytesSource(local.encode())
    if name not in FILES:
        raise NotServed(f"/srv/secret/{name} is not in the catalogue")
    return PatternSource(FILES[name])


class Client:
    """A UDP socket that speaks packets."""

    def __init__(self, server: ServerThread, address: str = "127.0.0.1") -> None:
        self.server = server
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.sock.settimeout(60)
        self.tid = ("127.0.0.1", server.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, name: str, to: str = "127.0.0.1", **options: int) -> Packet:
        asked = {key: str(value) for key, value in options.items()}
        request = tftp.build(ReadRequest(name, options=asked))
        self.sock.sendto(request, (to, self.server.port))
        return self.hear()

    def hear(self) -> Packet:
        datagram, self.tid = self.sock.recvfrom(70_000)
        return tftp.parse(datagram)

    def say(self, packet: Packet) -> None:
        self.sock.sendto(tftp.build(packet), self.tid)

    def nothing_comes(self) -> bool:
        """Whether the server, once it has read all we sent, has nothing to say."""
        self.server.call(lambda: None)
        return not select.select([self.sock], [], [], 0.05)[0]


@pytest.fixture(params=[False, True], ids=["own ports", "single port"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerThread]:
    with serving(find, TftpLimits(single_port=request.param)) as made:
        yield made


@pytest.fixture
def client(server: ServerThread) -> Iterator[Client]:
    with Client(server) as made:
        yield made


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        select.select([], [], [], 0.005)


def test_a_read_and_its_outcome(server: ServerThread, client: Client) -> None:
    assert client.ask("boot", tsize=0, blksize=1468, windowsize=4) == OptionAck(
        {"tsize": "5000", "blksize": "1468", "windowsize": "4"}
    )
    client.say(Ack(0))
    payloads = []
    for n in range(1, 5):
        packet = client.hear()
        assert isinstance(packet, Data)
        assert packet.block == n
        payloads.append(packet.payload)
    assert b"".join(payloads) == pattern(0, 5000)
    client.say(Ack(4))
    outcome = server.outcome()
    assert outcome == Outcome("127.0.0.1", "boot", 5000, 5000, outcome.seconds, Result.DONE, "")
    assert 0 < outcome.seconds < 60
    assert server.server.sent == 5000
    until(lambda: len(server.server) == 0)


def test_the_transfer_has_its_own_port_or_the_servers() -> None:
    for single in (False, True):
        with serving(find, TftpLimits(single_port=single)) as server, Client(server) as client:
            client.ask("boot")
            assert (client.tid[1] == server.port) is single


@pytest.mark.parametrize("single", [False, True])
def test_it_answers_from_the_address_that_was_asked(single: bool) -> None:
    with ExitStack() as stack:
        limits = TftpLimits(single_port=single)
        server = stack.enter_context(serving(find, limits, address="0.0.0.0"))  # noqa: S104
        client = stack.enter_context(Client(server))
        assert client.ask("whence", to="127.0.0.5") == Data(1, b"127.0.0.5")
        assert client.tid[0] == "127.0.0.5"
        assert isinstance(client.ask("absent", to="127.0.0.6"), Error)
        assert client.tid == ("127.0.0.6", server.port)


def test_a_probe_is_no_failure(server: ServerThread, client: Client) -> None:
    assert client.ask("boot", tsize=0) == OptionAck({"tsize": "5000"})
    client.say(Error(8, "User aborted the transfer"))
    assert server.outcome().result is Result.PROBE
    until(lambda: len(server.server) == 0)
    assert client.ask("boot") == Data(1, pattern(0, 512))


def test_what_is_not_served_gets_error_1_without_a_path(
    server: ServerThread, client: Client
) -> None:
    assert client.ask("../etc/shadow") == Error(1, "file not found")
    outcome = server.outcome()
    assert (outcome.result, outcome.name, outcome.size) == (Result.NOT_SERVED, "../etc/shadow", 0)
    assert "is not in the catalogue" in outcome.detail


def test_it_takes_no_writes(server: ServerThread, client: Client) -> None:
    client.say(WriteRequest("boot"))
    assert client.hear() == Error(2, "this server is read-only")
    assert server.server.drops["tftp: write request"] == 1


def test_an_ack_from_nowhere_gets_error_5_and_an_error_gets_nothing(
    server: ServerThread, client: Client
) -> None:
    client.say(Error(0, "hello"))
    assert client.nothing_comes()
    client.say(Ack(7))
    assert client.hear() == Error(5, "unknown transfer ID")
    assert server.server.drops == {"tftp: unexpected Error": 1, "tftp: no such transfer": 1}


def test_a_stranger_cannot_disturb_a_transfer() -> None:
    with serving(find) as server, Client(server) as client, Client(server) as stranger:
        client.ask("boot")
        stranger.sock.connect(client.tid)
        stranger.sock.send(tftp.build(Error(0, "stop")))
        with pytest.raises(ConnectionRefusedError):
            stranger.sock.recv(2000)
        client.say(Ack(1))
        assert client.hear() == Data(2, pattern(512, 512))


def test_a_stranger_at_the_servers_own_port_gets_error_5() -> None:
    limits = TftpLimits(single_port=True)
    with serving(find, limits) as server, Client(server) as client, Client(server) as stranger:
        client.ask("boot")
        stranger.tid = client.tid
        stranger.say(Ack(1))
        assert stranger.hear() == Error(5, "unknown transfer ID")
        client.say(Ack(1))
        assert client.hear() == Data(2, pattern(512, 512))


def test_a_client_whose_port_is_closed_is_repeated_to_like_any_silent_one(
    server: ServerThread, client: Client
) -> None:
    with Client(server) as gone:
        gone.ask("boot", timeout=1)
        gone.say(Ack(0))
    client.ask("small")  # the answer to gone's ACK, and the kernel's refusal, lie behind
    assert client.nothing_comes()
    assert len(server.server) == 2
    assert server.outcomes.empty()


def test_a_request_that_comes_twice_is_one_transfer(server: ServerThread, client: Client) -> None:
    first = client.ask("boot", blksize=600)
    tid = client.tid
    assert client.ask("boot", blksize=600) == first
    assert client.tid == tid
    client.say(Ack(0))
    assert isinstance(client.hear(), Data)
    client.tid = ("127.0.0.1", server.port)
    client.say(ReadRequest("boot", options={"blksize": "600"}))
    assert client.nothing_comes()
    assert len(server.server) == 1
    assert server.outcomes.empty()


def test_another_request_from_the_same_port_takes_its_place(
    server: ServerThread, client: Client
) -> None:
    client.ask("boot", tsize=0)
    assert client.ask("small") == Data(1, pattern(0, 100))
    assert server.outcome().result is Result.PROBE
    assert len(server.server) == 1
    client.say(Ack(1))
    assert server.outcome().result is Result.DONE


def test_a_machine_that_starts_over_gets_a_new_transfer(
    server: ServerThread, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.ask("boot")
    client.say(Ack(1))
    client.hear()
    monkeypatch.setattr("netboot.boot.tftp.LATE_DUPLICATE", -1.0)
    assert client.ask("boot") == Data(1, pattern(0, 512))
    assert server.outcome().result is Result.ABORTED


def test_one_peer_cannot_take_all_places() -> None:
    limits = TftpLimits(max_transfers_per_peer=2)
    with serving(find, limits) as server, ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(3)]
        other = stack.enter_context(Client(server, "127.0.0.2"))
        for client in clients[:2]:
            assert isinstance(client.ask("boot"), Data)
        clients[2].say(ReadRequest("boot"))
        assert clients[2].nothing_comes()
        assert server.server.drops["tftp: too many transfers of one peer"] == 1
        assert isinstance(other.ask("boot"), Data)
        clients[0].say(Error(0, "never mind"))
        server.outcome()
        assert isinstance(clients[2].ask("boot"), Data)


def test_forged_requests_make_room_for_real_ones_and_heard_ones_stay() -> None:
    with serving(find, TftpLimits(max_transfers=3)) as server, ExitStack() as stack:
        heard = stack.enter_context(Client(server))
        heard.ask("boot")
        heard.say(Ack(1))
        heard.hear()
        for _ in range(10):
            assert isinstance(stack.enter_context(Client(server)).ask("boot"), Data)
        assert len(server.server) == 3
        assert server.server.drops["tftp: made room for another"] == 8
        assert {server.outcome().detail for _ in range(8)} == {"too many transfers"}
        heard.say(Ack(2))
        assert heard.hear() == Data(3, pattern(1024, 512))


def test_when_all_are_heard_a_new_one_has_to_wait() -> None:
    with serving(find, TftpLimits(max_transfers=1)) as server, ExitStack() as stack:
        first, second = (stack.enter_context(Client(server)) for _ in range(2))
        first.ask("boot")
        first.say(Ack(1))
        first.hear()
        second.say(ReadRequest("boot"))
        assert second.nothing_comes()
        assert server.server.drops["tftp: too many transfers"] == 1


def test_the_rate_of_one_peers_requests_is_bounded() -> None:
    limits = TftpLimits(requests_per_second=0.001, request_burst=3)
    with serving(find, limits) as server, ExitStack() as stack:
        client = stack.enter_context(Client(server))
        for _ in range(3):
            assert client.ask("absent") == Error(1, "file not found")
        for _ in range(5):
            client.say(ReadRequest("absent"))
        assert client.nothing_comes()
        assert server.server.drops["tftp: too many requests of one peer"] == 5
        other = stack.enter_context(Client(server, "127.0.0.2"))
        assert isinstance(other.ask("absent"), Error)


def test_broken_datagrams_are_counted_and_then_a_good_machine_boots(
    server: ServerThread, client: Client
) -> None:
    shuffled = random.Random(0)  # noqa: S311 -- repeatable, not secret
    sent = 0
    for _ in range(40):
        for _ in range(50):
            junk = shuffled.randbytes(shuffled.randrange(60))
            client.sock.sendto(b"\0" + junk[1:] if junk[:1] < b"\x80" else junk, client.tid)
            sent += 1
        server.call(lambda: None)
    until(lambda: sum(server.server.drops.values()) >= sent)
    assert len(server.server.drops) < 20
    assert server.outcomes.empty()
    while select.select([client.sock], [], [], 0.0)[0]:
        client.sock.recv(2000)
    client.tid = ("127.0.0.1", server.port)
    assert client.ask("small") == Data(1, pattern(0, 100))


def test_a_held_port_is_an_error() -> None:
    with serving(find) as server, pytest.raises(OSError, match="in use"):
        server.call(
            lambda: type(server.server)(
                server.reactor, find, print, address="127.0.0.1", port=server.port
            ).start()
        )


def test_stopping_tells_every_peer_and_closes_every_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(5000))
    opened: list[FileSource] = []

    def open_file(_name: str, _peer: str, _local: str) -> Source:
        opened.append(FileSource(tmp_path / "f"))
        return opened[-1]

    with serving(open_file) as server, Client(server) as client:
        client.ask("f")
        assert opened[0].fileno() >= 0
        server.call(server.server.stop)
        assert client.hear() == Error(0, "the server is stopping")
        assert server.outcome().result is Result.ABORTED
        assert (len(server.server), opened[0].fileno()) == (0, -1)


def test_without_a_descriptor_to_spare_it_goes_on_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = PatternSource(100)
    with serving(lambda *_: source) as server, Client(server) as client:

        def no_socket(*_: object, **__: object) -> None:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patched:
            patched.setattr("netboot.boot.tftp.OwnPort", no_socket)
            client.say(ReadRequest("f"))
            assert client.nothing_comes()
        assert server.server.drops == {"tftp: no socket (Too many open files)": 1}
        assert source.closed == 1
        assert isinstance(client.ask("f"), Data)


def test_a_fault_of_ours_costs_one_request_and_not_the_port(
    capfd: pytest.CaptureFixture[str],
) -> None:
    faults = [ZeroDivisionError("ours")]

    def faulty(name: str, peer: str, local: str) -> Source:
        if faults:
            raise faults.pop()
        return find(name, peer, local)

    with serving(faulty) as server, Client(server) as client:
        client.say(ReadRequest("boot"))
        until(lambda: not faults)
        assert isinstance(client.ask("boot"), Data)
    capfd.readouterr()


def test_a_fault_of_ours_in_one_transfer_costs_no_other(
    server: ServerThread, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        monkeypatch.undo()
        raise ZeroDivisionError("ours")

    with Client(server) as unlucky:
        unlucky.ask("boot")
        client.ask("boot")
        monkeypatch.setattr("netboot.wire.transfer.ReadTransfer.receive_datagram", faulty)
        unlucky.say(Ack(1))
        assert unlucky.nothing_comes()
        client.say(Ack(1))
        assert client.hear() == Data(2, pattern(512, 512))
        unlucky.say(Ack(1))
        assert unlucky.hear() == Data(2, pattern(512, 512))


@pytest.mark.parametrize("bound", ["max_transfers", "request_burst", "max_windowsize"])
def test_a_bound_of_zero_is_refused(bound: str) -> None:
    with pytest.raises(ValueError, match="above zero"):
        TftpLimits(**{bound: 0})


@pytest.mark.parametrize("gso", [True, False])
def test_100_machines_at_once_with_one_datagram_in_a_hundred_lost(
    tmp_path: Path, gso: bool
) -> None:
    content = pattern(0, 200_000)
    (tmp_path / "large").write_bytes(content)
    limits = TftpLimits(gso=gso)
    with serving(lambda *_: FileSource(tmp_path / "large"), limits) as server:
        lossy_fetch(server, 100, len(content))
        outcomes = [server.outcome() for _ in range(100)]
        assert {outcome.result for outcome in outcomes} == {Result.DONE}
        assert {outcome.sent for outcome in outcomes} == {len(content)}


def lossy_fetch(server: ServerThread, machines: int, size: int) -> None:
    """Read ``large`` on that many sockets at once; each loses a hundredth both ways."""
    lost = random.Random(3)  # noqa: S311 -- repeatable, not secret
    request = ReadRequest("large", options={"blksize": "1468", "windowsize": "4"})
    with ExitStack() as stack:
        sockets = [stack.enter_context(Client(server)).sock for _ in range(machines)]
        peers = {sock: Peer(request, sock.getsockname()) for sock in sockets}

        def send(sock: socket.socket, peer: Peer, datagram: bytes | None) -> None:
            if datagram is not None and lost.random() >= 0.01:
                sock.sendto(datagram, peer.server or ("127.0.0.1", server.port))

        for sock, peer in peers.items():
            peer.TIMEOUT, peer.DALLY, peer.RETRIES = 0.4, 60.0, 100
            send(sock, peer, peer.start(time.monotonic()))
        while server.outcomes.qsize() < machines:
            readable, _, _ = select.select(sockets, [], [], 0.1)
            for sock in readable:
                datagram, source = sock.recvfrom(2000)
                if lost.random() >= 0.01:
                    send(sock, peers[sock], peers[sock].receive(datagram, source, time.monotonic()))
            for sock, peer in peers.items():
                send(sock, peer, peer.on_timer(time.monotonic()))
    assert [(peer.failed, peer.size) for peer in peers.values()] == [("", size)] * machines


def test_no_descriptor_is_left_behind(server: ServerThread) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- a count is all that is wanted
    for _ in range(20):
        with Client(server) as client:
            client.ask("small")
            client.say(Ack(1))
            server.outcome()
    until(lambda: len(server.server) == 0)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208 -- likewise
