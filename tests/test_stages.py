"""Each usual cause is proven by the silence it explains, on a fake clock."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.events import Event, Kind
from netboot.model import Mac
from netboot.stages import WAITS, Boot, Stage, StageWatch, follow, progress
from netboot.stages.boot import QUIET_BETWEEN_BOOTS
from netboot.stages.table import NOT_STARTED, REFUSED

MAC = Mac("52:54:00:00:00:01")
EPOCH = 1_700_000_000.0
UEFI: dict[str, Any] = {"firmware": "uefi"}
IPXE: dict[str, Any] = {"firmware": "ipxe"}

D, O, R, A = Kind.DISCOVER, Kind.OFFER, Kind.REQUEST_4011, Kind.ACK_4011  # noqa: E741 -- DHCP's own initials
FIRMWARE = [D, O, R, A, Kind.PROBE, Kind.LOADER]
WHOLE = [*FIRMWARE, D, O, Kind.SCRIPT, Kind.KERNEL, Kind.INITRD, Kind.PRESEED]


def event(
    kind: Kind, at: float = 0.0, *, node: str | None = "n1", mac: Mac = MAC, **data: str
) -> Event:
    return Event(kind, mac, node, "", data, EPOCH + at)


class Boots:
    """Feeds a watch on one clock that serves as both of its clocks."""

    def __init__(self, **limits: int) -> None:
        self.watch = StageWatch(**limits)
        self.now = 0.0

    def see(self, *kinds: Kind, every: float = 0.1, **data: Any) -> "Boots":
        for kind in kinds:
            self.watch.observe(event(kind, self.now, **data), self.now)
            self.now += every
        return self

    def silence(self, seconds: float) -> list[Event]:
        self.now += seconds
        return self.watch.expired(self.now)


@pytest.mark.parametrize(
    ("came", "stage", "cause"),
    [
        ([D], "offer", "netboot is overloaded"),
        ([D, O], "request-4011", "another PXE server answered first"),
        ([D, O], "request-4011", "firewall blocks UDP 4011"),
        ([D, O, D, O, D, O], "request-4011", "no DHCP server gives it an address"),
        ([D, O, R], "ack-4011", "could not send"),
        ([D, O, R, A], "transfer", "UDP 69 is blocked"),
        ([D, O, R, A, Kind.PROBE], "loader", "MTU"),
        (FIRMWARE, "ipxe", "iPXE cannot use this NIC"),
        (FIRMWARE, "ipxe", "Secure Boot"),
        ([*FIRMWARE, D], "script", "HTTP port"),
        ([*FIRMWARE, D, O], "script", "iPXE's own DHCP failed"),
        ([*FIRMWARE, D, O, Kind.SCRIPT], "kernel", "image was never fetched"),
        ([*FIRMWARE, D, O, Kind.SCRIPT, Kind.KERNEL], "initrd", "link broke off"),
        (WHOLE[:-1], "preseed", "wrong NIC (BOOTIF)"),
    ],
)
def test_silence_after_each_stage_names_its_usual_cause_and_a_cure(
    came: list[Kind], stage: str, cause: str
) -> None:
    boots = Boots().see(*came)
    (stalled,) = boots.silence(1000)
    assert stalled.kind is Kind.STALLED
    assert (stalled.mac, stalled.node) == (MAC, "n1")
    assert stalled.data["stage"] == stage
    assert stalled.data["after"] == came[-1]
    assert cause in stalled.detail
    assert "Cure: " in stalled.detail


@pytest.mark.parametrize("stage", [stage for stage in WAITS if stage <= Stage.PRESEED])
def test_no_stage_is_called_late_before_its_patience_is_over(stage: Stage) -> None:
    before = {
        Stage.OFFER: [D],
        Stage.REQUEST_4011: [D, O],
        Stage.ACK_4011: [D, O, R],
        Stage.TRANSFER: [D, O, R, A],
        Stage.LOADER: [D, O, R, A, Kind.PROBE],
        Stage.IPXE: FIRMWARE,
        Stage.SCRIPT: [*FIRMWARE, D, O],
        Stage.KERNEL: WHOLE[:9],
        Stage.INITRD: WHOLE[:10],
        Stage.PRESEED: WHOLE[:11],
    }[stage]
    boots = Boots().see(*before[:-1], every=0.0).see(before[-1], every=0.0)
    assert boots.watch.next_deadline() == pytest.approx(WAITS[stage].seconds)
    assert boots.silence(WAITS[stage].seconds - 0.01) == []
    assert [late.data["stage"] for late in boots.silence(0.01)] == [stage.slug]
    assert boots.watch.next_deadline() is None


@pytest.mark.parametrize(
    "came",
    [
        [],
        [D, Kind.IGNORED],
        [Kind.LOST],
        [D, O, Kind.FAILED],
        [*FIRMWARE, D, O, Kind.FAILED],
        WHOLE,
        [*WHOLE, Kind.FILE, Kind.KERNEL, Kind.NOT_SERVED],
    ],
)
def test_nothing_is_expected(came: list[Kind]) -> None:
    boots = Boots().see(*came)
    assert boots.watch.next_deadline() is None
    assert boots.silence(10_000) == []


@pytest.mark.parametrize("profile", ["local", "menu"])
def test_a_script_that_starts_no_kernel_is_the_end(profile: str) -> None:
    boots = Boots().see(*FIRMWARE, D, O).see(Kind.SCRIPT, profile=profile, image="")
    assert boots.silence(10_000) == []


def test_a_stall_is_told_once_however_often_the_machine_asks_again() -> None:
    boots = Boots().see(D, O)
    assert len(boots.silence(30)) == 1
    told = []
    for _ in range(100):
        boots.see(D, O)
        told += boots.silence(20)
    assert told == []


def test_asking_again_moves_no_deadline() -> None:
    boots = Boots()
    told: list[Event] = []
    while boots.now < 60 and not told:
        boots.see(D, O)
        told = boots.silence(4)
    assert told
    assert boots.now < 40
    assert "again and again" in told[0].detail


def test_a_boot_that_goes_on_after_its_stall_is_not_told_again_but_counts() -> None:
    boots = Boots().see(D, O)
    boots.silence(60)
    boots.see(R, A, Kind.LOADER)
    assert boots.silence(200) == []
    assert progress([event(kind) for kind in (D, O, Kind.STALLED, R, A)]).marks[-1] == (
        "4011",
        True,
    )


def test_after_a_failure_of_ours_is_mended_the_machine_is_watched_again() -> None:
    boots = Boots().see(*FIRMWARE, D, O, Kind.FAILED)
    assert boots.silence(200) == []
    boots.see(Kind.SCRIPT)
    assert [late.data["stage"] for late in boots.silence(200)] == ["kernel"]


def test_a_transfer_that_broke_off_leads_to_the_lossy_link() -> None:
    boots = Boots().see(D, O, R, A).see(Kind.FAILED, file="snponly.efi")
    (late,) = boots.silence(100)
    assert late.data["stage"] == "loader"
    assert "lossy link" in late.detail


def test_autoexec_shows_that_ipxe_spoke() -> None:
    boots = Boots().see(*FIRMWARE, Kind.FILE)
    assert [late.data["stage"] for late in boots.silence(200)] == ["script"]


def test_a_rom_that_is_ipxe_needs_neither_4011_nor_a_loader() -> None:
    boots = Boots().see(D, **IPXE).see(O)
    assert [late.data["stage"] for late in boots.silence(200)] == ["script"]


def test_another_dialect_that_is_ignored_does_not_end_the_watch() -> None:
    boots = Boots().see(D, O, Kind.IGNORED)
    assert [late.data["stage"] for late in boots.silence(200)] == ["request-4011"]


# --- where a boot ends and the next begins


def begun(kinds: list[tuple[Kind, float, dict[str, Any]]]) -> int:
    """How many boots ``follow`` makes of ``(kind, seconds later, data)``."""
    boot: Boot | None = None
    times, at = set(), 0.0
    for kind, later, data in kinds:
        at += later
        boot = follow(boot, event(kind, at, **data))
        times.add(boot.begun)
    return len(times)


def steps(
    kinds: list[Kind], data: dict[str, Any] | None = None
) -> list[tuple[Kind, float, dict[str, Any]]]:
    return [(kind, 1.0, data or {}) for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "boots"),
    [
        (steps([D, O, D, O, D, O, R, A]), 1),
        (steps(WHOLE), 1),
        (steps(WHOLE + WHOLE), 2),
        (steps(FIRMWARE, UEFI) + steps([D, O], IPXE), 1),
        (steps(FIRMWARE, UEFI) + steps([D, D], IPXE) + steps([D], UEFI), 2),
        (steps(FIRMWARE, UEFI) + steps([D], UEFI), 2),
        (steps([D, O], UEFI) + steps([D, O], UEFI), 1),
        (steps(WHOLE[:9]) + steps([D], IPXE), 1),
        (steps(WHOLE[:10]) + steps([D], IPXE), 2),
        ([*steps([D, O]), (D, QUIET_BETWEEN_BOOTS + 1, {})], 2),
        ([*steps([D, O]), (D, QUIET_BETWEEN_BOOTS - 1, {})], 1),
        ([*steps([D, O, Kind.SCRIPT], {"profile": "local", "image": ""}), (D, 5.0, {})], 2),
    ],
)
def test_where_a_new_boot_starts(
    kinds: list[tuple[Kind, float, dict[str, Any]]], boots: int
) -> None:
    assert begun(kinds) == boots


def test_a_machine_that_starts_over_too_early_is_stalled_at_once() -> None:
    boots = Boots().see(*FIRMWARE, **UEFI)
    boots.now += 10
    boots.see(D, **UEFI)
    assert boots.watch.next_deadline() == pytest.approx(boots.now, abs=1)
    (late,) = boots.watch.expired(boots.now)
    assert late.data["stage"] == "ipxe"
    assert late.data["waited"] == 10
    assert "started over" in late.detail
    boots.see(O, **UEFI)
    assert [late.data["stage"] for late in boots.silence(100)] == ["request-4011"]


def test_a_loader_that_firmware_does_not_start_was_refused() -> None:
    boots = Boots().see(*FIRMWARE, **UEFI)
    boots.now += 1
    boots.see(D, **UEFI)
    (late,) = boots.watch.expired(boots.now)
    assert late.data["stage"] == "ipxe"
    assert REFUSED.missing in late.detail
    assert f"Usual cause: {REFUSED.cause}" in late.detail
    assert f"netboot node set {late.node} --secure-boot" in late.detail


def test_a_kernel_that_does_not_start_is_told_by_its_script_being_asked_for_again() -> None:
    loop = (Kind.SCRIPT, Kind.KERNEL, Kind.INITRD)
    boots = Boots().see(*FIRMWARE, **UEFI).see(*loop).see(*loop)
    (late,) = boots.silence(300)
    assert late.data["stage"] == "preseed"
    assert late.detail.startswith(NOT_STARTED.missing)
    (late,) = Boots().see(*FIRMWARE, **UEFI).see(*loop).silence(300)
    assert late.detail.startswith(WAITS[Stage.PRESEED].missing)


def test_each_boot_has_its_own_stall() -> None:
    boots = Boots()
    for _ in range(3):
        boots.see(D, O, **UEFI)
        assert len(boots.silence(QUIET_BETWEEN_BOOTS + 60)) == 1


# --- who a machine is


def test_two_nics_of_one_node_are_one_boot() -> None:
    boots = Boots().see(*FIRMWARE).see(D, O, Kind.SCRIPT, mac=Mac("52:54:00:00:00:02"))
    assert [late.data["stage"] for late in boots.silence(200)] == ["kernel"]


def test_two_machines_are_two_boots() -> None:
    boots = Boots().see(D, O).see(D, O, R, A, node="n2", mac=Mac("52:54:00:00:00:02"))
    late = {each.node: each.data["stage"] for each in boots.silence(200)}
    assert late == {"n1": "request-4011", "n2": "transfer"}


def test_a_machine_that_is_registered_meanwhile_is_not_watched_twice() -> None:
    boots = Boots().see(D, O, node=None).see(D, O)
    assert [late.node for late in boots.silence(200)] == ["n1"]


def test_a_stall_bears_the_time_of_the_events_clock() -> None:
    boots = Boots().see(D, O, every=0.0)
    (late,) = boots.silence(31)
    assert late.time == pytest.approx(EPOCH + 31)


# --- bounds


def mac_of(number: int) -> Mac:
    return Mac(f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}")


def test_a_flood_of_unknown_machines_pushes_out_no_registered_one() -> None:
    boots = Boots(max_machines=10).see(D, O, every=0.0)
    for number in range(1000):
        boots.see(D, O, node=None, mac=mac_of(number), every=0.0)
    assert len(boots.watch) == 11
    late = boots.silence(100)
    assert len(late) == 11
    assert [each.mac for each in late if each.node] == [MAC]


def test_the_machine_longest_silent_goes_first() -> None:
    boots = Boots(max_machines=2)
    for name in ("a", "b", "a", "c"):
        boots.see(D, O, node=name, mac=mac_of(ord(name)))
    assert {each.node for each in boots.silence(100)} == {"a", "c"}


def test_ignored_machines_take_no_room() -> None:
    boots = Boots()
    for number in range(100):
        boots.see(D, Kind.IGNORED, node=None, mac=mac_of(number))
    assert len(boots.watch) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Kind),
            st.sampled_from(["n1", "n2", "n3", None]),
            st.integers(0, 3),
            st.sampled_from([{}, UEFI, IPXE, {"file": "x"}]),
            st.floats(0, 400),
        ),
        max_size=60,
    )
)
def test_whatever_comes_the_watch_keeps_its_bounds_and_its_order(moves: list[Any]) -> None:
    boots = Boots(max_machines=2)
    for kind, node, number, data, pause in moves:
        boots.see(kind, node=node, mac=mac_of(number), every=pause, **data)
        assert len(boots.watch) <= 4
        for queue in boots.watch._due.values():
            assert list(queue.values()) == sorted(queue.values())
        waiting = {
            key
            for table in (boots.watch._registered, boots.watch._unknown)
            for key, watched in table.items()
            if watched.boot.waiting
        }
        assert {key for queue in boots.watch._due.values() for key in queue} == waiting
        deadline = boots.watch.next_deadline()
        assert (deadline is None) == (not waiting and not boots.watch._gave_up)
        boots.watch.expired(boots.now)
    boots.silence(10_000)
    assert boots.watch.next_deadline() is None


# --- marks


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([], ""),
        ([event(D)], "DISCOVER ✓"),
        ([event(D), event(Kind.IGNORED)], "DISCOVER ✓ ignored ✗"),
        ([event(D), event(O), event(R)], "DISCOVER ✓ OFFER ✓"),
        (
            [*map(event, [*FIRMWARE, D, O]), event(Kind.SCRIPT, profile="debian-12")],
            "DISCOVER ✓ OFFER ✓ 4011 ✓ loader ✓ script ✓ → debian-12",
        ),
        ([event(D), event(O), event(Kind.STALLED)], "DISCOVER ✓ OFFER ✓ 4011 ✗"),
        ([*map(event, FIRMWARE), event(Kind.STALLED)], "DISCOVER ✓ OFFER ✓ 4011 ✓ loader ✓ iPXE ✗"),
        (
            [*map(event, [*FIRMWARE, D, O]), event(Kind.FAILED, profile="p")],
            "DISCOVER ✓ OFFER ✓ 4011 ✓ loader ✓ script ✗ → p",
        ),
        (
            list(map(event, WHOLE)),
            "DISCOVER ✓ OFFER ✓ 4011 ✓ loader ✓ script ✓ kernel ✓ initrd ✓ preseed ✓",
        ),
        (list(map(event, [*WHOLE, D])), "DISCOVER ✓"),
        ([event(Kind.PROGRESS, stage="packages")], "packages ✓"),
        ([event(Kind.PROGRESS, stage="partition"), event(D, 9.0)], "DISCOVER ✓"),
        (
            [event(Kind.PRESEED), event(Kind.PROGRESS, stage="partition"), event(Kind.STALLED)],
            "preseed ✓ partitioning ✓ base system ✗",
        ),
        (
            [event(Kind.PRESEED), event(Kind.PROGRESS, stage="late"), event(Kind.INSTALLED)],
            "preseed ✓ installed ✓",
        ),
    ],
)
def test_progress_shows_the_latest_boot(events: list[Event], text: str) -> None:
    assert progress(events).text() == text


def test_progress_in_ascii() -> None:
    assert progress([event(D, profile="x")]).text("ok", "no", "->") == "DISCOVER ok -> x"


def test_every_awaited_stage_has_a_row_and_nothing_else() -> None:
    assert set(WAITS) == set(Stage) - {Stage.NOTHING, Stage.INSTALLER, Stage.DONE}
    assert Boot().stage not in WAITS
