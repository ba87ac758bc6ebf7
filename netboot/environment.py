"""``NETBOOT_*`` variables → keys of the configuration, one variable for each."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from netboot.checked import Checked, printable
from netboot.errors import ConfigError

_SEPARATORS = {"interfaces": ",", "templates": ":", "hosts": ","}
"""Keys that are lists, and what stands between two items in a variable: a path may hold a comma."""
_TABLES = frozenset({"users"})
"""Keys that are tables: there is no one value for a variable to have."""
_NOT_SETTINGS = frozenset({"NETBOOT_CACHE", "NETBOOT_CONFIG", "NETBOOT_CSDL"})
_SHORT_NUMBER = re.compile(r"[0-9]{1,9}")
_SWITCH = {"true": True, "false": False}


def from_environment(
    environ: Mapping[str, str], defaults: Checked, check: Callable[[object, str], object]
) -> dict[str, dict[str, Any]]:
    """Read what the environment says of the configuration.

    Args:
        environ: the environment.
        defaults: the configuration where nobody says anything; its sections' fields are the keys.
        check: raises ConfigError where raw sections, and their source's name, do not fit.

    Returns:
        Section → key → value, as a TOML parser would give it.

    Raises:
        ConfigError: a variable is no setting, or its value is not allowed; it is named.
    """
    known = _variables(defaults)
    found: dict[str, dict[str, Any]] = {}
    for variable in sorted(environ):
        if not variable.startswith("NETBOOT_") or variable in _NOT_SETTINGS:
            continue
        if variable not in known:
            problem = f"is no known setting; allowed: {', '.join(known)}"
            raise ConfigError("environment", printable(variable), problem)
        section, key = known[variable]
        default = getattr(getattr(defaults, section), key)
        value = _typed(key, default, environ[variable])
        try:
            check({section: {key: value}}, "environment")
        except ConfigError as error:  # the variable's name is the key a person can find
            raise ConfigError("environment", variable, error.problem) from None
        found.setdefault(section, {})[key] = value
    return found


def _variables(defaults: Checked) -> dict[str, tuple[str, str]]:
    return {
        f"NETBOOT_{section.upper()}_{key.upper()}": (section, key)
        for section in defaults.__struct_fields__
        for key in getattr(getattr(defaults, section), "__struct_fields__", ())
        if key not in _TABLES
    }


def _typed(key: str, default: object, text: str) -> object:
    if separator := _SEPARATORS.get(key):
        return [item.strip() for item in text.split(separator) if item.strip()]
    if isinstance(default, bool):
        return _SWITCH.get(text, text)
    return int(text) if isinstance(default, int) and _SHORT_NUMBER.fullmatch(text) else text
