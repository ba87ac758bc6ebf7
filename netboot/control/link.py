"""Control's end of the link: greets boot programs, feeds them snapshots, keeps their events.

Each connection is a session of two tasks: one sends the newest snapshot whenever there is a newer
one (a slow reader skips those in between), the other reads batches and confirms each after it is
committed. While the database cannot commit, nothing is confirmed and nothing more is read: the
boot program's buffer holds.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator

import msgspec

from netboot.control.news import News, Signal
from netboot.control.planes import Planes
from netboot.errors import OperationError
from netboot.events import Event, Kind
from netboot.frames import (
    MAX_FROM_BOOT,
    Ack,
    Batch,
    Counts,
    FrameError,
    Hello,
    Message,
    Unpacker,
    pack,
)
from netboot.store.store import Store

MAX_LINKS = 16
"""Boot programs connected at a time."""
MAX_INSTANCE = 64
"""Characters of a boot program's name for its run."""
RETRY = 1.0
"""Seconds until a batch that could not be committed is tried again."""
_CHUNK = 65536

log = logging.getLogger(__name__)
_EVENT = msgspec.json.Decoder(Event)


class LinkServer:
    """Serves ``boot.sock``.

    Args:
        store: where events are kept.
        news: where snapshots come from.
        arrived: fired when events were kept.
        planes: told what boot programs say of themselves.
    """

    def __init__(self, store: Store, news: News, arrived: Signal, planes: Planes) -> None:
        self._planes = planes
        self._store = store
        self._news = news
        self._arrived = arrived
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._failing = False

    async def start(self, listener: socket.socket) -> None:
        """Accept boot programs on a listening UNIX socket."""
        self._server = await asyncio.start_unix_server(self._accept, sock=listener)

    async def stop(self) -> None:
        """Hang up on all of them."""
        if self._server is not None:
            self._server.close()
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._sessions) >= MAX_LINKS:
            log.warning("more than %d boot programs want to connect; one was refused", MAX_LINKS)
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._session(reader, writer))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        feeding: asyncio.Task[None] | None = None
        instance = ""
        try:
            async for message in _messages(reader):
                if isinstance(message, Hello) and feeding is None:
                    instance = message.instance[:MAX_INSTANCE]
                    await self._confirm(writer, await self._last_seq(instance))
                    feeding = asyncio.create_task(self._feed(writer))
                    self._planes.came(instance)
                elif isinstance(message, Counts) and feeding is not None:
                    self._planes.told(instance, message)
                elif isinstance(message, Batch) and feeding is not None:
                    await self._confirm(writer, await self._keep(instance, message))
                else:
                    raise FrameError(f"{type(message).__name__} is out of place")  # noqa: TRY301 -- one way out
        except FrameError as error:
            log.warning("a boot program does not speak our language; hung up: %s", error)
        except ConnectionError:
            pass  # it went; it comes back and says where it was
        finally:
            if feeding is not None:
                feeding.cancel()
                self._planes.went(instance)
            writer.close()

    async def _feed(self, writer: asyncio.StreamWriter) -> None:
        seen = 0
        while True:
            ticket = self._news.fresh.ticket()
            if self._news.serial == seen:
                await ticket.wait()
                continue
            seen = self._news.serial
            writer.write(self._news.frame)
            try:
                await writer.drain()
            except ConnectionError:
                return  # the session's reader sees it too

    async def _confirm(self, writer: asyncio.StreamWriter, seq: int) -> None:
        writer.write(pack(Ack(seq)))
        await writer.drain()

    async def _last_seq(self, instance: str) -> int:
        while True:
            try:
                return await asyncio.to_thread(self._store.last_seq, instance)
            except OperationError as error:
                await self._failed(error)

    async def _keep(self, instance: str, batch: Batch) -> int:
        events = [(seq, _decoded(raw)) for seq, raw in batch.events]
        while True:
            try:
                last = await asyncio.to_thread(self._store.append_numbered, instance, events)
            except OperationError as error:
                await self._failed(error)
            else:
                self._kept()
                if any(event.kind in (Kind.SCRIPT, Kind.INSTALLED) for _, event in events):
                    self._news.changed()  # perhaps: it takes nodes on
                return last

    def _kept(self) -> None:
        if self._failing:
            log.warning("events are kept again; none is lost that boot programs had room for")
        self._failing = False
        self._arrived.fire()

    async def _failed(self, error: OperationError) -> None:
        """Say so once, however long it lasts."""
        if not self._failing:
            log.error("events cannot be kept; tried again every %g s: %s", RETRY, error)
        self._failing = True
        await asyncio.sleep(RETRY)


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[Message]:
    unpacker = Unpacker(MAX_FROM_BOOT)
    while chunk := await reader.read(_CHUNK):
        for message in unpacker.feed(chunk):
            yield message


def _decoded(raw: msgspec.Raw) -> Event:
    """An event; one of a newer boot program that we cannot read is recorded as lost."""
    try:
        return _EVENT.decode(raw)
    except ValueError as error:
        return Event(Kind.LOST, None, None, f"an event could not be read: {error}", {"count": 1})
