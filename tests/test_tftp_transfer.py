"""One read transfer, step by step on a clock that the test sets."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.errors import NotServed
from netboot.wire import tftp
from netboot.wire.blocks import READ_AHEAD
from netboot.wire.tftp import Ack, Data, Error, Mode, OptionAck, Packet, ReadRequest
from netboot.wire.transfer import DALLY, RETRIES, ReadTransfer, Result
from tests.tftp_peer import PatternSource, pattern


class Conversation:
    """A transfer, spoken to in packets; ``says`` is what it sends."""

    def __init__(self, size: int, mode: Mode = Mode.OCTET, **options: int) -> None:
        self.now = 1000.0
        self.source = PatternSource(size)
        self.drops: Counter[str] = Counter()
        request = ReadRequest("f", mode, {name: str(value) for name, value in options.items()})
        self.core = ReadTransfer(
            request, self.source, self.now, max_windowsize=64, drops=self.drops
        )

    def says(self) -> list[Packet]:
        return [tftp.parse(datagram) for datagram in self.core.datagrams_to_send()]

    def hears(self, packet: Packet, after: float = 0.001) -> list[Packet]:
        self.now += after
        self.core.receive_datagram(tftp.build(packet), self.now)
        return self.says()

    def waits(self) -> list[Packet]:
        """Until its timer rings."""
        due = self.core.get_timer()
        assert due is not None
        assert due >= self.now
        self.core.handle_timer(due - 0.001)
        assert self.says() == []
        self.now = due
        self.core.handle_timer(due)
        return self.says()


def blocks(first: int, last: int, blksize: int = 512) -> list[Packet]:
    return [Data(n & 0xFFFF, pattern((n - 1) * blksize, blksize)) for n in range(first, last + 1)]


def test_rfc_1350_without_options() -> None:
    talk = Conversation(1000)
    assert talk.says() == blocks(1, 1)
    assert talk.hears(Ack(1)) == [Data(2, pattern(512, 488))]
    assert talk.core.result is None
    assert talk.hears(Ack(2)) == []
    assert (talk.core.result, talk.core.sent, talk.source.closed) == (Result.DONE, 1000, 1)


@pytest.mark.parametrize(("size", "last"), [(0, 1), (511, 1), (512, 2), (1024, 3)])
def test_the_last_block_is_shorter_and_may_be_empty(size: int, last: int) -> None:
    talk = Conversation(size)
    said = talk.says()
    for n in range(1, last):
        assert talk.core.result is None
        said += talk.hears(Ack(n))
    assert [packet.block for packet in said if isinstance(packet, Data)] == [*range(1, last + 1)]
    assert isinstance(said[-1], Data)
    assert len(said[-1].payload) == size % 512
    talk.hears(Ack(last))
    assert talk.core.result is Result.DONE
    assert talk.core.sent == size


def test_options_are_answered_and_wait_for_ack_0() -> None:
    talk = Conversation(5000, tsize=0, blksize=1468, windowsize=4)
    assert talk.says() == [OptionAck({"tsize": "5000", "blksize": "1468", "windowsize": "4"})]
    assert talk.source.reads == []
    said = talk.hears(Ack(0))
    assert said == [*blocks(1, 3, 1468), Data(4, pattern(3 * 1468, 596))]
    talk.hears(Ack(4))
    assert talk.core.result is Result.DONE


def test_the_oack_is_repeated_until_it_is_answered() -> None:
    talk = Conversation(5000, blksize=1468)
    (oack,) = talk.says()
    assert talk.waits() == [oack]
    assert talk.waits() == [oack]
    assert talk.hears(Ack(0)) == blocks(1, 1, 1468)


@pytest.mark.parametrize("code", [8, 0])
def test_an_error_instead_of_ack_0_is_a_probe(code: int) -> None:
    talk = Conversation(966_768, tsize=0, blksize=1468, windowsize=4)
    talk.says()
    assert talk.hears(Error(code, "User aborted the transfer")) == []
    assert talk.core.result is Result.PROBE
    assert talk.core.detail == f"error {code} User aborted the transfer"
    assert (talk.core.closed, talk.source.closed, talk.source.reads) == (True, 1, [])


def test_an_error_later_is_an_abort_and_is_never_answered() -> None:
    talk = Conversation(5000, blksize=1468)
    talk.says()
    talk.hears(Ack(0))
    assert talk.hears(Error(3, "no room")) == []
    assert (talk.core.result, talk.core.detail) == (Result.ABORTED, "error 3 no room")
    assert talk.core.closed


def test_a_block_is_repeated_ever_less_often_and_then_the_peer_is_given_up() -> None:
    talk = Conversation(5000)
    first = talk.says()
    rings = [talk.now]
    for _ in range(RETRIES):
        assert talk.waits() == first
        rings.append(talk.now)
    gaps = [round(after - before, 3) for before, after in pairwise(rings)]
    assert gaps == [1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    assert talk.waits() == []
    assert (talk.core.result, talk.source.closed) == (Result.TIMED_OUT, 1)
    assert talk.core.closed


def test_a_quick_network_is_repeated_to_sooner_but_never_at_once() -> None:
    talk = Conversation(500_000)
    talk.says()
    for n in range(1, 20):
        talk.hears(Ack(n), after=0.0002)
    due = talk.core.get_timer()
    assert due is not None
    assert round(due - talk.now, 3) == 0.3


def test_a_slow_network_is_waited_for() -> None:
    talk = Conversation(500_000)
    talk.says()
    for n in range(1, 20):
        talk.hears(Ack(n), after=0.9)
    due = talk.core.get_timer()
    assert due is not None
    assert due - talk.now > 0.9


def test_a_negotiated_timeout_is_kept_to() -> None:
    talk = Conversation(5000, timeout=3)
    said = talk.says()
    start = talk.now
    assert talk.waits() == said
    assert talk.waits() == said
    assert talk.now - start == pytest.approx(6)


@pytest.mark.parametrize(
    ("upto", "result", "detail"),
    [
        (None, Result.TIMED_OUT, "no answer to the OACK"),
        (0, Result.TIMED_OUT, "silent after 0 bytes"),
        (4, Result.TIMED_OUT, "silent after 2048 bytes"),
        (8, Result.UNCONFIRMED, "everything was sent, but the last ACK never came"),
    ],
)
def test_says_where_the_silence_began(upto: int | None, result: Result, detail: str) -> None:
    talk = Conversation(5000, windowsize=4)
    talk.says()
    for block in range(0, 0 if upto is None else upto + 1, 4):
        talk.hears(Ack(block))
    while not talk.core.closed:
        talk.waits()
    assert (talk.core.result, talk.core.detail) == (result, detail)


def test_a_duplicate_ack_never_sends_anything_in_lock_step() -> None:
    talk = Conversation(50_000)
    talk.says()
    for n in range(1, 20):
        assert talk.hears(Ack(n)) == blocks(n + 1, n + 1)
        due = talk.core.get_timer()
        for _ in range(3):
            assert talk.hears(Ack(n), after=0.0) == []
        assert talk.core.get_timer() == due
    assert talk.drops["tftp: duplicate ACK"] == 57


@pytest.mark.parametrize("block", [0, 4, 6, 40000, 65535])
def test_an_old_ack_or_one_for_the_future_changes_nothing(block: int) -> None:
    talk = Conversation(50_000)
    for n in range(1, 5):
        talk.hears(Ack(n))
    talk.hears(Ack(block))
    assert talk.core.sent == 4 * 512
    assert talk.hears(Ack(5)) == blocks(6, 6)


class TestWindows:
    def open(self) -> Conversation:
        talk = Conversation(500_000, windowsize=4)
        talk.says()
        assert talk.hears(Ack(0)) == blocks(1, 4)
        return talk

    def test_a_lost_block_starts_the_window_again_behind_the_last_good_one(self) -> None:
        talk = self.open()
        assert talk.hears(Ack(2)) == blocks(5, 6)
        assert talk.hears(Ack(2)) == []  # EDK2 says so once for each block behind the gap
        asked = talk.now
        assert talk.waits() == blocks(3, 6)
        assert talk.now - asked < 0.05
        assert talk.hears(Ack(6)) == blocks(7, 10)

    def test_the_first_block_of_a_window_lost(self) -> None:
        talk = self.open()
        talk.hears(Ack(4))
        assert talk.hears(Ack(4)) == []
        assert talk.hears(Ack(4)) == []
        asked = talk.now
        assert talk.waits() == blocks(5, 8)
        assert talk.now - asked < 0.05

    def test_it_starts_again_once_and_then_the_timer_rules(self) -> None:
        talk = self.open()
        talk.hears(Ack(4))
        talk.hears(Ack(4))
        talk.waits()
        for _ in range(5):
            assert talk.hears(Ack(4)) == []
        began = talk.now
        assert talk.waits() == blocks(5, 8)
        assert talk.now - began > 0.09

    def test_a_duplicate_ack_followed_by_a_good_one_sends_nothing_twice(self) -> None:
        talk = self.open()
        for n in range(4, 400, 4):
            assert talk.hears(Ack(n)) == blocks(n + 1, n + 4)
            assert talk.hears(Ack(n), after=0.0001) == []

    def test_a_client_that_acknowledges_every_block_gets_each_once(self) -> None:
        talk = self.open()
        for n in range(1, 200):
            assert talk.hears(Ack(n)) == blocks(n + 4, n + 4)

    def test_a_client_that_counts_its_window_from_elsewhere_is_not_kept_waiting(self) -> None:
        talk = self.open()
        assert talk.waits() == blocks(1, 4)  # block 4 was lost; 1 to 3 are known, so it says 3
        assert talk.hears(Ack(3)) == blocks(5, 7)
        assert talk.hears(Ack(7)) == blocks(8, 11)

    def test_a_lost_window_is_repeated_whole(self) -> None:
        talk = self.open()
        assert talk.waits() == blocks(1, 4)


class Careful(ReadTransfer):
    """Without the shortcut for the ACK of a whole window."""

    @property
    def _awaited(self) -> None:  # type: ignore[override]
        return None

    @_awaited.setter
    def _awaited(self, awaited: bytes | None) -> None: ...


@given(
    st.sampled_from([Mode.OCTET, Mode.NETASCII]),
    st.integers(1, 5),
    st.integers(0, 30_000),
    st.lists(st.tuples(st.sampled_from([-4, -1, 0, 0, 0, 0, 1, None]), st.floats(0.0, 5.0))),
)
def test_the_shortcut_for_a_whole_window_gives_what_the_long_way_gives(
    mode: Mode, windowsize: int, size: int, steps: list[tuple[int | None, float]]
) -> None:
    request = ReadRequest("f", mode, {"windowsize": str(windowsize)})
    quick, careful = (
        kind(request, PatternSource(size), 0.0, drops=Counter()) for kind in (ReadTransfer, Careful)
    )
    now = 0.0
    for beside, after in steps:  # an ACK so many blocks beside the last one sent, or silence
        now += after
        for core in (quick, careful):
            core.handle_timer(now)
            if beside is not None:
                core.receive_datagram(tftp.build(Ack((careful._sent + beside) & 0xFFFF)), now)
        assert quick.datagrams_to_send() == careful.datagrams_to_send()
        assert quick.get_timer() == careful.get_timer()
        assert (quick.result, quick.sent) == (careful.result, careful.sent)
        assert quick._drops == careful._drops


@pytest.mark.parametrize(("blksize", "windowsize"), [(512, 1), (512, 64), (1468, 64)])
def test_the_block_number_rolls_over_to_0(blksize: int, windowsize: int) -> None:
    total = 2 * 65536 + 10
    talk = Conversation(total * blksize + 1, blksize=blksize, windowsize=windowsize)
    talk.says()
    expected, said = 1, talk.hears(Ack(0))
    while talk.core.result is None:
        for packet in said:
            assert isinstance(packet, Data)
            assert packet.block == expected & 0xFFFF
            assert packet.payload[:8] == pattern((expected - 1) * blksize, 8)[: len(packet.payload)]
            expected += 1
        said = talk.hears(Ack((expected - 1) & 0xFFFF))
    assert expected == total + 2
    assert talk.core.result is Result.DONE
    assert talk.core.sent == total * blksize + 1


@pytest.mark.parametrize("windowsize", [1, 4, 64])
def test_no_more_of_a_file_is_read_than_a_window_or_what_is_read_ahead(windowsize: int) -> None:
    talk = Conversation(100 << 20, blksize=1468, windowsize=windowsize)
    talk.says()
    most = max(windowsize * 1468, READ_AHEAD)
    for n in range(0, 640, windowsize):
        talk.hears(Ack(n))
        assert max(offset + length for offset, length in talk.source.reads) <= n * 1468 + most
    assert all(length <= most for _offset, length in talk.source.reads)


def test_a_text_is_read_a_window_at_a_time_too() -> None:
    talk = Conversation(100 << 20, Mode.NETASCII, blksize=1468, windowsize=16)
    talk.says()
    for n in range(0, 640, 16):
        talk.hears(Ack(n))
        assert sum(length for _, length in talk.source.reads) <= (n + 18) * 1468


@pytest.mark.parametrize("windowsize", [1, 3])
@pytest.mark.parametrize("text", [b"", b"one\ntwo\r\n\rthree\n" * 200, b"\n" * 256, b"x" * 1024])
def test_netascii_goes_out_whole_though_every_window_is_repeated(
    text: bytes, windowsize: int
) -> None:
    class Text(PatternSource):
        def read(self, offset: int, length: int) -> bytes:
            return text[offset : offset + length]

    core = ReadTransfer(
        ReadRequest("f", Mode.NETASCII, {"windowsize": str(windowsize)}), Text(len(text)), 0.0
    )
    got, block, now = b"", 0, 0.0
    core.receive_datagram(tftp.build(Ack(0)), now)
    while core.result is None:
        window = core.datagrams_to_send()[-windowsize:]
        now += 10
        core.handle_timer(now)
        assert core.datagrams_to_send() == window or block == 0
        for datagram in window:
            packet = tftp.parse(datagram)
            if isinstance(packet, Data):
                block += 1
                got += packet.payload
        core.receive_datagram(tftp.build(Ack(block)), now)
    assert got == tftp.to_netascii(text)
    assert core.sent == len(got)


@pytest.mark.parametrize(
    "junk", [b"", b"\0", b"\0\4\0", b"\0\1f\0octet\0", b"\0\3\0\1x", b"\xff" * 9]
)
def test_junk_from_the_peer_is_counted_and_changes_nothing(junk: bytes) -> None:
    talk = Conversation(5000)
    talk.says()
    talk.core.receive_datagram(junk, talk.now)
    assert talk.says() == []
    assert sum(talk.drops.values()) == 1
    assert talk.hears(Ack(1)) == blocks(2, 2)


def test_after_the_last_ack_it_swallows_duplicates_for_a_while() -> None:
    talk = Conversation(100)
    talk.says()
    talk.hears(Ack(1))
    assert talk.core.result is Result.DONE
    assert not talk.core.closed
    assert talk.hears(Ack(1)) == []
    assert talk.hears(Error(0, "late")) == []
    ended = talk.core.get_timer()
    assert ended is not None
    assert ended - talk.now < DALLY
    assert talk.waits() == []
    assert talk.core.closed
    assert talk.core.result is Result.DONE


def test_error_5_to_a_repeated_last_block_means_that_the_client_has_it_all() -> None:
    talk = Conversation(600)
    talk.says()
    talk.hears(Ack(1))
    assert talk.waits() == [Data(2, pattern(512, 88))]
    talk.hears(Error(5, "Unknown transfer ID"))
    assert talk.core.result is Result.DONE


def test_a_repeated_request_repeats_the_first_answer_until_it_was_heard() -> None:
    talk = Conversation(5000, blksize=600)
    first = talk.says()
    talk.core.repeat(talk.now)
    assert talk.says() == first
    talk.hears(Ack(0))
    talk.core.repeat(talk.now)
    assert talk.says() == []


def test_a_file_that_breaks_ends_the_transfer_and_tells_no_path() -> None:
    talk = Conversation(50_000, blksize=1468, windowsize=16)
    talk.says()
    talk.hears(Ack(0))
    talk.source.broken = NotServed("/srv/images/linux was cut while it was being sent")
    assert talk.hears(Ack(16)) == [Error(0, "the file cannot be read")]
    assert (talk.core.result, talk.core.closed) == (Result.NOT_SERVED, True)
    assert "/srv/images/linux" in talk.core.detail
    assert talk.source.closed == 1


def test_abort_tells_the_peer_once() -> None:
    talk = Conversation(5000)
    talk.says()
    talk.core.abort("the server is stopping")
    talk.core.abort("again")
    assert talk.says() == [Error(0, "the server is stopping")]
    assert (talk.core.result, talk.core.closed) == (Result.ABORTED, True)


@pytest.mark.parametrize(("heard", "result"), [(False, Result.PROBE), (True, Result.ABORTED)])
def test_a_peer_that_moves_on_is_not_told(heard: bool, result: Result) -> None:
    talk = Conversation(5000, blksize=600)
    talk.says()
    if heard:
        talk.hears(Ack(0))
    talk.core.supersede()
    assert talk.says() == []
    assert (talk.core.result, talk.core.closed) == (result, True)


def test_a_clock_that_is_put_back_does_no_harm() -> None:
    talk = Conversation(50_000)
    talk.says()
    talk.hears(Ack(1))
    assert talk.hears(Ack(2), after=-500.0) == blocks(3, 3)
    due = talk.core.get_timer()
    assert due is not None
    assert 0.25 < due - talk.now <= 4.0
