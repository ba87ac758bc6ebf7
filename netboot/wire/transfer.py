"""One TFTP read, the server's side: neither socket nor clock (RFC 1350, 2347, 2348, 2349, 7440).

::

    RRQ with options ──▶ OFFERED ──ACK 0──▶ SENDING ──ACK of the last block──▶ DONE
    RRQ without ───────────────────────────────▲ │ ▲                            │ dally
                            ERROR: PROBE ◀─────┘ │ └── window acknowledged      ▼
                            (from OFFERED)       ├── ERROR ──▶ ABORTED ──▶ closed
                                                 └── silence ▶ TIMED_OUT ──▶ closed
                                                               or UNCONFIRMED

Feed it with ``receive_datagram`` and, at the time ``get_timer`` names, ``handle_timer``; after
either send what ``datagrams_to_send`` gives. The rules it keeps:

- **The OACK is block 0.** It is repeated until ACK 0 comes, like any window.
- **A client that asks for ``tsize`` and breaks off has what it wanted**: an ERROR as the answer to
  an OACK is a *probe*, not a failure. UEFI reads every file's size this way first.
- **A duplicate ACK never makes traffic** (the Sorcerer's Apprentice, RFC 1123 section 4.2.3.1).
  Lock-step repeats a block by timer alone.
- **An ACK inside a window** moves the window behind it (RFC 7440 section 4). It may report a lost
  block, be a duplicate, or come from a client that acknowledges oftener than it must or counts
  its window from elsewhere. So only what was never sent is sent at once; if no better ACK comes
  for two round trips, the window starts again, once, and then the timer rules.
- **The timer learns the round trip** (RFC 6298), unless the client set it (RFC 2349). In lock-step
  it never goes under ``MIN_INTERVAL``: some ROMs count blocks instead of reading their numbers, and
  an early repetition spoils their file. A client that knows windows reads them.
- **The file stays where it is**: no more than a window of it, or ``READ_AHEAD`` bytes, is read.

It hears its peer only. Who a datagram is from, the caller knows: a transfer's socket is connected,
or the server looked it up by its sender.
"""

from collections import Counter
from enum import StrEnum

from netboot.errors import MalformedPacket, NotServed
from netboot.wire import tftp
from netboot.wire.blocks import Blocks, NetasciiBlocks, OctetBlocks, Source
from netboot.wire.tftp import BLOCK_MASK, Error, ErrorCode, Mode, OptionAck, Packet, ReadRequest
from netboot.wire.tftp_options import ETHERNET_MTU, MAX_WINDOWSIZE, negotiate

FIRST_INTERVAL = 1.0
"""Seconds until the first repetition while no round trip is measured (RFC 6298 section 2.1)."""
MIN_INTERVAL = 0.3
MIN_WINDOW_INTERVAL = 0.1
MAX_INTERVAL = 4.0
"""Bounds of the seconds between two repetitions, where the client set none."""
MIN_HURRY = 0.01
"""Least seconds between an ACK that leaves blocks outstanding and the window's new start."""
RETRIES = 8
"""Repetitions without progress before a peer is given up: about half a minute."""
DALLY = 0.25
"""Seconds in which a finished transfer swallows what the network duplicated."""
SAMPLE_INTERVAL = 0.05
"""Least seconds between two measurements of the round trip."""


class Result(StrEnum):
    """How a transfer ended."""

    DONE = "done"
    PROBE = "probe"
    """The client wanted the size only."""
    ABORTED = "aborted"
    TIMED_OUT = "timed-out"
    UNCONFIRMED = "unconfirmed"
    """Everything was sent, and all but the last window acknowledged; then came silence. As a rule
    the client has it all: many a ROM starts what it loaded before its last ACK is out."""
    NOT_SERVED = "not-served"


class ReadTransfer:
    """One peer reading one file.

    Args:
        request: what it asked.
        source: the file; closed as soon as the result is known.
        now: seconds of any clock, the same one in every call.
        mtu: bytes of the largest packet that reaches the peer; ``blksize`` is lowered to fit.
        max_windowsize: the most blocks to agree to.
        drops: counts what is ignored, by reason.

    Attributes:
        result: how it ended, None while it runs.
        detail: why it ended so, a few words; "" where there is nothing to say.
        heard: when the peer last acknowledged something, None if it never did.
    """

    def __init__(
        self,
        request: ReadRequest,
        source: Source,
        now: float,
        *,
        mtu: int = ETHERNET_MTU,
        max_windowsize: int = MAX_WINDOWSIZE,
        drops: Counter[str] | None = None,
    ) -> None:
        self.request = request
        self.terms = negotiate(request, source.size, mtu, max_windowsize)
        self.result: Result | None = None
        self.detail = ""
        self.heard: float | None = None
        self._source = source
        cut = OctetBlocks if request.mode is Mode.OCTET else NetasciiBlocks
        self._blocks: Blocks = cut(source, self.terms.blksize)
        self._drops = Counter() if drops is None else drops
        self._outbox: list[bytes] = []
        # counted without roll-over; block 0 is the OACK
        self._acked = -1 if self.terms.accepted else 0
        self._sent = self._acked
        self._awaited: bytes | None = None  # the ACK of a whole window that is not the last
        floor = MIN_INTERVAL if self.terms.windowsize == 1 else MIN_WINDOW_INTERVAL
        self._round_trip = RoundTrip(self.terms.timeout, floor)
        self._sent_at: float | None = None
        self._measure_at = now
        self._tries = 0
        self._may_hurry, self._hurrying = True, False
        self._deadline: float | None = None
        self._send_window(now)

    @property
    def sent(self) -> int:
        """Payload bytes the peer has acknowledged."""
        return self._blocks.bytes_before(self._acked + 1) if self._acked > 0 else 0

    @property
    def closed(self) -> bool:
        """Whether it is over, dallying included: it can be forgotten."""
        return self._deadline is None

    def get_timer(self) -> float | None:
        """When to call ``handle_timer``; None once closed."""
        return self._deadline

    def datagrams_to_send(self) -> list[bytes]:
        """Take what is to be sent now, in order; a window is never torn apart."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def receive_datagram(self, datagram: bytes, now: float) -> None:
        """Take one datagram of the peer's; a bad one is counted."""
        if datagram == self._awaited:  # nearly always: what _on_ack does, without its questions
            self.heard = now
            self._advance(self._sent, now)
            self._send_blocks(self._sent + 1, now)
            return
        try:
            block = tftp.acknowledged(datagram)
            if block is not None:
                self._on_ack(block, now)
            else:
                self._on_other(tftp.parse(datagram))
        except MalformedPacket as problem:
            self._drops[str(problem)] += 1

    def handle_timer(self, now: float) -> None:
        """Do what is due by now: repeat, give up, or stop dallying."""
        if self._deadline is None or now < self._deadline:
            return
        if self.result is not None:
            self._deadline = None
        elif self._hurrying:
            self._hurrying = False
            self._send_window(now)
        elif self._tries == RETRIES:
            self._finish(*self._silence())
        else:
            self._tries += 1
            self._sent_at = None  # Karn: nobody knows which of the two an ACK would be for
            self._send_window(now)

    def repeat(self, now: float) -> None:
        """Send the first answer again, because its RRQ came again; nothing once it was heard."""
        if self.result is None and self.heard is None:
            self._send_window(now)

    def abort(self, message: str) -> None:
        """End it from our side, at once, and tell the peer."""
        if self.result is None:
            self._tell(Error(ErrorCode.UNDEFINED, message))
            self._finish(Result.ABORTED, message)
        self._deadline = None

    def supersede(self) -> None:
        """End it because its peer has moved on to another request, so there is nobody to tell."""
        if self.result is None:
            self._finish(Result.PROBE if self._acked < 0 else Result.ABORTED, "asked anew")
        self._deadline = None

    def _on_ack(self, block: int, now: float) -> None:
        fresh = (block - self._acked) & BLOCK_MASK
        if self.result is not None or fresh > self._sent - self._acked:
            self._drops["tftp: ACK outside the window"] += 1
            return
        self.heard = now
        if fresh:
            self._advance(self._acked + fresh, now)
        if self._acked == self._blocks.last:
            self._finish(Result.DONE)
            self._deadline = now + DALLY
        elif self._acked == self._sent:
            self._send_window(now)
        elif self.terms.windowsize > 1 and (fresh or self._may_hurry):
            if fresh and not self._in_last_window():
                self._send_blocks(self._sent + 1, now)
            self._hurry(now)
        else:
            self._drops["tftp: duplicate ACK"] += 1

    def _hurry(self, now: float) -> None:
        """Start the window again soon, unless a better ACK comes before."""
        if self.result is None:
            self._may_hurry, self._hurrying = False, True
            self._deadline = now + self._round_trip.hurry()

    def _advance(self, acked: int, now: float) -> None:
        if self._sent_at is not None:
            self._round_trip.measured(now - self._sent_at)
            self._sent_at, self._measure_at = None, now + SAMPLE_INTERVAL
        self._acked = acked
        self._blocks.release(acked + 1)
        self._tries = 0
        self._may_hurry, self._hurrying = True, False

    def _on_other(self, packet: Packet) -> None:
        if not isinstance(packet, Error) or self.result is not None:
            self._drops[f"tftp: unexpected {type(packet).__name__}"] += 1
            return
        detail = f"error {packet.code} {packet.message}".rstrip()
        if self._acked < 0:
            self._finish(Result.PROBE, detail)
        elif packet.code == ErrorCode.UNKNOWN_TID and self._tries and self._in_last_window():
            # what was repeated found a client that has finished: its last ACK was lost
            self._finish(Result.DONE, detail)
        else:
            self._finish(Result.ABORTED, detail)

    def _send_window(self, now: float) -> None:
        """Send all from the first unacknowledged block to the end of the window."""
        if self._acked < 0:
            self._tell(OptionAck(self.terms.accepted))
            self._sent = 0
            self._wait(now)
        else:
            self._send_blocks(self._acked + 1, now)

    def _send_blocks(self, first: int, now: float) -> None:
        """Send from ``first`` to the end of the window."""
        count = self._acked + self.terms.windowsize + 1 - first
        try:
            packets = self._blocks.window(first, count)
        except NotServed as problem:
            self._tell(Error(ErrorCode.UNDEFINED, "the file cannot be read"))
            self._finish(Result.NOT_SERVED, str(problem))
            return
        self._outbox += packets
        self._sent = sent = first + len(packets) - 1
        self._awaited = None if sent == self._blocks.last else tftp.ack(sent & BLOCK_MASK)
        self._wait(now)

    def _wait(self, now: float) -> None:
        if self._sent_at is None and now >= self._measure_at and not self._tries:
            self._sent_at = now
        round_trip = self._round_trip
        self._deadline = now + (
            round_trip.interval(self._tries) if self._tries else round_trip.first
        )

    def _tell(self, packet: Packet) -> None:
        self._outbox.append(tftp.build(packet))

    def _finish(self, result: Result, detail: str = "") -> None:
        self.result, self.detail = result, detail
        self._deadline = self._awaited = None
        self._source.close()

    def _in_last_window(self) -> bool:
        return self._sent == self._blocks.last

    def _silence(self) -> tuple[Result, str]:
        if self._acked < 0:
            return Result.TIMED_OUT, "no answer to the OACK"
        if self._in_last_window() and self.heard is not None:
            return Result.UNCONFIRMED, "everything was sent, but the last ACK never came"
        return Result.TIMED_OUT, f"silent after {self.sent} bytes"


class RoundTrip:
    """How long to wait for a peer (RFC 6298).

    Args:
        timeout: seconds the client chose (RFC 2349), None where it left that to us.
        floor: the least seconds between two repetitions, where it did.

    Attributes:
        first: seconds to wait for an answer to what was sent once.
    """

    def __init__(self, timeout: int | None, floor: float) -> None:
        self._timeout = timeout
        self._floor = floor
        self._smoothed: float | None = None
        self._variation = 0.0
        self.first = FIRST_INTERVAL if timeout is None else float(timeout)

    def measured(self, seconds: float) -> None:
        """Learn from one answer."""
        if seconds < 0:  # the clock was put back
            return
        if self._smoothed is None:
            self._smoothed, self._variation = seconds, seconds / 2
        else:
            self._variation += (abs(seconds - self._smoothed) - self._variation) / 4
            self._smoothed += (seconds - self._smoothed) / 8
        if self._timeout is None:
            learnt = self._smoothed + 4 * self._variation
            self.first = min(max(learnt, self._floor), MAX_INTERVAL)

    def interval(self, tries: int) -> float:
        """Seconds to wait for an answer after ``tries`` repetitions; they double each time."""
        if not tries or self._timeout is not None:
            return self.first
        return min(self.first * 2.0**tries, MAX_INTERVAL)

    def hurry(self) -> float:
        """Seconds after which an ACK that left blocks outstanding means that one was lost."""
        return min(max(2 * (self._smoothed or 0.0), MIN_HURRY), self.interval(0))
