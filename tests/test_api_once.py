"""A POST with an ``Idempotency-Key`` is served once, however often it is asked."""

import asyncio
import hmac
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from netboot.control.access.roles import Who
from netboot.control.once import OnlyOnce
from netboot.store import repeats
from netboot.store.access_shapes import Role
from netboot.store.store import Store
from tests.api_site import N1, Api, api_in

KEY = {"Idempotency-Key": "k-1"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        yield found


def test_the_same_request_gets_the_first_answer_again(api: Api) -> None:
    first = api.ask("POST", "nodes", json=N1, headers=KEY)
    again = api.ask("POST", "nodes", json=N1, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (
        *(None, "true"),
    )
    assert api.ask("POST", "nodes", json=N1).status_code == 409, "without a key it is a second one"


@pytest.mark.parametrize(
    ("path", "body"),
    [("nodes", N1 | {"name": "n2"}), ("nodes?x=1", N1), ("nodes:import", [N1])],
)
def test_another_request_with_the_key_is_refused(api: Api, path: str, body: Any) -> None:
    api.ask("POST", "nodes", json=N1, headers=KEY)
    other = api.ask("POST", path, json=body, headers=KEY)
    assert (other.status_code, other.json()["key"]) == (422, "Idempotency-Key")


def test_what_was_refused_may_be_mended_and_asked_again(api: Api) -> None:
    wanted = {"names": ["n1"]}
    assert api.ask("POST", "nodes:install", json=wanted, headers=KEY).status_code == 404
    api.ask("POST", "nodes", json=N1)
    assert api.ask("POST", "nodes:install", json=wanted, headers=KEY).status_code == 200


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "k" * 256])
def test_a_key_is_a_word(api: Api, key: str) -> None:
    answer = api.ask("POST", "nodes", json=N1, headers={"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["key"]) == (422, "Idempotency-Key")


def test_who_reads_the_store_can_try_no_guesses_at_a_body(api: Api, tmp_path: Path) -> None:
    """A body may have a password; whoever knows the rest of it needs the client's key too."""
    key = "5cfb2b1e-6d0a-4a3c-9d53-0e6a4f0d7f11"
    api.ask("POST", "nodes", json=N1, headers={"Idempotency-Key": key})
    with sqlite3.connect(tmp_path / "data" / "netboot.db") as database:
        row = database.execute("SELECT key, request FROM idempotency").fetchone()
    asked = b"POST /api/v1/nodes?\n" + httpx.Request("POST", "http://x", json=N1).content
    assert key not in row
    assert row[1] == hmac.digest(key.encode(), asked, "sha256")


def test_a_body_has_its_bound_here_too(api: Api) -> None:
    answer = api.ask("POST", "nodes", content=b" " * (17 * 1024 * 1024), headers=KEY)
    assert answer.status_code == 413


def test_keys_are_bounded_and_the_oldest_goes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MAX_KEYS", 2)
    for number in range(3):
        node = N1 | {"name": f"n{number}", "macs": [f"52:54:00:00:00:0{number}"]}
        more = {"json": node, "headers": {"Idempotency-Key": f"k{number}"}}
        assert api.ask("POST", "nodes", **more).status_code == 201
    for number, status in ((2, 201), (1, 201), (0, 409)):
        node = N1 | {"name": f"n{number}", "macs": [f"52:54:00:00:00:0{number}"]}
        more = {"json": node, "headers": {"Idempotency-Key": f"k{number}"}}
        assert api.ask("POST", "nodes", **more).status_code == status


def test_a_key_is_forgotten_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.ask("POST", "nodes", json=N1, headers=KEY)
    monkeypatch.setattr(repeats, "REMEMBERED", -1.0)
    assert api.ask("POST", "nodes", json=N1, headers=KEY).status_code == 409


class Counted:
    """An application that counts, and waits to be let go."""

    def __init__(self, store: Store) -> None:
        self.served = 0
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.status = 200
        self._once = OnlyOnce(self._serve, store, again=("/jobs",))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.served += 1
        self.begun.set()
        await self.go.wait()
        await JSONResponse({"served": self.served}, self.status)(scope, receive, send)

    async def ask(self, path: str = "/action", who: str = "ann") -> int:
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "server": ("control", 80),
            "path": path,
            "query_string": b"",
            "headers": [(b"idempotency-key", b"k-1")],
            "state": {"who": Who(who, Role.OPERATE, "here")},
        }
        statuses = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Any) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        await self._once(scope, receive, send)
        return int(statuses[0])


def test_while_the_first_is_under_way_a_second_is_not_begun(api: Api) -> None:
    async def scene() -> None:
        counted = Counted(api.store)
        first = asyncio.ensure_future(counted.ask())
        await counted.begun.wait()
        assert await counted.ask() == 409
        counted.go.set()
        assert await first == 200
        assert await counted.ask() == 200
        assert counted.served == 1

    asyncio.run(scene())


def test_what_was_cut_off_is_not_repeated_unless_its_handler_knows_the_key(api: Api) -> None:
    async def scene(path: str, status: int, served: int) -> None:
        cut_off = Counted(api.store)
        first = asyncio.ensure_future(cut_off.ask(path, path))
        await cut_off.begun.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        restarted = Counted(api.store)
        restarted.go.set()
        assert await restarted.ask(path, path) == status
        assert restarted.served == served

    asyncio.run(scene("/action", 409, 0))
    asyncio.run(scene("/jobs", 200, 1))


def test_a_failure_after_the_act_is_an_answer_too(api: Api) -> None:
    async def scene() -> None:
        counted = Counted(api.store)
        counted.go.set()
        counted.status = 502  # the BMC may have done it
        assert [await counted.ask(), await counted.ask()] == [502, 502]
        assert counted.served == 1

    asyncio.run(scene())


def test_a_key_is_its_asker_s_own(api: Api) -> None:
    async def scene() -> None:
        counted = Counted(api.store)
        counted.go.set()
        assert [await counted.ask(who="ann"), await counted.ask(who="ben")] == [200, 200]
        assert counted.served == 2

    asyncio.run(scene())
