"""The FRU inventory of a virtual machine, as bytes (Platform Management FRU Information 1.2)."""

from collections.abc import Sequence

_FORMAT = 1
_ENGLISH = 25
_TEXT = 0xC0
_END_OF_FIELDS = 0xC1
_UNIT = 8  # lengths and places are in multiples of it
LONGEST_FIELD = 63
"""Bytes (section 13)."""


def inventory(manufacturer: str, product: str, part: str, serial: str) -> bytes:
    """A common header (section 8) and a product info area (section 12)."""
    header = bytes([_FORMAT, 0, 0, 0, 1, 0, 0])
    return _summed(header) + _product([manufacturer, product, part, "", serial, "", ""])


def _product(fields: Sequence[str]) -> bytes:
    body = b"".join(_field(text) for text in fields) + bytes([_END_OF_FIELDS])
    units = -(-(3 + len(body) + 1) // _UNIT)
    area = bytes([_FORMAT, units, _ENGLISH]) + body
    return _summed(area.ljust(units * _UNIT - 1, b"\0"))


def _field(text: str) -> bytes:
    raw = text.encode("latin-1", "replace")[:LONGEST_FIELD]
    return bytes([_TEXT | len(raw)]) + raw


def _summed(block: bytes) -> bytes:
    """With the byte that makes its sum zero."""
    return block + bytes([-sum(block) & 0xFF])
