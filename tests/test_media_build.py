"""Building a system of packages into a disk; mmdebstrap itself is played by a script here."""

import json
import os
import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netboot import model, resources
from netboot.cli.main import root
from netboot.config import Debian, Server, Settings
from netboot.errors import ConfigError, OperationError
from netboot.media import bootdisk, bootstrap, library, rawdisk
from netboot.media.bootdisk import ESP, MIB, ROOT, SECTOR, Layout
from netboot.media.build import USUAL, build, info_of
from netboot.media.definition import definitions
from netboot.media.progress import silent
from tests.signed_archive import Archive, Mirror, Signer, build_deb, mirror_of, new_signer

DEFINITION = """
title = "A tiny system"
source = { suite = "test", component = "main", architecture = "amd64" }
[build]
kind = "disk"
size = 128
packages = ["tiny"]
"""
INSTALLS = """#!/bin/sh
# plays mmdebstrap: leaves what the last hook would leave
echo "$@" > %(seen)s
env > %(seen)s.env
head -c 512 /dev/zero > boot.img
head -c 4096 /dev/zero > core.img
mkdir -p esp/EFI/BOOT
echo loader > esp/EFI/BOOT/BOOTX64.EFI
printf 'tiny=1\\nbase=2\\n' > packages
echo root | dd of=disk.raw bs=1M seek=66 conv=notrunc status=none
"""


@pytest.fixture(scope="module")
def key() -> Iterator[Signer]:
    with new_signer("archive") as signer:
        yield signer


@dataclass
class Site:
    """A netboot with one definition, ``tiny``, and a mmdebstrap that is played."""

    settings: Settings
    keyring: Path
    programs: Path
    seen: Path

    @property
    def image_dir(self) -> Path:
        return self.settings.images_dir / "tiny"

    def play(self, script: str) -> None:
        program = self.programs / "mmdebstrap"
        program.write_text(script % {"seen": self.seen})
        program.chmod(0o755)

    def build(self) -> bool:
        return build("tiny", self.settings, silent, keyring=self.keyring).changed

    def image(self) -> model.Image:
        return library.load(self.image_dir)

    def run(self, *arguments: str) -> Result:
        environ = {
            "NETBOOT_SERVER_DATA_DIR": str(self.settings.data_dir),
            "NETBOOT_DEBIAN_MIRROR": str(self.settings.debian.mirror),
        }
        return CliRunner().invoke(root, ["image", *arguments], env=environ)


@pytest.fixture
def archive(tmp_path: Path, key: Signer) -> Archive:
    made = Archive(tmp_path / "archive", key)
    made.publish(build_deb(tmp_path, "tiny", "1", {"usr/lib/tiny": b"tiny"}))
    return made


@pytest.fixture
def mirror(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    with mirror_of(archive, monkeypatch) as state:
        yield state


@pytest.fixture
def site(tmp_path: Path, mirror: Mirror, key: Signer, monkeypatch: pytest.MonkeyPatch) -> Site:
    shipped, programs = tmp_path / "definitions", tmp_path / "programs"
    shipped.mkdir()
    programs.mkdir()
    (shipped / "tiny.toml").write_text(DEFINITION)
    monkeypatch.setattr(resources, "IMAGES", shipped)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    settings = Settings(
        server=Server(data_dir=str(tmp_path / "data")), debian=Debian(mirror=mirror.url)
    )
    made = Site(settings, key.keyring, programs, tmp_path / "seen")
    made.play(INSTALLS)
    return made


def test_a_built_disk_is_served_compressed_with_what_it_is_uncompressed(site: Site) -> None:
    assert site.build()
    image = site.image()
    assert set(image.files) == {"disk.raw.zst", "disk.info"}
    assert image.version == "test+20220101"
    raw = subprocess.check_output(["zstd", "-dc", str(image.files["disk.raw.zst"].path)])
    assert len(raw) == info_of(image).size == 128 * MIB
    assert raw[ROOT : ROOT + 5] == b"root\n"
    manifest = library.read_manifest(library.current(site.image_dir))
    assert manifest.package == "tiny=1 base=2"
    assert not (site.settings.images_dir / ".build/work").exists()


def test_it_is_built_again_only_when_the_archive_or_the_disk_changed(
    site: Site, archive: Archive, tmp_path: Path
) -> None:
    assert site.build()
    site.seen.unlink()
    assert not site.build()
    assert not site.seen.exists()
    archive.publish(build_deb(tmp_path, "tiny", "2", {"usr/lib/tiny": b"more"}))
    assert site.build()
    site.image().files["disk.raw.zst"].path.write_bytes(b"bad")
    assert site.build()


def test_building_twice_gives_the_same_bytes(site: Site) -> None:
    site.build()
    first = site.image().files["disk.raw.zst"].sha256
    library.current(site.image_dir).joinpath("disk.info").unlink()
    assert site.build()
    assert site.image().files["disk.raw.zst"].sha256 == first


def test_mmdebstrap_is_told_the_keyring_the_mirror_and_the_archives_time(site: Site) -> None:
    site.build()
    told, environ = site.seen.read_text(), Path(f"{site.seen}.env").read_text()
    assert f"--keyring={site.keyring}" in told
    assert "--include=tiny" in told
    assert told.split()[-3:] == ["test", "/dev/null", site.settings.debian.mirror]
    assert "SOURCE_DATE_EPOCH=1640995200\n" in environ


def test_a_mirrors_password_is_on_no_command_line(site: Site) -> None:
    secret = str(site.settings.debian.mirror).replace("//", "//somebody:hush@")
    told = Settings(server=site.settings.server, debian=Debian(mirror=secret))
    build("tiny", told, silent, keyring=site.keyring)
    assert "hush" not in site.seen.read_text()
    assert "hush" not in Path(f"{site.seen}.env").read_text()


def test_a_failed_or_cancelled_build_leaves_the_version_before_and_nothing_else(
    site: Site, archive: Archive, tmp_path: Path
) -> None:
    site.build()
    before = site.image()
    archive.publish(build_deb(tmp_path, "tiny", "3", {"usr/lib/tiny": b"other"}))
    site.play("#!/bin/sh\necho 'I: begins' >&2\necho 'E: no such package' >&2\nexit 1\n")
    with pytest.raises(OperationError, match="tiny: mmdebstrap: E: no such package"):
        site.build()
    site.play("#!/bin/sh\nsleep 600\n")

    def cancelling(stage: str, _done: int, _total: int | None) -> None:
        if "starting" in stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build("tiny", site.settings, cancelling, keyring=site.keyring)
    assert site.image() == before
    assert not (site.settings.images_dir / ".build/work").exists()
    assert not list(site.image_dir.glob(".staging*"))


def test_what_is_left_is_guessed_as_usual_then_by_the_last_build(
    site: Site, archive: Archive, tmp_path: Path
) -> None:
    seen: list[tuple[str, int, int | None]] = []

    def build_again() -> list[tuple[str, int, int | None]]:
        seen.clear()
        build("tiny", site.settings, lambda *told: seen.append(told), keyring=site.keyring)
        return seen

    told = build_again()
    assert {stage.removeprefix("tiny: ") for stage, _, _ in told} <= {*USUAL}
    [(_, gone, whole), *_] = told
    assert whole is not None
    assert whole - gone == sum(USUAL.values())
    kept = site.settings.images_dir / ".build/tiny.seconds"
    took = json.loads(kept.read_text())
    assert list(took) == [stage for stage in USUAL if stage in took]
    took["compressing the disk"] = 4000
    kept.write_text(json.dumps(took))
    archive.publish(build_deb(tmp_path, "tiny", "2", {"usr/lib/tiny": b"more"}))
    [(_, gone, whole), *_] = build_again()
    assert whole is not None
    assert whole - gone == round(sum(took.values()))
    kept.write_text('{"compressing the disk":')
    library.current(site.image_dir).joinpath("disk.info").unlink()
    assert build_again()[-1][0] == "tiny: switching in"


def test_missing_programs_are_named_by_their_packages(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bootstrap.tools.PACKAGES, "no-such-program", "some-package")
    with pytest.raises(OperationError, match="apt install some-package"):
        site.build()


def test_the_command_builds_lists_and_writes_the_disk(site: Site, tmp_path: Path) -> None:
    assert "not built: netboot image build tiny" in site.run("list").output
    disk = tmp_path / "disk.raw"
    done = site.run("build", "tiny", "-o", str(disk), "--keyring", str(site.keyring))
    assert done.exit_code == 0, done.output
    assert f"tiny: 134.2 MB written to {disk}" in done.output
    assert re.search(r"tiny: compressing the disk \(about 0:[0-9]{2} left\)", done.output)
    assert library.digest(disk) == info_of(site.image()).sha256
    assert disk.stat().st_blocks * SECTOR < 8 * MIB
    assert "built just now" in site.run("list").output
    assert "tiny: test+20220101: 2 files good" in site.run("verify", "tiny").output


def test_what_is_built_is_not_fetched_and_the_other_way_round(site: Site) -> None:
    done = site.run("fetch", "tiny")
    assert isinstance(done.exception, ConfigError)
    assert "tiny is not fetched but built: netboot image build tiny" in str(done.exception)
    (resources.IMAGES / "tiny.toml").write_text(
        DEFINITION[: DEFINITION.index("[build]")] + "[package.tiny]\ntiny = '/usr/lib/tiny'\n"
    )
    done = site.run("build", "tiny")
    assert isinstance(done.exception, ConfigError)
    assert "tiny is not built but fetched: netboot image fetch tiny" in str(done.exception)


@pytest.mark.parametrize("spoiled", [b"size=1\nsha256=0\n", None])
def test_a_broken_image_is_written_nowhere(
    site: Site, tmp_path: Path, spoiled: bytes | None
) -> None:
    site.build()
    image = site.image()
    info = image.files["disk.info"].path
    info.write_bytes(spoiled or info.read_bytes().replace(b"sha256=", b"sha256=0")[:-2] + b"\n")
    with pytest.raises(OperationError, match="build it again"):
        rawdisk.write(image, tmp_path / "out.raw", silent)
    assert not list(tmp_path.glob("*out.raw*"))


def test_a_folder_is_no_place_for_a_disk(site: Site, tmp_path: Path) -> None:
    site.build()
    with pytest.raises(ConfigError, match="is no file and no disk"):
        rawdisk.write(site.image(), tmp_path, silent)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    made = tmp_path / "disk.raw"
    bootdisk.partition(made, Layout("tiny", 128))
    return made


def test_the_root_is_the_last_partition_so_that_it_can_grow(disk: Path) -> None:
    table = json.loads(subprocess.check_output(["/usr/sbin/sfdisk", "--json", str(disk)]))
    bios, esp, system = table["partitiontable"]["partitions"]
    assert [part["start"] * SECTOR for part in (bios, esp, system)] == [MIB, ESP, ROOT]
    assert (system["start"] + system["size"]) * SECTOR == 127 * MIB
    assert system["type"] == "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
    assert system["uuid"] == str(Layout("tiny", 128).uuid("root")).upper()


def test_firmware_finds_its_loader_by_the_path_of_removable_media(
    disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "esp/EFI/BOOT").mkdir(parents=True)
    (tmp_path / "esp/EFI/BOOT/BOOTX64.EFI").write_bytes(b"shim")
    bootdisk.write_esp(disk, tmp_path / "esp", Layout("tiny", 128), 1640995200, lambda: None)
    read = ["mtype", "-i", f"{disk}@@{ESP}", "::EFI/BOOT/BOOTX64.EFI"]
    assert subprocess.check_output(read) == b"shim"


def test_a_bios_finds_grubs_core_in_its_partition(disk: Path) -> None:
    table = disk.read_bytes()[440:SECTOR]
    bootdisk.write_bios_boot(disk, b"\x01" * SECTOR, b"\x02" * 4096)
    raw = disk.read_bytes()
    assert raw[440:SECTOR] == table
    assert struct.unpack_from("<Q", raw, 0x5C) == (2048,)
    assert struct.unpack_from("<Q", raw, MIB + SECTOR - 12) == (2049,)
    assert raw[MIB + SECTOR : MIB + 4096] == b"\x02" * (4096 - SECTOR)
    with pytest.raises(OperationError, match="its partition 1048576"):
        bootdisk.write_bios_boot(disk, b"\x01" * SECTOR, bytes(MIB + 1))


@pytest.mark.parametrize("name", ["debian-13-disk", "debian-13-iscsi"])
def test_the_systems_that_ship(name: str) -> None:
    made = definitions()[name].build
    assert made is not None
    assert name.endswith(made.kind)
    assert {"linux-image-amd64", "grub-cloud-amd64", "openssh-server"} <= set(made.packages)
    assert ("open-iscsi" in made.packages) == (made.kind == "iscsi")
