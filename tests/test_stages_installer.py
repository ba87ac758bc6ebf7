"""An installer's own stages: what tells of them, and what is said of one that does not come."""

import pytest

from netboot.events import Event, Kind
from netboot.model import Mac
from netboot.stages import WAITS, Stage, StageWatch, installer

MAC = Mac("52:54:00:00:00:01")


def told(stage: str, kind: Kind = Kind.PROGRESS) -> Event:
    return Event(kind, MAC, "n1", "", {"stage": stage})


@pytest.mark.parametrize(
    ("program", "text", "stage"),
    [
        ("main-menu", "INFO: Menu item 'partman-base' selected", Stage.PARTITIONING),
        ("main-menu", "Menu item 'partman-base' selected", Stage.PARTITIONING),
        ("main-menu", "INFO: Menu item 'download-installer' selected", Stage.INSTALLER),
        ("main-menu", "INFO: Menu item 'bootstrap-base' selected", Stage.BASE_SYSTEM),
        ("main-menu", "INFO: Menu item 'pkgsel' selected", Stage.PACKAGES),
        ("main-menu", "INFO: Menu item 'grub-installer' selected", Stage.BOOT_LOADER),
        ("main-menu", "INFO: Menu item 'finish-install' selected", Stage.LATE),
        ("main-menu", "INFO: Menu item 'di-utils-shell' selected", None),
        ("main-menu", "WARNING **: Menu item 'partman-base' failed.", None),
        ("main-menu", "INFO: Menu item 'partman-base' succeeded", None),
        ("in-target", "INFO: Menu item 'partman-base' selected", None),
        ("main-menu", "", None),
    ],
)
def test_the_installers_menu_tells_its_stages(program: str, text: str, stage: Stage | None) -> None:
    assert installer.selected(program, text) is stage


@pytest.mark.parametrize(
    ("event", "stage"),
    [
        (told("early"), Stage.INSTALLER),
        (told("partition"), Stage.PARTITIONING),
        (told("base-system"), Stage.BASE_SYSTEM),
        (told("late"), Stage.LATE),
        (told("boot-loader", Kind.SYSLOG), Stage.BOOT_LOADER),
        (told("write"), Stage.WRITING),
        (Event(Kind.INSTALLED, MAC, "n1"), Stage.CALL_HOME),
        (told("coffee"), None),
        (told("kernel"), None),
        (told("late", Kind.STALLED), None),
        (Event(Kind.SYSLOG, MAC, "n1", "hello"), None),
    ],
)
def test_what_an_event_tells_of(event: Event, stage: Stage | None) -> None:
    assert installer.begun(event) is stage


def test_stages_stand_in_the_order_an_installation_goes_through() -> None:
    told_of = [step.stage for step in installer.STEPS]
    assert told_of == list(range(Stage.INSTALLER, Stage.CALL_HOME))
    assert list(installer.WAITS) == list(range(Stage.PARTITIONING, Stage.DONE))


def test_what_installs_packages_writes_no_disk_image() -> None:
    after = installer.AWAITED_AFTER
    assert after[Stage.BOOT_LOADER] is Stage.LATE
    assert after[Stage.WRITING] is Stage.VERIFYING
    assert after[Stage.GROWING] is Stage.LATE


@pytest.mark.parametrize("step", installer.STEPS)
def test_silence_after_each_names_the_next_and_its_usual_cause(step: installer.Step) -> None:
    watch, awaited = StageWatch(), installer.AWAITED_AFTER[step.stage]
    watch.observe(told(step.word), 0.0)
    assert watch.next_deadline() == WAITS[awaited].seconds
    [late] = watch.expired(WAITS[awaited].seconds)
    assert late.data["stage"] == awaited.slug
    assert WAITS[awaited].cause in late.detail


def test_an_installer_that_tells_nothing_is_not_awaited() -> None:
    watch = StageWatch()
    watch.observe(Event(Kind.PRESEED, MAC, "n1"), 0.0)
    watch.observe(Event(Kind.SYSLOG, MAC, "n1", "cloud-init: hello"), 1.0)
    assert watch.next_deadline() is None


def test_its_call_home_ends_the_wait() -> None:
    watch = StageWatch()
    watch.observe(told("late"), 0.0)
    watch.observe(Event(Kind.INSTALLED, MAC, "n1"), 1.0)
    assert watch.next_deadline() is None


def test_a_stage_nobody_told_of_is_passed_over() -> None:
    watch = StageWatch()
    watch.observe(told("packages"), 0.0)
    watch.observe(told("late"), 1.0)
    [late] = watch.expired(100_000)
    assert late.data["stage"] == "call-home"


def test_a_machine_that_starts_over_in_mid_installation_is_told_with_its_stage() -> None:
    watch = StageWatch()
    watch.observe(told("packages"), 0.0)
    watch.observe(Event(Kind.DISCOVER, MAC, "n1", "", {"firmware": "uefi"}), 5.0)
    [late] = watch.expired(5.0)
    assert late.data["stage"] == "boot-loader"
    assert "started over" in late.detail
