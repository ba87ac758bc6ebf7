"""Jobs as they are asked for and answered over the API."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from netboot.bmc.model import PowerAction
from netboot.checked import Checked, convert
from netboot.errors import ConfigError
from netboot.job import Job, JobKind
from netboot.lifecycle import Cause
from netboot.setting_types import Name
from netboot.store.job_shapes import Asked

MOST = 500
"""Jobs on one page."""
MOST_NODES = 1_000
"""Nodes of one request."""

Names = Annotated[tuple[str, ...], Meta(max_length=MOST_NODES)]


class BootAsked(Checked, frozen=True, omit_defaults=True):
    """Of what boots a machine.

    ``via``: how it is first tried to bring it to the network: by its firmware's PXE or HTTP boot,
    or by virtual media. ``power``: whether it is restarted; else it is waited for.
    """

    via: Literal["pxe", "http", "media"] = "pxe"
    power: bool = True


class InstallAsked(BootAsked, frozen=True, omit_defaults=True):
    """Of an installation.

    ``reinstall``: also where it is installed, which erases it. ``image``: the disk image it is
    installed by from now on: its profile becomes ``deploy``.
    """

    reinstall: bool = False
    image: Name | None = None


class PowerJobAsked(Checked, frozen=True):
    """Of a change of power."""

    action: PowerAction


class NothingAsked(Checked, frozen=True):
    """Of what has no choices."""


_SHAPES: Mapping[JobKind, type[Checked]] = {
    JobKind.INSTALL: InstallAsked,
    JobKind.INSPECT: NothingAsked,
    JobKind.RESCUE: BootAsked,
    JobKind.WIPE: BootAsked,
    JobKind.POWER: PowerJobAsked,
}


class JobRequest(Checked, frozen=True, omit_defaults=True):
    """What is wanted of which nodes: all of them get a job, or none.

    ``nodes`` or ``label``: which; every label must be borne. ``asked``: in the kind's own words.
    ``confirm``: for a wipe, the names once more.
    """

    kind: JobKind
    nodes: Names = ()
    label: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str | int | bool] = field(default_factory=dict)
    confirm: Names = ()

    def choices(self, source: str) -> Asked:
        """``asked``, checked; what is as usual is left out.

        Raises:
            ConfigError: something in it is not known or not allowed.
        """
        checked = convert(self.asked, _SHAPES[self.kind], source, "asked")
        found: dict[str, str | int | bool] = msgspec.to_builtins(checked)
        return found

    def refuse_unsaid(self, source: str) -> None:
        """Say which nodes in one way, and for a wipe twice.

        Raises:
            ConfigError: that is not so.
        """
        if bool(self.nodes) == bool(self.label):
            raise ConfigError(source, "nodes", "say either which nodes, by name, or label")
        if self.kind is JobKind.WIPE and (self.label or set(self.confirm) != set(self.nodes)):
            problem = "must name the nodes of a wipe once more: their disks are erased"
            raise ConfigError(source, "confirm", problem)


class JobPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Jobs, the newest first; ``next``: ask for those ``after`` it."""

    jobs: tuple[Job, ...]
    next: int | None = None


class StateRequest(Checked, frozen=True):
    """What people say of nodes: all of them or none."""

    names: Names
    cause: Literal["adopted", "maintain", "resume", "hand-back", "retire"]

    @property
    def why(self) -> Cause:
        """The cause."""
        return Cause(self.cause)
