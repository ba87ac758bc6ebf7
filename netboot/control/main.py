"""The control program: one process that owns the data folder, the store and the operator's door.

It listens on two UNIX sockets in the run folder (``boot.sock`` for the boot program and
``control.sock`` for the operator's tools) and on one TCP address; database work happens in
threads. SIGTERM and SIGINT end it: what was begun is finished or cut off within a second, and
the sockets are gone.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from netboot.answer.profiles import load_profiles
from netboot.config import Settings
from netboot.control.access.certificate import certificate_of
from netboot.control.access.first import make_first_token
from netboot.control.access.opened import guarded
from netboot.control.api import operator_app
from netboot.control.bmc_actions import MOST_AT_ONCE, Actions
from netboot.control.bounded import Bounded
from netboot.control.deploys import Deploys
from netboot.control.desk import Desk
from netboot.control.entries import safe_in
from netboot.control.facade.opened import Facade, facade_of
from netboot.control.link import LinkServer
from netboot.control.lock import lock_to_serve
from netboot.control.metrics import Metrics
from netboot.control.news import News, Signal
from netboot.control.peers import PeerProtocol
from netboot.control.planes import Planes
from netboot.control.sealed import complaint, unopened
from netboot.control.sockets import listen_tcp, listen_unix
from netboot.control.springboards import Springboards
from netboot.control.stock import Stock
from netboot.control.supply import Fetch, Supply
from netboot.control.tls import Certificate
from netboot.jobs.bmc_locks import BmcLocks
from netboot.jobs.bmc_turn import open_for
from netboot.jobs.owner import owner_in
from netboot.jobs.power_cap import PowerCap
from netboot.jobs.screens import screens_in
from netboot.jobs.tools import Tools
from netboot.jobs.worker import Worker
from netboot.store.database import Topic, is_postgresql
from netboot.store.store import Store
from netboot.store.trouble import Away, NoRoom

BOOT_SOCKET = "boot.sock"
CONTROL_SOCKET = "control.sock"
"""Names in the run folder."""
GRACE = 1
"""Seconds requests under way get when we leave."""
ROOM_PAUSE = 1.0
"""Seconds until a database that has no room, or does not answer, is tried again."""
MAX_REQUESTS = 2 * MOST_AT_ONCE
"""HTTP requests at a time on one listener; more are answered 503. Half of them may be actions."""
MAX_CONNECTIONS = 2 * MAX_REQUESTS
"""Connections at a time on one listener, those that wait for their next request too."""

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    ready: Callable[[], None] = lambda: None,
    fetch: Fetch | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: where the data are and where to listen.
        ready: called once, when everything listens.
        fetch: fetches images that are missing when they are needed; None: nobody does.

    Raises:
        ConfigError: somebody else serves this folder (``Held``), or the configuration is wrong.
        OperationError: the system or the database does not let us.
    """
    with lock_to_serve(settings.run_dir), _opened(settings) as store:
        if any(found := unopened(store, settings.data_dir)):
            log.error("%s", complaint(found, settings.data_dir))
        asyncio.run(_Control(settings, store, fetch).serve(ready))


def _opened(settings: Settings) -> Store:
    """The store, once the disk has room for it and its server answers; each is said once.

    Meanwhile the boot program serves from the nodes it knows.
    """
    told = False
    while True:
        try:
            store = Store(settings.database, password_file=settings.database_password_file)
        except (NoRoom, Away) as problem:
            if not told:
                log.error("%s; tried again every %g s", problem, ROOM_PAUSE)  # noqa: TRY400 -- the text says all
            told = True
            time.sleep(ROOM_PAUSE)
        else:
            if told:
                log.warning("the database is open")
            return store


class _Control:
    def __init__(self, settings: Settings, store: Store, fetch: Fetch | None) -> None:
        self._settings = settings
        self._store = store
        self._loop: asyncio.AbstractEventLoop | None = None
        profiles = partial(load_profiles, settings.templates)
        safe = safe_in(settings.data_dir)
        self._news = News(store, safe)
        owner, limits = owner_in(settings.run_dir), settings.jobs
        locks, screens = BmcLocks(store, owner), screens_in(settings.data_dir)
        opener = partial(open_for, commands=settings.power_commands)
        planes = Planes()
        supply = Supply(settings, fetch)
        springboards = Springboards(settings, planes, profiles, supply)
        unknown = settings.dhcp.unknown
        self._stock = Stock(supply, store.snapshot, profiles, unknown) if fetch else None
        self._actions = Actions(
            store,
            safe,
            arrived=self._kept,
            hears=True,
            screens=screens,
            opener=opener,
            locks=locks,
        )
        self._actions.profiles = profiles
        self._actions.springboard = springboards.url
        self._actions.loader = springboards.loader
        self._actions.readable = springboards.readable
        cap = PowerCap(store, limits.power_on_per_minute, limits.power_on_at_once)
        tools = Tools(
            *(store, safe, opener, locks, cap, limits.lease_seconds, self._kept, screens),
            springboard=springboards.url,
            deploy=Deploys(store, settings.templates).of,
        )
        self._worker = Worker(tools, owner, limits.at_once)
        self._desk = Desk(
            *(store, self._news, Signal(), profiles, safe, self._actions, settings, planes)
        )
        self._metrics = Metrics(store, planes)
        self._facade = facade_of(
            settings, store, self._actions, changed=self._news.changed, arrived=self._kept
        )
        self._certificate = certificate_of(settings)
        self._doors = guarded(operator_app(self._desk, self._metrics), settings, store)
        self._link = LinkServer(store, self._news, self._desk.arrived, planes)

    async def serve(self, ready: Callable[[], None]) -> None:
        stop = asyncio.Event()
        loop = self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        with contextlib.ExitStack() as stack:
            # first what may be refused: nobody must reach a program that is about to end
            public = stack.enter_context(listen_tcp(self._settings.api.listen, "api.listen"))
            redfish = stack.enter_context(self._redfish())
            make_first_token(self._store, self._settings.data_dir)
            boot = stack.enter_context(self._unix(BOOT_SOCKET, 0o600))
            control = stack.enter_context(self._unix(CONTROL_SOCKET, 0o660))
            servers = [
                _Http(self._doors.peers, control),
                _Http(self._doors.tokens, public, self._certificate),
                *redfish,
            ]
            await self._link.start(boot)
            self._worker.start()
            work = [loop.create_task(server.run()) for server in servers]
            watch = loop.create_task(self._watch())
            try:
                ready()
                await _first_of(loop.create_task(stop.wait()), watch, *work)
            finally:
                await self._leave(servers, watch, work)

    async def _watch(self) -> None:
        """Follow what is changed, here and by other replicas."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._news.run())
            group.create_task(self._wake_jobs())
            if self._stock is not None:
                group.create_task(self._stock.run(self._news.fresh))
            url, password = self._settings.database, self._settings.database_password_file
            if is_postgresql(url):
                from netboot.control.listener import listen  # noqa: PLC0415 -- loads psycopg

                told = {Topic.NODES: self._news.changed, Topic.EVENTS: self._desk.arrived.fire}
                group.create_task(listen(url, password, told))

    async def _wake_jobs(self) -> None:
        """An event may be what a job waits for."""
        while True:
            ticket = self._desk.arrived.ticket()
            self._worker.wake()
            await ticket.wait()

    async def _leave(
        self, servers: "list[_Http]", watch: asyncio.Task[None], work: list[asyncio.Task[None]]
    ) -> None:
        self._desk.leaving = True
        self._actions.leave()
        self._desk.arrived.fire()
        for server in servers:
            server.should_exit = True
        watch.cancel()
        await self._link.stop()
        turns = asyncio.to_thread(self._worker.stop, GRACE)
        await asyncio.gather(watch, turns, *work, return_exceptions=True)

    def _kept(self) -> None:
        """Events were kept, and perhaps a node changed, in a thread that may outlive the loop."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._desk.arrived.fire)
                self._loop.call_soon_threadsafe(self._news.changed)

    @contextlib.contextmanager
    def _redfish(self) -> "Iterator[list[_Http]]":
        """The facade's server, where it is to be served."""
        if (facade := self._facade) is None:
            yield []
            return
        with listen_tcp(facade.listen, "redfish_facade.listen") as listener:
            yield [_Http(facade.app, listener, facade)]

    @contextlib.contextmanager
    def _unix(self, name: str, mode: int) -> Iterator[socket.socket]:
        path = self._settings.run_dir / name
        with listen_unix(path, mode) as listener:
            try:
                yield listener
            finally:
                path.unlink(missing_ok=True)


class _Http(uvicorn.Server):
    """uvicorn on a socket of ours, over TLS where ``tls`` has a certificate; signals are ours."""

    def __init__(
        self, app: ASGIApp, listener: socket.socket, tls: Facade | Certificate | None = None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                Bounded(app, MAX_REQUESTS),
                http=PeerProtocol,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,  # whose address it is says the kernel
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=GRACE,
                ssl_certfile=tls.certificate if tls else None,
                ssl_keyfile=tls.key if tls else None,
            )
        )
        self._listener = listener

    async def run(self) -> None:  # type: ignore[override] # the blocking one has no use here
        """Serve until ``should_exit``."""
        await self.serve(sockets=[self._listener])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program."""
        yield


async def _first_of(*tasks: asyncio.Task[object]) -> None:
    """Wait until one ends; what ended by an error raises it."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
