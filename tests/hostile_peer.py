"""Sends broken and forged datagrams and requests at one server, a bounded number, and ends.

    python hostile_peer.py SERVER COUNT SEED

Run inside a network namespace that a test made; COUNT is shared out over the four ports.
"""

import random
import socket
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden" / "packets"
HTTP_GARBAGE = 500
"""Connections, each with one broken request; they cost both sides far more than a datagram."""


def mangled(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, cut or added; one in four only gets a MAC nobody registered."""
    broken = bytearray(data)
    kind = chance.randrange(4)
    if kind == 0 and len(broken) > 34:
        broken[28:34] = b"\x02" + chance.randbytes(5)
    elif kind == 1:
        del broken[chance.randrange(len(broken)) :]
    elif kind == 2:
        for _ in range(chance.randrange(1, 20)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
    else:
        broken = bytearray(chance.randbytes(chance.randrange(600)))
    return bytes(broken)


def main() -> None:
    server, count, chance = sys.argv[1], int(sys.argv[2]), random.Random(int(sys.argv[3]))  # noqa: S311 -- repeatable noise
    dhcp = [path.read_bytes() for path in sorted(GOLDEN.glob("*-discover.bin"))]
    pxe = [path.read_bytes() for path in sorted(GOLDEN.glob("*-request-4011.bin"))]
    tftp = [path.read_bytes() for path in sorted(GOLDEN.glob("*-tftp-read-*.bin"))]
    targets = [(("255.255.255.255", 67), dhcp), ((server, 4011), pxe), ((server, 69), tftp)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        for number in range(count - HTTP_GARBAGE):
            target, samples = targets[number % len(targets)]
            sender.sendto(mangled(chance.choice(samples), chance), target)
    for _ in range(HTTP_GARBAGE):
        request = mangled(b"GET /ipxe/52:54:00:00:00:01 HTTP/1.1\r\nHost: x\r\n\r\n", chance)
        with socket.create_connection((server, 8080), timeout=5) as connection:
            connection.sendall(request)


if __name__ == "__main__":
    main()
