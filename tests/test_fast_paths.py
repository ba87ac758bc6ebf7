"""Each shortcut gives what its plain twin gives."""

import struct
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netboot.boot import udp
from netboot.boot.source import BytesSource
from netboot.model import Mac, parse_mac
from netboot.wire import iana, pxe, tftp, udp4
from netboot.wire.blocks import MAX_AHEAD, READ_AHEAD, OctetBlocks
from netboot.wire.dhcp4 import Message
from netboot.wire.tftp import Data

CONTENT = bytes(range(251)) * 400  # 100,400 bytes, whose pieces are all different
BLKSIZE = 1468


@given(
    blksize=st.integers(8, 3000),
    windows=st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 70)), min_size=1),
)
def test_packets_made_ahead_are_those_made_one_by_one(
    blksize: int, windows: list[tuple[int, int]]
) -> None:
    blocks = OctetBlocks(BytesSource(CONTENT), blksize)
    last = len(CONTENT) // blksize + 1
    for wanted, count in windows:
        first = min(wanted, last)
        assert blocks.window(first, count) == [
            tftp.build(Data(block, CONTENT[(block - 1) * blksize : block * blksize]))
            for block in range(first, min(first + count, last + 1))
        ]
        assert len(blocks._ahead) <= MAX_AHEAD
        assert sum(len(packet) - 4 for packet in blocks._ahead) <= READ_AHEAD


def test_lock_step_blocks_are_read_some_twenty_at_a_time() -> None:
    lengths: list[int] = []

    class Counted(BytesSource):
        def read(self, offset: int, length: int) -> bytes:
            lengths.append(length)
            return super().read(offset, length)

    blocks = OctetBlocks(Counted(CONTENT), BLKSIZE)
    assert blocks.last is not None
    sent = [blocks.window(first, 1)[0][4:] for first in range(1, blocks.last + 1)]
    assert b"".join(sent) == CONTENT
    assert len(lengths) == -(-blocks.last // (READ_AHEAD // BLKSIZE))


WINDOWS = st.builds(
    lambda size, count, last: [bytes(size)] * count + [bytes(last)],
    st.integers(0, 1468),
    st.integers(0, 70),
    st.integers(0, 1500),
)


@given(st.one_of(WINDOWS, st.lists(st.binary(max_size=3), max_size=8)))
def test_a_window_is_cut_into_the_same_messages_whole_or_datagram_by_datagram(
    datagrams: list[bytes],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        at_once = list(udp.runs(datagrams))
        patch.setattr(udp, "_is_one_run", lambda _datagrams: False)
        assert at_once == list(udp.runs(datagrams))


@given(st.binary(min_size=16, max_size=16))
def test_a_machine_uuid_is_what_the_standard_library_reads(value: bytes) -> None:
    options = {iana.OPT_VENDOR_CLASS: pxe.PXE_CLIENT, iana.OPT_CLIENT_UUID: b"\0" + value}
    client = pxe.identify(Message(iana.BOOTREQUEST, 1, Mac("52:54:00:00:00:01"), options))
    assert client is not None
    assert client.uuid == str(uuid.UUID(bytes_le=value))


@given(st.binary(min_size=6, max_size=6).map(lambda octets: bytes([octets[0] & 0xFE]) + octets[1:]))
def test_an_address_in_the_usual_form_is_read_as_in_any_other(octets: bytes) -> None:
    assert {parse_mac(octets.hex(between)) for between in (":", "-")} == {octets.hex(":")}
    assert parse_mac(octets.hex(":").upper()) == octets.hex(":")


@given(st.binary(max_size=600))
@example(b"")
@example(bytes(20))
@example(b"\xff" * 20)
@example(b"\xff\xfe\x00\x01")
def test_the_internet_checksum_is_the_sum_of_words_with_the_carry_wrapped_round(
    data: bytes,
) -> None:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    assert udp4._checksum(data) == 0xFFFF - total
