"""The stages inside an installer: what tells that each has begun, and how long each may take.

Two things tell. Our answer files report to the boot's token URL (a ``PROGRESS`` event), by a word.
And debian-installer's main menu logs each item it goes on to (``Menu item 'partman-base'
selected``), which comes by syslog whatever the answer file is; the boot program writes the stage's
name into such an event. An installer that tells neither is not awaited at all.

Items are the names of the installer's own packages; several stand for one stage where machines
differ, such as in their boot loader.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from netboot.events import Event, Kind
from netboot.stages.stage import Stage, Wait

MENU = "main-menu"
"""The program of debian-installer that goes from item to item, as its syslog lines name it."""

_SELECTED = re.compile(r"(?:[A-Z]+: )?Menu item '([a-z0-9.+-]{1,64})' selected")
_TELLS = frozenset({Kind.PROGRESS, Kind.SYSLOG})


@dataclass(frozen=True, slots=True)
class Step:
    """A stage and what tells that it has begun.

    Attributes:
        word: how our answer files report it.
        items: menu items of debian-installer that begin it.
    """

    stage: Stage
    word: str
    items: frozenset[str]


STEPS = (
    Step(Stage.INSTALLER, "early", frozenset({"choose-mirror", "download-installer"})),
    Step(Stage.PARTITIONING, "partition", frozenset({"partman-base"})),
    Step(Stage.BASE_SYSTEM, "base-system", frozenset({"bootstrap-base", "live-installer"})),
    Step(Stage.PACKAGES, "packages", frozenset({"apt-setup-udeb", "pkgsel"})),
    Step(
        Stage.BOOT_LOADER,
        "boot-loader",
        frozenset(
            {
                "grub-installer",
                "systemd-boot-installer",
                "flash-kernel-installer",
                "zipl-installer",
                "nobootloader",
            }
        ),
    ),
    Step(Stage.WRITING, "write", frozenset()),
    Step(Stage.VERIFYING, "verify", frozenset()),
    Step(Stage.GROWING, "grow", frozenset()),
    Step(Stage.LATE, "late", frozenset({"finish-install"})),
)
"""In the order an installation goes through. After the last the machine calls home."""

AWAITED_AFTER: Mapping[Stage, Stage] = {step.stage: Stage(step.stage + 1) for step in STEPS} | {
    Stage.BOOT_LOADER: Stage.LATE
}
"""What is awaited once a stage has begun."""

WAITS: Mapping[Stage, Wait] = {
    Stage.PARTITIONING: Wait(
        900,
        "the installer is on the network but never came to the disk",
        "the mirror cannot be reached or is slow, the kernel is older than the mirror's modules, "
        "or the installer asks a question on its screen",
        "run netboot doctor and netboot image fetch; read netboot timeline --log and the screen",
    ),
    Stage.BASE_SYSTEM: Wait(
        900,
        "a disk was looked for but the base system never begun",
        "no disk fits what the node wants, a question about old RAID or LVM on the disk, "
        "or a disk that fails",
        "read netboot timeline --log and the screen; set the node's variable disk",
    ),
    Stage.PACKAGES: Wait(
        2700,
        "base system begun but never finished",
        "the mirror broke off or is very slow, or its signature is not one the installer knows",
        "run netboot doctor; read netboot timeline --log",
    ),
    Stage.BOOT_LOADER: Wait(
        7200,
        "packages begun but no boot loader",
        "a package that fails or asks, or a slow mirror and many packages",
        "read netboot timeline --log; install fewer packages by the variables packages and tasks",
    ),
    Stage.WRITING: Wait(
        900,
        "a disk was looked for but no image written to it",
        "the deploy ramdisk does not reach our HTTP port any more",
        "read netboot timeline and the screen",
    ),
    Stage.VERIFYING: Wait(
        14_400,
        "the disk image was begun but never written whole",
        "a slow link or disk and a large image, or our HTTP port cannot be reached any more",
        "read netboot timeline: it says how far it is; check cable and switch port",
    ),
    Stage.GROWING: Wait(
        900,
        "the disk image is written but the disk never grown",
        "a disk that is slow to take what it was sent, or that fails",
        "read the machine's screen",
    ),
    Stage.LATE: Wait(
        900,
        "boot loader begun but the last commands never came",
        "GRUB found no place: no EFI system partition, a full EFI variable store, or another disk "
        "than the chosen one",
        "read netboot timeline --log and the screen",
    ),
    Stage.CALL_HOME: Wait(
        3600,
        "the last commands began but the installer never called home",
        "a late_command that hangs, an answer file of your own that does not call home, or our "
        "HTTP port cannot be reached any more",
        "read netboot timeline --log; let the answer file fetch {{ boot.url }}/installed at its "
        "end; netboot node set NAME --installed where it is in fact installed",
    ),
}
"""How long until each of them begins, counted from the one before it."""

_BY_NAME = {name: step.stage for step in STEPS for name in (step.word, step.stage.slug)}
_BY_ITEM = {item: step.stage for step in STEPS for item in step.items}


def begun(event: Event) -> Stage | None:
    """The stage of an installer that ``event`` tells the beginning of; None for no such event."""
    if event.kind is Kind.INSTALLED:
        return Stage.CALL_HOME
    return _BY_NAME.get(str(event.data.get("stage"))) if event.kind in _TELLS else None


def selected(program: str, text: str) -> Stage | None:
    """The stage that a line of an installer's log tells the beginning of.

    Args:
        program: who logged it.
        text: what.
    """
    if program != MENU or (matched := _SELECTED.match(text)) is None:
        return None
    return _BY_ITEM.get(matched[1])
