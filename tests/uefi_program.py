"""Programs for UEFI that do nothing, signed by whom a test likes."""

import functools
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_ALIGNED = 0x200
_HEADERS = 0x400
_PATIENCE = 20
SHA256 = bytes.fromhex("2616c4c14c509240aca941f936934328")
"""EFI_CERT_SHA256_GUID (UEFI 2.10 section 32.4.1)."""


@dataclass
class Authority:
    """Somebody who signs: key and certificate, as files of a folder."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        begins, ends = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
        made = x509.CertificateBuilder(who, who, key.public_key(), 1, begins, ends)
        self.certificate = made.sign(key, hashes.SHA256())
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = self.folder / f"{self.name}.key"
        self.pem = self.folder / f"{self.name}.pem"
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.pem.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def sign(self, program: Path) -> Path:
        """Put our signature into a program."""
        keys = ["--key", str(self.key), "--cert", str(self.pem), "--output", str(program)]
        command = ["sbsign", *keys, str(program)]
        subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE)
        return program


_KEYS = tempfile.TemporaryDirectory(prefix="netboot-test-keys-")


@functools.cache
def authority(name: str) -> Authority:
    """The one of that name; making a key takes a while."""
    return Authority(name, Path(_KEYS.name))


@functools.lru_cache(64)
def signed(content: bytes, name: str) -> bytes:
    """A program with the signature of the authority of that name in it."""
    with tempfile.NamedTemporaryFile(dir=_KEYS.name) as file:
        path = Path(file.name)
        path.write_bytes(content)
        return authority(name).sign(path).read_bytes()


def program(sections: dict[str, bytes]) -> bytes:
    """A PE32+ program with these sections, and ``.text`` before them."""
    sections = {".text": b"\xc3", **sections}
    strings = b""
    entries, body = b"", b""
    for name, content in sections.items():
        raw = name.encode()
        if len(raw) > 8:
            raw, strings = f"/{4 + len(strings)}".encode(), strings + raw + b"\0"
        place = _HEADERS + len(body)
        padded = content.ljust(-(-len(content) // _ALIGNED) * _ALIGNED, b"\0")
        entries += struct.pack(
            "<8sIIIIIIHHI", raw, len(content), place, len(padded), place, 0, 0, 0, 0, 0x60000020
        )
        body += padded
    table = struct.pack("<I", 4 + len(strings)) + strings
    end = _HEADERS + len(body)
    coff = struct.pack("<HHIIIHH", 0x8664, len(sections), 0, end, 0, 240, 0x22)
    optional = struct.pack(
        "<HBBIIIII", 0x20B, 0, 0, len(body), 0, 0, _HEADERS, _HEADERS
    ) + struct.pack(
        "<QIIHHHHHHIIIIHHQQQQII",
        *(0, _ALIGNED, _ALIGNED, 0, 0, 0, 0, 0, 0, 0, end, _HEADERS, 0, 10, 0),
        *(0, 0, 0, 0, 0, 16),
    )
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    head += b"PE\0\0" + coff + optional.ljust(240, b"\0") + entries
    whole = head.ljust(_HEADERS, b"\0") + body + table
    return whole.ljust(-(-len(whole) // 8) * 8, b"\0")


def headers(made_for: int) -> bytes:
    """What a program begins with; ``made_for`` is the Machine of its COFF header."""
    coff = struct.pack("<HH3I2H", made_for, 0, 0, 0, 0, 0, 0)
    return b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" + coff


def shim(
    vendor: x509.Certificate | None,
    *,
    least: str = "sbat,1,1\ngrub,5\n",
    refused: tuple[bytes, ...] = (),
) -> bytes:
    """A shim that trusts ``vendor``, and starts only what is of at least these generations.

    And none whose digest it refuses.
    """
    der = b"" if vendor is None else vendor.public_bytes(Encoding.DER)
    level = least.encode() + b"\0"
    entries = b"".join(bytes(16) + digest for digest in refused)
    more = struct.pack("<16sIII", SHA256, 28 + len(entries), 0, 48) + entries if refused else b""
    return program(
        {
            ".sbat": b"sbat,1,x\nshim,4,UEFI shim\n",
            ".sbatlevel": struct.pack("<III", 0, 8, 8 + len(level)) + level + level,
            ".vendor_cert": struct.pack("<IIII", len(der), len(more), 16, 16 + len(der))
            + (der + more),
        }
    )


def grub(generation: int = 5) -> bytes:
    return program({".sbat": f"sbat,1,x\ngrub,{generation},GRUB\ngrub.own,1\n".encode()})
