"""A file as TFTP DATA packets, read a window at a time (RFC 1350 sections 1, 2 and 5).

Blocks are counted from 1 without roll-over. Every block is ``blksize`` long but the last, which is
shorter, and empty where the length is a multiple of ``blksize``.
"""

from typing import Protocol

from netboot.wire.tftp import BLOCK_MASK, data_header, to_netascii

READ_AHEAD = 32 * 1024
"""Bytes of a file that are kept as packets: one read for some twenty lock-step blocks."""
MAX_AHEAD = 32
"""Packets that are kept of them, however small."""


class Source(Protocol):
    """The bytes of one opened file; they stay the same until it is closed."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only where the file ends.

        Raises:
            NotServed: it cannot be read any more.
        """

    def close(self) -> None:
        """Let go of it; a second call does nothing."""


class Blocks(Protocol):
    """A file cut up for one transfer."""

    last: int | None
    """Number of the last block, once it is known."""

    def window(self, first: int, count: int) -> list[bytes]:
        """Return the DATA packets of ``count`` blocks from ``first``, fewer only at the end.

        ``first`` is at most the block after the last one returned, and never a released one.

        Raises:
            NotServed: the source cannot be read any more.
        """

    def release(self, block: int) -> None:
        """Say that no block before ``block`` is asked for again."""

    def bytes_before(self, block: int) -> int:
        """Payload bytes of all blocks before ``block``, which has been asked for or follows one."""


class OctetBlocks:
    """The bytes as they are: any block is read from its own place.

    Small windows are read several at a time, and their packets kept; large ones as they are asked.
    """

    def __init__(self, source: Source, blksize: int) -> None:
        self.last: int | None = source.size // blksize + 1
        self._source = source
        self._blksize = blksize
        self._at_once = min(READ_AHEAD // blksize, MAX_AHEAD)
        self._ahead: list[bytes] = []
        self._ahead_first = 1

    def window(self, first: int, count: int) -> list[bytes]:
        """See ``Blocks``."""
        at = first - self._ahead_first
        if 0 <= at <= len(self._ahead) - count:
            return self._ahead[at : at + count]
        if 2 * count > self._at_once:
            return self._read(first, count)
        self._ahead, self._ahead_first = self._read(first, self._at_once), first
        return self._ahead[:count]

    def _read(self, first: int, count: int) -> list[bytes]:
        blksize = self._blksize
        data = self._source.read((first - 1) * blksize, count * blksize)
        return _packets(data, blksize, first, count)

    def release(self, block: int) -> None:
        """See ``Blocks``; what is kept has a bound of its own."""

    def bytes_before(self, block: int) -> int:
        """See ``Blocks``."""
        return min((block - 1) * self._blksize, self._source.size)


class NetasciiBlocks:
    """The text as it goes over the wire.

    A block's place in the file is only known by encoding all before it, so what is encoded stays
    until it is released: a window, and what one more read may add.
    """

    def __init__(self, source: Source, blksize: int) -> None:
        self.last: int | None = None
        self._source = source
        self._blksize = blksize
        self._offset = 0
        self._first = 1
        self._length: int | None = None
        self._encoded = bytearray()

    def window(self, first: int, count: int) -> list[bytes]:
        """See ``Blocks``."""
        start, end = ((at - self._first) * self._blksize for at in (first, first + count))
        while len(self._encoded) < end and self._offset < self._source.size:
            text = self._source.read(self._offset, self._blksize)
            self._encoded += to_netascii(text)
            self._offset += len(text)
        if self._offset >= self._source.size:
            self.last = self._first + len(self._encoded) // self._blksize
            self._length = (self._first - 1) * self._blksize + len(self._encoded)
        return _packets(bytes(self._encoded[start:end]), self._blksize, first, count)

    def release(self, block: int) -> None:
        """See ``Blocks``."""
        del self._encoded[: (block - self._first) * self._blksize]
        self._first = block

    def bytes_before(self, block: int) -> int:
        """See ``Blocks``."""
        whole = (block - 1) * self._blksize
        return whole if self._length is None else min(whole, self._length)


def _packets(data: bytes, blksize: int, first: int, count: int) -> list[bytes]:
    """Cut into at most ``count`` blocks; data that ends short of that gives a last, short one."""
    ends = min(len(data) // blksize + 1, count) * blksize
    return [
        data_header(block & BLOCK_MASK) + data[at : at + blksize]
        for block, at in enumerate(range(0, ends, blksize), first)
    ]
