"""Untrusted text → typed values, or one line naming file, key, value and what is allowed.

Every file a person writes (configuration, nodes, images, profiles) goes through ``convert``:

- msgspec decides whether data fits a shape; this module only finds *where* it does not and says
  what would. It walks to the first innermost value that does not fit, so the line never depends
  on another library's wording.
- What is allowed is said in words: a type's ``Meta(description="…")`` where it has one, else a
  sentence made of its bounds.
- Keys are written as they are reached: ``http.port``, ``[3].macs[0]``, ``labels."odd key"``.
"""

import re
import tomllib
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import inspect

from netboot import plain_yaml
from netboot.errors import ConfigError

T = TypeVar("T")

LONGEST_SHOWN = 60
"""Characters of an offending value or key that are repeated in an error."""
LARGEST_FILE = 16 * 1024 * 1024
"""Bytes read of any file a person writes: 50,000 nodes fit many times over."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_WIDEST_INTEGER = 256
"""Bits of an integer that is still shown digit by digit."""


class Checked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every shape a person writes: unknown keys are errors, not silence.

    Never give a field a union of text with a ``pattern`` and a list or a table: msgspec 0.22
    crashes the process when it frees such a type. A plain ``str`` in the union is safe.
    """


def convert(raw: object, shape: type[T], source: str, key: str = "") -> T:
    """Turn plain parsed data into ``shape``.

    Args:
        raw: dicts, lists and scalars as a TOML, YAML or JSON parser gives them.
        shape: a ``Checked`` class or any type msgspec knows.
        source: the file's name, for errors.
        key: where ``raw`` stands in that file, "" for the whole of it.

    Raises:
        ConfigError: names the key, the value and what is allowed there.
    """
    try:
        return msgspec.convert(raw, shape)
    except (ValueError, RecursionError) as error:  # UnicodeEncodeError too: lone surrogates
        where, problem = _misfit(raw, shape, key, error)
        raise ConfigError(source, where, problem) from None


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ConfigError: the file cannot be read, is too large, is not UTF-8, or is no TOML.
    """
    table: dict[str, Any] = _parsed(path, "TOML", tomllib.loads)
    return table


def read_yaml(path: Path) -> object:
    """Parse a YAML file as ``netboot.plain_yaml`` does: every scalar is text.

    Raises:
        ConfigError: as ``read_toml``.
    """
    return _parsed(path, "YAML", plain_yaml.loads)


def shown(value: object) -> str:
    """A value from outside as one short printable line, for errors."""
    if isinstance(value, str):
        return f'"{printable(value[: LONGEST_SHOWN + 1])}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > _WIDEST_INTEGER:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"a table of {len(value)}"
    return "nothing" if value is None else printable(str(value))


def printable(text: str) -> str:
    """Cut text to ``LONGEST_SHOWN`` characters and write what does not print as escapes."""
    cut = "…" if len(text) > LONGEST_SHOWN else ""
    return "".join(_escaped(char) for char in text[:LONGEST_SHOWN]) + cut


def allowed(shape: Any) -> str:  # noqa: ANN401 -- any annotation is a shape
    """What fits ``shape``, in words."""
    return _words(inspect.type_info(shape))


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def _parsed(path: Path, language: str, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401 -- parsed data
    source = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(source, "", f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(printable(source), "", "is no file name") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigError(source, "", f"is larger than {LARGEST_FILE // 1024**2} MiB")
    try:
        return parse(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(source, "", f"is not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise ConfigError(source, "", "is nested too deep") from None
    except ValueError as error:
        raise ConfigError(source, "", f"is not {language}: {_flat(str(error))}") from None


def _flat(text: str) -> str:
    return "".join(_escaped(char) for char in " ".join(text.split()))


# Finding the first value that does not fit.


def _misfit(raw: object, shape: Any, key: str, error: Exception) -> tuple[str, str]:  # noqa: ANN401 -- a type as msgspec takes it
    """Descend to the innermost value that does not fit: its key, and what is wrong with it."""
    if isinstance(error, RecursionError):
        return key, "is nested too deep"
    inner = _bare(shape, raw)
    if isinstance(raw, dict) and (wrong := _wrong_keys(raw, inner, key)):
        return wrong
    for value, part, step in _parts(raw, inner):
        if (failure := _failure(value, part)) is not None:
            return _misfit(value, part, f"{key}{step}".removeprefix("."), failure)
    if isinstance(error, msgspec.ValidationError) and error.__cause__ is not None:
        return key, f"{error.__cause__}"  # a shape's own __post_init__
    return key, f"= {shown(raw)}: must be {allowed(shape)}"


def _failure(value: object, shape: Any) -> Exception | None:  # noqa: ANN401 -- a type as msgspec takes it
    try:
        msgspec.convert(value, shape)
    except (ValueError, RecursionError) as error:
        return error
    return None


def _wrong_keys(raw: dict[Any, Any], shape: Any, key: str) -> tuple[str, str] | None:  # noqa: ANN401 -- a type as msgspec takes it
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        return None
    fields = msgspec.structs.fields(shape)
    names = [field.encode_name for field in fields]
    for name in raw:
        if name not in names:
            where = f"{key}{_step(name)}".removeprefix(".")
            return where, f"is no known key; allowed here: {', '.join(names)}"
    for field in fields:
        if field.required and field.encode_name not in raw:
            where = f"{key}{_step(field.encode_name)}".removeprefix(".")
            return where, f"is missing; must be {allowed(field.type)}"
    return None


def _parts(raw: object, shape: Any) -> Iterator[tuple[object, Any, str]]:  # noqa: ANN401 -- a type as msgspec takes it
    """Every value directly inside ``raw`` with the shape it should have and the step to it."""
    arguments = typing.get_args(shape)
    if not _same_kind(shape, raw):
        return
    if isinstance(raw, dict) and isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        for field in msgspec.structs.fields(shape):
            if field.encode_name in raw:
                yield raw[field.encode_name], field.type, _step(field.encode_name)
    elif isinstance(raw, dict) and arguments:
        for name, value in raw.items():
            yield name, arguments[0], _step(name)
            yield value, arguments[1], _step(name)
    elif isinstance(raw, list | tuple) and arguments:
        fixed = typing.get_origin(shape) is tuple and Ellipsis not in arguments
        for index, value in enumerate(raw[: len(arguments)] if fixed else raw):
            yield value, arguments[index if fixed else 0], f"[{index}]"


def _bare(shape: Any, raw: object) -> Any:  # noqa: ANN401 -- a type as msgspec takes it
    """The shape without its annotations; of a union, the member of the same kind as ``raw``."""
    if typing.get_origin(shape) is Annotated:
        return _bare(typing.get_args(shape)[0], raw)
    if typing.get_origin(shape) not in (typing.Union, types.UnionType):
        return shape
    members = [_bare(member, raw) for member in typing.get_args(shape)]
    return next((member for member in members if _same_kind(member, raw)), shape)


def _same_kind(shape: Any, raw: object) -> bool:  # noqa: ANN401 -- a type as msgspec takes it
    origin = typing.get_origin(shape) or shape
    if not isinstance(origin, type):
        return False
    if isinstance(raw, dict):
        return issubclass(origin, msgspec.Struct | Mapping)
    return isinstance(raw, list | tuple) and issubclass(origin, list | tuple)


def _step(name: Hashable) -> str:
    if isinstance(name, str) and _BARE_KEY.fullmatch(name) and len(name) <= LONGEST_SHOWN:
        return f".{name}"
    return f".{shown(name)}"


# Saying what is allowed.


def _words(info: inspect.Type) -> str:
    if isinstance(info, inspect.Metadata):
        described = (info.extra_json_schema or {}).get("description")
        return str(described) if described else _words(info.type)
    if isinstance(info, inspect.UnionType):
        return " or ".join(
            _words(kind) for kind in info.types if not isinstance(kind, inspect.NoneType)
        )
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return f"{_PLAIN[type(info)]}{_range(info.ge, info.le)}"
    if isinstance(info, inspect.StrType):
        return _text_words(info)
    return _compound(info) or _PLAIN.get(type(info), "of another kind")


def _text_words(info: inspect.StrType) -> str:
    if info.pattern:
        return f"text matching {info.pattern}"
    bounds = _range(info.min_length, info.max_length)
    return f"text whose length is{bounds}" if bounds else "text"


def _compound(info: inspect.Type) -> str:
    if isinstance(info, inspect.ListType | inspect.VarTupleType):
        return f"a list (each: {_words(info.item_type)})"
    if isinstance(info, inspect.TupleType):
        kinds = ", ".join(_words(kind) for kind in info.item_types)
        return f"a list of {len(info.item_types)} ({kinds})"
    if isinstance(info, inspect.StructType):
        return f"a table with the keys {', '.join(field.encode_name for field in info.fields)}"
    if isinstance(info, inspect.LiteralType):
        return " or ".join(shown(value) for value in info.values)
    if isinstance(info, inspect.EnumType):
        return " or ".join(shown(choice.value) for choice in info.cls)
    return ""


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    return "" if high is None else f" of at most {high}"


_PLAIN: dict[type[inspect.Type], str] = {
    inspect.IntType: "an integer",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.DictType: "a table",
    inspect.NoneType: "nothing",
    inspect.AnyType: "anything",
}
