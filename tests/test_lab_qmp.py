"""The QMP client against a scripted QEMU."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot.errors import OperationError
from netboot.lab import qmp as qmp_module
from netboot.lab.qmp import Qmp

GREETING = {"QMP": {"version": {}, "capabilities": []}}
Script = list[list[dict[str, Any]]]
Connect = Callable[[dict[str, Any], Script], Qmp]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """A server that greets, then sends one list of messages for each command it reads."""
    threads: list[threading.Thread] = []
    clients: list[Qmp] = []

    def serve(listener: socket.socket, greeting: dict[str, Any], script: Script) -> None:
        with listener, listener.accept()[0] as peer, peer.makefile("rwb", buffering=0) as lines:
            lines.write(json.dumps(greeting).encode() + b"\r\n")
            for messages in script:
                if not lines.readline():
                    return
                lines.write(b"".join(json.dumps(m).encode() + b"\r\n" for m in messages))

    def begin(greeting: dict[str, Any], script: Script) -> Qmp:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "qmp"))
        listener.listen()
        threads.append(threading.Thread(target=serve, args=(listener, greeting, script)))
        threads[-1].start()
        clients.append(Qmp(tmp_path / "qmp"))
        return clients[-1]

    yield begin
    for client in clients:
        client.close()
    for thread in threads:
        thread.join(60)


def test_events_between_a_command_and_its_reply_are_kept(connect: Connect) -> None:
    event = {"event": "STOP", "data": {"n": 1}}
    qmp = connect(GREETING, [[{"return": {}}], [event, {"return": {"running": False}}]])
    assert qmp.command("query-status") == {"running": False}
    assert qmp.wait_for_event("STOP", 60) == {"n": 1}
    with pytest.raises(OperationError, match="STOP"):
        qmp.wait_for_event("STOP", 0.05)


def test_a_refusal_is_an_error_in_qemus_words(connect: Connect) -> None:
    refusal = {"error": {"class": "GenericError", "desc": "index 0 is taken"}}
    qmp = connect(GREETING, [[{"return": {}}], [refusal]])
    with pytest.raises(OperationError, match="qom-set: index 0 is taken"):
        qmp.command("qom-set", {"value": 0})


def test_qemu_going_away_is_an_error(connect: Connect) -> None:
    qmp = connect(GREETING, [[{"return": {}}], []])
    with pytest.raises(OperationError, match=r"cont: .*hung up"):
        qmp.command("cont")


def test_silence_is_an_error(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    qmp = connect(GREETING, [[{"return": {}}], [], []])
    monkeypatch.setattr(qmp_module, "COMMAND_TIMEOUT", 0.05)
    with pytest.raises(OperationError, match="cont: "):
        qmp.command("cont")


def test_something_else_on_the_socket_is_an_error(connect: Connect) -> None:
    with pytest.raises(OperationError, match="does not speak QMP"):
        connect({"hello": 1}, [])
