"""Reads the kernel's cpio format, independently of what writes it."""

from collections.abc import Iterator


def entries(packed: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Each entry's path, mode and content, as the kernel would unpack them."""
    at = 0
    while True:
        assert packed[at : at + 6] == b"070701", at
        fields = [int(packed[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = packed[at + 110 : at + 110 + name_size - 1].decode()
        at = (at + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            assert packed[at:].strip(b"\0") == b""
            return
        yield name, mode, packed[at : at + size]
        at = (at + size + 3) & ~3
