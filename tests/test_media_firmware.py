"""Network cards' firmware: out of signed packages into one initrd, the same bytes every time."""

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot import config, resources
from netboot.errors import OperationError
from netboot.media import cpio, firmware, library
from netboot.media.fetch import each, fetch
from netboot.media.progress import silent
from tests.newc import entries
from tests.signed_archive import Archive, Mirror, Signer, build_deb, mirror_of, new_signer

NOISE = random.Random(3)  # noqa: S311 -- content, not a secret
CARD = NOISE.randbytes(5001)
OLD, NEW = "lib/firmware", "usr/lib/firmware"
DEFINITION = """\
title = "Firmware"
source = {{ suite = "test", component = "non-free-firmware", architecture = "amd64" }}
[firmware]
firmware-card = {card}
firmware-other = ["loose-*"]
"""

# ---- the archive


def test_an_entry_is_as_the_kernel_documents_it() -> None:
    first = b"".join(cpio.pack({"a": b"12345"}))[: 110 + 2 + 8]
    assert first[:6] == b"070701"
    fields = [int(first[6 + 8 * n : 14 + 8 * n], 16) for n in range(13)]
    assert fields == [1, 0o100644, 0, 0, 1, 0, 5, 0, 0, 0, 0, 2, 0]
    assert first[110:] == b"a\0" + b"12345\0\0\0"


def test_folders_come_before_their_files_and_the_end_is_a_whole_block() -> None:
    tree: cpio.Tree = {"lib/z/y": b"", "lib/a": cpio.Link("z/y"), "lib/z-": b"1"}
    packed = b"".join(cpio.pack(tree, existing=["lib"]))
    assert len(packed) % 512 == 0
    assert [(name, oct(mode), content) for name, mode, content in entries(packed)] == [
        ("lib/a", "0o120777", b"z/y"),
        ("lib/z", "0o40755", b""),
        ("lib/z-", "0o100644", b"1"),
        ("lib/z/y", "0o100644", b""),
    ]
    assert packed == b"".join(cpio.pack(dict(reversed(tree.items())), existing=["lib"]))


# ---- fetching


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with new_signer("archive") as made:
        yield made


def packages(folder: Path, version: str, place: str) -> list[Path]:
    card: dict[str, bytes | Path] = {
        f"{place}/card/x-1.fw": CARD + version.encode(),
        f"{place}/card/x.fw": Path("x-1.fw"),
        f"{place}/wireless/big.fw": bytes(9),
        "usr/share/doc/card/x.fw": b"text",
    }
    other: dict[str, bytes | Path] = {f"{place}/loose-1.bin": b"1"}
    folder.mkdir()
    return [
        build_deb(folder, "firmware-card", version, card),
        build_deb(folder, "firmware-other", version, other),
    ]


@pytest.fixture
def archive(tmp_path: Path, signer: Signer) -> Archive:
    made = Archive(tmp_path / "archive", signer)
    made.publish(*packages(tmp_path / "one", "1", OLD), component="non-free-firmware")
    return made


@pytest.fixture
def mirror(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    with mirror_of(archive, monkeypatch) as state:
        yield state


def define(folder: Path, card: str = '["card/*"]') -> None:
    (folder / "nic.toml").write_text(DEFINITION.format(card=card))


@pytest.fixture
def settings(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> config.Settings:
    definitions = tmp_path / "definitions"
    definitions.mkdir()
    monkeypatch.setattr(resources, "IMAGES", definitions)
    define(definitions)
    return config.Settings(
        server=config.Server(data_dir=str(tmp_path / "data")),
        debian=config.Debian(mirror=mirror.url),
    )


def fetched(settings: config.Settings, signer: Signer) -> bytes:
    [image] = fetch(["nic"], settings, silent, keyring=signer.keyring)
    folder = library.current(settings.images_dir / "nic")
    assert library.check(folder, library.read_manifest(folder)) == ()
    return image.files["firmware.cpio.gz"].path.read_bytes()


def test_what_is_wanted_of_several_packages_becomes_one_initrd(
    settings: config.Settings, signer: Signer
) -> None:
    packed = fetched(settings, signer)
    assert len(packed) % 4 == 0  # whatever follows it as a further initrd begins where it may
    assert [(name, content) for name, _, content in entries(gzip.decompress(packed))] == [
        ("lib/firmware", b""),
        ("lib/firmware/card", b""),
        ("lib/firmware/card/x-1.fw", CARD + b"1"),
        ("lib/firmware/card/x.fw", b"x-1.fw"),
        ("lib/firmware/loose-1.bin", b"1"),
    ]
    manifest = library.read_manifest(library.current(settings.images_dir / "nic"))
    assert manifest.package == "firmware-card=1 firmware-other=1"


def test_the_same_packages_give_the_same_bytes_wherever_they_keep_their_firmware(
    settings: config.Settings, signer: Signer, archive: Archive, tmp_path: Path
) -> None:
    before = fetched(settings, signer)
    archive.publish(*packages(tmp_path / "again", "1", NEW), component="non-free-firmware")
    assert fetched(settings, signer) == before
    manifest = library.read_manifest(library.current(settings.images_dir / "nic"))
    assert library.current(settings.images_dir / "nic").name == f"{manifest.version}_2"


def test_it_is_fetched_again_for_new_packages_and_a_changed_definition_only(
    settings: config.Settings, signer: Signer, archive: Archive, tmp_path: Path
) -> None:
    def changed() -> bool:
        [outcome] = each(["nic"], settings, silent, keyring=signer.keyring)
        return outcome.changed

    assert changed()
    assert not changed()
    define(resources.IMAGES, '["card/*", "wireless/*"]')
    assert changed()
    assert not changed()
    archive.publish(*packages(tmp_path / "two", "2", NEW), component="non-free-firmware")
    assert changed()


def test_a_pattern_that_fits_nothing_is_said_and_the_old_version_stays(
    settings: config.Settings, signer: Signer
) -> None:
    before = fetched(settings, signer)
    define(resources.IMAGES, '["card/*", "gone/*"]')
    with pytest.raises(OperationError, match=r"nic: firmware-card_1_all\.deb has no .* gone/\*"):
        fetched(settings, signer)
    kept = library.load(settings.images_dir / "nic").files["firmware.cpio.gz"]
    assert kept.path.read_bytes() == before


def test_more_firmware_than_machines_have_room_for_is_refused(
    settings: config.Settings, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware, "LARGEST_FIRMWARE", 5002)
    with pytest.raises(OperationError, match="brings the firmware beyond 5002 bytes"):
        fetched(settings, signer)


def test_a_package_that_is_not_as_signed_is_refused(
    settings: config.Settings, signer: Signer, archive: Archive
) -> None:
    [harmed] = archive.pool("non-free-firmware").glob("firmware-other_*")
    content = bytearray(harmed.read_bytes())
    content[len(content) // 2] ^= 0xFF
    harmed.write_bytes(content)
    with pytest.raises(OperationError, match="not as the archive's signed index says"):
        fetched(settings, signer)
    assert library.installed(settings.images_dir) == ()
