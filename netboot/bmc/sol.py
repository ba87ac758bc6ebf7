"""Serial over LAN as a console speaks it (IPMI 2.0, section 15.9), without a socket or a clock.

    byte 0   number of these characters, 1 to 15; 0: there are none
    byte 1   number of the characters that are acknowledged; 0: none
    byte 2   how many of them were taken
    byte 3   operation (to the BMC) or status (from it)
    4 …      characters

One packet of characters is under way in each direction at a time. It is repeated until it is
acknowledged; what is repeated has the same number, and may have grown.
"""

import math

HEADER = 4
RETRY_EVERY = 1.0
"""Seconds until characters are sent again that nobody acknowledged."""
TRIES = 8
"""How often they are sent; then the BMC is given up."""
MOST_WAITING = 64 * 1024
"""Bytes that wait to be sent."""
LARGEST = 200
"""Characters of one packet at most, whatever the BMC would take."""

_NUMBERS = 15
_NACK, _UNAVAILABLE, _DEACTIVATED = 1 << 6, 1 << 5, 1 << 4  # status, table 15-2


class Sol:
    """One side of one serial line, the console's.

    Attributes:
        ended: why there is no line any more; "" while there is.
    """

    def __init__(self) -> None:
        self.ended = ""
        self._chunk = LARGEST
        self._waiting = bytearray()
        self._number = 0
        self._flight = b""
        self._tries = 0
        self._due = 0.0
        self._acks: list[bytes] = []
        self._taken_number, self._taken = 0, 0

    @property
    def room(self) -> int:
        """Bytes ``write`` takes now."""
        return MOST_WAITING - len(self._waiting)

    @property
    def timer(self) -> float:
        """When ``packets`` is to be asked next; infinite where nothing waits."""
        if self._acks:
            return -math.inf
        return self._due if self._flight or self._waiting else math.inf

    def limit(self, largest: int) -> None:
        """Send no payload above ``largest`` bytes, as the BMC asked when SOL was activated."""
        self._chunk = max(1, min(largest - HEADER, LARGEST))

    def write(self, characters: bytes) -> None:
        """Have characters sent to the machine; no more than ``room``."""
        if len(characters) > self.room:
            raise ValueError("more characters than there is room for")
        self._waiting += characters

    def receive(self, packet: bytes, now: float) -> bytes:
        """Take a packet of the BMC; the characters in it that are new."""
        if len(packet) < HEADER:
            return b""
        number, acknowledged, count, status = packet[0] & 0xF, packet[1] & 0xF, *packet[2:HEADER]
        if status & _DEACTIVATED:
            self.ended = self.ended or "the BMC has ended the console"
        if self._flight and acknowledged == self._number:
            self._acknowledged(count, status, now)
        return self._characters(number, packet[HEADER:]) if number else b""

    def packets(self, now: float) -> list[bytes]:
        """What is to be sent now."""
        found, self._acks = self._acks, []
        if now < self._due or self.ended:
            return found
        if self._flight:
            if self._tries >= TRIES:
                self.ended = "the BMC no longer answers"
                return found
            self._tries += 1
        elif self._waiting:
            self._flight = bytes(self._waiting[: self._chunk])
            del self._waiting[: self._chunk]
            self._number, self._tries = _after(self._number), 1
        else:
            return found
        self._due = now + RETRY_EVERY
        return [*found, bytes([self._number, 0, 0, 0]) + self._flight]

    def _acknowledged(self, count: int, status: int, now: float) -> None:
        """Send what was not taken again, under a new number, and later where it cannot be now."""
        refused = status & (_NACK | _UNAVAILABLE)
        rest = self._flight[count:] if refused or count < len(self._flight) else b""
        self._waiting[:0] = rest
        self._flight = b""
        self._due = now + RETRY_EVERY if refused else now

    def _characters(self, number: int, characters: bytes) -> bytes:
        if _after(number) == self._taken_number:  # the one before, late
            return b""
        again = self._taken if number == self._taken_number else 0
        self._taken_number, self._taken = number, max(again, len(characters))
        self._acks.append(bytes([0, number, min(len(characters), 0xFF), 0]))
        return characters[again:]


def _after(number: int) -> int:
    return number % _NUMBERS + 1
