"""Slow work beside the event loop, each piece in a thread of its own, so many at a time."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """Runs what blocks for minutes, and is not waited for when the program ends.

    Args:
        most: pieces of work at a time; others wait for their turn.
    """

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def run(self, work: Callable[[], T]) -> T:
        """Do ``work``; gives what it gives and raises what it raises."""
        async with self._free:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[T] = loop.create_future()

            def settle(act: Callable[[], None]) -> None:
                if not future.done():  # it is when nobody waits any longer
                    act()

            def run() -> None:
                try:
                    found = work()
                except BaseException as error:  # noqa: BLE001 -- it is raised where it is awaited
                    act = _raising(future, error)
                else:
                    act = _giving(future, found)
                with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
                    loop.call_soon_threadsafe(settle, act)

            threading.Thread(target=run, daemon=True).start()
            return await future


def _giving(future: "asyncio.Future[T]", found: T) -> Callable[[], None]:
    return lambda: future.set_result(found)


def _raising(future: "asyncio.Future[T]", error: BaseException) -> Callable[[], None]:
    return lambda: future.set_exception(error)
