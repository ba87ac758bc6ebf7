"""How the control program is asked by a command: for a shape, for nothing, for a whole list."""

from collections.abc import Iterator
from typing import Protocol, TypeVar
from urllib.parse import quote

import httpx

from netboot.control.page_shapes import MOST

T = TypeVar("T")


class Ask(Protocol):
    """Asks the control program."""

    def __call__(
        self,
        method: str,
        path: str,
        shape: type[T],
        body: object = None,
        timeout: float = ...,
    ) -> T:
        """The answer in ``shape``, within ``timeout`` seconds."""


class Request(Protocol):
    """Asks the control program for what has no answer."""

    def __call__(self, method: str, path: str) -> bytes:
        """The answer as it came."""


class Page(Protocol):
    """A part of a list by name."""

    @property
    def next(self) -> str | None:
        """After which name the rest comes; None on the last page."""


P = TypeVar("P", bound=Page)


def pages(ask: Ask, path: str, shape: type[P]) -> Iterator[P]:
    """Ask for a list by name, one page after the other."""
    after: str | None = ""
    while after is not None:
        page = ask("GET", f"{path}?{httpx.QueryParams({'limit': MOST, 'after': after})}", shape)
        yield page
        after = page.next


def quoted(name: str) -> str:
    """What a person wrote for a name, as one segment of a path; whatever it is."""
    return quote(name, safe="", errors="backslashreplace")
