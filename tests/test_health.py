"""Both programs are asked; what is not well is said in one line."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netboot import health
from netboot.config import Http, Server, Settings

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NOT_YET = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 18\r\n\r\nno nodes known yet"

Answers = Callable[[bytes | None, bytes | None], Settings]


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """Two programs that answer every request with these bytes; None is silence."""
    monkeypatch.setattr(health, "PATIENCE", 0.3)
    (tmp_path / "run").mkdir()
    with ExitStack() as stack:

        def start(control: bytes | None, boot: bytes | None) -> Settings:
            operator = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            operator.bind(str(tmp_path / "run" / "control.sock"))
            operator.listen()
            machines = socket.create_server(("127.0.0.1", 0))
            for listener, said in ((operator, control), (machines, boot)):
                stack.enter_context(listener)
                answering = threading.Thread(target=answer, args=(listener, said), daemon=True)
                answering.start()
                stack.callback(answering.join, 5)
                stack.callback(listener.shutdown, socket.SHUT_RDWR)
            port = machines.getsockname()[1]
            return Settings(server=Server(data_dir=str(tmp_path)), http=Http(port=port))

        yield start


def answer(listener: socket.socket, said: bytes | None) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # shut down
            return
        with connection:
            connection.recv(4096)
            if said is None:
                connection.recv(1)  # until the other end gives up
            else:
                connection.sendall(said)


@pytest.mark.parametrize(
    ("control", "boot", "problem"),
    [
        (WELL, WELL, None),
        (WELL, NOT_YET, "the boot program is not ready: no nodes known yet"),
        (WELL, None, "the boot program does not answer in time"),
        (None, WELL, "the control program does not answer in time"),
        (WELL, b"SSH-2.0\r\n", "the boot program does not answer (BadStatusLine)"),
        (b"", WELL, "the control program does not answer (RemoteDisconnected)"),
    ],
)
def test_each_must_answer_and_say_that_it_is_well(
    answers: Answers, control: bytes | None, boot: bytes | None, problem: str | None
) -> None:
    assert health.problem(answers(control, boot)) == problem


def test_nobody_there_is_said_with_the_system_s_words(tmp_path: Path) -> None:
    settings = Settings(server=Server(data_dir=str(tmp_path)))
    told = "the control program does not answer (No such file or directory)"
    assert health.problem(settings) == told


def test_as_a_container_s_health_check(answers: Answers, tmp_path: Path) -> None:
    settings = answers(WELL, WELL)
    command = [sys.executable, "-m", "netboot.health"]
    well = {
        "NETBOOT_SERVER_DATA_DIR": str(tmp_path),
        "NETBOOT_HTTP_PORT": str(settings.http.port),
    }
    for environ, code, said in (
        (well, 0, "ok\n"),
        (well | {"NETBOOT_SERVER_DATA_DIR": "/nowhere"}, 1, "the control program does not answer"),
        (well | {"NETBOOT_HTTP_PORT": "0"}, 2, "netboot: environment: NETBOOT_HTTP_PORT"),
    ):
        done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)
        assert done.returncode == code
        assert (done.stdout + done.stderr).startswith(said)
