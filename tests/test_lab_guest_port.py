"""What a guest and its BMC say to each other over the virtio-serial port."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.errors import OperationError
from netboot.lab.program import Program
from netboot.lab.up import guest_port
from netboot.lab.up.guest_port import GuestPort
from netboot.lab.up.node import QemuMachine
from netboot.lab.up.qemu import GUEST_PORT, Hardware
from netboot.media import cpio
from tests.waiting import await_

ADDRESS = "10.78.0.11"
BOOTED_WITHIN = 120.0
"""Seconds for a kernel and its initrd, with other tests on two cores."""
PAGE = Path(__file__).parent.parent / "docs" / "lab.md"
LINUX = """
for each in proc:proc sysfs:sys devtmpfs:dev tmpfs:run; do
    mount -t ${each%%:*} none /${each##*:}
done
modprobe virtio_pci
modprobe virtio_console
/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add
udevadm settle
"""


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


@pytest.mark.firmware
@pytest.mark.mirror
def test_a_linux_guest_does_what_the_documentation_says(images: Path, tmp_path: Path) -> None:
    said = re.search(r"```sh\n(exec 3.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert said
    script = f"{LINUX}{said[1]}echo learned $address\n"
    debian, initrd = images / "debian-12" / "current", tmp_path / "initrd"
    ours = b"".join(cpio.pack({"guest": script.encode()}))
    initrd.write_bytes((debian / "initrd.gz").read_bytes() + ours)
    linux = ["-kernel", debian / "linux", "-initrd", initrd]
    linux += ["-append", "console=ttyS0 quiet rdinit=/bin/sh -- /guest"]

    def start(command: list[str], log: Path) -> Program:
        own = [word.removesuffix(",bootindex=0") for word in command]  # the kernel has that place
        words = [*own, *linux]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return Program(process, log, name="QEMU")

    machine = QemuMachine(Hardware("n1", "bios", 512, [], []), tmp_path, [], start)
    port = GuestPort(tmp_path / GUEST_PORT, ADDRESS)
    try:
        machine.power_on()
        machine.program.wait_for(f"learned {ADDRESS}", BOOTED_WITHIN)
        await_(lambda: port.announced == ADDRESS, "the announcement")
    finally:
        machine.close()
        port.close()
