"""Groups as people write them, checked into ``Group``.

A group is made and changed by the same words: what is not named stays as it is, and a new group
starts from nothing.
"""

from collections.abc import Collection
from typing import Annotated

from msgspec import Meta, field

from netboot.checked import Checked, convert, shown
from netboot.errors import ConfigError
from netboot.model import Group
from netboot.store.shapes import Unknown, check_profile, kept, merged
from netboot.store.words import (
    MAX_LABELS,
    MAX_VARS,
    HostLabel,
    LabelKey,
    LabelValue,
    NewProfile,
    VarName,
    VarValue,
)

MAX_GROUPS = 1000
"""In one store."""
MAX_PRIORITY = 1_000_000

Priority = Annotated[
    int,
    Meta(
        ge=-MAX_PRIORITY,
        le=MAX_PRIORITY,
        description=f"an integer from -{MAX_PRIORITY} to {MAX_PRIORITY}",
    ),
]


class GroupChange(Checked, frozen=True):
    """What to change of a group, or how to begin one.

    None leaves a thing alone; a profile of "" and a key whose value is None are taken out.
    """

    labels: dict[LabelKey, LabelValue | None] = field(default_factory=dict)
    profile: NewProfile | None = None
    vars: dict[VarName, VarValue | None] = field(default_factory=dict)
    priority: Priority | None = None


def group_change_of(raw: object, source: str, profiles: Collection[str]) -> GroupChange:
    """Check what somebody wants of a group.

    Raises:
        ConfigError: names what is wrong and what is allowed.
    """
    change = convert(raw, GroupChange, source)
    if change.profile:
        check_profile(change.profile, profiles, source, "profile")
    return change


def new_group(name: str, source: str) -> Group:
    """The group a change begins with where there is none yet.

    Raises:
        ConfigError: no group can be called that.
    """
    return Group(convert(name, HostLabel, source, "name"), {})


def changed_group(group: Group, change: GroupChange, source: str) -> Group:
    """The group after a change.

    Raises:
        ConfigError: it would choose every node, or have too much.
    """
    labels = merged(group.labels, change.labels, MAX_LABELS, source, "labels")
    if not labels:
        problem = f"group {group.name} needs a label that chooses its nodes, such as rack=3"
        raise ConfigError(source, "labels", problem)
    return Group(
        group.name,
        labels,
        kept(group.profile, change.profile),
        merged(group.vars, change.vars, MAX_VARS, source, "vars"),
        group.priority if change.priority is None else change.priority,
    )


def unknown_group(name: str, source: str) -> Unknown:
    """The error for a name no group has."""
    return Unknown(source, "", f"no group is called {shown(name)}")
