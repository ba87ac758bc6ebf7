"""What is done to BMCs: verified, one at a time, and every word of it in the timeline."""

import ast
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot.bmc.credentials import Safe
from netboot.bmc.model import BootMode, BootOverride, BootTarget, PowerAction, PowerState, Rung
from netboot.bmc.model import Login as BmcLogin
from netboot.control.bmc_actions import Actions
from netboot.control.bmc_shapes import Answer, BootAsked, MediaAsked, PowerAsked
from netboot.control.entries import add
from netboot.control.problems import error_of, problem_of
from netboot.errors import BmcError, ConfigError, OperationError
from netboot.event_text import ASCII_MARKS, event_line
from netboot.events import Event, Kind
from netboot.jobs import bmc_turn
from netboot.model import Mac, Profile
from netboot.snapshot import encode
from netboot.store.store import Store
from tests.fake_bmc import MACHINE, FakeBmc

M1 = Mac("52:54:00:00:00:01")
SECRET = "calvin-5ecret"  # noqa: S105 -- looked for where it must not be
SOURCE = "test"
LOCAL = {"local": Profile("local", "local.ipxe")}


class Site:
    """A store with one node, whose BMC is the fake one."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(f"sqlite:///{folder}/netboot.db")
        self.bmc = FakeBmc()
        self.safe = Safe(bytes(32))
        self.actions = Actions(self.store, lambda: self.safe, hears=True, opener=self.open)
        self.add("n1", M1)

    def add(self, name: str, mac: str) -> None:
        bmc = {"address": f"redfish://{name}", "user": "root", "password": f"plain:{SECRET}"}
        raw = {"name": name, "macs": [mac], "profile": "local", "bmc": bmc}
        add(self.store, raw, SOURCE, LOCAL, lambda: self.safe)

    def open(self, _node: Any, _bmc: Any, login: BmcLogin | None, _say: Any) -> FakeBmc:
        self.bmc.login = login
        self.bmc.open += 1
        return self.bmc

    def power(self, action: str, wait: float | None = None) -> Answer:
        asked = PowerAsked(action=PowerAction(action), wait=wait)
        return self.actions.power("n1", asked, "alice", SOURCE)

    def boot(self, target: str = "pxe", **more: Any) -> Answer:
        asked = BootAsked(target=BootTarget(target), **more)
        return self.actions.boot("n1", asked, "alice", SOURCE)

    def media(self, action: Any, url: str | None = None) -> Answer:
        return self.actions.media("n1", MediaAsked(action=action, url=url), "alice", SOURCE)

    def told(self) -> list[str]:
        events = [record.event for record in self.store.timeline("n1")]
        return [event.detail for event in events if event.kind is not Kind.STATE]


def by_media(site: Site) -> None:
    site.bmc.ways = (Rung.FULL_BODY, Rung.VIRTUAL_MEDIA)
    site.actions.springboard = lambda node, _bmc, _hands: (
        f"http://boot/media/{node.name}/netboot.iso"
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Time passes when somebody sleeps, and only then."""
    now = [1_000_000.0]

    def sleep(turn: bmc_turn.Turn, seconds: float) -> None:
        if turn.leaving.is_set():
            raise bmc_turn.Leaving("left")
        now[0] += seconds

    monkeypatch.setattr(bmc_turn.Turn, "clock", staticmethod(lambda: now[0]))
    monkeypatch.setattr(bmc_turn.Turn, "sleep", sleep)
    found = Site(tmp_path)
    yield found
    found.store.close()


class TestPower:
    def test_a_status_is_read_and_not_written_down(self, site: Site) -> None:
        site.bmc.boot = BootOverride(BootTarget.PXE, mode=BootMode.UEFI)
        found = site.actions.status("n1", "alice", SOURCE)
        assert (found.words, found.power) == ("on, pxe once in uefi mode", PowerState.ON)
        assert site.told() == []
        assert site.bmc.open == 0

    def test_a_cycle_has_its_intent_written_before_it_is_asked_for(self, site: Site) -> None:
        written: list[str] = []
        site.bmc.on_power = lambda _action: written.extend(site.told())
        assert site.power("cycle").words == "power-cycled"
        assert written == ["alice asked: power cycle", "cycle is asked for"]
        assert site.told()[2:] == [
            "cycle taken (POST Reset cycle)",
            "power cycle: power-cycled",
        ]

    def test_a_cycle_of_a_machine_that_is_off_switches_it_on_and_says_so(self, site: Site) -> None:
        site.bmc.power_state = PowerState.OFF
        assert site.power("cycle").words == "switched on"
        assert site.bmc.asked == ["power on"]

    def test_it_waits_for_the_machine_where_that_is_asked(self, site: Site) -> None:
        def boots(_action: PowerAction) -> None:
            event = Event(Kind.DISCOVER, M1, "n1", "x86-64 UEFI", time=1_000_007)
            site.store.append_events([event])

        site.bmc.on_power = boots
        assert site.power("cycle", wait=60).words == (
            f"power-cycled, then discover from {M1} after 7 s"
        )

    def test_a_machine_that_is_not_heard_is_a_failure(self, site: Site) -> None:
        with pytest.raises(BmcError, match=rf"no DISCOVER from {M1} within 60 s"):
            site.power("cycle", wait=60)
        assert site.bmc.asked == ["power cycle"]

    def test_nobody_is_waited_for_where_nobody_is_heard(self, site: Site) -> None:
        deaf = Actions(site.store, lambda: site.safe, opener=site.open)
        asked = PowerAsked(action=PowerAction.ON, wait=60)
        with pytest.raises(ConfigError, match="does not run"):
            deaf.power("n1", asked, "alice", SOURCE)
        assert site.bmc.asked == []

    @pytest.mark.parametrize(
        ("state", "action", "words"),
        [(PowerState.ON, "on", "is on already"), (PowerState.OFF, "off", "is off already")],
    )
    def test_what_is_so_already_is_not_asked_for(
        self, site: Site, state: PowerState, action: str, words: str
    ) -> None:
        site.bmc.power_state = state
        assert site.power(action).words == words
        assert site.bmc.asked == []

    def test_off_is_seen_to_be_off(self, site: Site) -> None:
        assert site.power("off").power is PowerState.OFF

    def test_an_off_that_changes_nothing_is_a_failure(self, site: Site) -> None:
        site.bmc.on_power = lambda _action: setattr(site.bmc, "power_state", PowerState.ON)
        with pytest.raises(BmcError, match=r"accepted, but it is not off after 60 s"):
            site.power("off")
        assert site.bmc.asked == ["power off"]

    def test_a_lost_reply_to_off_is_decided_by_reading(self, site: Site) -> None:
        def loses(_action: PowerAction) -> None:
            raise BmcError("connection reset", effect_unknown=True, retryable=True)

        site.bmc.on_power = loses
        assert site.power("off").words == "switched off"
        assert site.bmc.asked == ["power off"]

    def test_a_busy_bmc_is_asked_again(self, site: Site) -> None:
        site.bmc.refuses["power"] = [BmcError("503 busy", retryable=True)]
        assert site.power("off").words == "switched off"
        assert site.bmc.asked == ["power off", "power off"]

    def test_one_that_never_answers_fails_within_a_minute(self, site: Site) -> None:
        site.bmc.refuses["observe"] = BmcError("Connection refused", retryable=True)
        with pytest.raises(BmcError, match=r"^Connection refused$"):
            site.power("cycle")
        assert bmc_turn.Turn.clock() < 1_000_060
        assert site.bmc.asked == []


class TestBoot:
    def test_it_is_set_and_read_back(self, site: Site) -> None:
        found = site.boot(mode=BootMode.UEFI)
        assert found.words == "boots pxe once in uefi mode, set by full-body"
        assert (found.rung, found.boot) == (Rung.FULL_BODY, site.bmc.boot)
        assert site.bmc.asked == ["boot pxe by full-body"]

    def test_every_way_tried_is_in_the_timeline_in_the_bmcs_words(self, site: Site) -> None:
        site.bmc.refuses["full-body"] = BmcError("412 Precondition Failed", request="PATCH")
        assert site.boot().rung is Rung.IF_MATCH
        assert site.told() == [
            "alice asked: boot pxe once",
            "full-body: boot override refused: 412 Precondition Failed (PATCH)",
            "full-body: given up: 412 Precondition Failed",
            "if-match: boot override taken (PATCH Boot)",
            "boot pxe once: boots pxe once, set by if-match",
        ]

    def test_what_worked_is_tried_first_on_the_next_machine_of_that_model(self, site: Site) -> None:
        site.bmc.refuses["full-body"] = BmcError("412 Precondition Failed")
        site.boot()
        assert site.store.inspected("n1")
        site.bmc.asked.clear()
        site.boot()
        assert site.bmc.asked == ["boot pxe by if-match"]

    def test_when_no_way_works_all_of_them_are_said(self, site: Site) -> None:
        site.bmc.refuses |= {"full-body": BmcError("412"), "if-match": BmcError("not allowed")}
        with pytest.raises(BmcError, match=r"full-body: 412; if-match: not allowed"):
            site.boot()
        assert site.told()[-1].startswith("boot pxe once failed: full-body: 412")

    def test_a_bmc_without_overrides_says_who_decides(self, site: Site) -> None:
        site.bmc.ways = (Rung.CYCLE_ONLY,)
        with pytest.raises(BmcError, match="fake has no boot override"):
            site.boot()

    @pytest.mark.parametrize(
        ("given", "key"),
        [
            ({"target": "http", "mode": BootMode.BIOS}, "mode"),
            ({"target": "pxe", "url": "http://s/x.efi"}, "url"),
            ({"target": "http", "url": f"http://root:{SECRET}@s/x.efi"}, "url"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, site: Site, given: dict[str, Any], key: str
    ) -> None:
        with pytest.raises(ConfigError) as refused:
            site.boot(**given)
        assert refused.value.key == key
        assert SECRET not in str(refused.value)
        assert site.told() == []


class TestMedia:
    def test_an_image_goes_in_and_out(self, site: Site) -> None:
        assert site.media("insert", "http://s/x.iso?sig=abc").words == "inserted http://s/x.iso"
        assert site.bmc.medium.image == "http://s/x.iso?sig=abc"
        assert site.media("eject").words == "ejected"
        assert site.media("eject").words == "was empty"
        assert "sig=abc" not in "\n".join(site.told())

    def test_an_insert_that_changes_nothing_is_a_failure(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(site.bmc, "insert", lambda _url, _slot: None)
        with pytest.raises(BmcError, match="accepted, but no slot holds the image after 30 s"):
            site.media("insert", "http://s/x.iso")

    @pytest.mark.parametrize("url", [None, "x.iso", "ftp://s/x", f"http://u:{SECRET}@s/x.iso"])
    def test_what_is_no_image_is_refused_and_not_repeated(self, site: Site, url: Any) -> None:
        with pytest.raises(ConfigError) as refused:
            site.media("insert", url)
        assert SECRET not in str(refused.value)


class TestInspect:
    def test_it_fills_the_inventory(self, site: Site) -> None:
        found = site.actions.inspect("n1", "alice", SOURCE)
        assert found.words == "Contoso 3500, serial 437XR1138R2, 2 CPUs, 96 GiB, 2 NICs"
        kept = site.actions.known("n1", SOURCE)
        assert (kept.hardware, kept.bmc and kept.bmc.kept) == (MACHINE, True)


class TestSecrets:
    def test_the_password_reaches_the_bmc_and_nothing_else(self, site: Site) -> None:
        site.bmc.refuses["inspect"] = BmcError(f"401: root/{SECRET} is wrong", request=SECRET)
        with pytest.raises(BmcError, match=r"401: root/… is wrong") as refused:
            site.actions.inspect("n1", "alice", SOURCE)
        assert site.bmc.login
        assert site.bmc.login.password.reveal() == SECRET
        kept = [record.event for record in site.store.timeline("n1")]
        assert SECRET not in f"{refused.value!r} {kept} {site.actions.overview()}"

    def test_no_snapshot_has_a_bmc(self, site: Site) -> None:
        site.actions.inspect("n1", "alice", SOURCE)
        raw = encode(site.store.snapshot())
        assert b"redfish" not in raw
        assert b"437XR1138R2" not in raw

    def test_the_boot_program_loads_none_of_it(self) -> None:
        program = (
            "import sys, netboot.boot.main\n"
            "print([name for name in sys.modules if name.startswith(('netboot.bmc', 'sushy',"
            " 'pyghmi', 'netboot.store', 'netboot.control'))])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert ast.literal_eval(done.stdout) == []


class TestTurns:
    def test_two_actions_never_meet_on_one_bmc_and_status_always_may(self, site: Site) -> None:
        began, go = threading.Event(), threading.Event()

        def holds(_action: PowerAction) -> None:
            began.set()
            assert go.wait(20)

        site.bmc.on_power = holds
        first = threading.Thread(target=site.power, args=("cycle",))
        first.start()
        assert began.wait(20)
        assert site.actions.under_way() == {"n1": "cycle is asked for"}
        with pytest.raises(OperationError, match="busy: alice asked for power cycle"):
            site.power("off")
        assert site.actions.status("n1", "bob", SOURCE).power is PowerState.ON
        go.set()
        first.join()
        site.bmc.on_power = lambda _action: None
        assert site.power("off").words == "switched off"

    def test_nothing_is_waited_for_when_the_program_ends(self, site: Site) -> None:
        site.actions.leave()
        with pytest.raises(OperationError):
            site.power("cycle", wait=3000)

    def test_a_node_without_a_bmc_says_how_it_gets_one(self, site: Site) -> None:
        add(
            site.store,
            {"name": "n2", "uuid": "4c4c4544-004d-3510-8052-b4c04f4a3132", "profile": "local"},
            SOURCE,
            LOCAL,
            lambda: site.safe,
        )
        with pytest.raises(ConfigError, match="node set n2 --bmc URL"):
            site.actions.status("n2", "alice", SOURCE)


def test_a_bmcs_error_crosses_the_api_whole() -> None:
    error = BmcError("412 Precondition Failed", retryable=True, effect_unknown=True)
    body = problem_of(error)
    assert body["status"] == 502
    back = error_of(502, body, SOURCE)
    assert isinstance(back, BmcError)
    assert (str(back), back.retryable, back.effect_unknown) == (str(error), True, True)


@pytest.mark.parametrize(
    ("came", "mark"),
    [("done", "+"), ("ok", "+"), ("failed", "!"), ("refused", "!"), ("asked", "-")],
)
def test_a_line_of_the_timeline_is_marked_by_how_it_went(came: str, mark: str) -> None:
    event = Event(Kind.BMC, M1, "n1", "words", {"came": came})
    assert event_line(event, ASCII_MARKS).endswith(f"BMC {mark} words")


def test_a_boot_from_an_empty_cd_drive_is_one_from_the_cd_that_leads_to_us(site: Site) -> None:
    by_media(site)
    assert site.boot("cd").rung is Rung.VIRTUAL_MEDIA
    assert site.bmc.medium.image == "http://boot/media/n1/netboot.iso"


def test_a_boot_from_an_inserted_cd_leaves_it_in(site: Site) -> None:
    by_media(site)
    site.media("insert", "http://boot/rescue.iso")
    assert site.boot("cd").rung is Rung.FULL_BODY
    assert site.bmc.medium.image == "http://boot/rescue.iso"


def test_a_boot_by_http_loads_what_its_firmware_accepts(site: Site) -> None:
    site.actions.loader = lambda node: f"http://boot/{node.name}/shim.efi"
    found = site.boot("http")
    assert found.boot is not None
    assert found.boot.url == "http://boot/n1/shim.efi"
    assert "http://boot/own.efi" in str(site.boot("http", url="http://boot/own.efi").boot)
