"""Tables that a hostile network cannot make grow: so many entries, and the oldest goes first."""

from collections import OrderedDict
from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def remember(table: OrderedDict[_Key, _Value], key: _Key, value: _Value, *, at_most: int) -> None:
    """Put ``value`` into ``table`` as its newest entry; the oldest goes beyond ``at_most``."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > at_most:
        table.popitem(last=False)
