"""How long a packet gets through unfragmented: ICMP echo of several sizes at once (RFC 792).

A switch or a host with a smaller MTU than ours drops long frames without a word: small packets
pass, so everything seems well until the first full block. Only echoes of both sizes tell.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Collection, Iterator

from netboot.errors import OperationError

ROUNDS = 2
"""Times a question is put that was not answered yet; one may be lost."""
PATIENCE = 0.7
"""Seconds to wait in each round."""
HEADERS = 28
"""Bytes of the IPv4 and the ICMP header."""

_ECHO, _ECHO_REPLY = 8, 0
_IP_MTU_DISCOVER, _PROBE = 10, 3  # linux/in.h: never fragment, and never mind what was learnt
_MAX_PACKET = 65_535
_MAX_PACKETS = 1000
_Question = tuple[str, int]


def answered(
    source: str, peers: Collection[str], sizes: Collection[int], patience: float = PATIENCE
) -> dict[str, set[int]]:
    """Which of ``peers`` answer packets of which of ``sizes``; blocks for ``ROUNDS`` rounds.

    Args:
        source: our address, whose interface the packets leave by.
        peers: IPv4 addresses.
        sizes: bytes of the whole IP packet, each at least ``HEADERS``.
        patience: seconds to wait in each round.

    Raises:
        OperationError: we may not (CAP_NET_RAW), or the address is not ours.
    """
    identity = int.from_bytes(os.urandom(2))
    questions = list(enumerate((peer, size) for peer in peers for size in sizes))
    heard: set[_Question] = set()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as opened:
            opened.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)
            opened.bind((source, 0))
            for _ in range(ROUNDS):
                missing = {n: question for n, question in questions if question not in heard}
                _ask(opened, identity, missing)
                heard.update(_listen(opened, identity, missing, patience))
    except OSError as error:
        raise OperationError(f"cannot send echo requests from {source}: {error.strerror}") from None
    return {peer: {size for who, size in heard if who == peer} for peer in peers}


def _ask(opened: socket.socket, identity: int, missing: dict[int, _Question]) -> None:
    for number, (peer, size) in missing.items():
        try:
            opened.sendto(_request(identity, number, size), (peer, 0))
        except PermissionError:
            raise
        except OSError:
            continue  # too long for the interface or unreachable: the same as no answer


def _listen(
    opened: socket.socket, identity: int, missing: dict[int, _Question], patience: float
) -> Iterator[_Question]:
    left = dict(missing)
    deadline = time.monotonic() + patience
    for _ in range(_MAX_PACKETS):
        wait = deadline - time.monotonic()
        if not left or wait <= 0 or not select.select([opened], [], [], wait)[0]:
            return
        packet, (peer, _port) = opened.recvfrom(_MAX_PACKET)
        number = _reply(packet, identity)
        if number in left and left[number] == (peer, len(packet)):
            yield left.pop(number)


def _request(identity: int, number: int, size: int) -> bytes:
    total = (_ECHO << 8) + identity + number  # the rest is zeros, which add nothing (RFC 1071)
    checksum = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
    header = struct.pack("!BBHHH", _ECHO, 0, checksum, identity, number)
    return header + bytes(size - HEADERS)


def _reply(packet: bytes, identity: int) -> int | None:
    """The number of the question it answers, None for another packet."""
    start = (packet[0] & 0x0F) * 4
    if len(packet) < start + 8:
        return None
    kind, _code, _sum, whose, number = struct.unpack_from("!BBHHH", packet, start)
    return number if (kind, whose) == (_ECHO_REPLY, identity) else None
