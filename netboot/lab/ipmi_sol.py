"""Serial over LAN as a BMC speaks it (IPMI 2.0, section 15.9): pure, no socket and no clock.

Each payload to the console carries the characters of the machine under a number from 1 to 15, and
is sent again until the console acknowledges that number. Payloads from the console carry what was
typed, likewise.
"""

import math
from collections import deque

PAYLOAD = 255
"""Bytes of a payload in either direction, its header of four included."""
RETRY_INTERVAL = 0.5
RETRIES = 7
"""How often a payload nobody acknowledges is sent again; then the console is gone."""
KEPT_OUTPUT = 256 * 1024
"""Characters of the machine that wait for the console; of more, the oldest are lost."""

_HEAD = 4
_NOT_TAKEN, _CANNOT_TRANSFER, _DEACTIVATING = 0x40, 0x20, 0x10


class SolPayloads:
    """One activation of SOL.

    Attributes:
        gone: whether the console no longer acknowledges.
    """

    def __init__(self) -> None:
        self.gone = False
        self._output = bytearray()
        self._replies: deque[bytes] = deque(maxlen=16)
        self._sent = b""
        self._sent_number, self._left, self._again = 0, 0, math.inf
        self._seen_number, self._seen_count = 0, 0

    @property
    def again(self) -> float:
        """When the payload under way is to be sent again; infinite where none is."""
        return self._again

    def output(self, characters: bytes) -> None:
        """The machine has said something."""
        self._output += characters
        if len(self._output) > KEPT_OUTPUT:
            del self._output[:-KEPT_OUTPUT]

    def typed(self, payload: bytes, *, takes: bool = True) -> bytes:
        """Take a payload of the console; the characters for the machine.

        Args:
            payload: as it came.
            takes: whether the machine takes characters; else they are refused.
        """
        if len(payload) < _HEAD:
            return b""
        if self._sent and payload[1] & 0xF == self._sent_number:
            missed = self._sent[payload[2] :] if payload[3] & _NOT_TAKEN else b""
            self._output[:0] = missed
            self._sent, self._again = b"", math.inf
        number, characters = payload[0] & 0xF, payload[_HEAD:]
        if not number:
            return b""
        if not takes:
            self._replies.append(bytes([0, number, 0, _NOT_TAKEN | _CANNOT_TRANSFER]))
            return b""
        known = self._seen_count if number == self._seen_number else 0
        self._seen_number, self._seen_count = number, max(known, len(characters))
        self._replies.append(bytes([0, number, len(characters), 0]))
        return characters[known:]

    def due(self, now: float) -> list[bytes]:
        """Payloads to send now."""
        found = list(self._replies)
        self._replies.clear()
        if self._sent:
            if now < self._again:
                return found
            self._left -= 1
            self.gone = self._left < 0
        elif self._output:
            self._sent = bytes(self._output[: PAYLOAD - _HEAD])
            del self._output[: PAYLOAD - _HEAD]
            self._sent_number, self._left = self._sent_number % 15 + 1, RETRIES
        else:
            return found
        self._again = now + RETRY_INTERVAL
        return [*found, bytes([self._sent_number, 0, 0, 0]) + self._sent]

    @staticmethod
    def farewell() -> bytes:
        """The payload that says it is over."""
        return bytes([0, 0, 0, _NOT_TAKEN | _DEACTIVATING])
