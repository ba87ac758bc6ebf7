"""Where a BMC's password is, and how one that we keep is kept.

A password is said in one of four ways::

    file:/etc/netboot/bmc.pass      read each time it is needed, by whoever asks the BMC
    env:BMC_PASSWORD                likewise; of the program that asks
    command:vault kv get -field=p …   likewise; a vault's own client, run without a shell
    plain:…                         the password itself, which is sealed before it is stored

Sealed is AES-256-GCM (NIST SP 800-38D) with the key in ``bmc.key``, a file of its own that the boot
program never opens. What is sealed for one node opens for no other.

No function here says a password, or what a command printed, in an error.
"""

import os
import re
import secrets
import shlex
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from netboot.bmc.model import Secret
from netboot.bmc.run import run
from netboot.errors import OperationError

MAX_PASSWORD = 1024
"""Bytes in UTF-8; no BMC takes as many."""
MAX_SOURCE = 1024
"""Characters of a ``file:``, ``env:`` or ``command:``."""
COMMAND_TIMEOUT = 10.0
"""Seconds a vault's client gets."""

KEY_FILE = "bmc.key"
"""In the data folder; made by ``netboot.answer.tokens.load_key``."""

FORMS = "file:/PATH, env:NAME or command:LINE"
PLAIN = "plain:"

_NONCE = 12  # bytes, SP 800-38D section 5.2.1.1
_SOURCE = re.compile(r"file:/[^\x00]+|env:[A-Za-z_][A-Za-z0-9_]*|command:.*\S.*")


class Safe:
    """Seals and opens the passwords we keep.

    Args:
        key: 32 secret bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return "Safe(key=…)"

    def seal(self, node: str, password: Secret) -> bytes:
        """Seal the password of ``node``'s BMC."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, password.reveal().encode(), node.encode())

    def open(self, node: str, sealed: bytes) -> Secret:
        """The password sealed for ``node``.

        Raises:
            OperationError: it was sealed with another key, for another node, or is damaged.
        """
        nonce, text = sealed[:_NONCE], sealed[_NONCE:]
        try:
            return Secret(self._cipher.decrypt(nonce, text, node.encode()).decode())
        except (InvalidTag, ValueError):  # ValueError: too short to have a nonce
            problem = f"{KEY_FILE} does not open its kept BMC password; say the password again"
            raise OperationError(problem) from None


def password(text: str) -> Secret:
    """A password as it stands in a file or comes out of a command: without its line's end.

    Raises:
        ValueError: it cannot be one; the message does not say it.
    """
    line = text.removesuffix("\n").removesuffix("\r")
    if not line:
        raise ValueError("is empty")
    if len(line.encode(errors="replace")) > MAX_PASSWORD:
        raise ValueError(f"is longer than {MAX_PASSWORD} bytes")
    if not line.isprintable():
        raise ValueError("is more than one line, or has characters that do not print")
    return Secret(line)


def check_source(text: str) -> None:
    """See that ``text`` says where a password is; nothing is read.

    Raises:
        ValueError: it does not; the message does not repeat it, for it may be the password itself.
    """
    if len(text) > MAX_SOURCE or not text.isprintable() or not _SOURCE.fullmatch(text):
        raise ValueError(f"must be {FORMS}")
    if text.startswith("command:"):
        try:
            shlex.split(text)
        except ValueError:
            raise ValueError("must be a command line whose quotes are closed") from None


def said(source: str) -> str:
    """A source for a person: of a command its program alone, since arguments may be secrets."""
    kind, _, rest = source.partition(":")
    if kind != "command":
        return source
    words = shlex.split(rest)
    return f"command:{words[0]}" + (" …" if len(words) > 1 else "")


def read(source: str) -> Secret:
    """The password where ``source`` says it is; blocks for ``COMMAND_TIMEOUT`` at most.

    Raises:
        OperationError: it is not there, or is none. The text names the source, never the password.
    """
    kind, _, rest = source.partition(":")
    text = {"file": _of_file, "env": _of_environment, "command": _of_command}[kind](rest)
    try:
        return password(text)
    except ValueError as error:
        raise _unusable(source, str(error)) from None


def _of_file(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_PASSWORD + 3)  # with the end of its line, and one byte too many
    except OSError as error:
        raise _unusable(f"file:{path}", f"cannot be read: {error.strerror}") from None
    return _decoded(raw, f"file:{path}")


def _of_environment(name: str) -> str:
    if (text := os.environ.get(name)) is None:
        raise _unusable(f"env:{name}", "is not set for the program that asks the BMC")
    return text


def _of_command(line: str) -> str:
    source = f"command:{line}"
    try:  # its standard error may repeat what must not be written down
        ran = run(shlex.split(line), seconds=COMMAND_TIMEOUT, most_output=MAX_PASSWORD + 2)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "holds a zero byte"
        raise _unusable(source, f"cannot be run: {reason}") from None
    if ran.late:
        raise _unusable(source, f"did not end within {COMMAND_TIMEOUT:g} s")
    if ran.status and not ran.too_long:
        raise _unusable(source, f"ended with exit status {ran.status}")
    return _decoded(ran.output, source)


def _decoded(raw: bytes, source: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _unusable(source, "is not UTF-8 text") from None


def _unusable(source: str, problem: str) -> OperationError:
    return OperationError(f"the BMC's password, {said(source)}: {problem}")
