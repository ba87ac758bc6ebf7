"""Certificates: the operator's own, or one that signs itself, made at the first start."""

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from netboot.errors import ConfigError, OperationError

LIFETIME = timedelta(days=3650)


class Certificate(NamedTuple):
    """Two PEM files, which may be one."""

    certificate: Path
    key: Path


def named(section: str, certificate: str | None, key: str | None) -> Certificate | None:
    """The certificate a section of the configuration names, None where it names none.

    Raises:
        ConfigError: it names one of the two only.
    """
    if (certificate is None) != (key is None):
        problem = f"and {section}.key go together: name both or neither"
        raise ConfigError("configuration", f"{section}.certificate", problem)
    if certificate is None or key is None:
        return None
    return Certificate(Path(certificate), Path(key))


def self_made(file: Path, title: str, names: Iterable[str] = ()) -> Certificate:
    """The certificate in ``file``, after its key; made where it is not there.

    Args:
        file: mode 0600.
        title: the common name of a new one.
        names: host names and addresses that a new one is for, besides this host's own.

    Raises:
        OperationError: it cannot be made.
    """
    if not file.exists():
        _make(file, title, names)
    return Certificate(file, file)


def checked(found: Certificate, section: str) -> Certificate:
    """The same, once it is known to be usable.

    Raises:
        ConfigError: it is not.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*found)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = (
            error.strerror or "is no PEM file of this kind" if isinstance(error, OSError) else error
        )
        problem = f'= "{found.certificate}": cannot be used with key {found.key}: {why}'
        raise ConfigError("configuration", f"{section}.certificate", problem) from None
    return found


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a PEM file's first certificate, in hexadecimal."""
    return (
        x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256()).hex()
    )


def _make(path: Path, title: str, names: Iterable[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = _self_signed(key, title, names).public_bytes(serialization.Encoding.PEM)
    new = path.with_suffix(".new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(private + certificate)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise OperationError(f"{path}: cannot be written: {error.strerror}") from None


def _self_signed(
    key: ec.EllipticCurvePrivateKey, title: str, names: Iterable[str]
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def _alternatives(names: Iterable[str]) -> list[x509.GeneralName]:
    """What this host is called: its name and its addresses, and ``names``."""
    addresses = {
        address.address
        for all_of_one in psutil.net_if_addrs().values()
        for address in all_of_one
        if address.family is socket.AF_INET
    }
    numbers, words = set(), {"localhost": None, socket.gethostname(): None}
    for text in (*addresses, *names):
        try:
            numbers.add(ipaddress.ip_address(text))
        except ValueError:
            words[text] = None
    in_order = sorted(numbers, key=lambda one: (one.version, int(one)))
    return [*(x509.DNSName(text) for text in words), *(x509.IPAddress(one) for one in in_order)]
