"""Profiles: one TOML file each, so that what a machine boots can be read and reviewed.

A profile's name is its file's. Each one says which iPXE script starts it, which image its files
come from, which answer file its installer gets and what its variables are where a node and its
groups do not say otherwise. Some ship with us; an operator's own stand in ``profiles/`` of a
folder named by ``server.templates``.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from msgspec import Meta, field

from netboot import resources
from netboot.answer import grub
from netboot.checked import Checked, convert, printable, read_toml
from netboot.errors import ConfigError
from netboot.model import Answer, AnswerKind, Profile
from netboot.setting_types import Name

MAX_PROFILES = 1000
"""Files read from one folder: a folder with more is not a folder of profiles."""

MAX_INITRDS = 16

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")

TemplateName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][\w-]*(\.[\w-]+)*(/[\w-]+(\.[\w-]+)*)*$")]
VariableName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
VariableValue = Annotated[str, Meta(max_length=8192)]
FileText = Annotated[str, Meta(pattern=r"^[!-~][ -~]{0,1023}$")]
ArgsText = Annotated[str, Meta(pattern=r"^[ -~\n]{0,8192}$")]


class _Answer(Checked, frozen=True):
    kind: AnswerKind
    file: TemplateName


class _File(Checked, frozen=True):
    script: TemplateName
    image: Name | None = None
    answer: _Answer | None = None
    installs: bool = False
    wipes: bool = False
    volume: bool = False
    kernel: FileText | None = None
    initrds: Annotated[tuple[FileText, ...], Meta(max_length=MAX_INITRDS)] = ()
    args: ArgsText = ""
    description: Annotated[str, Meta(pattern=r"^[ -~]*$", max_length=60)] = ""
    vars: dict[VariableName, VariableValue] = field(default_factory=dict)


def load_profiles(
    folders: Iterable[Path] = (), report: Callable[[str], None] = _log.warning
) -> Mapping[str, Profile]:
    """Read the profiles of a user's folders and those that ship with us.

    Args:
        folders: ``Settings.templates``; the profiles of each are its ``profiles/*.toml``. Of two
            profiles of one name the first is meant, also where it is broken.
        report: is called with one line for each file or folder that is wrong and left out.

    Returns:
        Profiles by name, in the order of their names.
    """
    found: dict[str, Profile] = {}
    taken: set[str] = set()
    all_templates = (*folders, resources.TEMPLATES)
    for folder in _places(all_templates):
        for path in _files(folder, report):
            if path.stem in taken:
                continue
            taken.add(path.stem)
            try:
                found[path.stem] = _profile(path, all_templates)
            except ConfigError as problem:
                report(f"profile {printable(path.stem)} is left out: {problem}")
    return MappingProxyType(dict(sorted(found.items())))


def stamp(folders: Iterable[Path] = ()) -> object:
    """A value that differs after a profile of ``folders`` was changed, added or removed; cheap."""
    seen = []
    for folder in _places((*folders, resources.TEMPLATES)):
        for path in islice(folder.glob("*.toml"), MAX_PROFILES + 1):
            try:
                status = path.stat()
            except OSError:  # it went away just now; the next stamp differs then
                continue
            seen.append((str(path), status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(sorted(seen))


def _places(folders: Iterable[Path]) -> Iterator[Path]:
    return (folder / "profiles" for folder in folders)


def _files(folder: Path, report: Callable[[str], None]) -> list[Path]:
    if not folder.parent.is_dir():
        report(f"{folder.parent}: is no folder, so no template and no profile of it is used")
    paths = sorted(islice(folder.glob("*.toml"), MAX_PROFILES + 1))
    if len(paths) <= MAX_PROFILES:
        return paths
    report(f"{folder}: has more than {MAX_PROFILES} profiles, so all of them are left out")
    return []


def _profile(path: Path, templates: Iterable[Path]) -> Profile:
    if not _NAME.fullmatch(path.stem):
        problem = "a profile's file is named by a-z, 0-9, '.' and '-', at most 63 of them"
        raise ConfigError(str(path), "", problem)
    raw = convert(read_toml(path), _File, str(path))
    if raw.installs and raw.wipes:
        problem = "= true beside installs = true: a profile that installs erases the disk anyway"
        raise ConfigError(str(path), "wipes", problem)
    config = grub.configuration(raw.script)
    return Profile(
        name=path.stem,
        script=raw.script,
        image=raw.image,
        answer=Answer(raw.answer.kind, raw.answer.file) if raw.answer else None,
        installs=raw.installs,
        wipes=raw.wipes,
        volume=raw.volume,
        needs_ipxe=not any((folder / config).is_file() for folder in templates),
        kernel=raw.kernel or "",
        initrds=raw.initrds,
        args=raw.args,
        description=raw.description,
        vars=MappingProxyType(raw.vars),
    )
