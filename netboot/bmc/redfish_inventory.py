"""What a Redfish service says that its machine is (DSP0268: ComputerSystem, Manager, …)."""

import math
from collections.abc import Iterator

from netboot.bmc.model import Hardware, Nic
from netboot.bmc.quirks import GENERIC, Quirk
from netboot.bmc.redfish_boot import link, links, part
from netboot.bmc.redfish_http import Connection
from netboot.bmc.redfish_words import Json
from netboot.model import parse_mac

MOST_NICS = 64
"""Ethernet interfaces of one system that are read."""


def hardware(
    connection: Connection, system: Json, manager: Json, quirk: Quirk, can: frozenset[str]
) -> Hardware:
    """Read what is not yet known, and put it together.

    Args:
        connection: to the BMC.
        system: as just read.
        manager: likewise; empty where there is none.
        quirk: what it is known as.
        can: its capabilities.
    """
    processors, memory = part(system, "ProcessorSummary"), part(system, "MemorySummary")
    gib = _number(memory.get("TotalSystemMemoryGiB"))
    known_as = None if quirk.name == GENERIC else quirk.label
    return Hardware(
        manufacturer=_text(system, "Manufacturer"),
        model=_text(system, "Model"),
        serial=_text(system, "SerialNumber"),
        uuid=_text(system, "UUID"),
        sku=_text(system, "SKU"),
        bios_version=_text(system, "BiosVersion"),
        bmc_version=_text(manager, "FirmwareVersion"),
        bmc_model=_text(manager, "Model") or known_as,
        cpus=_count(processors.get("Count")),
        cpu_model=_text(processors, "Model"),
        memory_mib=None if gib is None else round(gib * 1024),
        nics=tuple(_nics(connection, system)),
        capabilities=can,
        iscsi_boot="iscsi_boot" in can,
    )


def _nics(connection: Connection, system: Json) -> Iterator[Nic]:
    seen = set()
    for path in links(connection.find(link(system, "EthernetInterfaces")))[:MOST_NICS]:
        interface = connection.find(path)
        mac = _mac(interface.get("PermanentMACAddress")) or _mac(interface.get("MACAddress"))
        if mac is None or mac in seen:
            continue
        seen.add(mac)
        name = _text(interface, "Id") or _text(interface, "Name") or ""
        yield Nic(mac, name, _count(interface.get("SpeedMbps")) or None)


def _mac(value: object) -> str | None:
    try:
        return parse_mac(str(value))
    except ValueError:
        return None


def _text(resource: Json, name: str) -> str | None:
    value = resource.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _count(value: object) -> int | None:
    number = _number(value)
    return None if number is None or number < 0 else int(number)


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)
