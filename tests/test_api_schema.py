"""What ``/openapi.json`` says is what is done: schemathesis asks every operation, well and badly.

As each role, through the very door that TCP has, with all its checks: no answer of the 5xx kind, no
status and no shape that the document does not have, nothing for who shows no token.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import UnsupportedMethodResponse

from netboot.control.access.api import add_access
from netboot.control.access.attempts import Attempts
from netboot.control.access.doors import TokenDoor
from netboot.control.access.guard import Guard
from netboot.control.access.hosts import Hosts
from netboot.store.access_shapes import Role, TokenEntry
from tests.api_site import N1, Api, api_in

EXAMPLES = 4
"""Of each operation that are drawn at random, beside those that try each rule of its schema."""
LEAST = 200
"""Requests of one run; with fewer, something was not asked at all."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        found.ask("POST", "nodes", json=N1)
        found.ask("PATCH", "groups/web", json={"labels": {"a": "b"}})
        found.desk.leaving = True  # a stream ends at once
        yield found


def asked_as(api: Api, role: Role) -> BaseSchema:
    """The document, and its application behind the door, with a token of ``role``."""
    token = api.store.add_token(TokenEntry(name=role.value, role=role), 0.0).secret
    minutes = count(0, 61)  # nobody is told to wait
    door = TokenDoor(api.store, Hosts("127.0.0.1:8443", ["testserver"]), Attempts(minutes.__next__))
    add_access(api.bare, api.store, door)
    guard = Guard(api.bare, api.bare.routes, door, api.store)
    bearer = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", guard, headers=bearer)
    schema.config.update(headers=bearer)
    return schema.exclude(path="/api/v1/tokens/{name}", method="DELETE")  # it takes its own away


def configured(schema: BaseSchema, role: Role) -> None:
    """Everything is checked; what is no mistake of ours is said here, with its reason."""
    checks = schema.config.checks
    # a shape cannot say which profiles there are, nor that a node has a BMC, nor a version's value
    checks.positive_data_acceptance.expected_statuses += ["412", "422"]
    # the same in every run
    schema.config.generation.update(max_examples=EXAMPLES, deterministic=True, database="none")
    if role is not Role.ADMIN:  # what is wrong is wrong whoever says it
        schema.config.generation.update(modes=[GenerationMode.POSITIVE])
        schema.config.phases.update(phases=["examples", "coverage"])


def is_door(failure: Failure) -> bool:
    """Who shows no token is told that, and not which methods a path has that anybody may ask."""
    return isinstance(failure, UnsupportedMethodResponse) and failure.status_code == 401


@pytest.mark.parametrize("role", Role)
def test_every_operation_does_what_it_says(api: Api, role: Role) -> None:
    schema = asked_as(api, role)
    configured(schema, role)
    wrong, statuses = set(), Counter[int]()
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.FatalError | events.NonFatalError), event
        if isinstance(event, events.ScenarioFinished):
            recorder = event.recorder
            answers = (one.response for one in recorder.interactions.values())
            statuses.update(answer.status_code for answer in answers if answer is not None)
            for name, checks in recorder.checks.items():
                for found in (one.failure_info for one in checks if one.failure_info):
                    if not is_door(found.failure):
                        case = recorder.cases[name].value.as_curl_command()
                        wrong.add(f"{recorder.label}: {found.failure}\n    {case[:500]}")
    assert not wrong, "\n".join(sorted(wrong))
    assert statuses.total() > LEAST, statuses
    assert statuses[200] > 100, statuses
    assert (statuses[403] > 0) == (role is not Role.ADMIN), statuses
