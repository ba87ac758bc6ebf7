"""Fixtures of the lab: a LAN of network namespaces for the tests that need one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.config import Server, Settings
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.mirror import Mirror
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from netboot.media import mirror as debian_mirror
from netboot.media.fetch import fetch

CACHE = Path(os.environ.get("NETBOOT_CACHE") or Path(__file__).parent.parent / ".cache").absolute()
NEEDS_ROOT = ("root", "firmware")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that needs root says so instead of being skipped: a green run proves something."""
    marked = [name for name in NEEDS_ROOT if item.get_closest_marker(name)]
    if marked and os.geteuid() != 0:
        pytest.fail(
            f"marked {marked[0]!r}: it makes network namespaces, so it needs root;"
            " run pytest with sudo, or deselect with -m 'not root and not firmware'",
            pytrace=False,
        )


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan("test") as made:
        yield made


@pytest.fixture(scope="session")
def images() -> Path:
    settings = Settings(server=Server(data_dir=str(CACHE)))
    fetch(["ipxe", "debian-12", "debian-13"], settings, lambda *_: None)
    return settings.images_dir


@pytest.fixture
def lan_with_dhcp(lan: Lan) -> Lan:
    """A LAN with a plain DHCP server nobody touched."""
    PlainDhcp(lan)
    return lan


@pytest.fixture
def mirror(lan: Lan) -> Mirror:
    return Mirror(lan.host("mirror"), debian_mirror.find(Settings()).url)


@pytest.fixture
def site(lan_with_dhcp: Lan, images: Path, mirror: Mirror) -> Site:
    return Site(lan_with_dhcp, images, mirror.url)
