"""What is missing is fetched when it is needed first."""

import logging
import threading
from pathlib import Path

import pytest

from netboot.config import Server, Settings
from netboot.control.supply import AGAIN, Supply
from netboot.errors import OperationError
from netboot.media.library import CURRENT

IMAGE = "springboard"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(server=Server(data_dir=str(tmp_path)))


def test_who_needs_it_waits_until_it_is_fetched_and_all_who_do_so_wait_for_one_fetch(
    settings: Settings,
) -> None:
    asked: list[str] = []
    go = threading.Event()

    def fetch(image: str) -> None:
        asked.append(image)
        assert go.wait(20)
        (settings.images_dir / image / CURRENT).mkdir(parents=True)

    supply, found = Supply(settings, fetch), list[bool]()
    waiting = [threading.Thread(target=lambda: found.append(supply.has(IMAGE))) for _ in range(3)]
    for one in waiting:
        one.start()
    go.set()
    for one in waiting:
        one.join(20)
    assert (found, asked) == ([True] * 3, [IMAGE])
    assert supply.has(IMAGE)


def test_a_mirror_that_fails_is_said_once_and_asked_again_later(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]

    def fetch(image: str) -> None:
        raise OperationError(f"{image}: the mirror is away")

    supply = Supply(settings, fetch, lambda: now[0])
    with caplog.at_level(logging.WARNING):
        assert not supply.has(IMAGE)
        assert not supply.has(IMAGE)
        assert caplog.messages == [f"image {IMAGE} is not fetched: {IMAGE}: the mirror is away"]
        now[0] = AGAIN
        assert not supply.has(IMAGE)
        assert len(caplog.messages) == 2


def test_without_anybody_who_fetches_it_is_there_or_not(settings: Settings) -> None:
    supply = Supply(settings)
    assert not supply.has(IMAGE)
    (settings.images_dir / IMAGE / CURRENT).mkdir(parents=True)
    assert supply.has(IMAGE)
