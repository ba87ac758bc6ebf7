"""What is missing is fetched when it is needed first."""

import asyncio
import logging
import threading
import time
from pathlib import Path

import pytest

from netboot.answer.profiles import load_profiles
from netboot.config import Server, Settings
from netboot.control.news import Signal
from netboot.control.stock import Stock
from netboot.control.supply import AGAIN, Supply
from netboot.errors import OperationError
from netboot.media.library import CURRENT
from netboot.model import Mac, Node, Profile, State
from netboot.snapshot import Snapshot
from tests.waiting import await_

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


def test_a_mirror_that_fails_is_asked_again_later_and_what_is_wrong_said_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    now, problems = [0.0], ["the mirror is away", "the mirror is away", "the disk is full"]

    def fetch(_image: str) -> None:
        raise OperationError(problems.pop(0))

    supply = Supply(settings, fetch, lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for left, said in ((2, 1), (1, 1), (0, 2)):
            assert not supply.has(IMAGE)
            assert not supply.has(IMAGE)
            assert (len(problems), len(caplog.messages)) == (left, said)
            now[0] += AGAIN
    assert caplog.messages == [
        f"image {IMAGE} is not fetched: the mirror is away",
        f"image {IMAGE} is not fetched: the disk is full",
    ]


def test_what_is_wanted_is_fetched_one_after_the_other_and_what_was_tried_waits(
    settings: Settings,
) -> None:
    now, asked, at_once = [0.0], list[str](), threading.Lock()

    def fetch(image: str) -> None:
        assert at_once.acquire(blocking=False)
        asked.append(image)
        time.sleep(0.05)
        (settings.images_dir / image / CURRENT).mkdir(parents=True)
        at_once.release()

    supply = Supply(settings, fetch, lambda: now[0])
    (settings.images_dir / "there" / CURRENT).mkdir(parents=True)
    supply.was_tried(["ipxe", "there"])
    supply.want(["ipxe", "there", "debian-12", "debian-13"])
    await_(lambda: len(asked) == 2, "two images")
    assert sorted(asked) == ["debian-12", "debian-13"]
    assert not supply.has("ipxe")
    now[0] = AGAIN
    assert supply.has("ipxe")


def test_an_image_of_a_node_added_meanwhile_is_fetched_and_nothing_else_is(
    settings: Settings,
) -> None:
    """Neither what was tried when we started, nor a person's own."""
    asked: list[str] = []
    nodes = [Node("n1", (Mac("52:54:00:00:00:01"),), "debian-12")]
    profiles = load_profiles() | {"own": Profile("own", "ipxe/linux.ipxe", "my-own")}

    async def follow() -> None:
        fresh = Signal()
        stock = Stock(
            Supply(settings, asked.append),
            lambda: Snapshot(1, tuple(nodes)),
            lambda: profiles,
            "ignore",
        )
        running = asyncio.create_task(stock.run(fresh))
        await asyncio.sleep(0.2)
        nodes.append(Node("n2", (Mac("52:54:00:00:00:02"),), "memtest"))
        nodes.append(Node("n3", (Mac("52:54:00:00:00:03"),), "own"))
        nodes.append(Node("n4", (Mac("52:54:00:00:00:04"),), "local", state=State.WIPING))
        fresh.fire()
        await asyncio.to_thread(await_, lambda: len(asked) == 2, "two images")
        running.cancel()

    asyncio.run(follow())
    assert sorted(asked) == ["debian-13", "memtest"]


def test_nodes_that_cannot_be_read_end_nothing(settings: Settings) -> None:
    def unreadable() -> Snapshot:
        raise OperationError("the database is away")

    async def follow() -> None:
        stock = Stock(Supply(settings, lambda _image: None), unreadable, dict, "ignore")
        running = asyncio.create_task(stock.run(Signal()))
        await asyncio.sleep(0.2)
        assert not running.done()
        running.cancel()

    asyncio.run(follow())


def test_without_anybody_who_fetches_it_is_there_or_not(settings: Settings) -> None:
    supply = Supply(settings)
    assert not supply.has(IMAGE)
    (settings.images_dir / IMAGE / CURRENT).mkdir(parents=True)
    assert supply.has(IMAGE)
