"""A listener serves so many requests at a time, and says so to the next."""

import asyncio

import httpx
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from netboot.control.bounded import Bounded


def test_one_too_many_is_asked_to_come_back_and_served_then() -> None:
    async def scene() -> None:
        go, begun = asyncio.Event(), asyncio.Semaphore(0)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            begun.release()
            await go.wait()
            await PlainTextResponse("done")(scope, receive, send)

        transport = httpx.ASGITransport(Bounded(app, 2))
        async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
            served = [asyncio.ensure_future(client.get("/")) for _ in range(2)]
            for _ in served:
                await begun.acquire()
            refused = await client.get("/")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.headers["content-type"] == "application/problem+json"
            go.set()
            assert [answer.text for answer in await asyncio.gather(*served)] == ["done"] * 2
            assert (await client.get("/")).text == "done"

    asyncio.run(scene())
