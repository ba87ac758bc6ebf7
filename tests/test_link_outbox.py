"""The outbox against a model of control: whatever breaks, each event is kept once or told lost."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.boot.outbox import MAX_BATCH_EVENTS, MAX_EVENT_BYTES, Outbox
from netboot.events import Event, Kind
from netboot.model import Mac

M1 = Mac("52:54:00:00:00:01")


def event(number: int) -> Event:
    return Event(Kind.OFFER, M1, "n1", str(number))


def decoded(outbox: Outbox) -> list[tuple[int, Event]]:
    return [(seq, msgspec.json.decode(raw, type=Event)) for seq, raw in outbox.batch()]


def test_events_are_numbered_from_one_and_kept_until_confirmed() -> None:
    outbox = Outbox()
    for number in (1, 2, 3):
        outbox.put(event(number))
    assert [(seq, e.detail) for seq, e in decoded(outbox)] == [(1, "1"), (2, "2"), (3, "3")]
    outbox.confirm(2)
    assert [seq for seq, _ in decoded(outbox)] == [3]
    outbox.confirm(3)
    assert decoded(outbox) == []
    assert not outbox.pending


def test_when_it_is_full_the_oldest_go_and_are_counted_once() -> None:
    outbox = Outbox(limit=3)
    for number in range(1, 8):
        outbox.put(event(number))
    (seq, lost), *rest = decoded(outbox)
    assert (seq, lost.kind, lost.data) == (4, Kind.LOST, {"count": 4})
    assert lost.detail.startswith("4 events were dropped")
    assert [(seq, e.detail) for seq, e in rest] == [(5, "5"), (6, "6"), (7, "7")]
    outbox.confirm(4)
    assert outbox.lost == 0
    assert [seq for seq, _ in decoded(outbox)] == [5, 6, 7]


def test_a_batch_has_a_bound() -> None:
    outbox = Outbox()
    for number in range(MAX_BATCH_EVENTS + 1):
        outbox.put(event(number))
    assert len(outbox.batch()) == MAX_BATCH_EVENTS


@pytest.mark.parametrize("seq", [-1, 0, 99, 2**62])
def test_a_number_out_of_range_does_no_harm(seq: int) -> None:
    outbox = Outbox()
    outbox.put(event(1))
    outbox.confirm(seq)
    outbox.put(event(2))
    assert [seq for seq, _ in decoded(outbox)][-1] == 2


@pytest.mark.parametrize(
    ("detail", "data"),
    [("\udc80 name", {}), ("x" * 100_000, {}), ("x", {"a": 2**70}), ("x", {"a": "y" * 100_000})],
)
def test_an_event_always_fits_and_always_decodes(detail: str, data: dict[str, str | int]) -> None:
    outbox = Outbox()
    outbox.put(Event(Kind.NOT_SERVED, M1, None, detail, data))
    [(_, raw)] = outbox.batch()
    assert len(bytes(raw)) <= MAX_EVENT_BYTES
    assert msgspec.json.decode(raw, type=Event).detail[:1] == detail[:1].replace("\udc80", "\\")


class Control:
    """What the control program does with a batch: numbers it has seen are not kept again."""

    def __init__(self) -> None:
        self.last = 0
        self.kept: list[str] = []
        self.lost = 0

    def take(self, batch: list[tuple[int, msgspec.Raw]]) -> None:
        for seq, raw in batch:
            if seq > self.last:
                self.last = seq
                found = msgspec.json.decode(raw, type=Event)
                if found.kind is Kind.LOST:
                    self.lost += int(found.data["count"])
                else:
                    self.kept.append(found.detail)


STEPS = st.lists(
    st.integers(1, 6)
    | st.sampled_from(["send", "control has it", "acknowledged", "connection breaks"]),
    max_size=40,
)


@given(STEPS, st.integers(1, 7))
def test_whatever_breaks_each_event_is_kept_once_or_counted_lost(
    steps: list[int | str], limit: int
) -> None:
    outbox, control, put = Outbox(limit), Control(), 0
    under_way: list[tuple[int, msgspec.Raw]] | None = None
    to_the_end = ["connection breaks", *["send", "control has it", "acknowledged"] * 2]
    for step in [*steps, *to_the_end]:
        if isinstance(step, int):
            for _ in range(step):
                put += 1
                outbox.put(event(put))
        elif step == "send" and under_way is None:  # one batch at a time
            under_way = outbox.batch()
        elif step == "control has it" and under_way is not None:
            control.take(under_way)
        elif step == "acknowledged" and under_way is not None:
            control.take(under_way)
            outbox.confirm(control.last)
            under_way = None
        elif step == "connection breaks":
            under_way = None
            outbox.confirm(control.last)  # what control says to the next greeting
    assert not outbox.pending
    assert control.kept == sorted(set(control.kept), key=int)
    assert len(control.kept) + control.lost == put


def test_a_line_of_a_log_takes_no_events_place() -> None:
    outbox = Outbox(limit=10)
    line = Event(Kind.SYSLOG, None, "n1", "hello")
    assert [outbox.put(line) for _ in range(5)] == [True, True, False, False, False]
    for _ in range(8):
        assert outbox.put(Event(Kind.OFFER, None, "n1", "x"))
    assert (len(outbox), outbox.lost) == (10, 0)
