"""What is written down, what is only counted, and what is said when nothing comes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from netboot.boot import journal as journal_module
from netboot.boot.journal import (
    MAX_QUEUED,
    MAX_WAITING,
    NODE_BURST,
    NODE_EVENTS_PER_SECOND,
    PACE,
    REPEAT_SECONDS,
    SLICE,
    STORM,
    STRANGER_BURST,
    Journal,
    Note,
)
from netboot.events import Event, Kind
from netboot.model import Mac
from netboot.stages import WAITS, Stage

KNOWN, UNKNOWN = Mac("52:54:00:00:00:01"), Mac("52:54:00:00:00:02")
WHY = "belongs to no node"


@dataclass
class Desk:
    """A journal, its clock and what it gave out."""

    now: float = 1_700_000_000.0
    names: dict[Mac, str] = field(default_factory=lambda: {KNOWN: "n1"})
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = Journal(self.names.get, [self.events.append], lambda: self.now)

    def asks(self, mac: Mac, outcome: Kind = Kind.IGNORED, detail: str = WHY) -> None:
        """A DISCOVER and what came of it."""
        self.journal.record(Kind.DISCOVER, mac, "asks")
        self.journal.record(outcome, mac, detail)

    def kinds(self) -> list[Kind]:
        """What was written down since the last look."""
        found = [event.kind for event in self.events]
        self.events.clear()
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_event_has_its_node_its_time_and_its_values(desk: Desk) -> None:
    desk.journal.record(Kind.OFFER, KNOWN, "boot file x", arch=7)
    desk.journal.record(Kind.NOT_SERVED, None, "x by TFTP", address="192.0.2.7")
    assert desk.events == [
        Event(Kind.OFFER, KNOWN, "n1", "boot file x", {"arch": 7}, desk.now),
        Event(Kind.NOT_SERVED, None, None, "x by TFTP", {"address": "192.0.2.7"}, desk.now),
    ]


def test_no_token_is_written_down(desk: Desk) -> None:
    desk.journal.record(Kind.FAILED, KNOWN, f"/node/nbt_{'A' * 48}/preseed.cfg broke off")
    [event] = desk.events
    assert "AAAA" not in event.detail
    assert event.detail.endswith("/preseed.cfg broke off")


def test_every_sink_gets_it() -> None:
    first: list[Event] = []
    second: list[Event] = []
    Journal(lambda _mac: None, [first.append, second.append]).record(Kind.OFFER, KNOWN, "")
    assert first == second != []


class TestRepeats:
    def test_an_ignored_machine_is_written_down_once_a_minute(self, desk: Desk) -> None:
        for _ in range(int(2 * REPEAT_SECONDS) - 1):
            desk.asks(UNKNOWN)
            desk.now += 1
        assert desk.kinds() == [Kind.DISCOVER, Kind.IGNORED] * 2
        assert desk.journal.drops == {
            "journal: repeated discover": 2 * REPEAT_SECONDS - 3,
            "journal: repeated ignored": 2 * REPEAT_SECONDS - 3,
        }

    @pytest.mark.parametrize("kind", [Kind.NOT_SERVED, Kind.FAILED, Kind.ALARM])
    def test_so_is_what_else_can_be_asked_for_again_and_again(self, desk: Desk, kind: Kind) -> None:
        for name in ("a", "b", "a", "b", "a"):
            desk.journal.record(kind, KNOWN, name)
        assert [event.detail for event in desk.events] == ["a", "b"]

    def test_an_answered_machine_is_written_down_each_time(self, desk: Desk) -> None:
        for _ in range(3):
            desk.asks(KNOWN, Kind.OFFER)
        assert desk.kinds() == [Kind.DISCOVER, Kind.OFFER] * 3

    def test_another_reason_is_news(self, desk: Desk) -> None:
        desk.asks(KNOWN)
        desk.asks(KNOWN, detail="its profile is not known")
        assert desk.kinds() == [Kind.DISCOVER, Kind.IGNORED, Kind.IGNORED]

    def test_a_machine_registered_meanwhile_is_news(self, desk: Desk) -> None:
        desk.asks(UNKNOWN)
        desk.names[UNKNOWN] = "n2"
        desk.asks(UNKNOWN, Kind.OFFER)
        assert desk.kinds() == [Kind.DISCOVER, Kind.IGNORED, Kind.DISCOVER, Kind.OFFER]

    def test_once_answered_its_questions_count_again(self, desk: Desk) -> None:
        desk.asks(KNOWN)
        desk.asks(KNOWN, Kind.OFFER)
        desk.asks(KNOWN, Kind.OFFER)
        assert desk.kinds()[2:] == [Kind.OFFER, Kind.DISCOVER, Kind.OFFER]

    def test_a_clock_that_is_set_back_silences_nobody(self, desk: Desk) -> None:
        desk.asks(UNKNOWN)
        desk.now -= 3600
        desk.asks(UNKNOWN)
        assert desk.kinds() == [Kind.DISCOVER, Kind.IGNORED] * 2

    def test_what_is_remembered_is_bounded(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(journal_module, "MAX_QUESTIONS", 10)
        macs = [Mac(f"52:54:00:00:01:{number:02x}") for number in range(11)]
        for mac in macs:
            desk.asks(mac)
        assert len(desk.journal._last) == len(desk.journal._ignored) == 10
        desk.kinds()
        desk.asks(macs[-1])
        assert desk.kinds() == []
        desk.asks(macs[0])  # the one that was forgotten
        assert desk.kinds() == [Kind.DISCOVER, Kind.IGNORED]


class TestRates:
    """What varies with each repetition is bounded all the same."""

    def test_one_node_s_events_are_bounded_kind_by_kind(self, desk: Desk) -> None:
        for number in range(NODE_BURST + 100):
            desk.journal.record(Kind.NOT_SERVED, KNOWN, f"file {number}")
        assert desk.kinds() == [Kind.NOT_SERVED] * NODE_BURST
        assert desk.journal.drops == {"journal: too many not-served": 100}
        desk.journal.record(Kind.OFFER, KNOWN, "")  # another kind has a bound of its own
        desk.now += 10
        for number in range(100):
            desk.journal.record(Kind.NOT_SERVED, KNOWN, f"later {number}")
        assert desk.kinds() == [Kind.OFFER] + [Kind.NOT_SERVED] * int(10 * NODE_EVENTS_PER_SECOND)

    def test_invented_machines_share_one_bound_and_crowd_out_no_node(self, desk: Desk) -> None:
        for number in range(STRANGER_BURST + 100):
            desk.asks(Mac(f"52:54:00:01:{number >> 8:02x}:{number & 255:02x}"))
        assert len(desk.kinds()) == 2 * STRANGER_BURST
        desk.asks(KNOWN, Kind.OFFER)
        assert desk.kinds() == [Kind.DISCOVER, Kind.OFFER]
        for number in range(STRANGER_BURST + 100):
            desk.journal.record(Kind.NOT_SERVED, None, f"{number}")
        assert len(desk.kinds()) == STRANGER_BURST


class TestStalls:
    def test_a_stage_that_does_not_come_is_published_with_the_node_s_name(self, desk: Desk) -> None:
        desk.asks(KNOWN, Kind.OFFER)
        patience = WAITS[Stage.REQUEST_4011].seconds
        desk.now += patience - 1
        desk.journal.tick()
        assert desk.kinds() == [Kind.DISCOVER, Kind.OFFER]
        desk.now += 1
        desk.journal.tick()
        [stalled] = desk.events
        assert (stalled.kind, stalled.mac, stalled.node) == (Kind.STALLED, KNOWN, "n1")
        assert (stalled.data["stage"], stalled.data["after"]) == ("request-4011", "offer")
        assert stalled.time == desk.now
        desk.now += 1000
        desk.journal.tick()
        assert len(desk.events) == 1  # once

    def test_an_ignored_machine_never_stalls(self, desk: Desk) -> None:
        desk.asks(UNKNOWN)
        desk.now += 1000
        desk.journal.tick()
        assert desk.kinds() == [Kind.DISCOVER, Kind.IGNORED]


class Busy:
    """A journal in a program that is busy: what waits is handed out when ``turn`` says so."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.later: list[Callable[[], None]] = []
        self.journal = Journal(
            lambda mac: f"n{mac}", [self.events.append], lambda: 1_700_000_000.0, self.put_off
        )

    def put_off(self, seconds: float, call: Callable[[], None]) -> None:
        assert seconds == PACE
        self.later.append(call)

    def fill(self, count: int) -> None:
        for number in range(count):
            self.journal.record(Kind.LOADER, Mac(f"x{number}"), "")

    def turn(self) -> list[str]:
        """What is handed out at the next turn; there is one as long as anything waits."""
        [call] = self.later
        self.later.clear()
        call()
        found = [f"{event.kind.value} {event.mac} {event.detail}".strip() for event in self.events]
        self.events.clear()
        return found


EXCHANGE = (Note(Kind.DISCOVER, "asks", {"arch": 7}), Note(Kind.OFFER, "binl", {}))


class TestStorm:
    """Machines come first; what is said of them follows a little later, in order."""

    def test_a_few_at_a_time_until_nothing_waits(self) -> None:
        busy = Busy()
        for number in range(SLICE + 1):
            busy.journal.exchanged(Mac(f"m{number}"), EXCHANGE)
        assert not busy.events
        assert len(busy.turn()) == 2 * SLICE
        assert busy.turn() == [f"discover m{SLICE} asks", f"offer m{SLICE} binl"]
        assert not busy.later
        busy.journal.record(Kind.SCRIPT, Mac("m1"), "")
        assert busy.turn() == ["script m1"]

    def test_in_a_storm_what_is_asked_again_is_one_line_that_says_how_often(self) -> None:
        busy = Busy()
        busy.fill(STORM)
        for _ in range(3):
            busy.journal.exchanged(Mac("m1"), EXCHANGE)
        for _ in range(STORM // SLICE):
            busy.turn()
        assert busy.turn() == ["discover m1 asks, 3 times", "offer m1 binl, 3 times"]
        for _ in range(2):
            busy.journal.exchanged(Mac("m1"), EXCHANGE)
        assert busy.turn() == ["discover m1 asks", "offer m1 binl"] * 2

    def test_how_often_is_told_to_programs_too(self) -> None:
        busy = Busy()
        busy.fill(STORM)
        for _ in range(2):
            busy.journal.exchanged(Mac("m1"), EXCHANGE)
        busy.journal.flush()
        assert [event.data for event in busy.events[-2:]] == [{"arch": 7, "times": 2}, {"times": 2}]

    def test_one_machine_takes_the_room_of_no_other(self) -> None:
        busy = Busy()
        for _ in range(2 * MAX_WAITING):
            busy.journal.exchanged(Mac("m1"), EXCHANGE)
        busy.journal.exchanged(Mac("m2"), EXCHANGE)
        assert not busy.journal.drops
        busy.journal.flush()
        assert busy.events[-1].mac == "m2"

    def test_order_is_kept(self) -> None:
        busy = Busy()
        again = (EXCHANGE[0], Note(Kind.OFFER, "bootfile", {}))
        busy.journal.exchanged(Mac("m1"), EXCHANGE)
        busy.journal.exchanged(Mac("m1"), again)
        busy.journal.record(Kind.LOADER, Mac("m1"), "")
        busy.journal.exchanged(Mac("m1"), again)
        asks = "discover m1 asks"
        told = [asks, "offer m1 binl", asks, "offer m1 bootfile", "loader m1"]
        assert busy.turn() == [*told, asks, "offer m1 bootfile"]

    def test_beyond_half_a_second_of_them_exchanges_are_counted_whole(self) -> None:
        busy = Busy()
        for number in range(MAX_WAITING + 5):
            busy.journal.exchanged(Mac(f"m{number}"), EXCHANGE)
        assert busy.journal.drops == {"journal: too many answered at once": 5}
        kinds = []
        while busy.later:
            kinds += [said.split()[0] for said in busy.turn()]
        assert kinds == ["discover", "offer"] * MAX_WAITING

    def test_nothing_else_is_crowded_out_and_nothing_waits_longer(self) -> None:
        busy = Busy()
        for number in range(MAX_WAITING + 50):
            busy.journal.record(Kind.LOADER, Mac(f"m{number}"), "")
        assert len(busy.turn()) == 50
        assert len(busy.turn()) == SLICE
        for number in range(MAX_QUEUED):
            busy.journal.record(Kind.SCRIPT, Mac(f"m{number}"), "")
        assert busy.journal.drops == {"journal: too many at once": MAX_WAITING - SLICE}

    def test_a_program_that_ends_says_all_of_it(self) -> None:
        busy = Busy()
        for number in range(MAX_WAITING):
            busy.journal.exchanged(Mac(f"m{number}"), EXCHANGE)
        busy.journal.flush()
        assert len(busy.events) == 2 * MAX_WAITING
