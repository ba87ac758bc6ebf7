"""Boot overrides over Redfish: what a machine gets by one, and that one boot obeys each."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from netboot.answer.profiles import load_profiles
from netboot.bmc.model import PowerState
from netboot.boot.boot_once import SAY_AGAIN, BootOnce, decode
from netboot.decision import Decision, Verdict
from netboot.events import Event, Kind
from netboot.matching import Match
from netboot.model import Arch, BootSource, Client, Firmware, Mac, Node, Override, State
from netboot.policy import Rules, decide
from netboot.snapshot import Snapshot
from netboot.snapshot import decode as read_snapshot
from netboot.snapshot import encode as write_snapshot
from netboot.store.shapes import Unknown
from netboot.store.store import Store
from tests.test_plane import Desk

MAC, SECOND = Mac("52:54:00:00:00:01"), Mac("52:54:00:00:00:02")
ISO = "http://192.0.2.9/ipa.iso"
PXE_ONCE = Override(BootSource.PXE, once=True, number=7)
CD_ONCE = Override(BootSource.CD, once=True, image=ISO, number=8)
N1 = Node("n1", (MAC, SECOND), "linux", {"redfish": "facade"})
RULES = Rules(load_profiles(), facade=("redfish", "facade"))
IPXE, UEFI = Client(MAC, Firmware.IPXE, Arch.X64), Client(MAC, Firmware.UEFI, Arch.X64)


def decided(node: Node, rules: Rules = RULES) -> Decision:
    return decide(IPXE, Match(node, "it is n1, whose profile is linux"), rules)


class TestDecision:
    @pytest.mark.parametrize(
        ("override", "profile", "why"),
        [
            (None, "local", "says nothing, so it starts from its disk"),
            (Override(image=ISO), "local", "says nothing, so it starts from its disk"),
            (PXE_ONCE, "linux", "says Pxe, once"),
            (Override(BootSource.PXE), "linux", "says Pxe, always"),
            (Override(BootSource.DISK, once=True), "local", "says Hdd, once"),
            (CD_ONCE, "sanboot", f"says Cd, once, and {ISO} is in"),
            (replace(CD_ONCE, image=None), "local", "the drive is empty, so it starts from its"),
        ],
    )
    def test_a_node_of_the_facade_gets_what_its_override_says(
        self, override: Override | None, profile: str, why: str
    ) -> None:
        decision = decided(replace(N1, override=override))
        assert (decision.verdict, decision.profile) == (Verdict.SCRIPT, profile)
        assert decision.override == (override or Override())
        assert why in decision.reasons[0]

    def test_firmware_is_given_its_loader_whatever_the_override_says(self) -> None:
        decision = decide(UEFI, Match(N1, "it is n1"), RULES)
        assert (decision.verdict, decision.loader) == (Verdict.LOADER, "snponly.efi")

    @pytest.mark.parametrize(
        ("labels", "rules"),
        [({}, RULES), ({"redfish": "no"}, RULES), (N1.labels, replace(RULES, facade=None))],
    )
    def test_other_nodes_boot_by_their_profile_and_so_do_all_where_it_is_not_served(
        self, labels: dict[str, str], rules: Rules
    ) -> None:
        decision = decided(replace(N1, labels=labels, override=CD_ONCE), rules)
        assert (decision.profile, decision.override) == ("linux", None)

    def test_pxe_does_not_install_again_what_is_installed(self) -> None:
        node = replace(N1, profile="debian-12", state=State.INSTALLED, override=PXE_ONCE)
        decision = decided(node)
        assert decision.profile == "local"
        assert "netboot node install n1 --reinstall" in decision.reasons[0]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.machines.rules = RULES
    return desk


def show(desk: Desk, override: Override | None) -> None:
    """Control sends what it knows."""
    node = replace(
        N1, vars={"kernel": "http://192.0.2.9/k", "initrd": "http://192.0.2.9/i"}, override=override
    )
    snapshot = Snapshot(desk.machines.snapshot.version + 1, (node,))
    desk.machines.follow(read_snapshot(write_snapshot(snapshot)))


def what(script: str) -> str:
    """Which of them it is."""
    marks = {
        "kernel http://192.0.2.9/k": "linux",
        f"sanboot --no-describe --drive 0xe0 {ISO}": "cd",
    }
    return next((name for mark, name in marks.items() if mark in script), "disk")


class TestOneBoot:
    def test_obeys_it_and_the_next_one_starts_from_the_disk(self, desk: Desk) -> None:
        show(desk, PXE_ONCE)
        desk.boots()
        assert what(desk.script()) == "linux"
        assert desk.said() == [
            (Kind.SCRIPT, "→ linux"),
            (Kind.OVERRIDE, "pxe, once: obeyed by this boot"),
        ]
        desk.boots()
        assert what(desk.script()) == "disk"

    def test_goes_on_with_it_though_control_shows_by_then_that_it_is_over(self, desk: Desk) -> None:
        show(desk, CD_ONCE)
        desk.boots()
        assert what(desk.script()) == "cd"
        show(desk, Override(image=ISO))
        assert what(desk.script()) == "cd"
        assert [kind for kind, _ in desk.said()] == [Kind.SCRIPT, Kind.OVERRIDE, Kind.SCRIPT]
        desk.boots()
        assert what(desk.script()) == "disk"

    def test_is_not_begun_by_firmware_that_asks_again_before_its_script(self, desk: Desk) -> None:
        show(desk, PXE_ONCE)
        for _ in range(3):
            desk.boots()
        assert what(desk.script()) == "linux"

    def test_ends_by_a_discover_of_any_of_its_addresses(self, desk: Desk) -> None:
        show(desk, PXE_ONCE)
        desk.boots(MAC)
        desk.script(MAC)
        desk.boots(SECOND)
        assert what(desk.script(MAC)) == "disk"

    def test_obeys_what_was_said_since_the_one_before(self, desk: Desk) -> None:
        show(desk, PXE_ONCE)
        desk.boots()
        desk.script()
        show(desk, CD_ONCE)
        desk.boots()
        assert what(desk.script()) == "cd"

    def test_does_not_end_what_holds_until_something_else_is_said(self, desk: Desk) -> None:
        show(desk, Override(BootSource.PXE, number=9))
        for _ in range(2):
            desk.boots()
            assert what(desk.script()) == "linux"
        assert Kind.OVERRIDE not in [kind for kind, _ in desk.said()]

    def test_a_script_that_cannot_be_made_uses_nothing_up(self, desk: Desk) -> None:
        node = replace(N1, override=PXE_ONCE)  # profile linux without its variable kernel
        desk.machines.snapshot = Snapshot(5, (node,))
        desk.boots()
        desk.script()
        assert [kind for kind, _ in desk.said()] == [Kind.FAILED]
        show(desk, PXE_ONCE)
        desk.boots()
        assert what(desk.script()) == "linux"


class TestMemory:
    def test_control_is_told_again_until_it_shows_it(self, desk: Desk) -> None:
        show(desk, PXE_ONCE)
        desk.boots()
        desk.script()
        desk.said()
        desk.now += SAY_AGAIN - 1
        desk.machines.remind()
        assert desk.said() == []
        desk.now += 1
        desk.machines.remind()
        assert desk.said() == [(Kind.OVERRIDE, "pxe, once: obeyed by this boot; told again")]
        show(desk, Override())
        desk.now += SAY_AGAIN
        desk.machines.remind()
        assert desk.said() == []
        assert desk.machines.boot_once.kept.over == {}

    def test_a_restart_forgets_neither_the_running_boot_nor_what_is_over(self) -> None:
        before = BootOnce()
        node = replace(N1, override=PXE_ONCE)
        assert before.obeys(MAC, node, PXE_ONCE, now=0.0)
        after = BootOnce(decode(msgspec.json.encode(before.kept)))
        assert after.now(replace(node, override=Override())).override == PXE_ONCE
        after.begins(node)
        after = BootOnce(decode(msgspec.json.encode(after.kept)))
        assert after.now(node).override == Override()

    def test_only_the_override_that_was_obeyed_is_over(self) -> None:
        memory = BootOnce()
        node = replace(N1, override=PXE_ONCE)
        memory.obeys(MAC, node, PXE_ONCE, now=0.0)
        memory.begins(node)
        again = replace(node, override=replace(PXE_ONCE, number=11))
        assert memory.now(again) == again

    def test_what_is_over_leaves_the_image_in_the_drive(self) -> None:
        memory = BootOnce()
        node = replace(N1, override=CD_ONCE)
        memory.obeys(MAC, node, CD_ONCE, now=0.0)
        memory.begins(node)
        assert memory.now(node).override == Override(image=ISO)

    def test_something_else_on_disk_is_refused(self) -> None:
        for raw in (b"{", b"[]", b'{"running": {}}'):
            with pytest.raises(ValueError, match=r"."):
                decode(raw)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/netboot.db") as store:
        store.add(replace(N1, macs=(MAC,)))
        yield store


def obeyed(number: int, node: str = "n1") -> Event:
    return Event(Kind.OVERRIDE, MAC, node, "obeyed", {"override": number})


class TestStore:
    def test_nothing_is_said_of_a_node_at_first(self, store: Store) -> None:
        assert store.get("n1").override is None
        assert store.override("n1") == (Override(), PowerState.UNKNOWN)

    def test_what_is_said_comes_with_the_snapshot(self, store: Store) -> None:
        before = store.version()
        armed = store.arm("n1", BootSource.CD, once=True)
        loaded = store.load("n1", ISO)
        assert loaded == replace(armed, image=ISO)
        assert store.version() == before + 2
        [node] = store.snapshot().nodes
        assert node.override == loaded

    def test_a_boot_that_obeyed_it_ends_it_and_leaves_the_image(self, store: Store) -> None:
        armed = store.arm("n1", BootSource.CD, once=True)
        store.load("n1", ISO)
        before = store.version()
        store.append_events([obeyed(armed.number)])
        assert store.override("n1")[0] == Override(image=ISO, number=armed.number)
        assert store.version() == before + 1

    def test_a_boot_that_obeyed_an_earlier_one_ends_nothing(self, store: Store) -> None:
        first = store.arm("n1", BootSource.PXE, once=True)
        second = store.arm("n1", BootSource.PXE, once=True)
        store.append_events([obeyed(first.number), obeyed(second.number, node="n2")])
        assert store.override("n1")[0] == second

    def test_what_holds_for_every_boot_is_ended_by_none(self, store: Store) -> None:
        armed = store.arm("n1", BootSource.PXE, once=False)
        store.append_events([obeyed(armed.number)])
        assert store.override("n1")[0] == armed

    def test_a_file_of_nodes_takes_nothing_back(self, store: Store) -> None:
        armed = store.arm("n1", BootSource.PXE, once=True)
        imported = store.import_nodes([replace(N1, macs=(MAC,))])
        assert imported.unchanged == ("n1",)
        assert store.get("n1").override == armed

    def test_the_power_is_no_news_for_machines(self, store: Store) -> None:
        before = store.version()
        store.keep_power("n1", PowerState.ON)
        assert store.override("n1") == (Override(), PowerState.ON)
        assert store.version() == before

    def test_a_node_that_goes_takes_it_along(self, store: Store) -> None:
        store.arm("n1", BootSource.PXE, once=True)
        store.remove("n1")
        store.add(N1)
        assert store.override("n1")[0] == Override()

    def test_an_unknown_node_is_an_error(self, store: Store) -> None:
        with pytest.raises(Unknown):
            store.arm("n2", BootSource.PXE, once=True)
        with pytest.raises(Unknown):
            store.load("n2", ISO)
