"""A machine's firmware as far as a server can tell: its DHCP, its TFTP, its images; no QEMU."""

import random
import socket
import time
from collections.abc import Generator, Iterator, Mapping
from copy import copy
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Self, TypeVar

from netboot.lab.namespaces import Host
from netboot.media import library
from netboot.model import Mac
from netboot.wire import dhcp4, iana, tftp
from netboot.wire.dhcp4 import Message
from tests.waiting import PATIENCE

GOLDEN = Path(__file__).parent / "golden" / "packets"
UEFI = "ovmf-pxe-discover"
UEFI_4011 = "ovmf-pxe-request-4011"
IPXE = "ipxe-snponly-discover"
SILENCE = 10.0
"""Seconds after which an answer will not come."""
ASK_AGAIN = 1.0
"""Seconds a firmware waits before it asks again."""

T = TypeVar("T")


def golden(name: str, mac: str, **fields: str | int) -> Message:
    """What real firmware sent, as the machine with ``mac`` would send it now."""
    captured = dhcp4.parse((GOLDEN / f"{name}.bin").read_bytes())
    return captured._replace(chaddr=Mac(mac), xid=random.getrandbits(32), **fields)  # type: ignore[arg-type]


class PxeClient:
    """Any number of machines' firmware on one host of a LAN, and what one server answers to it.

    Replies are told apart by xid, so a reply that is late is never taken for another one.
    """

    def __init__(self, host: Host, server: Host) -> None:
        self.host = host
        self.server = str(server.address)
        self._dhcp = host.inside(lambda: _bound(iana.DHCP_CLIENT_PORT))
        self._pxe = host.inside(lambda: _bound(iana.PXE_PORT))
        for opened in (self._dhcp, self._pxe):
            host.lan.on_close(opened.close)

    def towards(self, server: Host) -> Self:
        """The same machines in front of another server of the LAN."""
        found = copy(self)
        found.server = str(server.address)
        return found

    def ask(self, *asked: Message) -> None:
        """Broadcast questions to port 67, in order."""
        for message in asked:
            target = ("255.255.255.255", iana.DHCP_SERVER_PORT)
            self._dhcp.sendto(dhcp4.build(message), target)

    def offer(self, mac: str, packet: str = UEFI, seconds: float = SILENCE) -> Message | None:
        """What the server answers to a DISCOVER; None where it does not in time."""
        asked = golden(packet, mac)
        self.ask(asked)
        return next((one for one in self._offers(seconds) if one.xid == asked.xid), None)

    def offer_before(self, sentinel: str, mac: str, packet: str = UEFI) -> Message | None:
        """The same without waiting for silence: the server answers in order.

        Args:
            sentinel: a machine that is surely answered, and asks right after this one.
            mac: the machine.
            packet: what it sends.
        """
        asked, last = golden(packet, mac), golden(UEFI, sentinel)
        self.ask(asked, last)
        answered: Message | None = None
        for message in self._offers(SILENCE):
            if message.xid == asked.xid:
                answered = message
            if message.xid == last.xid:
                return answered
        raise AssertionError(f"{sentinel} should have been answered")

    def boot_file(self, mac: str, packet: str = UEFI_4011) -> str:
        """The boot file the server acknowledges on port 4011, "" where it does not."""
        request = golden(packet, mac, ciaddr=str(self.host.address))
        options = {**request.options, iana.OPT_SERVER_ID: socket.inet_aton(self.server)}
        request = request._replace(options=options)
        self._pxe.sendto(dhcp4.build(request), (self.server, iana.PXE_PORT))
        for message, address in replies(self._pxe, iana.PXE_PORT, SILENCE):
            if message.xid == request.xid and address == self.server:
                return message.options[iana.OPT_BOOTFILE].decode("ascii")
        return ""

    def _offers(self, seconds: float) -> Iterator[Message]:
        for message, address in replies(self._dhcp, iana.DHCP_SERVER_PORT, seconds):
            if address == self.server and iana.OPT_VENDOR_CLASS in message.options:
                yield message  # a plain DHCP server on the same host says no vendor class


class TftpError(Exception):
    """The server answered with an ERROR packet."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(f"{code} {message}")


def tftp_blocks(host: Host, server: str, name: bytes) -> Generator[bytes, None, None]:
    """Read a file in lock-step, 512 bytes a block (RFC 1350); paused while nobody asks for more.

    Raises:
        TftpError: the server says so.
    """
    client = host.inside(lambda: _bound(0))
    with client:
        client.settimeout(PATIENCE)
        client.sendto(b"\0\1" + name + b"\0octet\0", (server, 69))
        expected = 1
        while True:
            data, peer = client.recvfrom(2048)
            match tftp.parse(data):
                case tftp.Error(code, message):
                    raise TftpError(code, message)
                case tftp.Data(block, payload) if block == expected:
                    yield payload
                    client.sendto(tftp.build(tftp.Ack(block)), peer)
                    expected += 1
                    if len(payload) < tftp.DEFAULT_BLKSIZE:
                        return


def stock(images: Path, image: str, files: Mapping[str, bytes], version: str = "1") -> None:
    """Switch in a new version of an image, as a finished fetch does."""
    image_dir = images / image
    with library.staging(image_dir) as staged:
        for name, content in files.items():
            (staged / name).parent.mkdir(exist_ok=True)
            (staged / name).write_bytes(content)
        entries = {
            name: library.Entry(sha256(content).hexdigest(), len(content), f"/{name}")
            for name, content in files.items()
        }
        manifest = library.Manifest(
            image=image,
            version=version,
            package=image,
            suite="test",
            mirror="http://mirror.example/debian",
            deb_sha256="0" * 64,
            fetched_at=datetime(2024, 1, 1, tzinfo=UTC),
            files=entries,
        )
        library.switch(image_dir, staged, manifest)


def _bound(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")  # there is no route
    opened.bind(("", port))  # the only user of the port on this host
    return opened


def replies(opened: socket.socket, port: int, seconds: float) -> Iterator[tuple[Message, str]]:
    """What servers send from ``port``, each with its sender's address, for so many seconds."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        opened.settimeout(left)
        try:
            data, (address, source_port) = opened.recvfrom(4096)
        except TimeoutError:
            return
        assert source_port == port, f"{address} answered from port {source_port}"
        yield dhcp4.parse(data), address
