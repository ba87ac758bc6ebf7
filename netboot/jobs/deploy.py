"""Deploy templates: what is done to a machine around its installation, step by step. Pure.

A template is chosen by a node's labels, and its variables are filled in, once, when an installation
begins: a job goes on with the steps it began with. A node that no template is for is installed,
and that is all.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from netboot.answer.withheld import without_secret_values
from netboot.bmc.model import PowerAction
from netboot.errors import ConfigError
from netboot.model import Node

Value = str | int | bool
"""Of a BIOS attribute."""


class Do(StrEnum):
    """What a step does."""

    INSPECT = "inspect"
    """The BMC says what the machine is."""
    BIOS = "bios"
    """BIOS attributes are set, taken by a restart, and read back."""
    POWER = "power"
    """The machine is switched."""
    INSTALL = "install"
    """The machine boots its installer, which calls home."""


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step.

    Attributes:
        attributes: of ``BIOS``: what they must be, by name.
        action: of ``POWER``.
    """

    do: Do
    attributes: dict[str, Value] = {}
    action: PowerAction | None = None

    def __str__(self) -> str:
        if self.do is Do.POWER:
            return f"power {self.action}"
        if self.do is Do.BIOS:
            return f"bios {pairs(self.attributes)}"
        return self.do.value


INSTALL = Step(Do.INSTALL)


@dataclass(frozen=True, slots=True)
class Template:
    """One template.

    Attributes:
        source: its file, for errors.
        labels: a node that bears all of them is meant.
        steps: in order; one of them is ``INSTALL``.
        vars: defaults; a node's own and its groups' win.
    """

    name: str
    source: str
    labels: Mapping[str, str]
    steps: tuple[Step, ...]
    vars: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True)
class Deploy:
    """A template as one node gets it: its variables are filled in."""

    template: str
    labels: Mapping[str, str]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.template} (for {pairs(self.labels)}): {', then '.join(map(str, self.steps))}"


def deploy_of(node: Node, templates: Collection[Template]) -> Deploy | None:
    """What a node's installation consists of; None where no template is for it.

    Of several the one that names most labels is meant.

    Args:
        node: in effect, with what its groups give.
        templates: all there are.

    Raises:
        ConfigError: two name as many, or a variable is not set or secret.
    """
    mine = [one for one in templates if one.labels.items() <= node.labels.items()]
    most = max((len(one.labels) for one in mine), default=0)
    best = [one for one in mine if len(one.labels) == most]
    if not best:
        return None
    if len(best) > 1:
        names = " and ".join(one.name for one in best)
        problem = f"node {node.name} bears the labels of {names}; let one of them name a label more"
        raise ConfigError(best[-1].source, "match.labels", problem)
    template = best[0]
    values = {**template.vars, **node.vars}
    steps = [
        msgspec.structs.replace(
            step,
            attributes={
                name: _filled(value, values, template, f"steps[{at}].attributes.{name}", node)
                for name, value in step.attributes.items()
            },
        )
        for at, step in enumerate(template.steps)
    ]
    return Deploy(template.name, template.labels, tuple(steps))


def pairs(values: Mapping[str, object]) -> str:
    """Names and values for a person."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def differences(wanted: Mapping[str, Value], found: Mapping[str, object]) -> dict[str, Value]:
    """The attributes that are not as wanted yet, as they must be written.

    Text that came of a variable stands for a number or for true and false where the BMC has those.

    Args:
        wanted: by name.
        found: what the BMC says, by name.

    Raises:
        KeyError: the BMC has no attribute of this name.
    """
    typed = {name: _as_found(value, found[name]) for name, value in wanted.items()}
    return {name: value for name, value in typed.items() if value != found[name]}


def check_variables(text: str) -> None:
    """See that a value has no braces but those of variables.

    Raises:
        ValueError: it has others; the message says what can be written.
    """
    rest = _VARIABLE.sub("", text)
    if any(braces in rest for braces in ("{{", "}}", "{%")):
        raise ValueError("only {{ vars.NAME }} is filled in here")


def _filled(
    value: Value, values: Mapping[str, str], template: Template, key: str, node: Node
) -> Value:
    if not isinstance(value, str):
        return value
    shown = without_secret_values(values)

    def of(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values:
            problem = f'= "{value}": node {node.name}: variable {name} is not set'
            raise ConfigError(template.source, key, problem)
        if shown[name] != values[name]:
            problem = f'= "{value}": variable {name} is secret by its name; steps are shown'
            raise ConfigError(template.source, key, problem)
        return values[name]

    return _VARIABLE.sub(of, value)


def _as_found(value: Value, found: object) -> Value:
    if not isinstance(value, str):
        return value
    if isinstance(found, bool):
        return {"true": True, "false": False}.get(value.lower(), value)
    return int(value) if isinstance(found, int) and _INTEGER.fullmatch(value) else value


_VARIABLE = re.compile(r"\{\{ *vars\.([a-z][a-z0-9_]*) *\}\}")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
