"""A node that is added while netboot serves: what it boots is fetched by itself."""

from pathlib import Path

import pytest

from netboot.lab.mirror import Mirror
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from tests.waiting import await_

pytestmark = [pytest.mark.root, pytest.mark.mirror]

LATER = "memtest"


def test_its_image_comes_from_the_mirror(
    lan_with_dhcp: Lan, mirror: Mirror, images: Path, tmp_path: Path
) -> None:
    own = tmp_path / "images"
    own.mkdir()
    for image in images.iterdir():
        if not image.name.startswith(".") and image.name != LATER:
            (own / image.name).symlink_to(image)
    site = Site(lan_with_dhcp, own, mirror.url)
    program = site.serve()
    assert not (own / LATER).exists()
    site.netboot("node", "add", "n1", "--mac", "52:54:00:00:00:01", "--profile", LATER)
    program.wait_for(f"image {LATER} is fetched", 120)
    files = [path.name for path in (own / LATER / "current").iterdir() if path.suffix == ".efi"]
    await_(lambda: site.fetch(f"/images/{LATER}/{files[0]}").returncode == 0, "it to be served")
