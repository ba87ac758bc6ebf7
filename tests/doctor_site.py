"""What the doctor's tests look at: a small images folder, a mirror's first lines."""

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from netboot.media import library

IMAGES = {
    "ipxe": ("snponly.efi", "undionly.kpxe", "arm64/ipxe.efi"),
    "debian-12": ("linux", "initrd.gz"),
}
SIZE = 200_000
"""Bytes of each file: more than two ranges and a hundred TFTP blocks."""


def make_images(folder: Path, fetched_at: datetime | None = None) -> Path:
    """Fetched images in the layout of ``netboot.media.library``, of invented files."""
    for image, names in IMAGES.items():
        with library.staging(folder / image) as staged:
            files = {}
            for name in names:
                content = hashlib.shake_256(f"{image}/{name}".encode()).digest(SIZE)
                (staged / name).parent.mkdir(exist_ok=True)
                (staged / name).write_bytes(content)
                digest = hashlib.sha256(content).hexdigest()
                files[name] = library.Entry(sha256=digest, size=SIZE, member=f"/{name}")
            manifest = library.Manifest(
                image=image,
                version="1",
                package=image,
                suite="bookworm",
                mirror="http://mirror.example/debian",
                deb_sha256="0" * 64,
                fetched_at=fetched_at or datetime.now(UTC),
                files=files,
            )
            library.switch(folder / image, staged, manifest)
    return folder


def make_mirror(folder: Path, made: datetime, valid_until: datetime | None = None) -> Path:
    """The InRelease files of a Debian mirror, as far as a clock is concerned."""
    for suite in ("bookworm", "trixie"):
        path = folder / "debian" / "dists" / suite / "InRelease"
        path.parent.mkdir(parents=True)
        until = f"Valid-Until: {_date(valid_until)}\n" if valid_until else ""
        path.write_text(f"Origin: Debian\nSuite: {suite}\nDate: {_date(made)}\n{until}SHA256:\n")
    return folder


def _date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True).replace("GMT", "UTC")
