"""The name of this process among all that share a database: the same after each restart."""

import os
import secrets
import socket
from pathlib import Path

from netboot.errors import OperationError

FILE = "owner"
"""Its name in the run folder, whose lock keeps two from having the same."""
_LONGEST_HOST = 40


def owner_in(run_dir: Path) -> str:
    """The name, drawn when it is asked for first.

    Raises:
        OperationError: the system does not let us.
    """
    path = run_dir / FILE
    try:
        if path.exists() and (known := path.read_text().strip()):
            return known
        drawn = f"{socket.gethostname()[:_LONGEST_HOST]}-{secrets.token_hex(4)}"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{drawn}\n")
    except OSError as error:
        raise OperationError(f"{path}: {error.strerror}") from None
    return drawn
