"""The fake machines' TFTP read, against a scripted server on a fake clock."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.simulate.effects import Got, Problem, TftpGet
from netboot.simulate.tftp import MAX_TRIES, Download

SERVER, PEER = ("10.0.0.2", 69), ("10.0.0.2", 40000)
EDK2 = (("blksize", 1468), ("windowsize", 4))
CONTENT = bytes(range(256)) * 100


def get(
    options: tuple[tuple[str, int], ...] = (), *, probe: bool = False, keep: int = 0
) -> TftpGet:
    return TftpGet("10.0.0.2", "a.efi", options, probe, keep)


def oack(**options: int) -> bytes:
    return b"\0\6" + b"".join(f"{name}\0{value}\0".encode() for name, value in options.items())


def data(block: int, payload: bytes) -> bytes:
    return struct.pack("!HH", 3, block % 65536) + payload


def ack(block: int) -> tuple[bytes, tuple[str, int]]:
    return struct.pack("!HH", 4, block % 65536), PEER


def begun(what: TftpGet) -> Download:
    download = Download(what, 0.0)
    [(request, where)] = download.tick(0.0)
    assert where == SERVER
    assert request.startswith(b"\0\1a.efi\0octet\0")
    return download


class Peer:
    """A whole server of one file: answers what it gets, as RFC 7440 says."""

    def __init__(self, content: bytes, blksize: int, windowsize: int) -> None:
        self.blocks = [content[i : i + blksize] for i in range(0, len(content) + 1, blksize)]
        self.options = {"blksize": blksize, "windowsize": windowsize}
        self.windowsize = windowsize
        self.at = 0

    def answer(self, sent: bytes) -> list[bytes]:
        opcode, number = struct.unpack_from("!HH", sent)
        if opcode == 1:
            return [oack(**self.options)]
        if opcode != 4:
            return []
        self.at += (number - self.at) % 65536
        window = range(self.at, min(self.at + self.windowsize, len(self.blocks)))
        return [data(n + 1, self.blocks[n]) for n in window]


def transfer(download: Download, peer: Peer, loss: float, seed: int = 1) -> Got:
    chance, now = random.Random(seed), 0.0  # noqa: S311 -- which datagrams are lost
    waiting: list[bytes] = []
    for _ in range(100_000):
        if download.got is not None:
            return download.got
        if waiting:
            sent = download.receive(waiting.pop(0), PEER, now)
        else:
            assert download.timer is not None
            now = max(now, download.timer)
            sent = download.tick(now)
        for packet, _where in sent:
            answers = peer.answer(packet) if chance.random() >= loss else []
            waiting += [answer for answer in answers if chance.random() >= loss]
    raise AssertionError("it never ends")


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2])
@pytest.mark.parametrize(("blksize", "windowsize"), [(512, 1), (1468, 4), (1468, 16)])
def test_a_file_comes_whole_whatever_is_lost(blksize: int, windowsize: int, loss: float) -> None:
    options = (("blksize", blksize), ("windowsize", windowsize))
    download = Download(get(options, keep=len(CONTENT)), 0.0)
    got = transfer(download, Peer(CONTENT, blksize, windowsize), loss)
    assert got == Got(None, "", len(CONTENT), CONTENT)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024])
def test_the_last_block_is_the_short_one(size: int) -> None:
    got = transfer(Download(get(keep=4096), 0.0), Peer(CONTENT[:size], 512, 1), 0.0)
    assert got.problem is Problem.REFUSED  # its OACK has options that were not asked for
    options = (("blksize", 512), ("windowsize", 1))
    got = transfer(Download(get(options), 0.0), Peer(CONTENT[:size], 512, 1), 0.0)
    assert (got.problem, got.size, got.body) == (None, size, b"")


def test_block_numbers_roll_over() -> None:
    blocks = 65_540
    peer = Peer(b"\0" * (8 * blocks), 8, 4)
    got = transfer(Download(get((("blksize", 8), ("windowsize", 4))), 0.0), peer, 0.0)
    assert got.size == 8 * blocks


def test_a_server_without_options_is_read_in_lock_step() -> None:
    download = begun(get(EDK2))
    assert download.receive(data(1, bytes(512)), PEER, 0.1) == [ack(1)]
    assert download.receive(data(2, b"end"), PEER, 0.2) == [ack(2)]
    assert download.got == Got(None, "", 515)


def test_a_probe_breaks_off_once_it_has_the_size() -> None:
    download = begun(get((("tsize", 0), *EDK2), probe=True))
    [(answer, where)] = download.receive(oack(tsize=1234, blksize=1468), PEER, 0.1)
    assert answer.startswith(b"\0\5\0\x08")
    assert where == PEER
    assert download.got == Got(None, "", 1234)


def test_the_end_is_confirmed_again_to_a_server_that_did_not_hear_it() -> None:
    download = begun(get())
    download.receive(data(1, b"all"), PEER, 0.1)
    assert download.receive(data(1, b"all"), PEER, 0.5) == [ack(1)]


def test_a_window_with_a_gap_is_answered_once_with_the_last_good_block() -> None:
    download = begun(get(EDK2))
    download.receive(oack(blksize=8, windowsize=4), PEER, 0.1)
    assert download.receive(data(1, bytes(8)), PEER, 0.1) == []
    assert download.receive(data(3, bytes(8)), PEER, 0.1) == [ack(1)]
    assert download.receive(data(4, bytes(8)), PEER, 0.1) == []


def test_a_duplicate_is_not_answered() -> None:
    download = begun(get())
    assert download.receive(data(1, bytes(512)), PEER, 0.1) == [ack(1)]
    assert download.receive(data(1, bytes(512)), PEER, 0.2) == []


def test_a_stranger_is_told_and_changes_nothing() -> None:
    download = begun(get())
    download.receive(data(1, bytes(512)), PEER, 0.1)
    stranger = ("10.0.0.2", 50000)
    [(answer, where)] = download.receive(data(2, b"evil"), stranger, 0.2)
    assert (answer[:4], where) == (b"\0\5\0\5", stranger)
    assert download.receive(data(2, b"evil"), ("10.0.0.66", 40000), 0.2) == []
    assert download.got is None


FAILURES = [
    (b"\0\5\0\1no such file\0", Problem.MISSING, "TFTP error 1: no such file"),
    (b"\0\5\0\2", Problem.REFUSED, "TFTP error 2"),
    (oack(blksize=2000), Problem.REFUSED, "negotiation"),
    (oack(timeout=3), Problem.REFUSED, "negotiation"),
    (b"\0\6blksize\0many\0", Problem.REFUSED, "negotiation"),
    (b"\0\6blksize", Problem.REFUSED, "negotiation"),
    (b"\0\2x\0octet\0", Problem.REFUSED, "Illegal"),
    (data(1, bytes(513)), Problem.REFUSED, "larger"),
]


@pytest.mark.parametrize(("answer", "problem", "detail"), FAILURES)
def test_a_read_fails_for_a_named_reason(answer: bytes, problem: Problem, detail: str) -> None:
    download = begun(get(EDK2))
    download.receive(answer, PEER, 0.1)
    assert download.got is not None
    assert download.got.problem is problem
    assert detail in download.got.detail


@pytest.mark.parametrize(
    ("heard", "problem"), [(False, Problem.NO_ANSWER), (True, Problem.BROKE_OFF)]
)
def test_silence_ends_a_read_after_some_tries(heard: bool, problem: Problem) -> None:
    download, sent = Download(get(), 0.0), 0
    if heard:
        download.tick(0.0)
        download.receive(data(1, bytes(512)), PEER, 0.0)
        sent = 1
    while (timer := download.timer) is not None:
        sent += len(download.tick(timer))
    assert sent == MAX_TRIES
    assert download.got is not None
    assert download.got.problem is problem


datagrams = st.one_of(
    st.binary(max_size=600),
    st.builds(lambda code, rest: struct.pack("!H", code) + rest, st.integers(0, 8), st.binary()),
    st.builds(data, st.integers(0, 5), st.sampled_from([b"", b"x", bytes(8), bytes(512)])),
    st.builds(lambda size: oack(blksize=size), st.integers(0, 99999)),
)


@given(st.lists(datagrams, max_size=20), st.booleans())
def test_whatever_comes_nothing_is_raised_and_answers_are_bounded(
    hostile: list[bytes], probe: bool
) -> None:
    download = Download(get((("tsize", 0), *EDK2), probe=probe, keep=100), 0.0)
    download.tick(0.0)
    for at, payload in enumerate(hostile):
        assert len(download.receive(payload, PEER, at / 10)) <= 1
        download.tick(at / 10)
    assert download.got is None or len(download.got.body) <= 100
