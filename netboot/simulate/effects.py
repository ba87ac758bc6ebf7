"""What a boot asks of the world, one thing at a time, and what it is told.

A boot is a generator: it yields one of these and is sent the answer. So it reads from top to
bottom as the firmware works, and knows no socket and no clock.
"""

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a DHCP datagram; nothing is answered.

    Attributes:
        server: its unicast address; "" for everybody on the interface.
        ports: source and destination.
    """

    payload: bytes
    server: str
    ports: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for a DHCP reply; answered by a ``Reply``, or None at time ``until``.

    Attributes:
        port: the local port that is listened on.
    """

    until: float
    port: int


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait until a time, whatever comes; answered by None."""

    until: float


@dataclass(frozen=True, slots=True)
class TftpGet:
    """Read a file by TFTP; answered by ``Got``.

    Attributes:
        options: asked for in the read request, in order (RFC 2347).
        probe: whether only its size is wanted: the read is broken off once that is known.
        keep: bytes of the file that are wanted; the others are read and thrown away.
    """

    server: str
    name: str
    options: tuple[tuple[str, int], ...] = ()
    probe: bool = False
    keep: int = 0


@dataclass(frozen=True, slots=True)
class HttpGet:
    """Read a file by HTTP; answered by ``Got``. ``head`` asks for the header alone."""

    url: str
    agent: str
    head: bool = False
    keep: int = 0


Get = TftpGet | HttpGet
Effect = Send | Listen | Sleep | TftpGet | HttpGet
Steps = Generator[Effect, Any, T]


class Problem(Enum):
    """How a read can fail, as firmware tells it apart."""

    MISSING = "not there"
    NO_ANSWER = "no answer"
    BROKE_OFF = "broke off"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Got:
    """How a read ended.

    Attributes:
        problem: None where the file came whole (or, probing, its size did).
        detail: the problem in the server's or the system's words.
        size: bytes of the file that came; probing, its size as told, -1 where not told.
        body: its first ``keep`` bytes.
    """

    problem: Problem | None = None
    detail: str = ""
    size: int = 0
    body: bytes = b""
