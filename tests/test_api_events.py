"""The stream of events: nothing missed, nothing twice, and no memory for who is slow."""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netboot.control import events_api
from netboot.events import Event, Kind
from netboot.model import Mac, Node
from tests.api_site import Api, api_in
from tests.test_control_process import Site

M1, M2 = Mac("52:54:00:00:00:01"), Mac("52:54:00:00:00:02")
PATIENCE = 60.0
"""Seconds anything may take here; milliseconds where nothing else runs."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        yield found


def event(number: int, mac: Mac = M1, node: str | None = None) -> Event:
    return Event(Kind.OFFER, mac, node, f"no. {number}", {"n": number}, 1.5)


class Listener:
    """Somebody who listens: the application spoken to as a server would."""

    def __init__(self, app: Callable[..., Awaitable[None]], path: str, **headers: str) -> None:
        self._app = app
        path, _, query = path.partition("?")
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/api/v1/{path}",
            "raw_path": f"/api/v1/{path}".encode(),
            "query_string": query.encode(),
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
            ],
            "server": ("control", 80),
            "client": ("here", 1),
        }
        self._gone = asyncio.Event()
        self._asked = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.status = asyncio.get_running_loop().create_future()
        self.text = ""
        self.came = asyncio.Condition()

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status.set_result(message["status"])
        async with self.came:
            self.text += message.get("body", b"").decode()
            self.came.notify_all()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.ensure_future(self._app(self._scope, self._receive, self._send))
        try:
            await asyncio.wait_for(self.status, PATIENCE)
            yield task
        finally:
            self._gone.set()
            await asyncio.wait_for(task, PATIENCE)

    def hang_up(self) -> None:
        self._gone.set()

    async def until(self, *numbers: int) -> list[int]:
        """Wait until so many events came; the numbers of all that did."""
        async with self.came:
            async with asyncio.timeout(PATIENCE):
                await self.came.wait_for(lambda: len(self.seen) >= len(numbers))
        assert self.seen == list(numbers)
        return self.seen

    @property
    def seen(self) -> list[int]:
        lines = re.findall(r"^data: (.*)$", self.text, re.MULTILINE)
        return [json.loads(data)["data"]["n"] for data in lines]

    @property
    def last_id(self) -> str:
        found: list[str] = re.findall(r"^id: (\d+)$", self.text, re.MULTILINE)
        return found[-1]


def tell(api: Api, *events: Event) -> None:
    api.store.append_events(events)
    api.desk.arrived.fire()


def test_an_event_says_who_what_and_when(api: Api) -> None:
    async def scene() -> str:
        listener = Listener(api.app, "events")
        async with listener.listening():
            tell(api, event(1, node="n1"))
            await listener.until(1)
            return listener.text

    head, _, said = asyncio.run(scene()).partition("\n\n")
    assert head == "retry: 1000"
    number, kind, data = said.strip().split("\n")
    assert (number, kind) == ("id: 1", "event: offer")
    assert json.loads(data.removeprefix("data: ")) == {
        "id": 1,
        "time": 1.5,
        "kind": "offer",
        "mac": M1,
        "node": "n1",
        "detail": "no. 1",
        "data": {"n": 1},
    }


def test_who_comes_back_misses_nothing_and_hears_nothing_twice(api: Api) -> None:
    async def scene() -> None:
        tell(api, event(0))
        first = Listener(api.app, "events")
        async with first.listening():
            tell(api, event(1), event(2))
            await first.until(1, 2)
        tell(api, event(3), event(4))
        for again in (
            Listener(api.app, "events", last_event_id=first.last_id),
            Listener(api.app, f"events?after={first.last_id}"),
            Listener(api.app, "events?after=1", last_event_id=first.last_id),
        ):
            async with again.listening():
                await again.until(3, 4)
        whole = Listener(api.app, "events?after=0")
        async with whole.listening():
            await whole.until(0, 1, 2, 3, 4)
            tell(api, event(5))
            await whole.until(0, 1, 2, 3, 4, 5)

    asyncio.run(scene())


def test_more_than_a_batch_comes_whole_and_in_order(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_api, "BATCH", 3)

    async def scene() -> None:
        tell(api, *map(event, range(10)))
        listener = Listener(api.app, "events?after=0")
        async with listener.listening():
            await listener.until(*range(10))

    asyncio.run(scene())


def test_one_machine_s_alone(api: Api) -> None:
    api.store.add(Node("n1", (M1,), "local"))

    async def scene() -> None:
        listener = Listener(api.app, "events?node=n1")
        async with listener.listening():
            tell(api, event(1, M2), event(2), event(3, M2), event(4, M2, "n1"))
            await listener.until(2, 4)

    asyncio.run(scene())


def test_what_another_process_wrote_comes_too(api: Api) -> None:
    async def scene() -> None:
        listener = Listener(api.app, "events")
        async with listener.listening():
            api.store.append_events([event(1)])  # nobody fires the signal
            await listener.until(1)

    asyncio.run(scene())


def test_a_quiet_stream_says_that_it_is_there(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_api, "HEARTBEAT", 0.01)
    monkeypatch.setattr(events_api, "LOOK", 0.01)

    async def scene() -> None:
        listener = Listener(api.app, "events")
        async with listener.listening(), listener.came, asyncio.timeout(PATIENCE):
            await listener.came.wait_for(lambda: ": here\n\n" in listener.text)

    asyncio.run(scene())


def test_who_reads_nothing_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_api, "SLOWEST", 0.05)

    async def scene() -> None:
        listener = Listener(api.app, "events")
        async with listener.listening() as task:
            listener.reads.clear()
            tell(api, event(1))
            await asyncio.wait_for(api.hung_up.wait(), PATIENCE)
            listener.hang_up()
            await asyncio.wait_for(task, PATIENCE)

    asyncio.run(scene())


def test_listeners_are_bounded_and_one_that_left_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_api, "MAX_LISTENERS", 1)
    with api_in(tmp_path) as api:

        async def status() -> int:
            listener = Listener(api.app, "events")
            async with listener.listening():
                found: int = await listener.status
                return found

        async def scene() -> list[int]:
            first = Listener(api.app, "events")
            async with first.listening():
                refused = await status()
            return [refused, await status()]

        assert asyncio.run(scene()) == [503, 200]


@pytest.mark.parametrize(
    ("path", "header", "status", "key"),
    [
        ("events?node=n9", None, 404, ""),
        ("events?after=-1", None, 422, "after"),
        ("events?after=x", None, 422, "after"),
        ("events", "x", 422, "last-event-id"),
        ("events", "9" * 30, 422, "last-event-id"),
    ],
)
def test_a_wrong_question_is_told_so(
    api: Api, path: str, header: str | None, status: int, key: str
) -> None:
    headers = {} if header is None else {"Last-Event-ID": header}
    answer = api.ask("GET", path, headers=headers)
    assert (answer.status_code, answer.json()["key"]) == (status, key)


@pytest.mark.slow
def test_a_stream_ends_with_the_program(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.serving() as process, site.client() as client:
        with client.stream("GET", "/api/v1/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "retry: 1000"
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert list(lines) == [""]
            assert process.wait(60) == 0
        assert time.monotonic() - began < 15  # a second where nothing else runs
