"""A small Redfish service on loopback that goes wrong as it is told to, and a clock one can set.

It shares no line with the lab's virtual BMCs: it is here for the client's faults alone.
"""

import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from netboot.bmc.address import Address
from netboot.bmc.model import Login, Secret, Tls
from netboot.bmc.redfish import RedfishDriver
from netboot.bmc.redfish_http import Timing

USER, PASSWORD = "admin", "hunter2-and-more"
LOGIN = Login(USER, Secret(PASSWORD))
SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
SESSIONS = "/redfish/v1/SessionService/Sessions"
_BASIC = "Basic YWRtaW46aHVudGVyMi1hbmQtbW9yZQ=="


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Fault:
    """What happens to the next ``times`` requests that fit.

    Attributes:
        kind: "status" answers ``status`` with ``headers`` and ``body``; "drop" acts and hangs up;
            "unheard" hangs up before; "half" breaks off in the body; "slow" waits for ``seconds``.
    """

    kind: str
    method: str
    path: str
    times: int = 1
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    seconds: float = 0.0


@dataclass
class FakeBmc:
    """One machine with one BMC, and the requests it has heard."""

    power: str = "On"
    boot: dict[str, Any] = field(
        default_factory=lambda: {
            "BootSourceOverrideEnabled": "Disabled",
            "BootSourceOverrideTarget": "None",
            "BootSourceOverrideMode": "UEFI",
        }
    )
    resets: int = 0
    session_limit: int = 8
    if_match: bool = False
    systems: tuple[str, ...] = (SYSTEM,)
    slots: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, str] = field(
        default_factory=lambda: {"Manufacturer": "Fakes", "Model": "Box"}
    )
    reset_types: tuple[str, ...] = ("On", "ForceOff", "ForceRestart", "PowerCycle")
    faults: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    given: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def count(self, method: str, path: str) -> int:
        """How many requests of this kind were heard."""
        return self.log.count(f"{method} {path}")

    def fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.method in ("", method) and re.fullmatch(fault.path, path):
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                return fault
        return None

    @property
    def etag(self) -> str:
        return f'"{hash((self.power, str(self.boot), self.resets)) & 0xFFFF:x}"'

    def knows(self, headers: Any) -> bool:
        return headers.get("X-Auth-Token") in self.tokens or headers.get("Authorization") == _BASIC

    def get(self, path: str) -> dict[str, Any] | None:
        media = "/redfish/v1/Managers/1/VirtualMedia"
        resources: dict[str, Any] = {
            "/redfish/v1": {
                "@odata.id": "/redfish/v1/",
                "Id": "Root",
                "Name": "Root",
                "Systems": {"@odata.id": "/redfish/v1/Systems"},
                "Managers": {"@odata.id": "/redfish/v1/Managers"},
                "Links": {"Sessions": {"@odata.id": SESSIONS}},
            },
            "/redfish/v1/Systems": {"Members": [{"@odata.id": one} for one in self.systems]},
            "/redfish/v1/Managers": {"Members": [{"@odata.id": "/redfish/v1/Managers/1"}]},
            "/redfish/v1/Managers/1": {
                "Model": "Fake 1",
                "FirmwareVersion": "1.2",
                "VirtualMedia": {"@odata.id": media},
            },
            media: {"Members": [{"@odata.id": f"{media}/{name}"} for name in self.slots]},
            SYSTEM: {
                "@odata.id": SYSTEM,
                "@odata.etag": self.etag,
                "SerialNumber": "S1",
                "PowerState": self.power,
                "LastResetTime": f"2026-01-01T00:00:{self.resets:02}Z",
                "Boot": self.boot,
                **self.identity,
                "ProcessorSummary": {"Count": 2, "Model": "Abacus"},
                "MemorySummary": {"TotalSystemMemoryGiB": 64},
                "EthernetInterfaces": {"@odata.id": f"{SYSTEM}/EthernetInterfaces"},
                "Actions": {
                    "#ComputerSystem.Reset": {
                        "target": RESET,
                        "ResetType@Redfish.AllowableValues": list(self.reset_types),
                    }
                },
            },
            f"{SYSTEM}/EthernetInterfaces": {
                "Members": [{"@odata.id": f"{SYSTEM}/EthernetInterfaces/1"}]
            },
            f"{SYSTEM}/EthernetInterfaces/1": {
                "Id": "1",
                "MACAddress": "52:54:00:AA:BB:01",
                "SpeedMbps": 1000,
            },
        }
        for name, slot in self.slots.items():
            action = f"{media}/{name}/Actions/VirtualMedia"
            resources[f"{media}/{name}"] = slot | {
                "Actions": {
                    "#VirtualMedia.InsertMedia": {"target": f"{action}.InsertMedia"},
                    "#VirtualMedia.EjectMedia": {"target": f"{action}.EjectMedia"},
                }
            }
        found = (resources | self.more).get(path.rstrip("/"))
        return None if found is None else dict(found)

    def patch(self, body: Any, match: str | None) -> int:
        if self.if_match and match != self.etag:
            return 428 if match is None else 412
        self.boot |= body.get("Boot", {})
        return 204

    def post(self, path: str, body: Any) -> int:
        if path == RESET:
            kind = body["ResetType"]
            if kind not in self.reset_types:
                return 400
            self.power = "Off" if kind == "ForceOff" else "On"
            self.resets += kind != "ForceOff"
            return 204
        name, _, action = path.rpartition("/Actions/VirtualMedia.")
        slot = self.slots.get(name.rpartition("/")[2])
        if slot is None:
            return 404
        inserting = action == "InsertMedia"
        slot |= {"Inserted": inserting, "Image": body.get("Image") if inserting else None}
        return 204


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: "_Server"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        bmc = self.server.bmc
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(raw) if raw else {}
        self.close_connection = True
        bmc.log.append(f"{self.command} {self.path}")
        if self.path != SESSIONS:
            bmc.bodies.append(body)
        fault = bmc.fault(self.command, self.path)
        if fault and fault.kind == "slow":
            bmc.released.wait(fault.seconds)
        if fault and fault.kind == "unheard":
            return self._hang_up()
        if fault and fault.kind == "status":
            return self._say(fault.status, fault.body, fault.headers)
        status, said, headers = self._act(bmc, body)
        if fault and fault.kind == "drop":
            return self._hang_up()
        return self._say(status, said, headers, half=bool(fault and fault.kind == "half"))

    def _act(self, bmc: FakeBmc, body: Any) -> tuple[int, bytes, dict[str, str]]:
        is_open = self.path.rstrip("/") == "/redfish/v1" or (self.command, self.path) == (
            "POST",
            SESSIONS,
        )
        if not is_open and not bmc.knows(self.headers):
            return 401, b"{}", {}
        if self.command == "GET":
            found = bmc.get(self.path)
            return (404, b"{}", {}) if found is None else (200, json.dumps(found).encode(), {})
        if self.command == "DELETE":
            gone = [token for token, path in bmc.tokens.items() if path == self.path]
            for token in gone:
                del bmc.tokens[token]
            return (204 if gone else 404), b"", {}
        if self.command == "PATCH":
            return bmc.patch(body, self.headers.get("If-Match")), b"", {}
        if self.path == SESSIONS:
            return self._log_in(bmc, body)
        return bmc.post(self.path, body), b"", {}

    def _log_in(self, bmc: FakeBmc, body: Any) -> tuple[int, bytes, dict[str, str]]:
        if (body["UserName"], body["Password"]) != (USER, PASSWORD):
            return 401, b"{}", {}
        if len(bmc.tokens) >= bmc.session_limit:
            return 503, b'{"error": {"message": "no session is free"}}', {}
        bmc.given += 1
        token, path = f"token-{bmc.given}", f"{SESSIONS}/{bmc.given}"
        bmc.tokens[token] = path
        return 201, b"{}", {"X-Auth-Token": token, "Location": path}

    def _say(
        self, status: int, said: bytes, headers: dict[str, str], *, half: bool = False
    ) -> None:
        self.send_response_only(status)  # without a Date of its own
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        if status != 204:
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has given up
            self.wfile.write(said[: len(said) // 2] if half else said)

    def _hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, bmc: FakeBmc) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bmc = bmc

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up


@contextlib.contextmanager
def served(bmc: FakeBmc, tls: ssl.SSLContext | None = None) -> Iterator[Address]:
    """The BMC on a port of its own."""
    server = _Server(bmc)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Address("redfish", "127.0.0.1", server.server_address[1], tls=tls is not None)
    finally:
        bmc.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def driving(
    bmc: FakeBmc,
    *,
    login: Login | None = LOGIN,
    clock: Clock | None = None,
    read: float = 5.0,
    system: str | None = None,
) -> Iterator[RedfishDriver]:
    """A driver that talks to ``bmc``; its pauses are ``clock``'s."""
    clock = clock or Clock()
    timing = Timing(read=read, sleep=clock.sleep, clock=clock)
    with served(bmc) as address:
        driver = RedfishDriver(replace(address, system=system), login, Tls(), timing=timing)
        try:
            yield driver
        finally:
            driver.close()
