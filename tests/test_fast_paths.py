"""Each shortcut gives what its plain twin gives."""

import os
import struct
import uuid
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netboot.boot import udp
from netboot.boot.source import READ_AHEAD, BytesSource, FileSource
from netboot.model import Mac
from netboot.wire import iana, pxe, udp4
from netboot.wire.dhcp4 import Message

CONTENT = bytes(range(251)) * 400  # 100,400 bytes, whose pieces are all different
BLKSIZE = 1468


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "file"
    path.write_bytes(CONTENT)
    return path


@given(
    st.lists(
        st.tuples(st.integers(0, len(CONTENT) + 10), st.integers(0, 3 * READ_AHEAD)), min_size=1
    )
)
def test_a_file_read_ahead_gives_what_memory_gives(
    path: Path, reads: list[tuple[int, int]]
) -> None:
    file, memory = FileSource(path), BytesSource(CONTENT)
    try:
        for offset, length in reads:
            assert file.read(offset, length) == memory.read(offset, length)
            assert len(file._ahead) <= READ_AHEAD
    finally:
        file.close()


def test_lock_step_blocks_are_read_ten_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []

    def pread(fd: int, length: int, offset: int) -> bytes:
        reads.append(length)
        return os.preadv(fd, [buffer := bytearray(length)], offset) and bytes(buffer)

    monkeypatch.setattr(os, "pread", pread)
    source = FileSource(path)
    blocks = [source.read(offset, BLKSIZE) for offset in range(0, len(CONTENT), BLKSIZE)]
    source.close()
    assert b"".join(blocks) == CONTENT
    assert len(reads) == -(-len(CONTENT) // (READ_AHEAD // BLKSIZE * BLKSIZE))


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
