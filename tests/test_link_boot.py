"""The boot program's end of the link, on a fake clock and a fake socket."""

import logging
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from netboot.boot.link import FLUSH_DELAY, LONGEST_RETRY, STOP_GRACE, ControlLink
from netboot.events import Event, Kind
from netboot.frames import MAX_FROM_BOOT, Ack, Batch, Feed, Hello, Message, Unpacker, pack
from netboot.model import Mac, Node
from netboot.snapshot import Snapshot, encode

ONE = Snapshot(1, (Node("n1", (Mac("52:54:00:00:00:01"),), "local"),))
TWO = Snapshot(2, ())


class Reactor(MemoryReactorClock):
    """Threads run when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[Callable[[], None]] = []

    def callInThread(self, function: Any, *arguments: Any) -> None:  # noqa: N802 -- Twisted's name
        self.threads.append(lambda: function(*arguments))

    def callFromThread(self, function: Any, *arguments: Any) -> None:  # noqa: N802 -- Twisted's name
        function(*arguments)

    def run_threads(self) -> None:
        while self.threads:
            self.threads.pop(0)()


class Control:
    """The other end of one connection."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.transport = StringTransport()
        self.unpacker = Unpacker(MAX_FROM_BOOT)
        protocol.makeConnection(self.transport)

    def heard(self) -> list[Message]:
        """What was said since the last look."""
        data = self.transport.value()
        self.transport.clear()
        return list(self.unpacker.feed(data))

    def events(self) -> list[tuple[int, str]]:
        """Numbers and details of the one batch said since the last look."""
        messages = self.heard()
        assert all(isinstance(message, Batch) for message in messages)
        return [
            (seq, msgspec.json.decode(raw, type=Event).detail)
            for message in messages
            if isinstance(message, Batch)
            for seq, raw in message.events
        ]

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.protocol.dataReceived(pack(message))

    def hang_up(self) -> None:
        self.protocol.connectionLost(Failure(Refused()))


class Rig:
    def __init__(self, folder: Path) -> None:
        self.reactor = Reactor()
        self.kept = folder / "snapshot.json"
        self.snapshots: list[Snapshot] = []
        self.link = ControlLink(
            self.reactor, folder / "boot.sock", self.kept, self.snapshots.append
        )

    def accept(self) -> Control:
        """Control takes the newest connection attempt."""
        path, factory, *_ = self.reactor.unixClients.pop()
        assert path.endswith("/boot.sock")
        return Control(factory.buildProtocol(None))

    def refuse(self) -> None:
        _, factory, *_ = self.reactor.unixClients.pop()
        factory.clientConnectionFailed(None, Failure(Refused()))

    def send(self, *details: str) -> None:
        for detail in details:
            self.link.send(Event(Kind.OFFER, None, "n1", detail))


def feed(snapshot: Snapshot) -> Feed:
    return Feed(msgspec.Raw(encode(snapshot)))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


class TestSnapshots:
    def test_a_pushed_snapshot_is_handed_over_and_kept_for_us_alone(self, rig: Rig) -> None:
        rig.link.start()
        control = rig.accept()
        control.say(Ack(0), feed(ONE))
        assert rig.snapshots == [ONE]
        assert not rig.kept.exists()  # the reactor does not wait for the disk
        rig.reactor.run_threads()
        assert rig.kept.read_bytes() == encode(ONE)
        assert stat.S_IMODE(rig.kept.stat().st_mode) == 0o600

    def test_the_kept_one_is_handed_over_before_control_is_there(self, rig: Rig) -> None:
        rig.kept.write_bytes(encode(ONE))
        rig.link.start()
        assert rig.snapshots == [ONE]
        assert not rig.link.connected
        rig.accept().say(Ack(0), feed(TWO))
        assert rig.snapshots == [ONE, TWO]

    def test_of_many_while_one_is_written_the_newest_is_kept(self, rig: Rig) -> None:
        rig.link.start()
        many = [Snapshot(n, ()) for n in range(50)]
        rig.accept().say(Ack(0), *map(feed, many))
        assert len(rig.reactor.threads) == 1
        rig.reactor.run_threads()
        assert rig.kept.read_bytes() == encode(many[-1])
        assert [file.name for file in rig.kept.parent.iterdir()] == [rig.kept.name]

    @pytest.mark.parametrize("damage", [b"", b"{", encode(ONE)[:-1], b"\xff" * 10, b"[]"])
    def test_a_damaged_file_is_reported_and_ignored(
        self, rig: Rig, damage: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        rig.kept.write_bytes(damage)
        rig.link.start()
        assert rig.snapshots == []
        assert f"{rig.kept}: means nothing, so it is ignored" in caplog.text

    def test_a_disk_that_cannot_keep_it_is_reported(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        rig.kept.mkdir()
        rig.link.start()
        rig.accept().say(Ack(0), feed(ONE))
        rig.reactor.run_threads()
        assert rig.snapshots == [ONE]
        assert "snapshot.json: cannot be kept: Is a directory" in caplog.text

    def test_one_we_cannot_read_leaves_the_last_in_place(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        rig.link.start()
        control = rig.accept()
        control.say(Ack(0), feed(ONE), Feed(msgspec.Raw(b'{"version":"new"}')))
        assert rig.snapshots == [ONE]
        assert rig.link.connected
        assert "control sent a snapshot we cannot read" in caplog.text


class TestEvents:
    def test_one_batch_at_a_time_and_the_next_when_it_is_confirmed(self, rig: Rig) -> None:
        rig.link.start()
        rig.send("a", "b")
        control = rig.accept()
        [hello] = control.heard()
        assert isinstance(hello, Hello)
        control.say(Ack(0))
        assert control.events() == [(1, "a"), (2, "b")]
        rig.send("c")
        rig.reactor.advance(1)
        assert control.events() == []
        control.say(Ack(2))
        assert control.events() == [(3, "c")]

    def test_events_gather_for_a_moment(self, rig: Rig) -> None:
        rig.link.start()
        control = rig.accept()
        control.say(Ack(0))
        control.heard()
        rig.send("a", "b", "c")
        assert control.events() == []
        rig.reactor.advance(FLUSH_DELAY)
        assert control.events() == [(1, "a"), (2, "b"), (3, "c")]

    def test_what_control_has_is_not_sent_again(self, rig: Rig) -> None:
        rig.link.start()
        rig.send("a", "b")
        control = rig.accept()
        [first] = control.heard()
        control.say(Ack(0))
        control.hang_up()  # it has kept "a" and "b", and its Ack is lost
        rig.send("c")
        rig.reactor.advance(LONGEST_RETRY)
        control = rig.accept()
        assert control.heard() == [first]
        control.say(Ack(2))
        assert control.events() == [(3, "c")]


class TestConnection:
    def test_it_is_tried_again_ever_more_slowly_but_each_second(self, rig: Rig) -> None:
        rig.link.start()
        waits = []
        for _ in range(8):
            rig.refuse()
            [call] = rig.reactor.getDelayedCalls()
            waits.append(round(call.getTime() - rig.reactor.seconds(), 3))
            rig.reactor.advance(waits[-1])
        assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
        rig.accept().say(Ack(0))
        assert rig.link.connected

    def test_connected_means_control_has_answered(self, rig: Rig) -> None:
        rig.link.start()
        control = rig.accept()
        assert not rig.link.connected
        control.say(Ack(0))
        assert rig.link.connected
        control.hang_up()
        assert not rig.link.connected

    @pytest.mark.parametrize("noise", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01x", b"GET / HTTP/1"])
    def test_noise_ends_the_connection(
        self, rig: Rig, noise: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.ERROR)
        rig.link.start()
        control = rig.accept()
        control.protocol.dataReceived(noise)
        assert control.transport.disconnected
        assert "control does not speak our language" in caplog.text


class TestStop:
    def test_it_hangs_up_at_once_where_nothing_waits(self, rig: Rig) -> None:
        rig.link.start()
        control = rig.accept()
        control.say(Ack(0))
        done = rig.link.stop()
        assert control.transport.disconnected
        control.hang_up()
        assert done.called
        assert rig.reactor.getDelayedCalls() == []

    def test_it_waits_until_control_has_everything(self, rig: Rig) -> None:
        rig.link.start()
        control = rig.accept()
        control.say(Ack(0))
        rig.send("a")
        done = rig.link.stop()
        rig.reactor.advance(FLUSH_DELAY)
        assert not control.transport.disconnected
        control.say(Ack(1))
        assert control.transport.disconnected
        control.hang_up()
        assert done.called

    def test_it_does_not_wait_for_ever(self, rig: Rig) -> None:
        rig.link.start()
        control = rig.accept()
        control.say(Ack(0))
        rig.send("a")
        rig.link.stop()
        rig.reactor.advance(STOP_GRACE)
        assert control.transport.disconnected

    @pytest.mark.parametrize("moment", ["connecting", "waiting", "greeting"])
    def test_it_can_stop_at_any_moment(self, rig: Rig, moment: str) -> None:
        rig.link.start()
        if moment == "waiting":
            rig.refuse()
        control = rig.accept() if moment == "greeting" else None
        done = rig.link.stop()
        if moment == "connecting":
            control = rig.accept()
            assert control.heard() == []
        if control is not None:
            assert control.transport.disconnected
            control.hang_up()
        assert done.called
        assert rig.reactor.getDelayedCalls() == []
        assert rig.link.stop() is done
