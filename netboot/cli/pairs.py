"""How commands read and write what the store keeps: ``KEY=VALUE``, plain tables, JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from netboot.checked import shown
from netboot.control.inventory import COMMAND_LINE
from netboot.errors import ConfigError
from netboot.model import Group, Node


def pairs(texts: Iterable[str], option: str) -> dict[str, str | None]:
    """Read ``KEY=VALUE`` of an option.

    Raises:
        ConfigError: one has no equals sign.
    """
    found: dict[str, str | None] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(COMMAND_LINE, option, f"= {shown(text)}: must be KEY=VALUE")
        found[key] = value
    return found


def written(values: Mapping[str, str]) -> list[str]:
    """The same, written."""
    return [f"{key}={value}" for key, value in values.items()]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, the first row being the titles."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def document(kept: Node | Group) -> dict[str, Any]:
    """As JSON data, without what it does not have: a list of them can be imported again."""
    known = msgspec.to_builtins(kept).items()
    has = ((key, value) for key, value in known if value is not None and value is not False)
    return {key: value for key, value in has if key not in _OURS}


def json(data: object) -> str:
    """JSON for a person and for programs."""
    return msgspec.json.format(msgspec.json.encode(data)).decode()


_OURS = ("installation", "because")
"""What no person gives of a node."""
