"""What ``netboot node show`` says of a machine's BMC and hardware; no secret is in it."""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from netboot.bmc.model import Hardware
from netboot.control.bmc_shapes import Known, said_hardware
from netboot.event_text import clock
from netboot.store.bmc_shapes import INSECURE, VERIFY, BmcShown

_KNOWN = {True: "yes", False: "no", None: "unknown"}
_TLS = {VERIFY: "", INSECURE: "certificate NOT verified"}


def bmc_lines(known: Known, macs: Collection[str]) -> Iterable[tuple[str, Iterable[str]]]:
    """Titles with their values.

    Args:
        known: what is kept.
        macs: the addresses the node is registered with.
    """
    if known.bmc is not None:
        yield "bmc", [_bmc(known.bmc)]
    if known.hardware is None or known.seen is None:
        return
    hardware = known.hardware
    yield "hardware", [f"{said_hardware(hardware)} (inspected {clock(known.seen, dated=True)})"]
    yield "cpu", filter(None, [hardware.cpu_model])
    yield "firmware", [", ".join(_firmware(hardware))] if any(_firmware(hardware)) else []
    yield "iscsi_boot", [_KNOWN[hardware.iscsi_boot]]
    yield "nic", [_nic(nic.mac, nic.name, nic.speed_mbps, macs) for nic in hardware.nics]


def bmc_document(known: Known) -> dict[str, Any]:
    """The same as JSON data, without what nobody said."""
    found: dict[str, Any] = {}
    if known.bmc is not None:
        found["bmc"] = _said(msgspec.to_builtins(known.bmc))
    if known.hardware is not None:
        facts = _said(msgspec.to_builtins(known.hardware))
        facts["capabilities"] = sorted(known.hardware.capabilities)
        found |= {"hardware": facts, "inspected": known.seen}
    return found


def _bmc(bmc: BmcShown) -> str:
    password = "password kept sealed" if bmc.kept else f"password from {bmc.password}"
    notes = [
        f"user {bmc.user}" if bmc.user else "",
        password if bmc.kept or bmc.password else "no password" if bmc.user else "",
        _TLS.get(bmc.tls, f"certificate {bmc.tls}"),
    ]
    said = ", ".join(filter(None, notes))
    return f"{bmc.address}  ({said})" if said else bmc.address


def _firmware(hardware: Hardware) -> list[str]:
    bmc = " ".join(filter(None, [hardware.bmc_model, hardware.bmc_version]))
    bios = f"BIOS {hardware.bios_version}" if hardware.bios_version else ""
    return list(filter(None, [bios, f"BMC {bmc}" if bmc else ""]))


def _nic(mac: str, name: str, speed: int | None, macs: Collection[str]) -> str:
    rate = f"{speed} Mb/s" if speed else ""
    stranger = "" if mac in macs else "(not one of this node's)"
    return " ".join(filter(None, [mac, name, rate, stranger]))


def _said(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}
