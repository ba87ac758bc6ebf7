"""Deploy templates as people write them: one TOML file each, in ``deploy/`` beside ``profiles/``.

A template's name is its file's. Unlike a profile, one that is wrong is not left out: a machine
would be installed without the steps somebody wanted before. Nothing is installed by a job then.
"""

import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from netboot.answer.profiles import VariableName, VariableValue
from netboot.bmc.model import PowerAction
from netboot.checked import Checked, convert, read_toml, shown
from netboot.errors import ConfigError
from netboot.jobs.deploy import Do, Step, Template, Value, check_variables

FOLDER = "deploy"
MAX_TEMPLATES = 100
"""Files read from one folder: a folder with more is not one of deploy templates."""
MAX_STEPS = 16
"""Of one template."""
MAX_ATTRIBUTES = 64
"""BIOS attributes of one step."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_Label = Annotated[str, Meta(min_length=1, max_length=63)]
_AttributeName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,127}$")]
_AttributeValue = str | int | bool
_WANTS = {Do.BIOS: "attributes", Do.POWER: "action"}


class _Match(Checked, frozen=True):
    labels: Annotated[dict[_Label, str], Meta(min_length=1, max_length=16)]


class _Step(Checked, frozen=True):
    do: Do
    attributes: Annotated[
        dict[_AttributeName, _AttributeValue], Meta(max_length=MAX_ATTRIBUTES)
    ] = field(default_factory=dict)
    action: PowerAction | None = None


class _File(Checked, frozen=True):
    match: _Match
    steps: Annotated[tuple[_Step, ...], Meta(min_length=1, max_length=MAX_STEPS)]
    vars: dict[VariableName, VariableValue] = field(default_factory=dict)
    description: Annotated[str, Meta(pattern=r"^[ -~]*$", max_length=60)] = ""


def load_templates(folders: Iterable[Path] = ()) -> tuple[Template, ...]:
    """Read the deploy templates of a user's folders; none ship with us.

    Args:
        folders: ``Settings.templates``; the templates of each are its ``deploy/*.toml``. Of two of
            one name the first is meant.

    Raises:
        ConfigError: one of them is wrong; the text names file, key, value and what is allowed.
    """
    found: dict[str, Template] = {}
    for folder in folders:
        paths = sorted(islice((folder / FOLDER).glob("*.toml"), MAX_TEMPLATES + 1))
        if len(paths) > MAX_TEMPLATES:
            problem = f"has more than {MAX_TEMPLATES} deploy templates"
            raise ConfigError(str(folder / FOLDER), "", problem)
        for path in paths:
            if path.stem not in found:
                found[path.stem] = _template(path)
    return tuple(found.values())


def _template(path: Path) -> Template:
    source = str(path)
    if not _NAME.fullmatch(path.stem):
        problem = "a deploy template's file is named by a-z, 0-9, '.' and '-', at most 63 of them"
        raise ConfigError(source, "", problem)
    raw = convert(read_toml(path), _File, source)
    steps = tuple(_step(step, source, f"steps[{at}]") for at, step in enumerate(raw.steps))
    installs = [step for step in steps if step.do is Do.INSTALL]
    if len(installs) != 1:
        problem = f'one step must be do = "install", and only one; there are {len(installs)}'
        raise ConfigError(source, "steps", problem)
    return Template(path.stem, source, raw.match.labels, steps, raw.vars, raw.description)


def _step(raw: _Step, source: str, key: str) -> Step:
    given = {"attributes": bool(raw.attributes), "action": raw.action is not None}
    wants = _WANTS.get(raw.do)
    for name, there in given.items():
        if there and name != wants:
            problem = f'is no key of a step that does "{raw.do}"'
            raise ConfigError(source, f"{key}.{name}", problem)
        if not there and name == wants:
            problem = f'is missing: a step that does "{raw.do}" must say it'
            raise ConfigError(source, f"{key}.{name}", problem)
    for name, value in raw.attributes.items():
        _check(name, value, source, f"{key}.attributes.{name}")
    return Step(raw.do, dict(raw.attributes), raw.action)


def _check(name: str, value: Value, source: str, key: str) -> None:
    if "password" in name.lower():
        raise ConfigError(source, key, "is a password, and steps are shown to all who may look on")
    if not isinstance(value, str):
        return
    try:
        check_variables(value)
    except ValueError as problem:
        raise ConfigError(source, key, f"= {shown(value)}: {problem}") from None
