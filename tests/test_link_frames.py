"""Frames and snapshots: whatever goes in comes out, however the stream is cut; noise is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.frames import Ack, Batch, Feed, FrameError, Hello, Message, Unpacker, pack
from netboot.model import Mac, Node
from netboot.snapshot import EMPTY, Snapshot, decode, encode

MACS = st.integers(0, 2**40 - 1).map(
    lambda n: Mac(":".join(f"{n >> s & 255:02x}" for s in (40, 32, 24, 16, 8, 0)))
)
TEXT = st.text(max_size=8)
NODES = st.builds(
    Node,
    TEXT,
    st.lists(MACS, min_size=1, max_size=3).map(tuple),
    TEXT,
    st.dictionaries(TEXT, TEXT, max_size=2),
    st.dictionaries(TEXT, TEXT, max_size=2),
)
SNAPSHOTS = st.builds(
    Snapshot,
    st.integers(0, 2**31),
    st.lists(NODES, max_size=4, unique_by=lambda node: node.macs[0]).map(tuple),
)
RAW = st.sampled_from([b"1", b'{"a":[1,2]}', b'"x"']).map(msgspec.Raw)
MESSAGES = st.one_of(
    st.builds(Hello, TEXT),
    st.builds(Ack, st.integers(0, 2**62)),
    st.builds(Feed, RAW),
    st.builds(Batch, st.lists(st.tuples(st.integers(0, 2**62), RAW), max_size=3)),
)


def fed(unpacker: Unpacker, chunks: list[bytes]) -> list[Message]:
    return [message for chunk in chunks for message in unpacker.feed(chunk)]


@given(SNAPSHOTS)
def test_a_snapshot_comes_back_as_it_was(snapshot: Snapshot) -> None:
    assert decode(encode(snapshot)) == snapshot


@given(SNAPSHOTS)
def test_a_node_is_found_by_any_of_its_macs(snapshot: Snapshot) -> None:
    for mac in {mac for node in snapshot.nodes for mac in node.macs}:
        found = snapshot.node_of(mac)
        assert found in snapshot.nodes
        assert found is not None
        assert mac in found.macs
    assert EMPTY.node_of(Mac("52:54:00:00:00:01")) is None


@given(st.binary(max_size=40) | SNAPSHOTS.map(lambda s: encode(s)[:-1]))
def test_noise_is_no_snapshot(noise: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of many kinds, and any will do
        decode(noise)


@given(st.lists(MESSAGES, max_size=4), st.data())
def test_messages_survive_any_cutting_of_the_stream(
    messages: list[Message], data: st.DataObject
) -> None:
    stream = b"".join(pack(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    found = fed(Unpacker(1 << 20), chunks)
    assert [pack(message) for message in found] == [pack(message) for message in messages]


@given(st.binary(max_size=64))
def test_noise_raises_nothing_but_frame_error(noise: bytes) -> None:
    unpacker = Unpacker(32)
    try:
        fed(unpacker, [noise])
    except FrameError:
        return
    assert len(unpacker._buffer) <= 32 + 4


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (b"\x00\x00\x00\x21", "a frame of 33 bytes; at most 32 are allowed"),
        (b"\xff\xff\xff\xff", "a frame of 4294967295 bytes"),
        (b"\x00\x00\x00\x00", "no message"),
        (b"\x00\x00\x00\x02{}", "no message"),
        (b'\x00\x00\x00\x0e{"type": "boo"}', "no message"),
        (b'\x00\x00\x00\x04"\xff\xff"', "no message"),
    ],
)
def test_what_is_no_message_says_so(frame: bytes, problem: str) -> None:
    with pytest.raises(FrameError, match=problem):
        fed(Unpacker(32), [frame])
