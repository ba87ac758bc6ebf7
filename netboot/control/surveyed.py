"""The DHCP and PXE servers that answered when ``netboot serve`` looked round before it served.

The survey speaks raw packets and is another program's; what it found comes here in a file of the
run folder.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

FILE = "servers.json"
"""In the run folder."""
LARGEST = 1 << 20
"""Bytes that are read of it."""


class Surveyed(msgspec.Struct, frozen=True):
    """A server that answered.

    Attributes:
        role: ``dhcp``, ``dhcp-with-boot-options`` or ``pxe``.
        bootfile: what it would have machines load, "" where it names nothing.
        at: when, epoch seconds.
    """

    interface: str
    address: str
    mac: str
    role: str
    bootfile: str
    at: float


_SERVERS = msgspec.json.Decoder(tuple[Surveyed, ...])


def keep(run_dir: Path, servers: Iterable[Surveyed]) -> None:
    """Keep what was found, in the place of what was before.

    Raises:
        OSError: the system does not let us.
    """
    run_dir.mkdir(mode=0o710, parents=True, exist_ok=True)
    (run_dir / FILE).write_bytes(msgspec.json.encode(tuple(servers)))


def surveyed(run_dir: Path) -> tuple[Surveyed, ...]:
    """What was found last; nothing where nobody looked, or it cannot be read."""
    try:
        with (run_dir / FILE).open("rb") as file:
            return _SERVERS.decode(file.read(LARGEST))
    except (OSError, ValueError):
        return ()
