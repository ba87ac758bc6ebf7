"""The facade's certificate: the operator's, or one that signs itself, made at the first start."""

from netboot.config import Settings
from netboot.control.tls import Certificate, checked, fingerprint, named, self_made

__all__ = ["FILE", "certificate_of", "fingerprint"]

FILE = "facade.pem"
"""In the data folder: the certificate that signs itself, after its key."""


def certificate_of(settings: Settings) -> Certificate:
    """The certificate of the facade; makes one where none is named or there.

    Raises:
        ConfigError: the one that is named cannot be used.
        OperationError: it cannot be made.
    """
    facade = settings.redfish_facade
    own = named("redfish_facade", facade.certificate, facade.key)
    found = own or self_made(settings.data_dir / FILE, "netboot Redfish facade")
    return checked(found, "redfish_facade")
