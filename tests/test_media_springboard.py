"""Springboards as a fetch builds them."""

import json
import subprocess
from pathlib import Path

import pytest

from netboot.answer.springboard import SHIM as SHIM_NAME
from netboot.answer.springboard import filled
from netboot.errors import OperationError
from netboot.media import springboard
from netboot.media.library import digest
from netboot.media.springboard import ROOM
from netboot.media.springboard_layout import LAYOUT, MEDIUM
from tests.signed_archive import build_deb

WANTED = {
    "shim": {"EFI/BOOT/BOOTX64.EFI": "/usr/lib/shimx64.efi"},
    "grub": {"EFI/BOOT/grubx64.efi": "/usr/lib/grubnetx64.efi"},
}
_IPXE = "/usr/lib/shimx64.efi"
"""Any program that needs no other beside it."""
SHIM, GRUB = b"MZ shim" * 10_000, b"MZ grub" * 300_000
SCRIPT = filled("# each machine's own script goes here\nnet_bootp\n", ROOM)


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    def deb(package: str, path: str, content: bytes) -> Path:
        folder = tmp_path_factory.mktemp(package)
        return build_deb(folder, package, "1", {path: content})

    return {
        "shim": deb("shim", "usr/lib/shimx64.efi", SHIM),
        "grub": deb("grub", "usr/lib/grubnetx64.efi", GRUB),
    }


def build(debs: dict[str, Path], folder: Path, wanted: springboard.Wanted = WANTED) -> Path:
    folder.mkdir()
    entries = springboard.build(debs, wanted, folder, lambda _: None)
    assert {name: entry.sha256 for name, entry in entries.items()} == {
        path.name: digest(path) for path in folder.iterdir()
    }
    assert {name: entry.member for name, entry in entries.items()} == springboard.members(wanted)
    return folder / MEDIUM


def test_its_start_script_stands_exactly_where_its_layout_says(
    debs: dict[str, Path], tmp_path: Path
) -> None:
    content = build(debs, tmp_path / "a").read_bytes()
    layout = json.loads((tmp_path / "a" / LAYOUT).read_text())
    assert layout["room"] == ROOM
    for offset in layout["offsets"]:
        assert content[offset : offset + ROOM] == SCRIPT
    assert content.count(b"net_bootp") == len(layout["offsets"]) == 2


def test_what_firmware_judges_lies_beside_it(debs: dict[str, Path], tmp_path: Path) -> None:
    folder = build(debs, tmp_path / "a").parent
    assert {path.name for path in folder.iterdir()} == {MEDIUM, LAYOUT, SHIM_NAME, "grubx64.efi"}
    assert (folder / SHIM_NAME).read_bytes() == SHIM
    assert (folder / "grubx64.efi").read_bytes() == GRUB
    unsigned = build(debs, tmp_path / "b", {"shim": {"EFI/BOOT/BOOTX64.EFI": _IPXE}}).parent
    assert {path.name for path in unsigned.iterdir()} == {MEDIUM, LAYOUT}


def test_the_same_packages_make_the_same_bytes(
    debs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = build(debs, tmp_path / "a")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert digest(build(debs, tmp_path / "b")) == digest(one)


def test_firmware_finds_its_files_on_a_cd_and_on_a_usb_stick(
    debs: dict[str, Path], tmp_path: Path
) -> None:
    medium = build(debs, tmp_path / "a")

    def said(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    booted = said("xorriso", "-indev", str(medium), "-report_el_torito", "plain")
    assert "El Torito boot img :   1  UEFI  y   none" in booted
    assert "/grub/grub.cfg" in said("xorriso", "-indev", str(medium), "-find", "/")
    table = said("xorriso", "-indev", str(medium), "-report_system_area", "plain")
    (start,) = [line.split()[-2] for line in table.splitlines() if "start and size :   2" in line]
    fat = f"{medium}@@{int(start) * 512}"
    for name, content in (("BOOTX64.EFI", SHIM), ("grubx64.efi", GRUB)):
        subprocess.run(
            ["mcopy", "-n", "-i", fat, f"::/EFI/BOOT/{name}", tmp_path / name], check=True
        )
        assert (tmp_path / name).read_bytes() == content


def test_a_package_that_lacks_a_part_is_named(debs: dict[str, Path], tmp_path: Path) -> None:
    wanted = {"shim": {"EFI/BOOT/BOOTX64.EFI": "/usr/lib/other.efi"}}
    with pytest.raises(OperationError, match=r"shim_1_all\.deb has no /usr/lib/other\.efi"):
        build(debs, tmp_path / "a", wanted)


@pytest.mark.parametrize(("tool", "package"), [("xorriso", "xorriso"), ("mcopy", "mtools")])
def test_a_tool_that_is_not_installed_is_named(
    debs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tool: str,
    package: str,
) -> None:
    monkeypatch.setattr(springboard.shutil, "which", lambda name: None if name == tool else name)
    with pytest.raises(OperationError, match=f"{tool} is not installed: apt install {package}"):
        build(debs, tmp_path / "a")
