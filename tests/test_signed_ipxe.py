"""An iPXE that is signed, started by a shim of its own: what it is told under Secure Boot."""

from dataclasses import replace
from pathlib import Path

import pytest

from netboot.errors import NotServed
from netboot.events import Kind
from netboot.snapshot import Snapshot
from tests.test_plane import LINUX, N1, Desk

LOADER = "images/ipxe-sb/snponly-shim.efi"
SHIM = "shim http://192.0.2.1:8080/sb/boot${cpu}.efi || goto failed\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.boots()
    return desk


def mark(desk: Desk, **judged: str) -> None:
    desk.machines.snapshot = Snapshot(2, (replace(N1, secure_boot=True, loader=LOADER),))
    signed, kernels = {LOADER: judged.get("loader", "")}, {LINUX: judged.get("kernel", "")}
    desk.machines.rules = replace(desk.machines.rules, signed=signed, kernels=kernels)


def test_it_has_debians_shim_judge_the_kernel_just_before_it_starts_it(desk: Desk) -> None:
    """Its own shim trusts nobody's kernels. A node without the mark gets the script as it was."""
    before = desk.script()
    mark(desk)
    marked = desk.script()
    assert SHIM not in before
    assert marked.index("\ninitrd ") < marked.index(SHIM) < marked.index("\nboot ")


def test_a_kernel_that_shim_would_refuse_is_told_on_its_screen(desk: Desk) -> None:
    mark(desk, kernel="is signed by Stranger")
    text = desk.script()
    assert "cannot be started from the network" in text
    assert "\nkernel " not in text
    assert desk.said()[-1] == (
        Kind.FAILED,
        f"node n1: it is marked secure_boot, and {LINUX} is signed by Stranger",
    )


def test_where_its_chain_is_broken_it_gets_nothing(desk: Desk) -> None:
    mark(desk, loader="starts snponly.efi, which is not signed")
    with pytest.raises(NotServed, match=r"snponly-shim\.efi starts snponly\.efi, which is not"):
        desk.script()
