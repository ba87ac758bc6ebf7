"""Long lists, a page at a time: ``limit`` and ``after`` in; ``next`` and ``Link`` out, RFC 8288."""

from collections.abc import Callable, Sequence
from typing import Annotated, Protocol, TypeVar

from fastapi import Query, Request, Response

from netboot.control.exchange import reply
from netboot.control.page_shapes import MOST

USUAL = 1_000
"""Things on a page where nobody says how many."""
MAX_LABELS_ASKED = 16
"""Labels one question may name."""

Limit = Annotated[int, Query(ge=1, le=MOST, description="At most so many.")]
After = Annotated[
    str, Query(max_length=63, description="Go on behind this one: ``next`` of the page before.")
]
Labels = Annotated[
    list[Annotated[str, Query(pattern=r"^[^=]+=[^=]*$", max_length=127)]],
    Query(max_length=MAX_LABELS_ASKED, description="``key=value``; all of them must be borne."),
]


class _Named(Protocol):
    @property
    def name(self) -> str:
        """What it is called."""


N = TypeVar("N", bound=_Named)


def paged(
    request: Request,
    shape: Callable[[tuple[N, ...], str | None], object],
    found: Sequence[N],
    limit: int,
) -> Response:
    """A page.

    Args:
        request: which page that is.
        shape: makes the answer of things and ``next``.
        found: by name, one more than ``limit`` where there are more.
        limit: of the page.
    """
    shown = tuple(found[:limit])
    after = shown[-1].name if len(found) > limit else None
    answer = reply(shape(shown, after))
    if after is not None:
        answer.headers["link"] = link(request, after)
    return answer


def link(request: Request, after: str | int) -> str:
    """The header that names the next page."""
    url = request.url.include_query_params(after=after)
    return f'<{url.path}?{url.query}>; rel="next"'


def pair(label: str) -> tuple[str, str]:
    """A label that was asked for: key and value."""
    key, _, value = label.partition("=")
    return key, value
