"""What a BMC says of its machine by IPMI: Device ID, System GUID, FRU inventory.

The inventory (Platform Management FRU Information Storage Definition 1.2) is read in pieces and
taken apart by pyghmi. A BMC without one of the three is no fault; most leave some fields empty.
"""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from netboot.bmc.model import Hardware
from netboot.errors import BmcError

LARGEST_FRU = 8192
"""Bytes of inventory read; real ones have some hundreds."""
PIECE = 32
"""Bytes of it asked for at once: what also a small BMC's buffer holds."""

_APP, _STORAGE = 0x06, 0x0A
_DEVICE_ID, _SYSTEM_GUID = 0x01, 0x37
_FRU_AREA, _READ_FRU = 0x10, 0x11
_MAIN = 0  # the FRU of the machine itself


class Request(Protocol):
    """Sends one request and gives back the data of its response."""

    def __call__(self, netfn: int, command: int, data: tuple[int, ...] = ()) -> bytes:
        """As ``Session.request``."""


def hardware(request: Request) -> Hardware:
    """Ask for everything there is.

    Raises:
        BmcError: the BMC does not answer any more.
    """
    device = _maybe(request, _APP, _DEVICE_ID)
    guid = _maybe(request, _APP, _SYSTEM_GUID)
    fru = _fields(_inventory(request))
    return Hardware(
        manufacturer=_text(fru, "Manufacturer", "Board manufacturer"),
        model=_text(fru, "Product name", "Board product name"),
        serial=_text(fru, "Serial Number", "Chassis serial number", "Board serial number"),
        sku=_text(fru, "Model", "Board model"),
        uuid=str(UUID(bytes_le=guid)) if len(guid) == 16 and any(guid) else None,  # noqa: PLR2004 -- a GUID
        bmc_version=_version(device),
        capabilities=frozenset({"ipmi"}),
        iscsi_boot=False,
    )


def _maybe(request: Request, netfn: int, command: int, data: tuple[int, ...] = ()) -> bytes:
    """A response's data, empty where the BMC does not know the request."""
    try:
        return request(netfn, command, data)
    except BmcError as error:
        if error.retryable:
            raise
        return b""


def _inventory(request: Request) -> bytes:
    size = int.from_bytes(_maybe(request, _STORAGE, _FRU_AREA, (_MAIN,))[:2], "little")
    raw = b""
    while len(raw) < min(size, LARGEST_FRU):
        wanted = min(PIECE, size - len(raw))
        place = (len(raw) & 0xFF, len(raw) >> 8)
        piece = _maybe(request, _STORAGE, _READ_FRU, (_MAIN, *place, wanted))[1:]
        if not piece:
            break
        raw += piece
    return raw


def _fields(raw: bytes) -> Mapping[str, Any]:
    """The fields by pyghmi's names of them; none where the inventory makes no sense."""
    from pyghmi.exceptions import PyghmiException  # type: ignore[import-untyped] # noqa: PLC0415 -- slow, without types
    from pyghmi.ipmi.fru import FRU  # type: ignore[import-untyped] # noqa: PLC0415 -- likewise

    try:
        fields: Mapping[str, Any] = FRU(rawdata=raw).info or {} if raw else {}
    except (PyghmiException, IndexError, ValueError):
        return {}
    return fields


def _text(fields: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def _version(device: bytes) -> str | None:
    """Major and minor firmware revision, the minor one in BCD (section 20.1)."""
    return f"{device[2] & 0x7F}.{device[3]:02x}" if len(device) > 3 else None  # noqa: PLR2004 -- their places
