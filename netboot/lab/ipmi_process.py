"""The process of one virtual IPMI BMC: RMCP+ by pyghmi's ``Bmc``, everything else asked for.

    python -m netboot.lab.ipmi_process SOCKET

pyghmi keeps its sessions in variables of the module, by port, and blocks; so each BMC is a process.
It connects to the UNIX socket, where ``ipmi_bmc`` first says in one line who may log in and what
the machine is, and then does what the lines from here ask for. It ends when that connection does.
"""

import contextlib
import json
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from pyghmi.ipmi.bmc import Bmc  # type: ignore[import-untyped] # it has no annotations
from pyghmi.ipmi.private import session as pyghmi_session  # type: ignore[import-untyped] # likewise

from netboot.lab.bmc.machine import BootDevice
from netboot.lab.ipmi_options import NO_OVERRIDE, BootOptions
from netboot.lab.ipmi_serial import Command, SerialOverLan

MOST_SESSIONS = 64
"""Peers whose sessions are kept; pyghmi forgets none by itself."""
LONGEST_PIECE = 128
"""Bytes of inventory in one response."""

_CHASSIS, _APP, _STORAGE = 0x00, 0x06, 0x0A
_SET_BOOT, _GET_BOOT, _FRU_AREA, _READ_FRU = 0x08, 0x09, 0x10, 0x11
_SERIAL = {(_APP, command): command for command in Command}
_OUT_OF_RANGE, _NO_SUCH_DEVICE, _NOT_NOW, _UNSPECIFIED = 0xC9, 0xCB, 0xD5, 0xFF

# RMCP+ Open Session (section 13.17, 13.18): RMCP header, RMCP+ format, payload type
_OPEN_SESSION, _OPEN_SESSION_RESPONSE = b"\x06\x00\xff\x07\x06\x10", b"\x11"
_OFFER = 16
"""Where its payload begins: tag, privilege, session, and three algorithms of 8 bytes each."""
_SUITE_3 = (1, 1, 1)  # HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128 (section 22.15.2)
_NO_SUCH_SUITE = 0x11  # RMCP+ status (table 13-15)

_ROUND = 30.0
"""Seconds the loop waits for a packet at most."""


class Machine:
    """The machine, at the other end of the socket.

    Args:
        stream: connected.
    """

    def __init__(self, stream: socket.socket) -> None:
        self._file = stream.makefile("rw", encoding="utf-8", newline="\n")
        self._replies: queue.Queue[Any] = queue.Queue(1)

    def introduction(self) -> dict[str, Any]:
        """The first line; from then on the end of the connection is the end of the process."""
        said: dict[str, Any] = json.loads(self._file.readline())
        threading.Thread(target=self._listen, daemon=True).start()
        return said

    def ask(self, call: str, **arguments: object) -> Any:  # noqa: ANN401 -- JSON
        """Have it done.

        Raises:
            OSError: it could not be done; the text says why.
        """
        self._file.write(json.dumps({"call": call, **arguments}) + "\n")
        self._file.flush()
        reply = self._replies.get()
        if "error" in reply:
            raise OSError(reply["error"])
        return reply["result"]

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self._file:
                self._replies.put(json.loads(line))
        os._exit(0)  # pyghmi's threads end with the process alone


class VirtualBmc(Bmc):  # type: ignore[misc] # it has no annotations
    """One BMC on one address.

    Args:
        machine: what it controls.
        facts: the introduction.
    """

    def __init__(self, machine: Machine, facts: Mapping[str, Any]) -> None:
        address = f"::ffff:{facts['address']}"
        # pyghmi wakes its thread by a packet to itself, at an address it would guess
        pyghmi_session.myself = address
        self._machine = machine
        self._uuid = UUID(facts["uuid"])
        self._fru = bytes.fromhex(facts["fru"])
        self._options = BootOptions(frozenset(map(BootDevice, facts["boot_devices"])))
        self._applied = NO_OVERRIDE
        self._starts = machine.ask("starts")
        users = {facts["user"]: facts["password"]}
        super().__init__(users, port=facts["port"], bmcuuid=self._uuid, address=address)
        self.port = self.serversocket.getsockname()[1]  # pyghmi finds sessions by it
        self._serial = SerialOverLan(facts["serial"] and Path(facts["serial"]), self.port)

    def serve(self) -> None:
        """Answer, for good."""
        while True:
            wait = min(_ROUND, self._options.expires - time.monotonic(), self._serial.patience)
            try:
                pyghmi_session.Session.wait_for_rsp(timeout=max(0.0, wait))
            except Exception as error:  # noqa: BLE001 -- what a peer sends is no reason to end
                sys.stderr.write(f"a packet is dropped: {error!r}\n")
            self._serial.turn()
            if self._options.expire(time.monotonic()):
                self._apply()
            self._forget_old_sessions()

    def handle_raw_request(self, request: Mapping[str, Any], session: Any) -> None:  # noqa: ANN401 -- pyghmi's
        """Answer one request of a logged-in peer."""
        self._notice_start()
        self._serial.heard(session)
        data, which = request["data"], (request["netfn"], request["command"])
        try:
            if which == (_CHASSIS, _SET_BOOT):
                code = self._options.set(data, time.monotonic())
                self._apply()
                session.send_ipmi_response(code=code)
            elif which == (_CHASSIS, _GET_BOOT):
                code, said = self._options.get(data)
                session.send_ipmi_response(code=code, data=said)
            elif which in _SERIAL:
                code, said = self._serial.answer(_SERIAL[which], bytes(data), session)
                session.send_ipmi_response(code=code, data=said)
            elif which[0] == _STORAGE:
                code, said = self._stored(which[1], data)
                session.send_ipmi_response(code=code, data=said)
            else:
                super().handle_raw_request(request, session)
        except OSError as error:
            sys.stderr.write(f"the machine refuses: {error}\n")
            session.send_ipmi_response(code=_UNSPECIFIED)

    def sessionless_data(self, data: bytes, sockaddr: tuple[Any, ...]) -> None:
        """Refuse a session with another cipher suite than 3; pyghmi would answer with 3 at once.

        A client that offers SHA-256 first, as pyghmi's own does, then offers suite 3 by itself.
        """
        offered = data[_OFFER:]
        if data[: len(_OPEN_SESSION)] == _OPEN_SESSION and tuple(offered[12::8]) != _SUITE_3:
            refusal = bytes([offered[0] if offered else 0, _NO_SUCH_SUITE, 0, 0]) + offered[4:8]
            head = _OPEN_SESSION[:-1] + _OPEN_SESSION_RESPONSE + bytes(8)
            packet = head + len(refusal).to_bytes(2, "little") + refusal
            pyghmi_session._io_sendto(self.serversocket, packet, sockaddr)  # noqa: SLF001 -- pyghmi has no public one
            return
        super().sessionless_data(data, sockaddr)

    def get_system_guid(self) -> UUID:
        """For Get System GUID."""
        return self._uuid

    def get_power_state(self) -> int:
        """For Get Chassis Status."""
        return int(self._machine.ask("is_on"))

    def power_on(self) -> int:
        """Chassis Control 1."""
        return self._control("power_on")

    def power_off(self) -> int:
        """Chassis Control 0."""
        return self._control("power_off")

    def power_shutdown(self) -> int:
        """Chassis Control 5."""
        return self._control("shutdown")

    def power_cycle(self) -> int:
        """Chassis Control 2, which a machine that is off ignores (section 28.3)."""
        if not self.get_power_state():
            return _NOT_NOW
        self._control("power_off")
        return self._control("power_on")

    def power_reset(self) -> int:
        """Chassis Control 3, likewise."""
        return self._control("reset") if self.get_power_state() else _NOT_NOW

    def _control(self, call: str) -> int:
        self._options.controlled()
        self._machine.ask(call)
        return 0

    def _stored(self, command: int, data: bytes) -> tuple[int, bytes]:
        """Get FRU Inventory Area Info and Read FRU Data (section 34.1, 34.2)."""
        if command not in {_FRU_AREA, _READ_FRU}:
            return 0xC1, b""
        if not data or data[0] != 0:
            return _NO_SUCH_DEVICE, b""
        if command == _FRU_AREA:
            return 0, len(self._fru).to_bytes(2, "little") + b"\0"
        place, count = int.from_bytes(data[1:3], "little"), data[3]
        if place >= len(self._fru):
            return _OUT_OF_RANGE, b""
        piece = self._fru[place : place + min(count, LONGEST_PIECE)]
        return 0, bytes([len(piece)]) + piece

    def _notice_start(self) -> None:
        """See whether the machine has started since: it may have rebooted by itself."""
        starts = self._machine.ask("starts")
        if starts != self._starts:
            self._starts = starts
            self._options.started()
            if self._applied.once:
                self._applied = NO_OVERRIDE

    def _apply(self) -> None:
        wanted = self._options.override
        if wanted != self._applied:
            self._machine.ask("set_boot", device=wanted.device, once=wanted.once)
            self._applied = wanted

    def _forget_old_sessions(self) -> None:
        peers = [key for key in pyghmi_session.Session.bmc_handlers if key != self.serversocket]
        for key in peers[:-MOST_SESSIONS]:
            del pyghmi_session.Session.bmc_handlers[key]


def main(path: str) -> None:
    """Serve the machine at the socket's other end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.connect(path)
        machine = Machine(stream)
        facts = machine.introduction()
        bmc = VirtualBmc(machine, facts)
        machine.ask("ready", port=bmc.port)
        bmc.serve()


if __name__ == "__main__":
    main(sys.argv[1])
