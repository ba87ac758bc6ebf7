"""Fixtures of the lab: a LAN of network namespaces for the tests that need one."""

import os
from collections.abc import Iterator

import pytest

from netboot.lab.namespaces import Lan

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
