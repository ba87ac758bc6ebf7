"""Which kind of firmware a machine has: what its own newest DISCOVER says."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from netboot.events import Kind
from netboot.model import Client, Firmware
from netboot.store.shapes import Record

LOOKED_BACK = 1000
"""Events in which a machine's newest DISCOVER is looked for."""
_BEFORE_A_LOADER = frozenset(set(Firmware) - {Firmware.IPXE, Firmware.GRUB})
"""How firmware speaks, before it has started anything of ours."""


def kind_of_machine(
    client: Client,
    arch: str | None,
    firmware: str | None,
    timeline: Callable[[], Sequence[Record]],
) -> tuple[Client, bool]:
    """The client as the kind it is, and whether that is known and not only taken to be.

    Args:
        client: as somebody describes it.
        arch: what they said of its architecture, None for nothing.
        firmware: of how it speaks, likewise; where both say nothing, it is the kind it last was.
        timeline: reads the machine's newest ``LOOKED_BACK`` events, oldest first.
    """
    if arch is not None or firmware is not None:
        return client, arch is not None or firmware in _BEFORE_A_LOADER
    known = _as_heard(client, timeline())
    return known or client, known is not None


def _as_heard(client: Client, records: Iterable[Record]) -> Client | None:
    """The client with the kind of firmware that it had last; None where no record says it.

    Args:
        client: the machine.
        records: its timeline, oldest first.
    """
    for record in reversed(list(records)):
        event = record.event
        firmware = str(event.data.get("firmware", ""))
        if event.kind is Kind.DISCOVER and firmware in _BEFORE_A_LOADER:
            return replace(client, arch=int(event.data["arch"]), firmware=Firmware(firmware))
    return None
