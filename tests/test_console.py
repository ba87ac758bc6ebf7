"""What is printed, to the character; and what a hostile network cannot make us print."""

import io
import json
import os
import re
import time
from collections.abc import Iterator

import pytest

from netboot.console import Console
from netboot.console.budget import ONE_MACHINE, OVERALL, SUMMARY_EVERY, UNKNOWN
from netboot.console.console import QUIET_AFTER
from netboot.console.terminal import LIVE_LINES
from netboot.event_text import LONGEST_TEXT, harmless
from netboot.events import Event, Kind
from netboot.model import Mac

MAC = Mac("52:54:00:00:00:01")
EPOCH = 1_700_000_000.0  # 2023-11-14T22:13:20Z
BOOT = [Kind.DISCOVER, Kind.OFFER, Kind.REQUEST_4011, Kind.ACK_4011, Kind.LOADER, Kind.SCRIPT]


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def event(
    kind: Kind,
    at: float = 0.0,
    *,
    node: str | None = "n1",
    mac: Mac | None = MAC,
    detail: str = "",
    **data: str | int,
) -> Event:
    return Event(kind, mac, node, detail, data, EPOCH + at)


class Screen:
    """A terminal that obeys exactly the two sequences we send, and refuses any other."""

    def __init__(self, written: str) -> None:
        self.rows: list[str] = [""]
        row = 0
        for piece in re.split(r"(\x1b\[\d*[A-Z]|\n)", written):
            if piece == "\n":
                row += 1
                self.rows += [""] * (row + 1 - len(self.rows))
            elif moved := re.fullmatch(r"\x1b\[(\d+)F", piece):
                row -= int(moved[1])
                assert row >= 0
            elif piece == "\x1b[J":
                del self.rows[row + 1 :]
                self.rows[row] = ""
            else:
                assert piece.isprintable()
                self.rows[row] += piece
        assert self.rows.pop() == ""


def shown(*events: Event, as_json: bool = False, tty: bool = False) -> str:
    stream = io.StringIO()
    console = Console(stream, json=as_json, tty=tty)
    for each in events:
        console.event(each)
    return stream.getvalue()


def boot(**who: str) -> list[Event]:
    return [
        event(kind, number, profile="debian-12", **who)  # type: ignore[arg-type]
        for number, kind in enumerate(BOOT)
    ]


# --- golden output


def test_a_pipe_gets_one_event_a_line_with_its_mark() -> None:
    assert shown(
        event(Kind.DISCOVER, detail="UEFI x64 firmware asks"),
        event(Kind.OFFER, 1),
        event(Kind.REQUEST_4011, 2),
        event(Kind.ACK_4011, 2, detail="boot file snponly.efi"),
        event(Kind.PROBE, 3),
        event(Kind.FAILED, 4, detail="ipxe/x.ipxe line 3: undefined variable"),
        event(Kind.LOST, 5, node=None, mac=None, detail="7 events"),
    ).splitlines() == [
        "22:13:20 n1 52:54:00:00:00:01  DISCOVER ✓ UEFI x64 firmware asks",
        "22:13:21 n1 52:54:00:00:00:01  OFFER ✓",
        "22:13:22 n1 52:54:00:00:00:01  4011 request ·",
        "22:13:22 n1 52:54:00:00:00:01  4011 ✓ boot file snponly.efi",
        "22:13:23 n1 52:54:00:00:00:01  probe ·",
        "22:13:24 n1 52:54:00:00:00:01  failed ✗ ipxe/x.ipxe line 3: undefined variable",
        "22:13:25 -  lost ✗ 7 events",
    ]


def test_a_terminal_has_one_line_a_machine_redrawn_in_place() -> None:
    n2 = event(Kind.DISCOVER, 2, node="n2", mac=Mac("52:54:00:00:00:02"))
    assert Screen(shown(*boot()[:3], n2, *boot()[3:], tty=True)).rows == [
        "22:13:25 n1 52:54:00:00:00:01  DISCOVER ✓ OFFER ✓ 4011 ✓ loader ✓ script ✓ → debian-12"[
            :79
        ],
        "22:13:22 n2 52:54:00:00:00:02  DISCOVER ✓",
    ]


def test_a_wide_terminal_shows_all_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "_size", lambda _self: os.terminal_size((120, 40)))
    assert Screen(shown(*boot(), tty=True)).rows == [
        "22:13:25 n1 52:54:00:00:00:01  DISCOVER ✓ OFFER ✓ 4011 ✓ loader ✓ script ✓ → debian-12"
    ]


def test_json_has_stable_keys() -> None:
    (line,) = shown(
        event(Kind.OFFER, 0.25, detail="x", profile="debian-12", arch=7), as_json=True
    ).splitlines()
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "node": "n1",
        "mac": MAC,
        "kind": "offer",
        "detail": "x",
        "data": {"profile": "debian-12", "arch": 7},
    }


def test_everything_in_json_mode_is_an_object_with_the_same_keys() -> None:
    stream = io.StringIO()
    console = Console(stream, json=True, tty=True, now=lambda: EPOCH)
    console.line("ready")
    console.event(event(Kind.IGNORED, node=None))
    Console(stream, json=True, tty=False).quiet(EPOCH)
    quiet = Console(stream, json=True, tty=False)
    quiet.quiet(EPOCH)
    quiet.quiet(EPOCH + QUIET_AFTER)
    objects = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [each["kind"] for each in objects] == ["message", "ignored", "unknown", "quiet"]
    assert all(list(each) == ["time", "node", "mac", "kind", "detail", "data"] for each in objects)
    assert objects[2]["data"]["command"].startswith("netboot node add NAME --mac 52:54:")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_without_the_signs_gets_ascii(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding)
    Console(stream, json=False, tty=False).event(event(Kind.OFFER, detail="✓"))
    expected = "22:13:20 n1 52:54:00:00:00:01  OFFER + \\u2713\n"
    assert raw.getvalue().decode(encoding) == expected


# --- terminal: many machines, boot after boot


def test_at_most_so_many_lines_are_live_and_the_others_stay_above() -> None:
    stream = io.StringIO()
    console = Console(stream, json=False, tty=True)
    for number in range(50):
        console.event(event(Kind.DISCOVER, number, node=f"n{number}"))
        moves = re.findall(r"\x1b\[(\d+)F", stream.getvalue())
        assert all(int(lines) <= LIVE_LINES for lines in moves)
    rows = Screen(stream.getvalue()).rows
    assert [row.split()[1] for row in rows] == [f"n{number}" for number in range(50)]


def test_a_committed_machine_that_speaks_again_gets_a_new_line() -> None:
    late = [event(Kind.DISCOVER, number, node=f"n{number}") for number in range(20)]
    rows = Screen(shown(*late, event(Kind.OFFER, 30, node="n0"), tty=True)).rows
    assert [row for row in rows if " n0 " in row] == [
        "22:13:20 n0 52:54:00:00:00:01  DISCOVER ✓",
        "22:13:50 n0 52:54:00:00:00:01  DISCOVER ✓ OFFER ✓",
    ]


def test_asking_again_redraws_but_a_new_boot_begins_a_new_line() -> None:
    asks = [event(Kind.DISCOVER, number) for number in range(3)]
    again = event(Kind.DISCOVER, 2000)
    assert Screen(shown(*asks, again, tty=True)).rows == [
        "22:13:22 n1 52:54:00:00:00:01  DISCOVER ✓",
        "22:46:40 n1 52:54:00:00:00:01  DISCOVER ✓",
    ]


def test_trouble_is_told_in_full_and_stays() -> None:
    rows = Screen(
        shown(*boot()[:2], event(Kind.STALLED, 40, detail="OFFER sent but"), tty=True)
    ).rows
    assert rows == [
        "22:14:00 n1 52:54:00:00:00:01  stalled ✗ OFFER sent but",
        "22:14:00 n1 52:54:00:00:00:01  DISCOVER ✓ OFFER ✓ 4011 ✗ → debian-12",
    ]


# --- unknown machines


@pytest.mark.parametrize("tty", [False, True])
def test_an_unknown_machine_gets_the_command_that_would_install_it_once(tty: bool) -> None:
    asked = [event(kind, node=None) for kind in (Kind.DISCOVER, Kind.IGNORED)]
    text = shown(*asked, *asked, *asked, tty=tty)
    hint = (
        "52:54:00:00:00:01 is unknown; to install it: "
        "netboot node add NAME --mac 52:54:00:00:00:01 --profile debian-12"
    )
    assert text.count(hint) == 1


def test_a_known_machine_gets_no_such_command() -> None:
    assert "node add" not in shown(event(Kind.IGNORED), *boot())


# --- hostile bytes

NASTY = "\x1b[2J\x1b]0;title\x07\r\n\x00\x9b31m\u202egnp.exe\u2028\x7f\ud800"


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("kind", Kind)
def test_nothing_from_the_network_steers_the_terminal(
    kind: Kind,
    as_json: bool,
    tty: bool,
) -> None:
    nasty = Event(kind, Mac(NASTY), NASTY, NASTY, {NASTY: NASTY, "profile": NASTY}, EPOCH)
    text = shown(nasty, as_json=as_json, tty=tty)
    for line in text.splitlines():
        assert re.sub(r"^(\x1b\[\d+F\x1b\[J)?", "", line).isprintable()
    assert len(text.split("\n")) <= 3


def test_long_text_is_cut() -> None:
    line = shown(event(Kind.FAILED, detail="\x1b" * 100_000, file="y" * 100_000), as_json=True)
    assert len(line) < 3 * LONGEST_TEXT
    assert harmless("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    assert harmless("x" * 9, 8) == "x" * 7 + "…"


# --- floods


def lines(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_one_machine_cannot_flood_and_is_told_of_once_a_minute() -> None:
    hour = [event(Kind.DISCOVER, number / 10) for number in range(36_000)]
    text = shown(*hour)
    printed = lines(text, "DISCOVER")
    assert len(printed) <= ONE_MACHINE.burst + ONE_MACHINE.sustained * 3600 + 1
    summaries = lines(text, "were not shown")
    assert 1 <= len(summaries) <= 3600 / SUMMARY_EVERY
    left_out = sum(int(line.split()[1]) for line in summaries)
    assert 0 <= 36_000 - left_out - len(printed) <= 600  # those since the last summary


def test_invented_machines_share_one_small_allowance_and_drown_no_registered_one() -> None:
    flood = [
        event(
            kind,
            number / 10,
            node=None,
            mac=Mac(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"),
        )
        for number in range(20_000)
        for kind in (Kind.DISCOVER, Kind.IGNORED)
    ]
    text = shown(*flood, *[event(kind, 2001) for kind in BOOT])
    allowed = UNKNOWN.burst + UNKNOWN.sustained * 2000
    assert len(lines(text, " 02:00")) <= 2 * allowed + 2  # each may bring its command
    assert len(lines(text, " n1 ")) == len(BOOT)


def test_everything_together_is_bounded() -> None:
    storm = [event(Kind.DISCOVER, 0, node=f"n{number}") for number in range(OVERALL_BURST + 500)]
    assert len(lines(shown(*storm), "DISCOVER")) == OVERALL_BURST


OVERALL_BURST = int(OVERALL.burst)


def test_a_rack_that_boots_at_once_is_shown_whole() -> None:
    rack = [event(kind, 0, node=f"n{number}") for number in range(100) for kind in BOOT]
    assert len(shown(*rack).splitlines()) == len(rack)


def test_what_was_left_out_is_told_even_when_nothing_more_comes() -> None:
    stream = io.StringIO()
    console = Console(stream, json=False, tty=False)
    for _ in range(100):
        console.event(event(Kind.DISCOVER))
    console.quiet(EPOCH + SUMMARY_EVERY)
    console.quiet(EPOCH + 10 * SUMMARY_EVERY)
    assert lines(stream.getvalue(), "were not shown") == [
        "22:14:20 40 events were not shown in the last 60 s: there were too many"
    ]


def test_a_clock_that_is_set_back_neither_floods_nor_silences() -> None:
    first = [event(Kind.DISCOVER, 0) for _ in range(100)]
    back = [event(Kind.DISCOVER, -7200) for _ in range(100)]
    later = [event(Kind.DISCOVER, -7000)]
    assert len(lines(shown(*first, *back, *later), "DISCOVER")) == ONE_MACHINE.burst + 1


def test_a_machine_s_marks_are_right_after_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "_size", lambda _self: os.terminal_size((120, 40)))
    flood = [event(Kind.DISCOVER, 0) for _ in range(1000)]
    hidden = event(Kind.OFFER, 0)
    seen = event(Kind.ACK_4011, 100)
    assert (
        Screen(shown(*flood, hidden, seen, tty=True)).rows[-1].endswith("DISCOVER ✓ OFFER ✓ 4011 ✓")
    )


# --- silence


def silence(console: Console, until: int) -> None:
    for second in range(until + 1):
        console.quiet(EPOCH + second)


def test_silence_is_told_once_with_its_usual_causes() -> None:
    stream = io.StringIO()
    console = Console(stream, json=False, tty=False)
    silence(console, int(QUIET_AFTER) - 1)
    assert stream.getvalue() == ""
    silence(console, 1000)
    (line,) = stream.getvalue().splitlines()
    for cause in ("60 s", "VLAN", "STP", "PXE disabled", "cable", "interface", "disk first"):
        assert cause in line


def test_silence_after_a_packet_is_no_news() -> None:
    stream = io.StringIO()
    console = Console(stream, json=False, tty=False)
    console.quiet(EPOCH)
    console.event(event(Kind.DISCOVER))
    silence(console, 1000)
    assert len(stream.getvalue().splitlines()) == 1


# --- a stream that fails


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("tty", [False, True])
def test_a_stream_that_is_gone_stops_nothing(tty: bool) -> None:
    console = Console(Full(), json=False, tty=tty)
    for each in boot():
        console.event(each)
    console.line("still here")
    console.quiet(EPOCH)


@pytest.mark.parametrize(("as_json", "tty"), [(True, False), (False, True), (False, False)])
def test_an_installers_log_is_the_timelines_and_its_stages_the_screens(
    *, as_json: bool, tty: bool
) -> None:
    stream = io.StringIO()
    console = Console(stream, json=as_json, tty=tty)
    for _ in range(1000):
        console.event(event(Kind.SYSLOG, detail="chatter", severity="info"))
    assert stream.getvalue() == ""
    console.event(event(Kind.SYSLOG, stage="partitioning", severity="info"))
    assert ("partitioning" in stream.getvalue()) == (tty or as_json)
    console.event(event(Kind.OFFER))
    assert "OFFER" in stream.getvalue().upper()
