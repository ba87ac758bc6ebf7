"""A Redfish resource: what it reads as and which of its properties can be written."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from netboot.lab.bmc.http import Reply, Request
from netboot.redfish.messages import bad, message
from netboot.redfish.resources import ODATA, Json, Outcome


@dataclass(frozen=True, slots=True)
class Resource:
    """One URI.

    Attributes:
        read: its representation; None for an action's target, which takes POST alone.
        writes: what a PATCH of each writable property does; raises ``Problem``.
        post: creates a member, or acts.
        delete: removes it.
        raw: answers a method in place of all of these, for what is no Redfish.
        open: readable without a login.
        open_post: likewise for POST, as a login itself must be.
        needs_body: POST without a body is refused, though nothing in it is needed.
    """

    read: Callable[[], Json] | None = None
    writes: Mapping[str, Callable[[Any], None]] = field(default_factory=dict)
    post: Callable[[Json], Outcome] | None = None
    delete: Callable[[], None] | None = None
    raw: Mapping[str, Callable[[Request], Reply]] = field(default_factory=dict)
    open: bool = False
    open_post: bool = False
    needs_body: bool = False

    @property
    def allow(self) -> str:
        """Its Allow header field."""
        methods = ["GET", "HEAD"] if self.read else []
        methods += ["PATCH"] if self.writes else []
        methods += ["POST"] if self.post else []
        methods += ["DELETE"] if self.delete else []
        methods += self.raw
        return ", ".join(methods)


Tree = dict[str, Resource]
"""Every resource of a BMC by its URI without a slash at the end."""


def patch(resource: Resource, body: Json) -> Outcome:
    """Write what can be written, and say what cannot (DSP0266, "PATCH (update)").

    Raises:
        Problem: nothing of it can be written, or a value is refused.
    """
    current = resource.read() if resource.read else {}
    said = {name: value for name, value in body.items() if not name.startswith("@odata.")}
    if not said:
        raise bad("NoOperation")
    unknown = [name for name in said if name not in resource.writes]
    keys = {name: _why(name, current) for name in unknown}
    if len(unknown) == len(said):
        raise bad(keys[unknown[0]], unknown[0])
    for name, value in said.items():
        if name in resource.writes:
            resource.writes[name](value)
    if not unknown:
        return Outcome()
    answer = resource.read() if resource.read else {}
    answer["@Message.ExtendedInfo"] = [message(keys[name], name) for name in unknown]
    return Outcome(HTTPStatus.OK, answer)


def written(outcome: Outcome, more: Mapping[str, str] | None = None) -> Reply:
    """A reply with what an outcome says, and more header fields."""
    headers = {"OData-Version": ODATA, "Cache-Control": "no-store"}
    headers |= dict(outcome.headers) | dict(more or {})
    if outcome.body is None:
        return Reply(outcome.status, headers=headers)
    headers["Content-Type"] = "application/json"
    return Reply(outcome.status, json.dumps(outcome.body).encode(), headers)


def _why(name: str, current: Json) -> str:
    return "PropertyNotWritable" if name in current else "PropertyUnknown"
