"""The images that ship, fetched for real and checked: also fills the cache firmware tests use."""

import pytest

from netboot import config
from netboot.media import library
from netboot.media.definition import FIRMWARE, definitions, fetched
from netboot.media.fetch import fetch
from netboot.media.progress import silent
from tests.conftest import CACHE

MAGIC = {
    # served name, where needed with its image → (offset, bytes) of what it must be
    "linux": (0x202, b"HdrS"),
    "debian-13-arm64/linux": (0x38, b"ARMd"),
    "initrd.gz": (0, b"\x1f\x8b"),
    "firmware.cpio.gz": (0, b"\x1f\x8b"),
    "ipxe.lkrn": (0x202, b"HdrS"),
    "snponly.efi": (0, b"MZ"),
    "ipxe.efi": (0, b"MZ"),
    "arm64/ipxe.efi": (0, b"MZ"),
    "riscv64/ipxe.efi": (0, b"MZ"),
    "loong64/ipxe.efi": (0, b"MZ"),
}


@pytest.mark.mirror
@pytest.mark.usefixtures("alone_in_cache")
def test_the_signed_archive_gives_every_image_that_ships() -> None:
    settings = config.Settings(server=config.Server(data_dir=str(CACHE)))
    known = definitions()
    images = fetch(fetched(), settings, silent)
    assert tuple(image.name for image in images) == fetched()
    for image in images:
        taken, firmware = known[image.name].taken, known[image.name].firmware
        names = {name for files in taken.values() for name in files}
        assert set(image.files) >= (names or ({FIRMWARE} if firmware else set()))
        folder = library.current(settings.images_dir / image.name)
        assert library.check(folder, library.read_manifest(folder)) == ()
        for served, file in image.files.items():
            known_magic = MAGIC.get(f"{image.name}/{served}", MAGIC.get(served))
            if known_magic is not None:
                offset, magic = known_magic
                assert file.path.read_bytes()[offset : offset + len(magic)] == magic
