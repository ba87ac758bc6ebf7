"""The deploy ramdisk: made of packages, its modules found by what they say of themselves."""

import gzip
import lzma
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from netboot.errors import OperationError
from netboot.media import modules, ramdisk
from netboot.media.definition import Ramdisk, definitions
from tests import newc
from tests.installer_shell import unpack
from tests.signed_archive import build_deb

VERSION = "6.1-test"
DRIVER, BUS, HELPER, OTHER = (
    f"kernel/{name}.ko.xz" for name in ("net/my-card", "bus/mybus", "lib/helper", "net/other")
)


def module(**said: str | tuple[str, ...]) -> bytes:
    """A kernel module that says this of itself, and has one more section."""
    pairs = [(key, one) for key, given in said.items() for one in _each(given)]
    text = b"".join(f"{key}={value}".encode() + b"\0" for key, value in pairs)
    names = b"\0.shstrtab\0.modinfo\0.text\0"
    sections = [(0, 0, 0), (1, 64, len(names)), (11, 64 + len(names), len(text)), (20, 64, 1)]
    at = 64 + len(names) + len(text)
    head = b"\x7fELF\x02\x01".ljust(40, b"\0") + struct.pack("<Q10xHHH", at, 64, 4, 1)
    table = b"".join(struct.pack("<I20xQQ24x", *one) for one in sections)
    return lzma.compress(head.ljust(64, b"\0") + names + text + table)


def _each(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else given


KERNEL: Mapping[str, bytes] = {
    DRIVER: module(depends="mybus,helper", alias=("pci:v1d2*", "pci:v3*"), softdep="pre: other"),
    BUS: module(depends="helper"),
    HELPER: module(depends=""),
    OTHER: module(),
    "kernel/sound/loud.ko.xz": module(alias="pci:*"),
}
WANTED = Ramdisk("linux-image", "deploy.init", ("kernel/net/my-card*",), {"tool": ("/usr/bin/*",)})


def test_a_module_brings_what_it_needs_and_what_it_wants() -> None:
    found = modules.chosen(KERNEL, ["kernel/net/my*"])
    assert list(found) == [BUS, HELPER, DRIVER, OTHER]


def test_modprobe_is_told_what_comes_before_a_module_and_what_it_is_for() -> None:
    tables = modules.tables(modules.chosen(KERNEL, ["kernel/net/my*"]))
    lines = tables["modules.dep"].decode().splitlines()
    assert f"{DRIVER}: {BUS} {HELPER}" in lines
    assert f"{BUS}: {HELPER}" in lines
    assert f"{HELPER}:" in lines
    assert tables["modules.alias"] == b"alias pci:v1d2* my_card\nalias pci:v3* my_card\n"


@pytest.mark.parametrize(
    ("files", "patterns", "why"),
    [
        (KERNEL, ["kernel/gpu/*"], "the kernel has no module kernel/gpu/"),
        ({OTHER: b"not xz"}, ["*"], "is no kernel module"),
        ({OTHER: lzma.compress(b"not ELF")}, ["*"], "is no ELF file"),
        ({OTHER: lzma.compress(b"\x7fELF\x02\x01")}, ["*"], "is no kernel module"),
    ],
)
def test_what_is_no_module_is_refused(
    files: dict[str, bytes], patterns: list[str], why: str
) -> None:
    with pytest.raises(OperationError, match=why):
        modules.chosen(files, patterns)


@pytest.fixture
def debs(tmp_path: Path) -> dict[str, Path]:
    kernel: dict[str, bytes | Path] = {
        f"usr/lib/modules/{VERSION}/{path}": content for path, content in KERNEL.items()
    }
    kernel[f"boot/vmlinuz-{VERSION}"] = b"the kernel"
    tool: dict[str, bytes | Path] = {"usr/bin/tool": b"runs", "usr/bin/same": Path("tool")}
    return {
        "linux-image-6.1": build_deb(tmp_path, "linux-image-6.1", "1", kernel),
        "tool": build_deb(tmp_path, "tool", "1", {**tool, "usr/share/doc/tool": b"is left out"}),
    }


def test_kernel_and_initrd_are_made_of_packages_and_alike_each_time(
    tmp_path: Path, debs: dict[str, Path]
) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(ramdisk.build(debs, WANTED, tmp_path / name, lambda _: None))
    assert made[0] == made[1]
    assert {name: entry.member for name, entry in made[0].items()} == ramdisk.made_as(WANTED)
    assert (tmp_path / "one/linux").read_bytes() == b"the kernel"
    packed = gzip.decompress((tmp_path / "one/initrd.gz").read_bytes())
    found = {name: (mode, content) for name, mode, content in newc.entries(packed)}
    assert found["init"][0] & 0o777 == 0o755
    assert found["lib"][1] == b"usr/lib"
    assert found["usr/bin/same"][1] == b"tool"
    assert found[f"usr/lib/modules/{VERSION}/{DRIVER}"][1] == KERNEL[DRIVER]
    assert not [name for name in found if "loud" in name or "doc" in name]


def test_a_package_without_what_is_wanted_is_refused(tmp_path: Path, debs: dict[str, Path]) -> None:
    wanted = Ramdisk("linux-image", "deploy.init", WANTED.modules, {"tool": ("/usr/sbin/*",)})
    with pytest.raises(OperationError, match=r"tool_1_all.deb has no /usr/sbin/\*"):
        ramdisk.build(debs, wanted, tmp_path, lambda _: None)


def test_another_init_is_another_recipe() -> None:
    own = definitions()["deploy"].ramdisk
    assert own is not None
    other = Ramdisk(own.kernel, "deploy.toml", own.modules, own.files)
    assert ramdisk.made_as(own) != ramdisk.made_as(other)


@pytest.mark.mirror
@pytest.mark.root
def test_every_program_of_the_real_one_finds_its_libraries(images: Path, tmp_path: Path) -> None:
    unpack(images / "deploy/current/initrd.gz", tmp_path)
    for program in ("bin/wget", "bin/zstd", "sbin/sfdisk", "sbin/e2fsck", "sbin/resize2fs"):
        inside = ["unshare", "--map-root-user", f"--root={tmp_path}", f"/usr/{program}", "-V"]
        done = subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (0, 1), done.stderr  # 127: a library is not there
        assert "shared libraries" not in done.stderr
