"""What a guest and its BMC say to each other over the virtio-serial port."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.errors import OperationError
from netboot.lab.up import guest_port
from netboot.lab.up.guest_port import GuestPort

ADDRESS = "10.78.0.11"


class Guest:
    """QEMU and the guest behind it."""

    def __init__(self, folder: Path) -> None:
        path = folder / "port"
        with socket.create_server(str(path), family=socket.AF_UNIX) as listener:
            self.port = GuestPort(path, ADDRESS)
            self._stream = listener.accept()[0]
        self._stream.settimeout(10.0)

    def says(self, text: bytes) -> None:
        """Say it; returns when it was heard."""
        self._stream.sendall(text)
        assert self.asks() == ADDRESS

    def asks(self) -> str:
        self._stream.sendall(b"?\n")
        return self._stream.recv(100).decode().rstrip("\n")

    def close(self) -> None:
        self._stream.close()
        self.port.close()


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    made = Guest(tmp_path)
    yield made
    made.close()


def test_a_guest_learns_its_bmcs_address_as_often_as_it_asks(guest: Guest) -> None:
    assert [guest.asks(), guest.asks()] == [ADDRESS, ADDRESS]
    assert guest.port.announced == ""


def test_a_guest_announces_it(guest: Guest) -> None:
    guest.says(b"10.78.0.99\n")
    assert guest.port.announced == "10.78.0.99"
    guest.says(b"10.78.0.11\r\n")
    assert guest.port.announced == "10.78.0.11"


@pytest.mark.parametrize(
    "text", [b"hello\n", b"\xff\xfe\n", b"\n", b"10.78.0.999\n", b"x" * 999 + b"\n"]
)
def test_what_is_no_address_is_passed_over(guest: Guest, text: bytes) -> None:
    guest.says(text)
    assert guest.port.announced == ""


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_port, "CONNECT_TIMEOUT", 0.0)
    with pytest.raises(OperationError, match="No such file"):
        GuestPort(tmp_path / "port", ADDRESS)
