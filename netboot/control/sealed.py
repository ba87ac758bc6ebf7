"""Whether the key that is here opens the BMC passwords that are kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netboot.answer.tokens import load_key
from netboot.bmc.credentials import KEY_FILE, Safe
from netboot.errors import OperationError

if TYPE_CHECKING:
    from netboot.store.store import Store

MOST_NAMED = 10
"""Nodes that are named in one line."""


def unopened(store: "Store", data_dir: Path) -> Sequence[str]:
    """The nodes whose kept BMC password the key in ``data_dir`` does not open; none is made.

    Raises:
        ConfigError: the key file is not usable.
        OperationError: the database could not do it.
    """
    sealed = {name: bmc.sealed for name, bmc in store.bmcs().items() if bmc.sealed is not None}
    path = data_dir / KEY_FILE
    if not sealed or not path.exists():
        return list(sealed)
    safe, found = Safe(load_key(path)), []
    for name, password in sealed.items():
        try:
            safe.open(name, password)
        except OperationError:
            found.append(name)
    return found


def complaint(names: Sequence[str], data_dir: Path) -> str:
    """What to do about ``unopened``, in one line."""
    return (
        f"{data_dir / KEY_FILE} does not open the BMC passwords of {named(names)}: put the one"
        " there that sealed them, from a backup or another replica, or say the passwords again"
    )


def named(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
