"""UDP over IPv4 as raw packets (RFC 768, RFC 791): how DHCP is heard and answered by packet socket.

Received checksums are not looked at: on virtual links the sender leaves them for hardware that
never comes, so a wrong one is the rule there, not an error.
"""

import struct
from socket import inet_aton, inet_ntoa
from typing import NamedTuple

from netboot.errors import MalformedPacket

_IP = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")
_IPV4_PLAIN_HEADER = 0x45
_DONT_FRAGMENT = 0x4000
_FRAGMENT = 0x3FFF  # more-fragments bit and offset
_UDP_PROTOCOL = 17
_TTL = 64
_WORD = 4
_ALL_ONES = 0xFFFF


class Datagram(NamedTuple):
    """One UDP datagram with the dotted addresses of its IPv4 header."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: bytes


def parse(packet: bytes) -> Datagram:
    """Read an IPv4 packet, link-layer padding after it allowed.

    Raises:
        MalformedPacket: it is not one whole UDP datagram.
    """
    if len(packet) < _IP.size + _UDP.size or packet[0] >> 4 != _WORD:
        raise MalformedPacket("udp: no IPv4 header")
    first, _tos, total, _id, fragment, _ttl, protocol, _sum, source, target = _IP.unpack_from(
        packet
    )
    header = (first & 0x0F) * _WORD
    if header < _IP.size or not header + _UDP.size <= total <= len(packet):
        raise MalformedPacket("udp: IPv4 lengths do not fit")
    if protocol != _UDP_PROTOCOL or fragment & _FRAGMENT:
        raise MalformedPacket("udp: not UDP, or a fragment")
    source_port, target_port, length, _checksum = _UDP.unpack_from(packet, header)
    if not _UDP.size <= length <= total - header:
        raise MalformedPacket("udp: length does not fit")
    payload = packet[header + _UDP.size : header + length]
    return Datagram(inet_ntoa(source), source_port, inet_ntoa(target), target_port, payload)


def build(datagram: Datagram) -> bytes:
    """``datagram`` as an IPv4 packet with both checksums."""
    source, target = inet_aton(datagram.source), inet_aton(datagram.destination)
    length = _UDP.size + len(datagram.payload)
    pseudo = source + target + struct.pack("!BBH", 0, _UDP_PROTOCOL, length)
    ports = datagram.source_port, datagram.destination_port
    zeroed = _UDP.pack(*ports, length, 0)
    # RFC 768: a computed zero is sent as all ones, for zero means none
    checksum = _checksum(pseudo + zeroed + datagram.payload) or _ALL_ONES
    head = (_IPV4_PLAIN_HEADER, 0, _IP.size + length, 0, _DONT_FRAGMENT, _TTL, _UDP_PROTOCOL)
    ip_sum = _checksum(_IP.pack(*head, 0, source, target))
    ip = _IP.pack(*head, ip_sum, source, target)
    return ip + _UDP.pack(*ports, length, checksum) + datagram.payload


def _checksum(data: bytes) -> int:
    """The Internet checksum, RFC 1071.

    Adding 16-bit words with the carry wrapped round is arithmetic modulo 65535, and so is one
    division of the whole as a number: 2**16 leaves 1. A remainder of 0 stands for the sum 65535,
    which is what one's complement makes of it, unless there is nothing but zeros.
    """
    if len(data) % 2:
        data += b"\0"
    number = int.from_bytes(data)
    return -number % _ALL_ONES or (0 if number else _ALL_ONES)
