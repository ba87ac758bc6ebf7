"""A boot from an iSCSI volume as the boot program sees it: script, secret, and what went wrong."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from netboot.answer import grub
from netboot.answer.profiles import load_profiles
from netboot.answer.script import render_script
from netboot.errors import AlreadyGiven, NotBootable, NotServed
from netboot.events import Kind
from netboot.model import Arch, Client, Firmware, Node, Server
from netboot.snapshot import Snapshot
from netboot.volume import Volume
from tests.test_plane import KNOWN, LOCAL, OTHER, PEER, Desk

SECRET = "chap `5ecret` ${x} || "  # noqa: S105 -- looked for where it must not be
N1 = Node("n1", (KNOWN,), "volume")
V1 = Volume("v1", "iqn.2026-01.com.example:disk1", "192.0.2.5", lun=10)
CHAP = replace(V1, chap_user="n1", chap_secret=SECRET)
FILE = "chap.ipxe"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def boot(desk: Desk, volume: Volume | None, node: Node = N1) -> str:
    """The script of a boot of ``node``, to which ``volume`` is attached."""
    desk.machines.snapshot = Snapshot(1, (node,), (), {} if volume is None else {"n1": volume})
    desk.boots()
    return desk.script()


def chap(desk: Desk, script: str, peer: str = PEER) -> str:
    return desk.plane.node_file(desk.token(script), FILE, peer, LOCAL).decode()


def test_the_script_names_target_and_initiator_and_no_secret(desk: Desk) -> None:
    script = boot(desk, CHAP)
    assert f"sanhook --drive 0x80 iscsi:192.0.2.5::3260:a:{V1.target} " in script
    assert "set initiator-iqn iqn.2026-01.internal.netboot:n1\n" in script
    assert f"/node/{desk.token(script)}/{FILE}" in script
    assert SECRET not in script
    assert FILE not in boot(desk, V1)


def told(script: str) -> dict[str, str]:
    """The settings that a script makes by their bytes."""
    found = re.findall(r"set (\w+):hex ([0-9a-f:]+)", script)
    return {name: bytes.fromhex(value.replace(":", "")).decode() for name, value in found}


def test_a_machine_is_given_its_secret_once_in_a_boot(desk: Desk) -> None:
    script = boot(desk, CHAP)
    assert told(chap(desk, script)) == {"username": "n1", "password": SECRET}
    with pytest.raises(AlreadyGiven):
        chap(desk, desk.script())
    assert told(chap(desk, boot(desk, CHAP)))["password"] == SECRET
    assert SECRET not in str(desk.events)


def test_nobody_else_is_given_it(desk: Desk) -> None:
    script = boot(desk, CHAP)
    desk.plane.report(desk.token(script), {"stage": "volume"}, PEER, last=False)
    with pytest.raises(NotServed, match="belongs to"):
        chap(desk, script, OTHER)
    assert Kind.ALARM in [kind for kind, _ in desk.said()]


@pytest.mark.parametrize("volume", [None, V1])
def test_without_chap_there_is_no_such_file(desk: Desk, volume: Volume | None) -> None:
    script = boot(desk, CHAP)
    desk.machines.snapshot = Snapshot(2, (N1,), (), {"n1": volume} if volume else {})
    with pytest.raises(NotServed, match=r"has no chap\.ipxe"):
        chap(desk, script)


def test_a_secret_is_for_the_profile_that_boots_from_the_volume(desk: Desk) -> None:
    script = boot(desk, CHAP, replace(N1, profile="debian-12"))
    with pytest.raises(NotServed, match=r"has no chap\.ipxe"):
        chap(desk, script)


@pytest.mark.parametrize(
    ("volume", "node", "why"),
    [
        (None, N1, "node n1: no volume is attached to it: netboot volume attach VOLUME n1"),
        (replace(CHAP, chap_secret=""), N1, "the CHAP secret of volume v1 is not known to this"),
        (V1, replace(N1, vars={"initiator_iqn": "n1"}), "variable initiator_iqn must be an iSCSI"),
    ],
)
def test_what_cannot_boot_is_told_on_the_screen_and_in_the_timeline(
    desk: Desk, volume: Volume | None, node: Node, why: str
) -> None:
    assert "This machine cannot be started from the network" in boot(desk, volume, node)
    [(kind, said)] = desk.said()
    assert kind is Kind.FAILED
    assert why in said


@pytest.mark.parametrize(
    ("word", "kind", "said"),
    [
        ("attach", Kind.FAILED, "volume v1 was not attached: a wrong CHAP name or secret, no such"),
        ("start", Kind.FAILED, "volume v1 was attached, and nothing on it can be started"),
        ("chap", Kind.FAILED, "volume v1: its CHAP secret was not given to the machine"),
        ("anything", Kind.PROGRESS, "it is at work"),
    ],
)
def test_what_the_script_says_is_in_the_timeline(
    desk: Desk, word: str, kind: Kind, said: str
) -> None:
    script = boot(desk, CHAP)
    desk.said()
    desk.plane.report(desk.token(script), {"failed": word}, PEER, last=False)
    [(found, detail)] = desk.said()
    assert found is kind
    assert detail.startswith(said)


def test_two_nodes_have_each_their_own_volume_in_their_scripts(desk: Desk) -> None:
    first = boot(desk, V1)
    other = replace(V1, name="v2", portal="192.0.2.6")
    assert "iscsi:192.0.2.5:" in first
    assert "iscsi:192.0.2.6:" in boot(desk, other)


def test_a_machine_with_secure_boot_is_told_who_else_can_log_in() -> None:
    client = Client(KNOWN, Firmware.GRUB, Arch.X64)
    profile = grub.form(load_profiles()["volume"])
    with pytest.raises(
        NotBootable, match=r"node n1: iPXE would log in .*\(netboot node iscsi n1 set\)"
    ):
        render_script(N1, client, profile, None, Server(LOCAL, LOCAL, 8080), None, volume=V1)
