"""A virtual BMC that speaks Redfish: an address, a machine, a personality, faults by switch."""

import asyncio
import socket
from http import HTTPStatus
from typing import Self

from netboot.bmc import quirks
from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.certificate import Certificate
from netboot.lab.bmc.faults import Fault, Faults, RequestLog
from netboot.lab.bmc.http import Listening, Reply, Request, Server
from netboot.lab.bmc.machine import VirtualMachine
from netboot.lab.bmc.personality import Setup, build
from netboot.lab.bmc.resource import written
from netboot.redfish.messages import Problem
from netboot.redfish.resources import Outcome

RESTART_UNHEARD = 2
"""Requests a BMC does not hear while it restarts itself."""

_PAGE = b"<html><head><title>BMC</title></head><body>Please log in.</body></html>"
_BACKLOG = 64


class VirtualBmc:
    """A BMC in front of a machine, between ``start`` and ``stop``.

    Args:
        machine: under its hands.
        personality: a name of ``quirks.toml``, or a changed one of these.
        address: IPv4 address to listen on.
        port: TCP port; 0 takes a free one.
        certificate: None for plain HTTP.
        user: who may log in.
        password: likewise.
        server: whose thread it runs in, for many; its own by default.
        listener: a bound socket to listen on, instead of ``address`` and ``port``: it may be in
            another network namespace.
        secure_boot: whether the machine starts with Secure Boot.
        ipmi_port: where the same BMC speaks IPMI; None where it does not.

    Attributes:
        faults: what goes wrong with the requests to come.
        log: every request there was.
        quirk: its personality.
        latency: seconds each request takes.
        port: where it listens.

    Raises:
        KeyError: there is no such personality.
    """

    def __init__(  # noqa: PLR0913 -- all but the machine have defaults and are named
        self,
        machine: VirtualMachine,
        personality: str | Quirk = quirks.GENERIC,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        certificate: Certificate | None = None,
        user: str = "admin",
        password: str = "password",  # noqa: S107 -- of a machine that does not exist
        server: Server | None = None,
        listener: socket.socket | None = None,
        secure_boot: bool = False,
        ipmi_port: int | None = None,
    ) -> None:
        self.machine = machine
        self.quirk = quirks.known()[personality] if isinstance(personality, str) else personality
        self.faults = Faults()
        self.log = RequestLog()
        self.latency = 0.0
        self.port = port
        self._address = address
        self._tls = certificate.context() if certificate else None
        self._shared = server
        self._server: Server | None = None
        self._listening: Listening | None = None
        self._listener = listener
        setup = Setup(machine, self.quirk, user, password, secure_boot, ipmi_port, self._restart)
        self._service, self._accounts = build(setup)

    @property
    def url(self) -> str:
        """Where a client finds it: ``https://127.0.0.1:41233``."""
        return f"{'https' if self._tls else 'http'}://{self._address}:{self.port}"

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return self._accounts.open_sessions

    @property
    def resets(self) -> int:
        """How many Reset actions were asked for, answered or not."""
        return self.log.count("POST", r"\.Reset$")

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        listener = self._listener or socket.create_server(
            (self._address, self.port), backlog=_BACKLOG
        )
        self._address, self.port = listener.getsockname()[:2]
        self._server = self._shared or Server()
        self._listening = self._server.start(self._answer, listener, self._tls)

    def stop(self) -> None:
        """Hang up; a shared server goes on for its others. Calling it twice is fine."""
        server, self._server = self._server, None
        if server and self._listening:
            server.stop(self._listening)
        if server and server is not self._shared:
            server.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _restart(self) -> None:
        """Forget the sessions and be away for a while."""
        self._accounts.expire()
        self.faults.add(Fault("unheard", times=RESTART_UNHEARD))

    async def _answer(self, request: Request) -> Reply | None:
        fault = self.faults.take(request.method, request.path)
        delay = self.latency + (fault.seconds if fault and fault.kind == "slow" else 0.0)
        if delay:
            await asyncio.sleep(delay)
        reply = await self._faulty(request, fault)
        self.log.add(request.method, request.path, reply.status if reply else 0)
        return reply

    async def _faulty(self, request: Request, fault: Fault | None) -> Reply | None:
        """Answer with what this fault makes of it."""
        match fault.kind if fault else None:
            case "unheard":
                return None
            case "busy":
                return _busy(fault.retry_after if fault else "")
            case "html":
                return Reply(HTTPStatus.OK, _PAGE, {"Content-Type": "text/html"})
            case "expire-sessions":
                self._accounts.expire()
        loop = asyncio.get_running_loop()
        later = fault is not None and fault.kind == "task"
        reply = await loop.run_in_executor(None, lambda: self._service.answer(request, later=later))
        if fault and fault.kind == "drop":
            return None
        if fault and fault.kind == "half-json":
            return Reply(reply.status, reply.body, reply.headers, cut=len(reply.body) // 2)
        return reply


def _busy(retry_after: str) -> Reply:
    problem = Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "ServiceTemporarilyUnavailable", retry_after or "some"
    )
    headers = {"Retry-After": retry_after} if retry_after else {}
    return written(Outcome(problem.status, problem.body, headers))
