"""A replica: a control program as a process, with its own data folder and a shared database."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import msgspec

from netboot.frames import MAX_FROM_CONTROL, Ack, Batch, Feed, Hello, Message, Unpacker, pack
from netboot.jobs.owner import FILE
from netboot.snapshot import Snapshot, decode
from tests.waiting import await_

PATIENCE = 60.0


class Replica:
    """``start`` it as often as a test likes; ``program``: a script in netboot.control's place."""

    def __init__(self, folder: Path, url: str, program: Path | None = None) -> None:
        folder.mkdir()
        self._program = ["-m", "netboot.control"] if program is None else [str(program)]
        self.data = folder / "data"
        self.data.mkdir()
        self.run = self.data / "run"
        self.log = folder / "log"
        self._config = folder / "netboot.toml"
        self._config.write_text(
            f'[server]\ndata_dir = "{folder}/data"\ndatabase = "{url}"\n'
            f'[api]\nlisten = "127.0.0.1:{_free_port()}"\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        self.begin()
        self.await_answer()

    def begin(self) -> None:
        """Start it without waiting for it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._program, "--config", self._config],
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    def await_answer(self) -> None:
        await_(self._answers, "a replica that listens")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def ended(self) -> int:
        """Its exit code, when it has ended by itself."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    @property
    def owner(self) -> str:
        """The name by which it has turns of jobs."""
        return (self.run / FILE).read_text().strip()

    def forget_name(self) -> None:
        """Have it draw another at its next start."""
        (self.run / FILE).unlink()

    def said(self) -> list[str]:
        return self.log.read_text().splitlines()

    @contextlib.contextmanager
    def client(self) -> Iterator[httpx.Client]:
        transport = httpx.HTTPTransport(uds=str(self.run / "control.sock"))
        with httpx.Client(
            transport=transport, base_url="http://control/api/v1", timeout=PATIENCE
        ) as client:
            yield client

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.run / "control.sock")) == 0


class Boot:
    """A boot program's end of a replica's link, spoken by hand."""

    def __init__(self, replica: Replica, instance: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(replica.run / "boot.sock"))
        self._unpacker = Unpacker(MAX_FROM_CONTROL)
        self._waiting: list[Message] = []
        self._say(Hello(instance))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, seq: int, raw: dict[str, object]) -> None:
        self._say(Batch([(seq, msgspec.Raw(msgspec.json.encode(raw)))]))

    def await_ack(self, seq: int) -> None:
        while self._heard() != Ack(seq):
            pass

    def snapshot(self) -> Snapshot:
        """The next one."""
        while not isinstance(message := self._heard(), Feed):
            pass
        return decode(bytes(message.snapshot))

    def _say(self, message: Message) -> None:
        self._socket.sendall(pack(message))

    def _heard(self) -> Message:
        while not self._waiting:
            data = self._socket.recv(65536)
            assert data, "the control program hung up"
            self._waiting += self._unpacker.feed(data)
        return self._waiting.pop(0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
