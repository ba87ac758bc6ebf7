"""What GRUB is told by the boot plane, and what is written down about it."""

from dataclasses import replace
from pathlib import Path

import pytest

from netboot.boot.source import BytesSource
from netboot.boot.tftp import Outcome, Result
from netboot.decision import Verdict
from netboot.errors import NotServed
from netboot.events import Kind
from netboot.model import Arch, Client, Firmware
from netboot.snapshot import Snapshot
from tests.test_plane import KNOWN, LINUX, LOCAL, N1, PEER, UNKNOWN, Desk

SHIM = "sb/bootx64.efi"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.machines.snapshot = Snapshot(1, (replace(N1, secure_boot=True),))
    rules = replace(desk.machines.rules, signed={SHIM: ""}, kernels={LINUX: ""})
    desk.machines.rules = rules
    desk.boots()
    return desk


def config(desk: Desk) -> str:
    return desk.plane.config(KNOWN, PEER, LOCAL, {})


@pytest.mark.parametrize("name", ["grub/grub.cfg", "/grub/grub.cfg"])
def test_what_it_reads_first_leads_to_the_machines_own(desk: Desk, name: str) -> None:
    source = desk.plane.find(name, PEER, LOCAL)
    assert isinstance(source, BytesSource)
    assert b"configfile (http,192.0.2.1:8080)/grub/${net_default_mac}\n" in source.read(0, 4096)
    assert source.read(0, 4096).decode() == desk.plane.first_config(LOCAL)


def test_its_installer_gets_its_preseed_by_the_token_it_was_given(desk: Desk) -> None:
    text = config(desk)
    assert "linux (http,192.0.2.1:8080)/images/debian-12/linux auto=true" in text
    assert desk.said() == [(Kind.SCRIPT, "→ debian-12")]
    preseed = desk.plane.node_file(desk.token(text), "preseed.cfg", PEER, LOCAL)
    assert b"d-i " in preseed
    assert desk.said()[0][0] is Kind.PRESEED


def test_a_kernel_shim_would_refuse_is_shown_on_its_screen_and_asked_for_again(desk: Desk) -> None:
    rules = desk.machines.rules
    desk.machines.rules = replace(rules, kernels={LINUX: "is signed by Stranger"})
    text = config(desk)
    assert "marked secure_boot, and images/debian-12/linux is" in text
    assert f"configfile (http,192.0.2.1:8080)/grub/{KNOWN}" in text
    [(kind, why)] = desk.said()
    assert kind is Kind.FAILED
    assert why.endswith(f"{LINUX} is signed by Stranger")


def test_a_node_without_the_mark_may_start_from_a_signed_cd_all_the_same(desk: Desk) -> None:
    desk.machines.snapshot = Snapshot(2, (N1,))
    desk.machines.rules = replace(desk.machines.rules, signed={}, kernels={})
    assert "/images/debian-12/linux" in config(desk)


def test_ipxe_on_a_marked_node_gets_no_script(desk: Desk) -> None:
    with pytest.raises(NotServed, match="no signed boot program for iPXE"):
        desk.script()
    with pytest.raises(NotServed, match="belongs to no node"):
        desk.plane.config(UNKNOWN, PEER, LOCAL, {})


def test_it_is_offered_shim_once_that_is_known_to_be_good(desk: Desk) -> None:
    client = Client(KNOWN, Firmware.UEFI, Arch.X64)
    assert desk.machines.decide(client).loader == SHIM
    desk.machines.rules = replace(desk.machines.rules, signed={})
    assert desk.machines.decide(client).verdict is Verdict.IGNORE


@pytest.mark.parametrize(
    "name",
    [
        "grub/x86_64-efi/command.lst",
        "/grub/grub.cfg-01-52-54-00-00-00-01",
        "sb/revocations_sbat.efi",
        "/sb/shim_certificate_0.efi",
    ],
)
def test_files_that_are_only_looked_for_are_not_worth_a_line(desk: Desk, name: str) -> None:
    outcome = Outcome(PEER, name, 0, 0, 0.0, Result.NOT_SERVED, "is not served")
    desk.plane.tftp_outcome(outcome)
    assert desk.said() == []
