"""TLS at ``api.listen``: whoever overhears a token has it."""

import logging
from collections.abc import Sequence
from pathlib import Path

from netboot.config import Settings
from netboot.control import tls
from netboot.control.access.hosts import is_loopback, is_unspecified, name_in
from netboot.control.tls import Certificate
from netboot.errors import ConfigError

FILE = "api.pem"
"""In the data folder: the certificate that signs itself, after its key."""
log = logging.getLogger(__name__)

_CURE = (
    "tokens would cross the network in clear; below [api] write one of: "
    'tls = "self" (a certificate that signs itself is made), '
    'certificate = "FILE" and key = "FILE" (your own), '
    'tls = "off" (something between does TLS, or the network is trusted)'
)


def certificate_of(settings: Settings) -> Certificate | None:
    """The certificate of ``api.listen``; makes it where that is wished; None for plain HTTP.

    Raises:
        ConfigError: those named cannot be used, or other hosts can listen and nothing is said.
        OperationError: it cannot be made.
    """
    api = settings.api
    own = tls.named("api", api.certificate, api.key)
    if own and api.tls:
        problem = f'= "{api.tls}": api.certificate is named already; say one of the two'
        raise ConfigError("configuration", "api.tls", problem)
    if own:
        return tls.checked(own, "api")
    host = name_in(api.listen)
    if api.tls == "self":
        names = api.hosts if is_unspecified(host) else (host, *api.hosts)
        return tls.checked(_self_made(settings.data_dir / FILE, names), "api")
    if api.tls is None and not is_loopback(host):
        raise ConfigError("configuration", "api.listen", f'= "{api.listen}": {_CURE}')
    return None


def _self_made(file: Path, names: Sequence[str]) -> Certificate:
    is_new = not file.exists()
    made = tls.self_made(file, "netboot", names)
    if is_new:
        log.warning("made a certificate, %s, SHA-256 %s", file, tls.fingerprint(file))
    return made
