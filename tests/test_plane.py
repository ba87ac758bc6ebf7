"""The boot plane's memory: who asks, what is told, and what is written down about it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from netboot.answer.profiles import load_profiles
from netboot.answer.render import SHIPPED
from netboot.answer.tokens import KEY_SIZE, Tokens
from netboot.boot.attempts import Attempts
from netboot.boot.bearers import Bearers
from netboot.boot.http import SentFile
from netboot.boot.installations import Installations
from netboot.boot.journal import Journal
from netboot.boot.machines import Machines
from netboot.boot.personal import Personal
from netboot.boot.plane import BootPlane
from netboot.boot.source import FileSource
from netboot.boot.tftp import Outcome, Result
from netboot.decision import Verdict
from netboot.errors import NotServed
from netboot.events import Event, Kind
from netboot.learning import Learning
from netboot.model import Client, Firmware, Image, ImageFile, Mac, Node, State
from netboot.policy import Rules
from netboot.snapshot import EMPTY, Snapshot

KNOWN, SECOND, UNKNOWN = (Mac(f"52:54:00:00:00:0{n}") for n in (1, 2, 3))
PEER, OTHER, LOCAL = "192.0.2.7", "192.0.2.8", "192.0.2.1"
N1 = Node("n1", (KNOWN, SECOND), "debian-12")
LINUX = "images/debian-12/linux"


@dataclass
class Desk:
    """A plane, what stands behind it, and what it wrote down."""

    folder: Path
    unknown: str = "ignore"
    advertise: str | None = None
    now: float = 1_700_000_000.0
    events: list[Event] = field(default_factory=list)
    done: dict[Mac, int] = field(default_factory=dict)
    restock: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.machines = Machines(
            http_port=8080,
            advertise=self.advertise,
            learning=Learning(),
            attempts=Attempts(),
            installations=Installations(self.done),
            clock=lambda: self.now,
        )
        self.personal = personal = Personal(SHIPPED)
        tokens = Tokens(bytes(KEY_SIZE), lambda: self.now)
        bearers = Bearers(self.machines, personal, tokens)
        self.plane = BootPlane(self.machines, personal, bearers, lambda: self.restock())  # noqa: PLW0108 -- set later
        self.machines.rules = Rules(load_profiles(), self.unknown)
        name_of = self.machines.name_of
        self.machines.journal = Journal(name_of, [self.events.append], lambda: self.now)
        self.machines.snapshot = Snapshot(1, (N1,))
        personal.mirror = "http://mirror.example/debian"
        self.stock("12")

    def stock(self, version: str, image: str = "debian-12") -> None:
        folder = self.folder / version
        folder.mkdir()
        files = {}
        for name in ("linux", "initrd.gz"):
            (folder / name).write_text(f"{name} {version}")
            files[name] = ImageFile(name, folder / name, len(f"{name} {version}"), "0" * 64)
        self.plane.stock([Image(image, version, files)])

    def boots(self, mac: Mac = KNOWN) -> None:
        self.machines.discovered(Client(mac, Firmware.UEFI, 7))

    def script(self, mac: Mac = KNOWN, **query: str) -> str:
        return self.plane.script(mac, PEER, LOCAL, query)

    def token(self, script: str) -> str:
        return script.partition("/node/")[2].partition("/")[0]

    def said(self) -> list[tuple[Kind, str]]:
        """What was written down since the last look."""
        found = [(event.kind, event.detail) for event in self.events]
        self.events.clear()
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


class TestScript:
    def test_it_is_made_for_the_node_by_any_of_its_addresses(self, desk: Desk) -> None:
        for mac in (KNOWN, SECOND):
            desk.boots(mac)
            script = desk.script(mac)
            assert "kernel http://192.0.2.1:8080/images/debian-12/linux" in script
            assert "hostname=n1 " in script
        assert desk.said() == [(Kind.SCRIPT, "→ debian-12")] * 2

    def test_who_is_ignored_gets_none_and_it_is_said_why(self, desk: Desk) -> None:
        with pytest.raises(NotServed, match="belongs to no node"):
            desk.script(UNKNOWN)
        [(kind, why)] = desk.said()
        assert kind is Kind.IGNORED
        assert 'dhcp.unknown = "ignore"' in why

    def test_the_address_machines_are_told_may_be_another_one(self, tmp_path: Path) -> None:
        desk = Desk(tmp_path, advertise="198.51.100.9")
        desk.boots()
        assert "http://198.51.100.9:8080/images" in desk.script()
        server = desk.machines.server(LOCAL)
        assert (server.address, server.http_host) == (LOCAL, "198.51.100.9")

    def test_what_is_wrong_stands_in_the_script_and_in_the_timeline(self, desk: Desk) -> None:
        desk.personal.mirror = None
        desk.boots()
        script = desk.script()
        assert script.startswith("#!ipxe")
        assert f"chain --replace --autofree http://192.0.2.1:8080/ipxe/{KNOWN}" in script
        [(kind, why)] = desk.said()
        assert kind is Kind.FAILED
        assert "no Debian mirror is known" in why

    def test_a_missing_image_is_said_with_its_cure(self, desk: Desk) -> None:
        desk.plane.stock([])
        desk.boots()
        desk.script()
        [(kind, why)] = desk.said()
        assert kind is Kind.FAILED
        assert "netboot image fetch debian-12" in why

    def test_without_a_discover_there_is_no_token(self, desk: Desk) -> None:
        assert "/node/" not in desk.script()
        assert desk.said()[0][0] is Kind.FAILED
        desk.boots()
        assert "/node/nbt_" in desk.script()
        desk.now += 2 * 3600
        assert "/node/" not in desk.script()


class TestMenu:
    @pytest.fixture
    def desk(self, tmp_path: Path) -> Desk:
        return Desk(tmp_path, unknown="menu")

    def test_a_person_picks_and_the_answer_file_follows(self, desk: Desk) -> None:
        desk.boots(UNKNOWN)
        assert "item debian-12" in desk.script(UNKNOWN)
        picked = desk.script(UNKNOWN, profile="debian-12")
        assert "hostname=52-54-00-00-00-03 " in picked
        preseed = desk.plane.node_file(desk.token(picked), "preseed.cfg", PEER, LOCAL)
        assert b"d-i " in preseed
        assert desk.said()[-1] == (Kind.PRESEED, "preseed.cfg by HTTP")

    @pytest.mark.parametrize("picked", ["", "nothing", "../local", "menu"])
    def test_what_cannot_be_picked_is_the_menu_again(self, desk: Desk, picked: str) -> None:
        assert "item debian-12" in desk.script(UNKNOWN, profile=picked)

    def test_a_registered_machine_cannot_pick(self, desk: Desk) -> None:
        desk.boots()
        assert "hostname=n1 " in desk.script(KNOWN, profile="local")


class TestNodeFile:
    def test_it_is_given_once_a_boot_and_the_second_time_is_an_alarm(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        assert b"d-i " in desk.plane.node_file(token, "preseed.cfg", PEER, LOCAL)
        with pytest.raises(NotServed):
            desk.plane.node_file(token, "preseed.cfg", PEER, LOCAL)
        kinds = [kind for kind, _ in desk.said()]
        assert kinds == [Kind.SCRIPT, Kind.PRESEED, Kind.ALARM]
        desk.boots()
        assert desk.plane.node_file(token, "preseed.cfg", PEER, LOCAL)

    @pytest.mark.parametrize("name", ["", "preseed", "PRESEED.CFG", "../preseed.cfg", "linux"])
    def test_there_is_no_other_file(self, desk: Desk, name: str) -> None:
        desk.boots()
        token = desk.token(desk.script())
        with pytest.raises(NotServed):
            desk.plane.node_file(token, name, PEER, LOCAL)

    def test_a_forged_token_opens_nothing(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        forged = token[:-1] + ("A" if token[-1] != "A" else "B")
        for bad in ("", "nbt_", forged, token + "A"):
            with pytest.raises(NotServed):
                desk.plane.node_file(bad, "preseed.cfg", PEER, LOCAL)

    def test_a_removed_node_s_token_opens_nothing(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        desk.machines.snapshot = Snapshot(2, ())
        with pytest.raises(NotServed):
            desk.plane.node_file(token, "preseed.cfg", PEER, LOCAL)


class TestInstallations:
    """A machine is installed once: from its call home on it starts from its disk."""

    def home(self, desk: Desk, token: str, peer: str = PEER, **query: str) -> None:
        desk.plane.report(token, query, peer, last=True)

    def test_the_installer_says_how_far_it_is(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        query = {"stage": "late", "detail": "step 2", "status": "7", "other": "x"}
        desk.plane.report(token, query, PEER, last=False)
        assert desk.said()[-1] == (Kind.PROGRESS, "late, step 2, exit status 7")
        assert "kernel " in desk.script()

    def test_after_the_call_home_the_machine_starts_from_its_disk(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        self.home(desk, token, hostkey="SHA256:abc")
        [*_, event] = desk.events
        assert (event.kind, event.node) == (Kind.INSTALLED, "n1")
        assert event.detail == "called home: installed; host key SHA256:abc"
        assert event.data == {"hostkey": "SHA256:abc", "installation": 1}
        desk.boots()
        for mac in (KNOWN, SECOND):
            assert "from the local disk" in desk.script(mac)
        assert "is installed" in desk.machines.decide(Client(KNOWN, Firmware.UEFI, 7)).reasons[0]

    def test_its_token_opens_nothing_then(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        self.home(desk, token)
        desk.said()
        with pytest.raises(NotServed):
            desk.plane.node_file(token, "preseed.cfg", PEER, LOCAL)
        [(kind, why)] = desk.said()
        assert kind is Kind.NOT_SERVED
        assert why.startswith("its token opens nothing more: ")
        assert "it is installed, so it starts from its disk" in why

    def test_who_did_not_hear_our_answer_calls_home_again_and_that_changes_nothing(
        self, desk: Desk
    ) -> None:
        desk.boots()
        token = desk.token(desk.script())
        self.home(desk, token)
        kept = dict(desk.machines.installations.kept())
        desk.said()
        self.home(desk, token)
        assert (desk.said(), desk.machines.installations.kept()) == ([], kept)
        desk.machines.follow(Snapshot(2, (replace(N1, state=State.INSTALLED),)))
        self.home(desk, token)
        assert (desk.said(), desk.machines.installations.kept()) == ([], {})
        with pytest.raises(NotServed, match=f"belongs to {PEER}"):
            self.home(desk, token, OTHER)

    def test_so_does_who_wiped_also_when_its_node_shows_that(self, desk: Desk) -> None:
        desk.stock("13", "debian-13")
        wiping = replace(N1, state=State.WIPING)
        desk.machines.follow(Snapshot(2, (wiping,)))
        desk.boots()
        token = desk.token(desk.script())
        self.home(desk, token)
        assert desk.said()[-1][1] == "called home: wiped"
        done = replace(N1, state=State.AVAILABLE, installation=wiping.installation + 1)
        desk.machines.follow(Snapshot(3, (done,)))
        self.home(desk, token)
        assert desk.said() == []

    def test_an_installer_whose_machine_was_said_to_have_its_system_comes_to_its_end(
        self, desk: Desk
    ) -> None:
        desk.boots()
        token = desk.token(desk.script())
        desk.said()
        desk.machines.follow(Snapshot(2, (replace(N1, state=State.INSTALLED),)))
        self.home(desk, token, hostkey="SHA256:abc")
        [(kind, why)] = desk.said()
        assert kind is Kind.NOT_SERVED
        assert "it is installed, so it starts from its disk" in why
        with pytest.raises(NotServed):
            desk.plane.report(token, {"stage": "late"}, PEER, last=False)

    def test_a_restart_of_ours_while_control_is_away_installs_nobody_again(
        self, desk: Desk, tmp_path: Path
    ) -> None:
        desk.boots()
        self.home(desk, desk.token(desk.script()))
        (tmp_path / "again").mkdir()
        again = Desk(tmp_path / "again", done=dict(desk.machines.installations.kept()))
        again.boots()
        assert "from the local disk" in again.script()

    def test_control_is_told_until_its_snapshot_shows_it(self, desk: Desk) -> None:
        desk.boots()
        self.home(desk, desk.token(desk.script()))
        desk.said()
        desk.now += 61
        desk.machines.remind()
        desk.machines.remind()
        assert desk.said() == [(Kind.INSTALLED, "called home: installed; told again")]
        desk.machines.follow(Snapshot(2, (replace(N1, state=State.INSTALLED),)))
        assert not desk.machines.installations.kept()
        assert "from the local disk" in desk.script()

    def test_somebody_asks_again_and_an_installer_of_before_has_no_say(self, desk: Desk) -> None:
        desk.boots()
        before = desk.token(desk.script())
        again = replace(N1, state=State.INSTALLING, installation=2)
        desk.machines.follow(Snapshot(2, (again,)))
        desk.said()
        with pytest.raises(NotServed, match="earlier installation"):
            self.home(desk, before)
        line = "its token opens nothing more: it is of an earlier installation"
        assert desk.said() == [(Kind.NOT_SERVED, line)]
        now = desk.token(desk.script())
        self.home(desk, now)
        assert "from the local disk" in desk.script()

    def test_another_address_cannot_call_home(self, desk: Desk) -> None:
        desk.boots()
        token = desk.token(desk.script())
        desk.plane.node_file(token, "preseed.cfg", PEER, LOCAL)
        with pytest.raises(NotServed, match=f"belongs to {PEER}"):
            self.home(desk, token, OTHER)
        assert desk.said()[-1][0] is Kind.ALARM
        assert "kernel " in desk.script()

    def test_a_stranger_is_installed_once_too_until_it_is_registered(self, tmp_path: Path) -> None:
        desk = Desk(tmp_path, "debian-12")
        desk.boots(UNKNOWN)
        self.home(desk, desk.token(desk.script(UNKNOWN)))
        assert "from the local disk" in desk.script(UNKNOWN)
        desk.machines.follow(Snapshot(2, (Node("n3", (UNKNOWN,), "debian-12"),)))
        assert "kernel " in desk.script(UNKNOWN)

    def test_what_is_installed_gets_no_token(self, desk: Desk) -> None:
        desk.boots()
        desk.machines.follow(Snapshot(2, (replace(N1, state=State.INSTALLED),)))
        assert "/node/" not in desk.script()


class TestTransfers:
    @pytest.mark.parametrize(
        ("name", "result", "detail", "kind", "said"),
        [
            ("snponly.efi", Result.DONE, "", Kind.LOADER, "snponly.efi by TFTP, 9 bytes in 0.5 s"),
            ("ipxe.pxe", Result.DONE, "", Kind.LOADER, "ipxe.pxe by TFTP, 9 bytes in 0.5 s"),
            ("autoexec.ipxe", Result.DONE, "", Kind.FILE, "autoexec.ipxe by TFTP, 9 bytes in"),
            (LINUX, Result.DONE, "", Kind.KERNEL, f"{LINUX} by TFTP, 9 bytes in 0.5 s"),
            ("x.efi", Result.PROBE, "size only", Kind.PROBE, "x.efi by TFTP: size only"),
            ("x", Result.NOT_SERVED, "is not served", Kind.NOT_SERVED, "x by TFTP: is not served"),
            ("x", Result.ABORTED, "disk full", Kind.FAILED, "x by TFTP: disk full"),
            ("x", Result.TIMED_OUT, "no ACK", Kind.FAILED, "x by TFTP: no ACK"),
        ],
    )
    def test_by_tftp(
        self, desk: Desk, name: str, result: Result, detail: str, kind: Kind, said: str
    ) -> None:
        desk.machines.heard(KNOWN, PEER)
        desk.plane.tftp_outcome(Outcome(PEER, name, 9, 9, 0.5, result, detail))
        [event] = desk.events
        assert (event.kind, event.mac, event.node) == (kind, KNOWN, "n1")
        assert event.detail.startswith(said)

    @pytest.mark.parametrize(
        ("name", "status", "sent", "complete", "kind"),
        [
            (LINUX, 200, 9, True, Kind.KERNEL),
            ("images/debian-12/initrd.gz", 200, 9, True, Kind.INITRD),
            ("snponly.efi", 200, 9, True, Kind.LOADER),
            ("images/x/y", 200, 9, True, Kind.FILE),
            (LINUX, 200, 0, True, None),  # HEAD
            (LINUX, 206, 5, True, None),
            (LINUX, 304, 0, True, None),
            (LINUX, 416, 0, False, None),
            (LINUX, 412, 0, False, None),
            (LINUX, 200, 5, False, Kind.FAILED),
            (LINUX, 404, 0, False, Kind.FAILED),
            (LINUX, 500, 0, False, Kind.FAILED),
        ],
    )
    def test_by_http(
        self, desk: Desk, name: str, status: int, sent: int, complete: bool, kind: Kind | None
    ) -> None:
        desk.machines.heard(KNOWN, PEER)
        desk.plane.sent(SentFile(PEER, name, 9, sent, status, complete, 0.5))
        assert [kind for kind, _ in desk.said()] == ([] if kind is None else [kind])

    @pytest.mark.parametrize(("unknown", "whose"), [("local", UNKNOWN), ("ignore", None)])
    def test_an_address_is_the_machine_s_that_used_it_last(
        self, tmp_path: Path, unknown: str, whose: Mac | None
    ) -> None:
        desk = Desk(tmp_path, unknown)
        desk.machines.heard(KNOWN, PEER)
        desk.machines.heard(UNKNOWN, PEER)
        for peer in (PEER, OTHER):
            desk.plane.tftp_outcome(Outcome(peer, "a.efi", 9, 9, 0.5, Result.DONE, ""))
        assert [event.mac for event in desk.events] == [whose, None]

    def test_a_switched_image_is_served_and_what_was_opened_stays(self, desk: Desk) -> None:
        before = desk.plane.find(LINUX, PEER, LOCAL)
        desk.stock("13")
        after = desk.plane.find(f"/{LINUX}", PEER, LOCAL)
        assert (before.read(0, 99), after.read(0, 99)) == (b"linux 12", b"linux 13")
        assert isinstance(after, FileSource)
        before.close()
        after.close()

    def test_ipxe_s_first_script_is_made_not_read(self, desk: Desk) -> None:
        source = desk.plane.find("autoexec.ipxe", PEER, LOCAL)
        assert source.read(0, source.size).startswith(b"#!ipxe")

    @pytest.mark.parametrize("name", ["", "..", "etc/passwd", "images/debian-12", "autoexec.ipxe/"])
    def test_nothing_else_is_served(self, desk: Desk, name: str) -> None:
        with pytest.raises(NotServed):
            desk.plane.find(name, PEER, LOCAL)


def test_it_is_well_when_it_has_been_told_of_its_nodes(desk: Desk) -> None:
    assert desk.plane.health() is None
    desk.machines.snapshot = EMPTY
    assert "no nodes are known yet" in (desk.plane.health() or "")
    desk.machines.snapshot = Snapshot(1, ())
    assert desk.plane.health() is None


def test_a_change_is_one_assignment(desk: Desk) -> None:
    client = Client(UNKNOWN, Firmware.UEFI, 7)
    assert desk.machines.decide(client).verdict is Verdict.IGNORE
    desk.machines.snapshot = Snapshot(2, (Node("n2", (UNKNOWN,), "local"),))
    decision = desk.machines.decide(client)
    assert (decision.verdict, decision.profile) == (Verdict.LOADER, "local")
    assert desk.machines.name_of(UNKNOWN) == "n2"
    assert desk.machines.name_of(KNOWN) is None


def test_nothing_is_remembered_of_machines_that_are_ignored(desk: Desk) -> None:
    desk.boots(UNKNOWN)
    desk.machines.heard(UNKNOWN, PEER)
    assert not desk.machines._macs
    assert not desk.machines._clients
    assert not desk.machines.learning._lessons
    assert not desk.machines.attempts.heard(desk.now)


def test_what_is_remembered_of_machines_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, unknown="local")
    monkeypatch.setattr("netboot.boot.machines.MAX_MACHINES", 10)
    for number in range(50):
        mac = Mac(f"52:54:00:00:01:{number:02x}")
        desk.boots(mac)
        desk.machines.heard(mac, f"192.0.2.{number}")
    assert len(desk.machines._macs) == len(desk.machines._clients) == 10
    assert list(desk.machines._macs)[-1] == "192.0.2.49"
