"""Captured frames → what stood in them.

A witness that shares no code with netboot's own parsers: what it says a machine sent is evidence
about them. It reads only what a lab asks about, and reads it leniently: frames it cannot take
apart are None, not errors.
"""

import ipaddress
import socket
import struct
from dataclasses import dataclass

TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
ETHERNET_HEADER = 14
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
"""DHCP message types, option 53 (RFC 2132 section 9.6)."""

_DHCP_COOKIE_AT, _DHCP_OPTIONS_AT = 236, 240
_DHCP_COOKIE = b"\x63\x82\x53\x63"
_PAD, _END = 0, 255
_MESSAGE_TYPE = 53
_TFTP_READ = b"\x00\x01"


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured frame, taken apart.

    Attributes:
        time: seconds, ``time.time()``.
        protocol: ``UDP`` or ``TCP`` of this module.
        payload: what UDP or TCP carried.
    """

    time: float
    frame: bytes
    protocol: int
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes


def dissect(frame: bytes, when: float = 0.0) -> Packet | None:
    """Take an Ethernet frame apart; None for what is no whole, unfragmented IPv4 UDP or TCP."""
    ip = frame[ETHERNET_HEADER:]
    if len(ip) < 20 or frame[12:14] != b"\x08\x00":  # noqa: PLR2004 -- the least IPv4 header
        return None
    header, total, protocol = (ip[0] & 0x0F) * 4, int.from_bytes(ip[2:4]), ip[9]
    segment = ip[header:total]
    least = {UDP: 8, TCP: 20}.get(protocol)
    if least is None or len(segment) < least or int.from_bytes(ip[6:8]) & 0x3FFF:
        return None
    start = 8 if protocol == UDP else (segment[12] >> 4) * 4
    source_port, destination_port = struct.unpack_from("!HH", segment)
    return Packet(
        when,
        frame,
        protocol,
        (str(ipaddress.IPv4Address(ip[12:16])), source_port),
        (str(ipaddress.IPv4Address(ip[16:20])), destination_port),
        segment[start:],
    )


def dhcp_option(payload: bytes, code: int) -> bytes | None:
    """The value of a DHCP message's option, None where it is no DHCP or has none (RFC 2132)."""
    if payload[_DHCP_COOKIE_AT:_DHCP_OPTIONS_AT] != _DHCP_COOKIE:
        return None
    at = _DHCP_OPTIONS_AT
    while at + 1 < len(payload) and payload[at] != _END:
        if payload[at] == _PAD:
            at += 1
            continue
        length = payload[at + 1]
        if payload[at] == code:
            return payload[at + 2 : at + 2 + length]
        at += 2 + length
    return None


def dhcp_type(payload: bytes) -> int | None:
    """The DHCP message type, None for what is no DHCP."""
    value = dhcp_option(payload, _MESSAGE_TYPE)
    return value[0] if value else None


def tftp_read(packet: Packet) -> str | None:
    """The file a TFTP read request names (RFC 1350 section 5), None for another packet."""
    if packet.protocol != UDP or packet.payload[:2] != _TFTP_READ:
        return None
    return packet.payload[2:].partition(b"\0")[0].decode("latin-1")


def http_target(packet: Packet) -> str | None:
    """The target of a GET or HEAD that starts in this segment, None for another packet."""
    if packet.protocol != TCP or not packet.payload.startswith((b"GET ", b"HEAD ")):
        return None
    return packet.payload.split(b" ", 2)[1].decode("latin-1")
