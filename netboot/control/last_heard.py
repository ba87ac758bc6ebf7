"""Which kind of firmware a machine has: what its own newest DISCOVER says."""

from collections.abc import Iterable
from dataclasses import replace

from netboot.events import Kind
from netboot.model import Client, Firmware
from netboot.store.shapes import Record

LOOKED_BACK = 1000
"""Events in which a machine's newest DISCOVER is looked for."""
BEFORE_A_LOADER = frozenset(set(Firmware) - {Firmware.IPXE, Firmware.GRUB})
"""How firmware speaks, before it has started anything of ours."""


def as_heard(client: Client, records: Iterable[Record]) -> Client | None:
    """The client with the kind of firmware that it had last; None where no record says it.

    Args:
        client: the machine.
        records: its timeline, oldest first.
    """
    for record in reversed(list(records)):
        event = record.event
        firmware = str(event.data.get("firmware", ""))
        if event.kind is Kind.DISCOVER and firmware in BEFORE_A_LOADER:
            return replace(client, arch=int(event.data["arch"]), firmware=Firmware(firmware))
    return None
