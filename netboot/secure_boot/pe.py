r"""The parts of a PE/COFF program that say whether it may start: sections and signatures.

Layout (Microsoft PE Format, "File Headers")::

    0x3c  u32  where the signature "PE\0\0" is
          COFF header, 20 bytes: u16 Machine at 0,
                                 u16 NumberOfSections at 2, u32 PointerToSymbolTable at 8,
                                 u32 NumberOfSymbols at 12, u16 SizeOfOptionalHeader at 16
          optional header
          section headers, 40 bytes each: name[8], u32 VirtualSize, u32 VirtualAddress,
                                          u32 SizeOfRawData, u32 PointerToRawData, …

The fifth entry of the optional header's data directories, 8 bytes each, says where the signatures
are: u32 offset in the file, u32 size. They are WIN_CERTIFICATEs, each aligned to 8 bytes::

    u32 dwLength, u16 wRevision, u16 wCertificateType (2: PKCS #7), and what is signed

A name of more than eight bytes is ``/`` and where it stands in the string table, which follows the
symbols, 18 bytes each.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netboot.errors import OperationError

MAX_SECTIONS = 96
"""Windows' own limit."""
LARGEST_SECTION = 1 << 20
"""Bytes of a section that are read: those that are wanted have some hundred."""

_MAGIC = b"MZ"
_PE = b"PE\0\0"
_WHERE = 0x3C
_HEADERS = struct.Struct("<4x2xH4xIIH2x")
"""The signature and the COFF header: sections, symbol table, symbols, size of optional header."""
_SYMBOL = 18
_PE32_PLUS = 0x20B
_DIRECTORIES_32, _DIRECTORIES_64 = 96, 112
"""Where the data directories begin in an optional header."""
_DIRECTORY = struct.Struct("<II")
_SECURITY = 4
_CHECKSUM = 64
"""Where that is in an optional header."""
_CERTIFICATE = struct.Struct("<IHH")
_PKCS7 = 2
_ALIGNED = 8
_SECTION = struct.Struct("<8sIIII16x")


class NotPe(OperationError):  # noqa: N818 -- named for what it is about
    """A file is no PE program, or is cut off."""


def is_pe(path: Path) -> bool:
    """Whether a file begins as a program for UEFI does.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def machine(path: Path) -> int:
    """What a program is made for: the COFF header's Machine.

    Raises:
        NotPe: the file is none.
        OSError: it cannot be read.
    """
    with _opened(path) as program:
        start, *_ = program.headers()
        (made_for,) = struct.unpack("<H", program.read(2, start + len(_PE)))
    return int(made_for)


def section(path: Path, name: str) -> bytes | None:
    """The bytes of one section, None where the program has none of that name.

    Raises:
        NotPe: the file is none.
        OSError: it cannot be read.
    """
    with _opened(path) as program:
        start, count, symbols, number_of_symbols, optional = program.headers()
        strings = symbols + number_of_symbols * _SYMBOL if symbols else 0
        table = start + _HEADERS.size + optional
        for number in range(min(count, MAX_SECTIONS)):
            entry = program.read(_SECTION.size, table + number * _SECTION.size)
            raw, virtual, _address, size, place = _SECTION.unpack(entry)
            if program.is_named(raw, name.encode("ascii"), strings):
                return program.read(min(virtual or size, size, LARGEST_SECTION), place)
    return None


def signatures(path: Path) -> tuple[bytes, ...]:
    """The PKCS #7 signatures of a program; none: it is not signed.

    Raises:
        NotPe: the file is none.
        OSError: it cannot be read.
    """
    with _opened(path) as program:
        start, *_ = program.headers()
        optional = start + _HEADERS.size
        place, size = _DIRECTORY.unpack(program.read(_DIRECTORY.size, program.security(optional)))
        table = program.read(min(size, LARGEST_SECTION), place) if size else b""
    return tuple(_certificates(table))


def digest(path: Path) -> bytes:
    """The SHA-256 that a program is signed or revoked by (Authenticode).

    It leaves out the checksum, and what says where the signatures are, and the signatures.

    Raises:
        NotPe: the file is none.
        OSError: it cannot be read.
    """
    summed = hashlib.sha256()
    with _opened(path) as program:
        start, *_ = program.headers()
        optional = start + _HEADERS.size
        entry = program.security(optional)
        place, size = _DIRECTORY.unpack(program.read(_DIRECTORY.size, entry))
        whole = os.fstat(program.handle).st_size
        ends = (place, place + size) if size else (whole, whole)
        gaps = [(optional + _CHECKSUM, 4), (entry, _DIRECTORY.size), (ends[0], ends[1] - ends[0])]
        at = 0
        for begin, length in [*gaps, (whole, 0)]:
            while at < begin:
                piece = program.read(min(begin - at, LARGEST_SECTION), at)
                summed.update(piece)
                at += len(piece)
            at = max(at, begin + length)
    return summed.digest()


def _certificates(table: bytes) -> Iterator[bytes]:
    while len(table) >= _CERTIFICATE.size:
        length, _revision, kind = _CERTIFICATE.unpack_from(table)
        if length < _CERTIFICATE.size:
            return
        if kind == _PKCS7:
            yield table[_CERTIFICATE.size : length]
        table = table[length + -length % _ALIGNED :]


@dataclass(frozen=True, slots=True)
class _Program:
    """An open file."""

    handle: int
    name: str

    def headers(self) -> tuple[int, int, int, int, int]:
        """Where the signature is, and what the COFF header says."""
        if self.read(len(_MAGIC), 0) != _MAGIC:
            raise NotPe(f"{self.name} is no program for UEFI")
        (start,) = struct.unpack("<I", self.read(4, _WHERE))
        head = self.read(_HEADERS.size, start)
        if not head.startswith(_PE):
            raise NotPe(f"{self.name} is no program for UEFI")
        count, symbols, number_of_symbols, optional = _HEADERS.unpack(head)
        return start, count, symbols, number_of_symbols, optional

    def security(self, optional: int) -> int:
        """Where it says where its signatures are; its optional header is at ``optional``."""
        (magic,) = struct.unpack("<H", self.read(2, optional))
        directories = optional + (_DIRECTORIES_64 if magic == _PE32_PLUS else _DIRECTORIES_32)
        return directories + _SECURITY * _DIRECTORY.size

    def read(self, size: int, place: int) -> bytes:
        """Bytes that must be there."""
        found = os.pread(self.handle, size, place)
        if len(found) != size:
            raise NotPe(f"{self.name} is cut off")
        return found

    def is_named(self, raw: bytes, name: bytes, strings: int) -> bool:
        """Whether a section header's name, ``raw``, means ``name``."""
        written = raw.rstrip(b"\0")
        if len(name) <= len(raw) or not strings:
            return written == name
        digits = written.removeprefix(b"/")
        if digits == written or not digits.isdigit():
            return False
        return os.pread(self.handle, len(name) + 1, strings + int(digits)) == name + b"\0"


@contextmanager
def _opened(path: Path) -> Iterator[_Program]:
    handle = os.open(path, os.O_RDONLY)
    try:
        yield _Program(handle, path.name)
    finally:
        os.close(handle)
