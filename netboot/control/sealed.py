"""Whether the key that is here opens the secrets that are kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netboot.answer.tokens import load_key
from netboot.bmc.credentials import KEY_FILE, Safe
from netboot.errors import OperationError
from netboot.store.volume_shapes import sealed_for

if TYPE_CHECKING:
    from netboot.store.store import Store

MOST_NAMED = 10
"""Nodes, or volumes, that are named in one line."""


class Unopened(NamedTuple):
    """What the key does not open: nodes whose BMC password is kept, and volumes."""

    nodes: Sequence[str] = ()
    volumes: Sequence[str] = ()


def unopened(store: "Store", data_dir: Path) -> Unopened:
    """Whose kept secrets the key in ``data_dir`` does not open; no key is made.

    Raises:
        ConfigError: the key file is not usable.
        OperationError: the database could not do it.
    """
    passwords = {name: bmc.sealed for name, bmc in store.bmcs().items() if bmc.sealed is not None}
    secrets = {one.name: one.sealed for one in store.volumes() if one.sealed is not None}
    path = data_dir / KEY_FILE
    if not (passwords or secrets) or not path.exists():
        return Unopened(list(passwords), list(secrets))
    safe = Safe(load_key(path))
    return Unopened(
        [name for name, sealed in passwords.items() if not _opens(safe, name, sealed)],
        [name for name, sealed in secrets.items() if not _opens(safe, sealed_for(name), sealed)],
    )


def complaint(found: Unopened, data_dir: Path) -> str:
    """What to do about ``unopened``, in one line."""
    kept = {"BMC passwords": found.nodes, "CHAP secrets": found.volumes}
    what = " and the ".join(f"{one} of {named(names)}" for one, names in kept.items() if names)
    return (
        f"{data_dir / KEY_FILE} does not open the {what}: put the one"
        " there that sealed them, from a backup or another replica, or say them again"
    )


def _opens(safe: Safe, whose: str, sealed: bytes) -> bool:
    try:
        safe.open(whose, sealed)
    except OperationError:
        return False
    return True


def named(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
