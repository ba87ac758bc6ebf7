"""The first token: an admin's, in a file that only we and root can read."""

import logging
import os
import secrets
import time
from functools import partial
from pathlib import Path

from netboot.errors import OperationError
from netboot.store.tokens import Tokens

FILE = "admin.token"
"""In the data folder; it may be removed when it was read."""

log = logging.getLogger(__name__)


def make_first_token(store: Tokens, data_dir: Path) -> None:
    """Where there is no token at all make one, keep it in ``FILE``, and say where that is.

    Raises:
        OperationError: it cannot be kept; then there is none.
    """
    path = data_dir / FILE
    if store.first_token(partial(_keep, path), time.time()):
        log.warning("an admin's token is in %s; `netboot token add` makes others", path)


def _keep(path: Path, secret: str) -> None:
    """Write it, whole or not at all, whatever was there."""
    whole = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{secret}\n")
                file.flush()
                os.fsync(file.fileno())
            whole.replace(path)
        finally:
            whole.unlink(missing_ok=True)
    except OSError as error:
        raise OperationError(f"{path}: cannot be written: {error.strerror}") from None
