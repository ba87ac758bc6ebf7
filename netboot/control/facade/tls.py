"""The facade's certificate: the operator's, or one that signs itself, made at the first start."""

import ipaddress
import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from netboot.config import Settings
from netboot.errors import ConfigError, OperationError

FILE = "facade.pem"
"""In the data folder: the certificate that signs itself, after its key."""
LIFETIME = timedelta(days=3650)


def certificate_of(settings: Settings) -> tuple[Path, Path]:
    """The PEM files of the certificate and its key; makes them where none are named or there.

    Raises:
        ConfigError: those that are named cannot be used.
        OperationError: they cannot be made.
    """
    facade, own = settings.redfish_facade, settings.data_dir / FILE
    named = Path(facade.certificate or own), Path(facade.key or own)
    if facade.certificate is None and not own.exists():
        _make(own)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*named)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = (
            error.strerror or "is no PEM file of this kind" if isinstance(error, OSError) else error
        )
        problem = f'= "{named[0]}": cannot be used with key {named[1]}: {why}'
        raise ConfigError("configuration", "redfish_facade.certificate", problem) from None
    return named


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a PEM file's first certificate, in hexadecimal."""
    return (
        x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256()).hex()
    )


def _make(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = _self_signed(key).public_bytes(serialization.Encoding.PEM)
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


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netboot Redfish facade")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(_names()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def _names() -> list[x509.GeneralName]:
    """What this host is called: its name and its addresses."""
    addresses = {
        address.address
        for all_of_one in psutil.net_if_addrs().values()
        for address in all_of_one
        if address.family is socket.AF_INET
    }
    numbers = sorted({ipaddress.ip_address(text) for text in addresses})
    names = dict.fromkeys(("localhost", socket.gethostname()))
    return [*(x509.DNSName(text) for text in names), *(x509.IPAddress(one) for one in numbers)]
