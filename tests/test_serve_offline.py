"""``netboot serve`` in a lab whose mirror is away: what was fetched is served at once."""

import gzip
import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from netboot.media import cpio, library

pytestmark = [pytest.mark.root]

FILES = {
    "ipxe": ("ipxe", {"snponly.efi": b"loader"}),
    "debian-12": (
        "debian-installer-12-netboot-amd64",
        {
            "linux": b"kernel",
            "initrd.gz": gzip.compress(b"".join(cpio.pack({"lib/modules/6.1.0-1-amd64/x": b""}))),
        },
    ),
}
AT_ONCE = 28.0
"""Seconds from the command to the first answer on a busy machine, 5 on an idle one; apt by itself
would wait for 30 and try again."""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for image, (package, files) in FILES.items():
        with library.staging(tmp_path / image) as staged:
            entries = {}
            for name, content in files.items():
                (staged / name).write_bytes(content)
                digest = hashlib.sha256(content).hexdigest()
                entries[name] = library.Entry(sha256=digest, size=len(content), member=f"/{name}")
            manifest = library.Manifest(
                image=image,
                version="1",
                package=package,
                suite="bookworm",
                mirror="http://mirror.example/debian",
                deb_sha256="0" * 64,
                fetched_at=datetime.now(UTC),
                files=entries,
            )
            library.switch(tmp_path / image, staged, manifest)
    return tmp_path


@pytest.mark.parametrize("how", ["silent", "refusing", "unknown name"])
def test_what_is_there_is_served_at_once_and_one_line_says_what_is_not_known(
    how: str, lan_with_dhcp: Lan, images: Path
) -> None:
    host = lan_with_dhcp.host("mirror")
    silent = host.listen(80)  # connections are made, and never answered
    place = {"silent": host.address, "refusing": f"{host.address}:9", "unknown name": "no.invalid"}
    try:
        site = Site(lan_with_dhcp, images, f"http://{place[how]}/debian")
        site.netboot("node", "add", "n1", "--mac", "52:54:00:00:00:01", "--profile", "debian-12")
        said: list[str] = []
        begun = time.monotonic()
        site.serve(on_line=said.append)
        assert time.monotonic() - begun < AT_ONCE
        assert site.fetch("/images/debian-12/linux").stdout == "kernel"
        told = [line for line in said if "not compared with the mirror" in line]
        assert len(told) == 1, said
        assert "debian-12" in told[0]
    finally:
        silent.close()
