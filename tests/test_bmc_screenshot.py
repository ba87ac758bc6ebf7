"""What a machine showed when it missed a deadline: taken by its BMC, kept within bounds, named."""

import os
import zlib
from pathlib import Path

import pytest

from netboot.bmc.address import Address
from netboot.bmc.driver import HasScreen
from netboot.bmc.ipmi import IpmiDriver
from netboot.bmc.model import Login, PowerAction, PowerState, Secret, Tls
from netboot.bmc.redfish import RedfishDriver
from netboot.control.bmc_actions import Actions
from netboot.control.bmc_shapes import PowerAsked
from netboot.errors import BmcError, OperationError
from netboot.jobs import bmc_turn, screens
from netboot.jobs.screens import Screens
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc
from netboot.store.store import Store
from tests.fake_bmc import FakeBmc
from tests.test_control_bmc import Site

PNG = b"\x89PNG\r\n\x1a\n" + zlib.compress(b"a blue screen")
JPEG = b"\xff\xd8\xff\xe0" + b"a green one"


class ScreenMachine(FakeMachine):
    """A machine with a screen."""

    shows = PNG

    def screendump(self, path: Path) -> Path:
        path.write_bytes(self.shows)
        return path


def screenshot(machine: FakeMachine, personality: str, password: str = "password") -> bytes | None:  # noqa: S107 -- of no machine
    bmc = VirtualBmc(machine, personality)
    bmc.start()
    driver = RedfishDriver(
        Address("redfish", "127.0.0.1", bmc.port, tls=False),
        Login("admin", Secret(password)),
        Tls(),
    )
    try:
        driver.observe()
        driver.close()  # as the closed loop does; it logs in again
        return driver.screenshot()
    finally:
        driver.close()
        bmc.stop()


class TestPikvm:
    def test_its_screenshot(self) -> None:
        assert screenshot(ScreenMachine(), "pikvm") == PNG

    def test_a_machine_without_a_signal(self) -> None:
        with pytest.raises(BmcError, match="503: it has no screenshot now") as caught:
            screenshot(FakeMachine(), "pikvm")
        assert caught.value.retryable

    @pytest.mark.parametrize("shows", [b"<html>", JPEG + bytes(1 << 10)], ids=["HTML", "too large"])
    def test_what_is_no_image_of_a_size_we_take(
        self, shows: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("netboot.bmc.redfish_screen.LARGEST_SCREENSHOT", 1 << 10)
        machine = ScreenMachine()
        machine.shows = shows
        with pytest.raises(BmcError, match="no PNG or JPEG"):
            screenshot(machine, "pikvm")

    def test_who_may_not_log_in_sees_nothing(self) -> None:
        with pytest.raises(BmcError, match="401"):
            screenshot(ScreenMachine(), "pikvm", password="wrong")  # noqa: S106 -- likewise


def test_other_bmcs_have_none() -> None:
    assert screenshot(ScreenMachine(), "generic") is None
    assert not isinstance(IpmiDriver("bmc", 623, Login("root", Secret(""))), HasScreen)


class TestFiles:
    def test_they_are_their_owners_alone(self, tmp_path: Path) -> None:
        path = Screens(tmp_path / "screenshots").keep("n1", PNG, 0.0)
        assert path == tmp_path / "screenshots/n1-19700101T000000Z.png"
        assert path.read_bytes() == PNG
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    def test_a_name_leads_nowhere_else(self, tmp_path: Path) -> None:
        path = Screens(tmp_path / "a").keep("../../etc/x", JPEG, 0.0)
        assert path.parent == tmp_path / "a"
        assert path.suffix == ".jpg"

    @pytest.mark.parametrize(
        ("bound", "value", "kept"), [("KEPT", 2, 2), ("MOST_BYTES", 3 * len(PNG), 3)]
    )
    def test_the_oldest_go_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, kept: int
    ) -> None:
        monkeypatch.setattr(screens, bound, value)
        folder = Screens(tmp_path)
        for number in range(5):
            path = folder.keep(f"n{number}", PNG, 0.0)
            os.utime(path, (number, number))
        names = sorted(path.name[:2] for path in tmp_path.iterdir())
        assert names == [f"n{number}" for number in range(5 - kept, 5)]

    def test_the_newest_is_kept_in_any_case(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(screens, "MOST_BYTES", 1)
        assert Screens(tmp_path).keep("n1", PNG, 0.0).exists()

    def test_another_turn_s_that_is_being_written_does_no_harm(self, tmp_path: Path) -> None:
        (tmp_path / "n2-19700101T000000Z.partial").symlink_to("gone")
        path = Screens(tmp_path).keep("n1", PNG, 0.0)
        assert path.read_bytes() == PNG

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OperationError, match="file"):
            Screens(tmp_path / "file").keep("n1", PNG, 0.0)


class ScreenBmc(FakeBmc):
    """A BMC that sees the screen of a machine that never comes."""

    shows: bytes | BmcError | None = PNG

    def screenshot(self) -> bytes | None:
        if isinstance(self.shows, BmcError):
            raise self.shows
        return self.shows


class Missing(Site):
    """A site whose machine is started and never heard."""

    def __init__(self, folder: Path, bmc: FakeBmc) -> None:
        super().__init__(folder)
        self.bmc = bmc
        self.folder = folder / "screenshots"
        keeps = Screens(self.folder)
        self.actions = Actions(
            self.store, lambda: self.safe, hears=True, screens=keeps, opener=self.open
        )


@pytest.fixture(autouse=True)
def _time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes when somebody sleeps, and only then."""
    now = [1_000_000.0]

    def sleep(_turn: bmc_turn.Turn, seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(bmc_turn.Turn, "clock", staticmethod(lambda: now[0]))
    monkeypatch.setattr(bmc_turn.Turn, "sleep", sleep)


def missed(folder: Path, bmc: FakeBmc) -> tuple[Store, Path]:
    site = Missing(folder, bmc)
    with pytest.raises(BmcError, match="DISCOVER"):
        site.power("cycle", wait=60.0)
    return site.store, site.folder


class TestMissedDeadline:
    def test_its_screen_is_kept_and_named_in_the_timeline(self, tmp_path: Path) -> None:
        store, folder = missed(tmp_path, ScreenBmc())
        (path,) = folder.iterdir()
        told = [record.event for record in store.timeline("n1")]
        (named,) = [event for event in told if "screenshot" in event.data]
        assert named.detail == f"its screen is in {path}"
        assert named.data["screenshot"] == str(path)
        assert told.index(named) == len(told) - 2, "before the word that it failed"

    @pytest.mark.parametrize("bmc", [FakeBmc(), ScreenBmc()], ids=["cannot", "has none"])
    def test_a_bmc_that_sees_no_screen(self, tmp_path: Path, bmc: FakeBmc) -> None:
        if isinstance(bmc, ScreenBmc):
            bmc.shows = None
        store, folder = missed(tmp_path, bmc)
        assert not folder.exists()
        assert not any("screen" in record.event.detail for record in store.timeline("n1"))

    def test_a_screenshot_that_fails_hides_no_other_failure(self, tmp_path: Path) -> None:
        bmc = ScreenBmc()
        bmc.shows = BmcError("GET /api/streamer/snapshot: 503")
        store, _ = missed(tmp_path, bmc)
        told = [record.event.detail for record in store.timeline("n1")]
        assert "its screen cannot be kept: GET /api/streamer/snapshot: 503" in told

    def test_a_machine_that_came_is_not_photographed(self, tmp_path: Path) -> None:
        site = Missing(tmp_path, ScreenBmc())
        site.bmc.power_state = PowerState.OFF
        asked = PowerAsked(action=PowerAction.ON, wait=None)
        site.actions.power("n1", asked, "alice", "test")
        assert not site.folder.exists()
