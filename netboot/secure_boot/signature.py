"""Who signed a program for UEFI (Authenticode).

sbverify (Debian package sbsigntool) says whether a signature belongs to the program as it is. It
takes the certificates that a signature brings along for trusted, so who issued them is looked at
here. Like firmware and shim, neither looks at the dates in certificates.
"""

import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates
from cryptography.x509.oid import NameOID

from netboot.errors import OperationError
from netboot.secure_boot import pe

TIMEOUT = 30.0
"""Seconds for one program on a busy machine; it takes some hundredths."""

_VENDOR_CERT = ".vendor_cert"
_TABLE = struct.Struct("<IIII")
"""shim's ``cert_table``: sizes of what is accepted and of what is revoked, and where they are."""
_X509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
"""EFI_CERT_X509_GUID: begins a signature list of certificates (UEFI 2.10 section 32.4.1)."""
_SHA256 = bytes.fromhex("2616c4c14c509240aca941f936934328")
"""EFI_CERT_SHA256_GUID: likewise one of digests."""
_LIST = struct.Struct("<16sIII")
_OWNER = 16
"""Bytes before each certificate of a list that say who put it there."""
_LONG_FORM = 0x80
_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion)
"""What cryptography says of what is no certificate, or none of a kind it knows."""


def leading_to(program: Path, trusted: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Those of the trusted certificates that a program says it was signed for.

    Raises:
        OperationError: the file is no program.
    """
    brought = [found for signature in pe.signatures(program) for found in _inside(signature)]
    return tuple(one for one in trusted if any(_leads_to(found, one) for found in brought))


def signers(program: Path) -> tuple[str, ...]:
    """Who issued the certificates a program was signed with, by name; none: it is not signed.

    Raises:
        OperationError: the file is no program.
    """
    firsts = [next(iter(_inside(signature)), None) for signature in pe.signatures(program)]
    return tuple(dict.fromkeys(_name(first.issuer) for first in firsts if first is not None))


def name_of(certificate: x509.Certificate) -> str:
    """Whose it is, for people."""
    return _name(certificate.subject)


def is_shim(program: Path) -> bool:
    """Whether a program is a shim: it has a table of certificates it trusts.

    Raises:
        OperationError: the file is no program.
        OSError: it cannot be read.
    """
    return pe.section(program, _VENDOR_CERT) is not None


def vendor_certificates(shim: Path) -> tuple[x509.Certificate, ...]:
    """The certificates a shim itself trusts, beside its firmware's.

    Raises:
        OperationError: it is no program.
        OSError: it cannot be read.
    """
    trusted, _refused = _tables(shim)
    ders = _of_lists(trusted, _X509) if trusted.startswith(_X509) else filter(None, [trusted])
    try:
        return tuple(_named(x509.load_der_x509_certificate(der)) for der in ders)
    except _UNREADABLE:
        raise OperationError(f"{shim.name} trusts a certificate that cannot be read") from None


def refused_digests(shim: Path) -> frozenset[bytes]:
    """The programs a shim starts no more, whoever signed them: as ``pe.digest`` has them.

    Raises:
        OperationError: it is no program.
        OSError: it cannot be read.
    """
    _trusted, refused = _tables(shim)
    return frozenset(_of_lists(refused, _SHA256))


def _tables(shim: Path) -> tuple[bytes, bytes]:
    """What a shim accepts beside its firmware, and what it refuses; each may be empty."""
    found = pe.section(shim, _VENDOR_CERT)
    if found is None or len(found) < _TABLE.size:
        return b"", b""
    sizes, places = _TABLE.unpack_from(found)[:2], _TABLE.unpack_from(found)[2:]
    trusted, refused = (found[at : at + size] for size, at in zip(sizes, places, strict=True))
    return trusted, refused


def _inside(signature: bytes) -> list[x509.Certificate]:
    """The certificates a signature brings along, that of the signer first."""
    try:
        return list(map(_named, load_der_pkcs7_certificates(_without_padding(signature))))
    except _UNREADABLE:
        return []


def _named(certificate: x509.Certificate) -> x509.Certificate:
    """The same; its names are read when they are first asked for, so that is done here."""
    _name(certificate.issuer)
    _name(certificate.subject)
    return certificate


def _without_padding(der: bytes) -> bytes:
    """A DER value (X.690 section 8.1.3) without what follows it."""
    head = der[:2]
    if len(head) < 2 or head[1] < _LONG_FORM:  # noqa: PLR2004 -- a tag and a length
        return der
    digits = head[1] - _LONG_FORM
    return der[: 2 + digits + int.from_bytes(der[2 : 2 + digits])]


def _leads_to(certificate: x509.Certificate, trusted: x509.Certificate) -> bool:
    if certificate == trusted:
        return True
    try:
        certificate.verify_directly_issued_by(trusted)
    except (*_UNREADABLE, TypeError, InvalidSignature):
        return False
    return True


def is_good(program: Path, trusted: x509.Certificate) -> bool:
    """Whether a program is as it was when it was signed for ``trusted``.

    Raises:
        OperationError: that cannot be checked here.
    """
    with tempfile.NamedTemporaryFile(prefix="netboot-", suffix=".pem") as file:
        file.write(trusted.public_bytes(Encoding.PEM))
        file.flush()
        try:
            finished = subprocess.run(
                ["sbverify", "--cert", file.name, str(program)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=TIMEOUT,
            )
        except FileNotFoundError:
            raise OperationError("sbverify is not installed: apt install sbsigntool") from None
        except subprocess.TimeoutExpired:
            raise OperationError(f"sbverify took more than {TIMEOUT:.0f} s") from None
    return finished.returncode == 0


def _of_lists(lists: bytes, wanted: bytes) -> Iterator[bytes]:
    """The entries of EFI signature lists, one behind the other, that are of the wanted kind."""
    while len(lists) >= _LIST.size:
        kind, whole, header, size = _LIST.unpack_from(lists)
        if whole < _LIST.size or size <= _OWNER:
            return
        if kind == wanted:
            entries = lists[_LIST.size + header : whole]
            for at in range(0, len(entries) - size + 1, size):
                yield entries[at + _OWNER : at + size]
        lists = lists[whole:]


def _name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
