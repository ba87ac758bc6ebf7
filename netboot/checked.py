"""Untrusted text → typed values, or one line naming file, key, value and what is allowed.

Every file a person writes (configuration, nodes, images, profiles) goes through ``convert``.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from netboot.errors import ConfigError

T = TypeVar("T")

_AT = re.compile(r"(?P<problem>.*?)(?: - at `(?P<path>\$.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<name>.*)`")
_MISSING_FIELD = re.compile(r"Object missing required field `(?P<name>.*)`")
_LONGEST_SHOWN = 60
"""Characters of an offending value that are repeated in an error."""


class Checked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every shape a person writes: unknown keys are errors, not silence."""


def convert(raw: object, shape: type[T], source: str) -> T:
    """Turn plain parsed data into ``shape``.

    Args:
        raw: dicts, lists and scalars as a TOML or YAML parser gives them.
        shape: a ``Checked`` class or any type msgspec knows.
        source: the file's name, for errors.

    Raises:
        ConfigError: names the key, the value and what is allowed there.
    """
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        raise _explained(str(error), raw, shape, source) from None


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ConfigError: the file cannot be read, is not UTF-8, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "", f"is not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), "", f"is not TOML: {error}") from None


def _explained(message: str, raw: object, shape: object, source: str) -> ConfigError:
    matched = _AT.fullmatch(message)
    problem, path = (matched["problem"], matched["path"] or "$") if matched else (message, "$")
    value, where, names = _walk(raw, shape, path)
    if unknown := _UNKNOWN_FIELD.fullmatch(problem):
        key = ".".join(filter(None, [where, unknown["name"]]))
        return ConfigError(source, key, f"is no known key; allowed here: {', '.join(names)}")
    if missing := _MISSING_FIELD.fullmatch(problem):
        return ConfigError(source, ".".join(filter(None, [where, missing["name"]])), "is missing")
    return ConfigError(source, where, f"= {_shown(value)}: {problem[:1].lower()}{problem[1:]}")


def _walk(raw: object, shape: object, path: str) -> tuple[object, str, tuple[str, ...]]:
    """Follow msgspec's ``$.a[0].b``: the value there, its dotted key, the keys allowed there."""
    value, where, inner = raw, "", msgspec.inspect.type_info(shape)
    for step in _STEP.finditer(path):
        if step["index"] is not None:
            value = value[int(step["index"])] if isinstance(value, list | tuple) else None
            where += f"[{step['index']}]"
        elif step["name"] is not None:
            value = value.get(step["name"]) if isinstance(value, dict) else None
            where = f"{where}.{step['name']}" if where else step["name"]
        inner = _inside(inner, step["name"])
    fields = getattr(inner, "fields", ())
    return value, where, tuple(field.encode_name for field in fields)


def _inside(info: Any, name: str | None) -> Any:  # noqa: ANN401 -- msgspec's type tree is open
    if name is None:
        return getattr(info, "item_type", None)
    for field in getattr(info, "fields", ()):
        if field.encode_name == name:
            return field.type
    return getattr(info, "value_type", None)


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
