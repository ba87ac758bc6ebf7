"""Profiles: one TOML file each, so that what a machine boots can be read and reviewed.

A profile's name is its file's. ``debian-12``, ``debian-13``, ``local`` and ``menu`` ship with us;
each one says which iPXE script starts it, which image its files come from, which answer file its
installer gets and what its variables are where a node does not say otherwise.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from msgspec import Meta, field

from netboot import resources
from netboot.checked import Checked, convert, read_toml
from netboot.config import Name
from netboot.errors import ConfigError
from netboot.model import Profile

MAX_PROFILES = 1000
"""Files read from one folder: a folder with more is not a folder of profiles."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")

TemplateName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][\w-]*(\.[\w-]+)*(/[\w-]+(\.[\w-]+)*)*$")]
VariableName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
VariableValue = Annotated[str, Meta(max_length=8192)]


class _File(Checked, frozen=True):
    script: TemplateName
    image: Name | None = None
    preseed: TemplateName | None = None
    description: Annotated[str, Meta(pattern=r"^[ -~]*$", max_length=60)] = ""
    vars: dict[VariableName, VariableValue] = field(default_factory=dict)


def load_profiles(folder: Path = resources.TEMPLATES / "profiles") -> Mapping[str, Profile]:
    """Read every ``*.toml`` of a folder.

    Returns:
        Profiles by name, in the order of their names.

    Raises:
        ConfigError: the folder or a file in it is wrong; nothing of the folder is used.
    """
    if not folder.is_dir():
        raise ConfigError(str(folder), "", "is no folder")
    paths = sorted(folder.glob("*.toml"))
    if len(paths) > MAX_PROFILES:
        raise ConfigError(str(folder), "", f"has {len(paths)} profiles; {MAX_PROFILES} are allowed")
    return MappingProxyType({path.stem: _profile(path) for path in paths})


def _profile(path: Path) -> Profile:
    if not _NAME.fullmatch(path.stem):
        problem = "a profile's file is named by a-z, 0-9, '.' and '-', at most 63 of them"
        raise ConfigError(str(path), "", problem)
    raw = convert(read_toml(path), _File, str(path))
    return Profile(
        name=path.stem,
        script=raw.script,
        image=raw.image,
        preseed=raw.preseed,
        description=raw.description,
        vars=MappingProxyType(raw.vars),
    )
