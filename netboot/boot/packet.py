"""Hearing and answering DHCP on port 67 without taking the port (packet(7), socket(7)).

A second socket bound to port 67 would steal the unicast renewals and relayed requests of a DHCP
server on the same host. A packet socket only gets a copy, so whoever holds the port keeps working
and we never need it: replies leave as raw packets *from* port 67.
"""

import contextlib
import ctypes
import errno
import fcntl
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable

from netboot.boot.udp import Reactor, enlarge
from netboot.errors import MalformedPacket
from netboot.guide import see
from netboot.wire import iana, udp4

MAX_DATAGRAMS_PER_WAKEUP = 256
"""Then other sockets get their turn; the rest waits in the kernel's buffer."""
MAX_PACKET = 9216
"""A jumbo frame; anything longer is cut, and then dropped by its length."""

_ETH_P_IP = 0x0800
_SO_ATTACH_FILTER = 26
_PACKET_OTHERHOST = 3  # if_packet.h: addressed to somebody else, or of a VLAN we have no part in
_PACKET_TYPE = 0xFFFFF004  # linux/filter.h: SKF_AD_OFF + SKF_AD_PKTTYPE
_SIOCGIFFLAGS, _IFNAMSIZ, _IFF_RUNNING = 0x8913, 16, 0x40  # netdevice(7)
_BROADCAST_MAC = b"\xff" * 6

_FILTER = (
    # classic BPF over the IPv4 header: unfragmented UDP to port 67, meant for us or for everybody
    # (code, jump if true, jump if false, k), linux/filter.h
    (0x30, 0, 0, _PACKET_TYPE),
    (0x15, 8, 0, _PACKET_OTHERHOST),  # -> drop
    (0x30, 0, 0, 9),  #           ldb protocol
    (0x15, 0, 6, 17),  #          jne UDP -> drop
    (0x28, 0, 0, 6),  #           ldh fragment
    (0x45, 4, 0, 0x3FFF),  #      jset -> drop
    (0xB1, 0, 0, 0),  #           ldx header length
    (0x48, 0, 0, 2),  #           ldh [x + 2] destination port
    (0x15, 0, 1, iana.DHCP_SERVER_PORT),
    (0x06, 0, 0, MAX_PACKET),  #  accept
    (0x06, 0, 0, 0),  #           drop
)

log = logging.getLogger(__name__)


class PacketPort:
    """Every DHCP datagram to port 67 that reaches one interface, and the way back out of it.

    Args:
        reactor: where to wait.
        interface: its name.
        receive: called with each datagram's payload.
        drops: counts what is not passed on, by reason.
    """

    def __init__(
        self,
        reactor: Reactor,
        interface: str,
        receive: Callable[[bytes], None],
        drops: Counter[str],
    ) -> None:
        self._reactor = reactor
        self._interface = interface
        self._receive = receive
        self._drops = drops
        self._socket: socket.socket | None = None
        self._outlet: _Outlet | None = None
        self._index = 0
        self._running = True

    def start(self) -> None:
        """Open the sockets.

        Raises:
            OSError: no such interface, or not permitted (CAP_NET_RAW).
        """
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
        try:
            _attach(opened)
            enlarge(opened)
            # one protocol, not ETH_P_ALL: only what comes in is heard, nothing that we send
            opened.bind((self._interface, _ETH_P_IP))
            self._outlet = _Outlet(self._interface)
        except OSError:
            opened.close()
            raise
        self._socket, self._index = opened, socket.if_nametoindex(self._interface)
        self._reactor.addReader(self)

    def follow(self) -> None:
        """Keep up with an interface that goes down and up, or is made anew or changed."""
        self._tell(running=_is_running(self._interface))
        with contextlib.suppress(OSError):  # it is away; looked for again at the next call
            if self._socket is None or socket.if_nametoindex(self._interface) != self._index:
                self.stop()
                self.start()
            elif self._outlet is not None:
                self._outlet.follow()

    def stop(self) -> None:
        """Close the sockets."""
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None

    def _tell(self, *, running: bool) -> None:
        if running == self._running:
            return
        self._running = running
        if running:
            log.warning("%s is up again", self._interface)
        else:
            log.warning("%s is down: nobody hears us there; %s", self._interface, see("interface"))

    def broadcast(self, packet: bytes | bytearray) -> None:
        """Send an IPv4 packet to every machine on this interface."""
        if self._outlet is None:
            return
        try:
            self._outlet.broadcast(packet)
        except OSError as error:
            self._drops[f"dhcp: not sent ({errno.errorcode.get(error.errno or 0, 'unknown')})"] += 1

    def doRead(self) -> None:  # noqa: N802 -- twisted's name
        """Drain what has arrived."""
        for _ in range(MAX_DATAGRAMS_PER_WAKEUP):
            if self._socket is None:
                return
            try:
                packet = self._socket.recv(MAX_PACKET)
            except BlockingIOError:
                return
            except OSError as error:
                # the interface went down; it speaks again when it is up
                self._drops[f"dhcp: {errno.errorcode.get(error.errno or 0, 'unknown')}"] += 1
                return
            try:
                payload = udp4.payload(packet)
            except MalformedPacket as problem:
                self._drops[str(problem)] += 1
                continue
            self._receive(payload)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno() if self._socket is not None else -1

    def connectionLost(self, reason: object) -> None:  # noqa: N802, ARG002 -- twisted's signature
        """The interface went down, and ``follow`` looks for it; or the reactor is shutting down."""
        self.stop()

    def logPrefix(self) -> str:  # noqa: N802 -- twisted's name
        """What twisted calls us in its own errors."""
        return f"dhcp on {self._interface}"


class _Outlet:
    """Sends whole frames into one interface and hears nothing.

    It is bound, so the kernel need not look the interface up by its name for every packet.
    """

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, proto=0
        )
        try:
            self._socket.bind((interface, 0))
            self.follow()
        except OSError:
            self._socket.close()
            raise

    def follow(self) -> None:
        """Take the interface's hardware address as it is now."""
        own: bytes = self._socket.getsockname()[4]
        self._header = _BROADCAST_MAC + own + _ETH_P_IP.to_bytes(2)

    def broadcast(self, packet: bytes | bytearray) -> None:
        self._socket.send(self._header + packet)

    def close(self) -> None:
        self._socket.close()


class RawSender:
    """Sends from port 67 to a routed address, again without binding the port."""

    def __init__(self, drops: Counter[str]) -> None:
        self._drops = drops
        self._socket = socket.socket(
            socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_RAW
        )

    def send(self, target: str, packet: bytes | bytearray) -> None:
        """Send an IPv4 packet to ``target``; the kernel routes it."""
        try:
            self._socket.sendto(packet, (target, 0))
        except OSError as error:
            self._drops[f"dhcp: not sent ({errno.errorcode.get(error.errno or 0, 'unknown')})"] += 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def address_towards(peer: str) -> str | None:
    """Our address on the route to ``peer``, None where there is no route."""
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        probe.connect((peer, iana.DHCP_SERVER_PORT))
        address: str = probe.getsockname()[0]
        return address
    return None


def _is_running(interface: str) -> bool:
    """Whether it is switched on and its cable is in."""
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("40s", interface.encode()))
        return bool(struct.unpack_from("H", answer, _IFNAMSIZ)[0] & _IFF_RUNNING)
    return False


def _attach(opened: socket.socket) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _FILTER)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HL", len(_FILTER), ctypes.addressof(buffer))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
