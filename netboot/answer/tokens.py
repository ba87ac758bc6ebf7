"""Per-boot tokens: what a machine shows to get its own answer file.

A MAC address is no secret, so ``/preseed/<mac>`` would give every machine's password hashes to
anyone on its network. Instead each script we render carries a fresh token in a URL,
``/node/<token>/preseed.cfg``::

    nbt_ + base64url of
    +-------+----------+----------------+---------+--------------------------+
    | MAC 6 | issued 4 | installation 4 | nonce 4 | HMAC-SHA256 of these, 18 |   36 bytes
    +-------+----------+----------------+---------+--------------------------+

- Unforgeable: the code is keyed and compared in constant time. It is cut to 18 bytes, more than
  the half RFC 2104 section 5 asks for; 36 bytes fill base64 exactly, so a token has one spelling.
- Of one installation: an installer that was started before a node was to be installed again gets
  nothing more, and cannot say that the new installation is done.
- Nothing is stored. The key lives in a file, so tokens outlive a restart of the boot program.
- Short-lived: ``TOKEN_LIFETIME``; an installer asks within minutes of its script.
- Never in a log: ``redact`` cuts it out of anything written down.

Who overhears a boot's plain HTTP overhears its token too. It keeps machines apart from each other
and from strangers; it does not make a hostile network a safe one.
"""

import base64
import hmac
import os
import re
import secrets
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from netboot.errors import ConfigError, NotServed
from netboot.model import Mac

TOKEN_LIFETIME = 24 * 3600
"""Seconds: enough for a person who was fetched to help, and for a long installation."""

MAX_CLOCK_STEP = 300
"""Seconds our own clock may be set back, by NTP after a start, without losing running boots."""

KEY_SIZE = 32
"""Bytes: the output of SHA-256; a longer key adds nothing (RFC 2104 section 3)."""

_PREFIX = "nbt_"
_PURPOSE = b"netboot boot token 2\x00"  # a code made by this key for another use is no token
_BODY = struct.Struct("!6sII4s")
_CODE_SIZE = 18
_TOKEN = re.compile(rf"{_PREFIX}(?P<packed>[A-Za-z0-9_-]{{48}})", re.ASCII)
_SECRET = re.compile(rf"(?<=/node/)[^/\s\"'?#]+|{_PREFIX}[A-Za-z0-9_-]+")


class Grant(NamedTuple):
    """What a token says.

    Attributes:
        mac: the machine that was given it.
        installation: which installation of its node it was given for; 0 for an unknown machine.
    """

    mac: Mac
    installation: int


class Tokens:
    """Issues tokens and checks them.

    Args:
        key: ``KEY_SIZE`` secret bytes.
        clock: seconds since the epoch.
    """

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError(f"a key of {KEY_SIZE} bytes is needed, not one of {len(key)}")
        self._key = key
        self._clock = clock

    def __repr__(self) -> str:
        return "Tokens(key=…)"

    def issue(self, mac: Mac, installation: int) -> str:
        """Make a new token for one boot of this machine; safe in a URL as it is."""
        address = bytes.fromhex(mac.replace(":", ""))
        body = _BODY.pack(address, int(self._clock()), installation, secrets.token_bytes(4))
        return _PREFIX + base64.urlsafe_b64encode(body + self._code(body)).decode()

    def check(self, token: str) -> Grant:
        """Whose token this is, and for what.

        Raises:
            NotServed: it was not made with our key, or is too old. The text never repeats it.
        """
        matched = _TOKEN.fullmatch(token)
        if not matched:
            raise NotServed("no such token")
        packed = base64.urlsafe_b64decode(matched["packed"])
        body, code = packed[: _BODY.size], packed[_BODY.size :]
        if not hmac.compare_digest(code, self._code(body)):
            raise NotServed("no such token")
        address, issued, installation, _nonce = _BODY.unpack(body)
        if not -MAX_CLOCK_STEP <= self._clock() - issued <= TOKEN_LIFETIME:
            raise NotServed("the token is too old; the machine gets a new one when it boots again")
        return Grant(Mac(address.hex(":")), installation)

    def _code(self, body: bytes) -> bytes:
        return hmac.digest(self._key, _PURPOSE + body, "sha256")[:_CODE_SIZE]


def redact(text: str) -> str:
    """Cut every token, and whatever stands in a token's place, out of a text for a log."""
    return _SECRET.sub("…", text)


def load_key(path: Path) -> bytes:
    """Read the key file, or make it (mode 0600), whole or not at all.

    Two programs that start at once end up with the same key.

    Raises:
        ConfigError: it cannot be read or written, others may read it, or it is no key.
    """
    try:
        if not path.exists():
            _make_key(path)
        with path.open("rb") as file:
            mode, key = os.fstat(file.fileno()).st_mode, file.read(KEY_SIZE + 1)
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be used: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigError(str(path), "", f"has mode {mode & 0o777:04o}: must be 0600, it is secret")
    if len(key) != KEY_SIZE:
        raise ConfigError(str(path), "", f"must hold {KEY_SIZE} bytes; remove it to get a new one")
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_SIZE))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(whole)  # unlike a rename, never replaces another program's key
        except FileExistsError:
            return
    finally:
        whole.unlink()
