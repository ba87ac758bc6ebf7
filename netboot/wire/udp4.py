"""UDP over IPv4 as raw packets (RFC 768, RFC 791): how DHCP is heard and answered by packet socket.

Received checksums are not looked at: on virtual links the sender leaves them for hardware that
never comes, so a wrong one is the rule there, not an error.
"""

import struct
from functools import lru_cache
from socket import inet_aton, inet_ntoa
from typing import NamedTuple

from netboot.errors import MalformedPacket

MAX_HEADERS = 256
"""Headers kept to be used again: replies of one length to one address differ in nothing else."""

_IP = struct.Struct("!BBHHHBBH8s")  # source and destination as one
_UDP = struct.Struct("!HHHH")
_LENGTHS = struct.Struct("!BxH2xHxB")  # of _IP: version and header, total, fragment, protocol
_SHORT, _LONG = struct.Struct("!H"), struct.Struct("!I")
_CHECKSUM_AT = _IP.size + 6
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
    start, end = _datagram_in(packet)
    source, target = inet_ntoa(packet[12:16]), inet_ntoa(packet[16:20])
    source_port, target_port, _length, _checksum = _UDP.unpack_from(packet, start)
    return Datagram(source, source_port, target, target_port, packet[start + _UDP.size : end])


def payload(packet: bytes) -> bytes:
    """``parse(packet).payload``, where nobody asks for the addresses.

    Raises:
        MalformedPacket: likewise.
    """
    start, end = _datagram_in(packet)
    return packet[start + _UDP.size : end]


def build(datagram: Datagram) -> bytes:
    """``datagram`` as an IPv4 packet with both checksums."""
    source, source_port, destination, destination_port, payload = datagram
    length = _UDP.size + len(payload)
    ip, pseudo = _headers(source, destination, length)
    udp = _UDP.pack(source_port, destination_port, length, 0)
    # RFC 768: a computed zero is sent as all ones, for zero means none
    checksum = _checksum(pseudo + udp + payload) or _ALL_ONES
    return ip + udp[:-2] + _SHORT.pack(checksum) + payload


@lru_cache(MAX_HEADERS)
def _headers(source: str, destination: str, length: int) -> tuple[bytes, bytes]:
    """The IPv4 header with its checksum, and the pseudo-header of RFC 768."""
    addresses = inet_aton(source) + inet_aton(destination)
    head = (_IPV4_PLAIN_HEADER, 0, _IP.size + length, 0, _DONT_FRAGMENT, _TTL, _UDP_PROTOCOL)
    zeroed = _IP.pack(*head, 0, addresses)
    ip = _IP.pack(*head, _checksum(zeroed), addresses)
    return ip, addresses + struct.pack("!BBH", 0, _UDP_PROTOCOL, length)


def rewrite(packet: bytearray, at: int, number: int) -> None:
    """Replace 32 bits of the payload of what ``build`` gave, and mend its checksum (RFC 1624).

    Args:
        packet: changed in place.
        at: where in the payload, an even offset.
        number: what stands there from now on.
    """
    at += _IP.size + _UDP.size
    [before] = _LONG.unpack_from(packet, at)
    [checksum] = _SHORT.unpack_from(packet, _CHECKSUM_AT)
    _LONG.pack_into(packet, at, number)
    _SHORT.pack_into(packet, _CHECKSUM_AT, (checksum + before - number) % _ALL_ONES or _ALL_ONES)


def _datagram_in(packet: bytes) -> tuple[int, int]:
    """Where the UDP header begins and the datagram ends."""
    if len(packet) < _IP.size + _UDP.size or packet[0] >> 4 != _WORD:
        raise MalformedPacket("udp: no IPv4 header")
    first, total, fragment, protocol = _LENGTHS.unpack_from(packet)
    start = (first & 0x0F) * _WORD
    if start < _IP.size or not start + _UDP.size <= total <= len(packet):
        raise MalformedPacket("udp: IPv4 lengths do not fit")
    if protocol != _UDP_PROTOCOL or fragment & _FRAGMENT:
        raise MalformedPacket("udp: not UDP, or a fragment")
    [length] = _SHORT.unpack_from(packet, start + 4)
    if not _UDP.size <= length <= total - start:
        raise MalformedPacket("udp: length does not fit")
    return start, start + length


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
