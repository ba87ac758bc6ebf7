"""One boot medium for all machines, and for each of them a text of its own in it: pure.

A *springboard* is a small CD or USB image that starts iPXE or GRUB. Where its start script stands
is known to the byte since it was built, and how long it may be. So no image is made or kept for a
machine: what it reads are the springboard's own bytes, and at those places its own script's. A
range may begin and end anywhere, also inside the script: nothing is ever searched for.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from netboot.errors import NotBootable
from netboot.model import ImageFile

PLAIN, SECURE = "springboard", "springboard-secure"
"""The images: one for BIOS and UEFI, and one that firmware with Secure Boot accepts."""
SHIM = "bootx64.efi"
"""What firmware starts of the latter, as it lies beside it."""
CHAIN = f"images/{SECURE}/{SHIM}"
"""Its catalogue name, by which it is judged with what it starts."""
SCRIPTS = {PLAIN: "ipxe/springboard.ipxe", SECURE: "grub/springboard.cfg"}
"""Image → the template of its start script."""


class DoesNotFit(NotBootable):
    """A start script that is too long for the springboard, or has letters firmware cannot read."""


@dataclass(frozen=True, slots=True)
class Springboard:
    """An image and where a machine's start script goes in it.

    Attributes:
        file: the image as it was built.
        offsets: in bytes, rising, where the start script stands; the copies do not overlap.
        room: bytes each copy has.
    """

    file: ImageFile
    offsets: tuple[int, ...]
    room: int


@dataclass(frozen=True, slots=True)
class Patched:
    """A springboard with one machine's start script in it.

    Attributes:
        script: as long as the springboard has room.
        sha256: names these very bytes: another image or another script, another name.
    """

    springboard: Springboard
    script: bytes
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        named = bytes.fromhex(self.springboard.file.sha256) + self.script
        object.__setattr__(self, "sha256", hashlib.sha256(named).hexdigest())

    def pieces(self, start: int, stop: int) -> Iterator[bytes | range]:
        """What bytes ``start`` up to, but without, ``stop`` read.

        Yields:
            In order and without gaps, none of them empty: bytes of the script, or a range of
            offsets of the springboard's own file.
        """
        at = start
        for offset in self.springboard.offsets:
            first, last = max(at, offset), min(offset + self.springboard.room, stop)
            if first >= last:
                continue
            if at < first:
                yield range(at, first)
            yield self.script[first - offset : last - offset]
            at = last
        if at < stop:
            yield range(at, stop)


def patched(springboard: Springboard, script: str) -> Patched:
    """``springboard`` with ``script`` in it, the rest of the room filled with a comment.

    Raises:
        DoesNotFit: it is too long, or not ASCII, the one coding all firmware agrees on.
    """
    return Patched(springboard, filled(script, springboard.room))


def filled(script: str, room: int) -> bytes:
    """``script`` in ``room`` bytes: ``#`` begins a comment in iPXE's scripts and in GRUB's.

    Raises:
        DoesNotFit: as ``patched``.
    """
    try:
        text = script.encode("ascii")
    except UnicodeEncodeError as error:
        odd = ascii(script[error.start])
        raise DoesNotFit(f"a start script is ASCII; character {error.start} is {odd}") from None
    if text and not text.endswith(b"\n"):
        text += b"\n"
    if len(text) > room:
        raise DoesNotFit(f"a start script has {len(text)} bytes; {room} are all there is room for")
    rest = room - len(text)
    return text + (b"#".ljust(rest - 1) + b"\n" if rest > 1 else b"\n" * rest)
