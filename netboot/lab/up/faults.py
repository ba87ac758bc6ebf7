"""What goes wrong with a node's BMC, as the lab file says it."""

import re
from typing import Annotated, Literal, cast, get_args

from msgspec import Meta

from netboot import checked
from netboot.checked import Checked
from netboot.errors import ConfigError
from netboot.lab.bmc.faults import Fault, Kind

MOST_FAULTS = 32
"""Of one node."""
LONGEST_PATH = 200
"""Characters of a pattern of paths."""

Habit = Literal["ignore-once", "stale-inserted"]
QUIRKS: dict[str, str] = {"ignore-once": "once_ignored", "stale-inserted": "stale_inserted"}
"""What a BMC does always is a quirk; faults happen to some requests."""

Times = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,3}$", description="a count from 1 to 9999")]
Seconds = Annotated[
    str, Meta(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3})?$", description="seconds, such as 2.5")
]
_OF_REQUESTS = ("method", "path", "times")
_ALONE = {"retry_after": "busy", "seconds": "slow"}


class FaultSaid(Checked, frozen=True):
    """One fault; see ``netboot.lab.bmc.faults.Fault`` for its keys.

    Attributes:
        kind: of a fault of requests, or a habit.
        method: of the requests it meets; likewise ``path``, a pattern.
        times: how many of them.
        retry_after: of ``busy``. ``seconds``: of ``slow``.
    """

    kind: Kind | Habit
    method: Literal["", "GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"] = ""
    path: Annotated[str, Meta(max_length=LONGEST_PATH)] = ""
    times: Times = "1"
    retry_after: Annotated[str, Meta(max_length=64)] = ""
    seconds: Seconds = ""


def check(said: FaultSaid, source: str, key: str) -> None:
    """Refuse what would do nothing, or not what it seems to.

    Raises:
        ConfigError: a key is wrong, missing or one too many.
    """
    usual = FaultSaid(kind=said.kind)
    for name in (*_OF_REQUESTS, *_ALONE):
        only = _ALONE.get(name)
        if getattr(said, name) == getattr(usual, name):
            continue
        if said.kind in QUIRKS:
            problem = f"goes with no {said.kind}, which it does always"
            raise ConfigError(source, f"{key}.{name}", problem)
        if only not in (None, said.kind):
            raise ConfigError(source, f"{key}.{name}", f"goes with {only} alone")
    if said.kind == "slow" and not said.seconds:
        raise ConfigError(source, f"{key}.seconds", "is missing: how late it answers")
    try:
        re.compile(said.path)
    except re.error as error:
        problem = f"= {checked.shown(said.path)}: must be a regular expression: {error}"
        raise ConfigError(source, f"{key}.path", problem) from None


def habits(said: tuple[FaultSaid, ...]) -> dict[str, str]:
    """The quirks among them, as the file would say those."""
    return {QUIRKS[fault.kind]: "yes" for fault in said if fault.kind in QUIRKS}


def of_requests(said: tuple[FaultSaid, ...]) -> list[Fault]:
    """The faults of requests among them, new ones at each call: each counts down."""
    return [
        Fault(
            cast("Kind", fault.kind),
            fault.method,
            fault.path,
            int(fault.times),
            fault.retry_after,
            float(fault.seconds or 0),
        )
        for fault in said
        if fault.kind in get_args(Kind)
    ]
