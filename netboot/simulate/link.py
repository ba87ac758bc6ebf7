"""The wire as fake machines have it: DHCP with hardware addresses of their own.

Broadcasts leave as whole frames by a packet socket; unicasts to port 4011 leave as raw IP packets
from an address of this host, so that the kernel resolves and routes them. Replies are copies of
what arrives on the interface. No port is bound, nothing of the host's own DHCP is disturbed, and
no packet leaves by any other interface.
"""

import contextlib
import ctypes
import socket
import struct
from collections.abc import Callable
from socket import inet_aton, inet_ntoa

from netboot.errors import OperationError
from netboot.wire import iana

MAX_FRAMES_PER_WAKEUP = 256
"""Then timers and other sockets get their turn; the rest waits in the kernel's buffer."""
RECEIVE_BUFFER = 4 << 20
"""Bytes the kernel may hold for us: some thousands of offers that arrive at once."""
MAX_FRAME = 9216

_ETHERNET = struct.Struct("!6s6sH")
_IP = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")
_ETH_P_IP = 0x0800
_UDP_PROTOCOL = 17
_EVERYBODY = "255.255.255.255"
_EVERY_MAC = b"\xff" * 6

_SOL_PACKET = 263  # linux/if_packet.h
_PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC = 1, 1
_PACKET_IGNORE_OUTGOING = 23
_SO_ATTACH_FILTER = 26

_PORTS = (iana.DHCP_CLIENT_PORT, iana.DHCP_SERVER_PORT, iana.PXE_PORT)
_FILTER = (
    # classic BPF over the frame: unfragmented IPv4 UDP to one of our ports
    # (code, jump if true, jump if false, k), linux/filter.h
    (0x28, 0, 0, 12),  #         ldh EtherType
    (0x15, 0, 9, _ETH_P_IP),  #  jne IPv4 -> drop
    (0x30, 0, 0, 23),  #         ldb protocol
    (0x15, 0, 7, _UDP_PROTOCOL),
    (0x28, 0, 0, 20),  #         ldh fragment
    (0x45, 5, 0, 0x3FFF),  #     jset -> drop
    (0xB1, 0, 0, 14),  #         ldx header length
    (0x48, 0, 0, 16),  #         ldh [x + 16] destination port
    (0x15, 3, 0, _PORTS[0]),
    (0x15, 2, 0, _PORTS[1]),
    (0x15, 1, 0, _PORTS[2]),
    (0x06, 0, 0, 0),  #          drop
    (0x06, 0, 0, MAX_FRAME),  #  accept
)

Receive = Callable[[bytes, tuple[str, int], int], None]
"""Called with payload, source and destination port of each datagram."""


class Link:
    """DHCP's way in and out on one interface.

    Args:
        interface: its name.
        hardware: an Ethernet address all frames leave from; None: each machine's own, which the
            interface then has to be promiscuous for.

    Raises:
        OperationError: we may not (CAP_NET_RAW), or the interface is away or down.
    """

    def __init__(self, interface: str, hardware: bytes | None) -> None:
        self._hardware = hardware
        with contextlib.ExitStack() as opened:
            try:
                self._frames = opened.enter_context(
                    socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
                )
                self._listen(interface)
                self._packets = opened.enter_context(
                    socket.socket(
                        socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_RAW
                    )
                )
                bind_to(self._packets, interface)
            except OSError as error:
                raise OperationError(
                    f"cannot send and hear DHCP on {interface}: {error.strerror}"
                    + ("; run it with sudo" if isinstance(error, PermissionError) else "")
                ) from error
            self._opened = opened.pop_all()

    def fileno(self) -> int:
        """What becomes readable when something has come."""
        return self._frames.fileno()

    def close(self) -> None:
        """Close both sockets; the interface is as it was."""
        self._opened.close()

    def broadcast(self, mac: bytes, source: str, ports: tuple[int, int], payload: bytes) -> None:
        """Send to everybody on the interface.

        Raises:
            OSError: the interface cannot take it now.
        """
        header = _ETHERNET.pack(_EVERY_MAC, self._hardware or mac, _ETH_P_IP)
        self._frames.send(header + packet((source, ports[0]), (_EVERYBODY, ports[1]), payload))

    def unicast(self, source: str, server: str, ports: tuple[int, int], payload: bytes) -> None:
        """Send to ``server``.

        Raises:
            OSError: there is no way there now.
        """
        sent = packet((source, ports[0]), (server, ports[1]), payload)
        self._packets.sendto(sent, (server, 0))

    def drain(self, receive: Receive) -> None:
        """Hand on what has come."""
        for _ in range(MAX_FRAMES_PER_WAKEUP):
            try:
                frame = self._frames.recv(MAX_FRAME)
            except OSError:  # nothing more, or the interface went down and may come back
                return
            if (found := datagram(frame)) is not None:
                receive(*found)

    def _listen(self, interface: str) -> None:
        code = b"".join(struct.pack("HBBI", *instruction) for instruction in _FILTER)
        buffer = ctypes.create_string_buffer(code)
        program = struct.pack("HL", len(_FILTER), ctypes.addressof(buffer))
        self._frames.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        self._frames.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self._frames.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._frames.bind((interface, _ETH_P_IP))
        if self._hardware is None:
            index = socket.if_nametoindex(interface)
            wanted = struct.pack("IHH8s", index, _PACKET_MR_PROMISC, 0, b"")
            self._frames.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, wanted)


def bind_to(opened: socket.socket, interface: str) -> None:
    """Nothing of this socket leaves by another interface, whatever the routes say.

    Raises:
        OSError: there is no such interface, or we may not.
    """
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")


def packet(source: tuple[str, int], target: tuple[str, int], payload: bytes) -> bytes:
    """A UDP datagram as an IPv4 packet (RFC 791, RFC 768)."""
    length = _UDP.size + len(payload)
    ends = inet_aton(source[0]) + inet_aton(target[0])
    pseudo = ends + struct.pack("!HH", _UDP_PROTOCOL, length)
    ports = source[1], target[1]
    udp = _UDP.pack(*ports, length, _checksum(pseudo + _UDP.pack(*ports, length, 0) + payload))
    head = (0x45, 0, _IP.size + length, 0, 0, 64, _UDP_PROTOCOL)
    ip = _IP.pack(*head, _checksum(_IP.pack(*head, 0, ends[:4], ends[4:])), ends[:4], ends[4:])
    return ip + udp + payload


def datagram(frame: bytes) -> tuple[bytes, tuple[str, int], int] | None:
    """Payload, source and destination port of the UDP datagram in a frame; None for none."""
    ip = frame[_ETHERNET.size :]
    if len(ip) < _IP.size or ip[0] >> 4 != 4:  # noqa: PLR2004 -- the IP version
        return None
    start = (ip[0] & 0x0F) * 4
    if len(ip) < start + _UDP.size:
        return None
    source, target, length, _sum = _UDP.unpack_from(ip, start)
    if not _UDP.size <= length <= len(ip) - start:
        return None
    return ip[start + _UDP.size : start + length], (inet_ntoa(ip[12:16]), source), target


def _checksum(data: bytes) -> int:
    """RFC 1071; a computed zero is sent as all ones, for zero means none (RFC 768)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (0xFFFF - total) or 0xFFFF
