"""The newest events of many nodes over REST: few requests for many nodes, and none is large."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot.control.timeline_api import MAX_EACH, MAX_TIMELINES
from netboot.events import Event, Kind
from netboot.model import Mac, Node
from tests.api_site import Api, api_in


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        yield found


def mac(number: int) -> Mac:
    return Mac(f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}")


def many(api: Api, count: int) -> None:
    nodes = [Node(f"n{number:04}", (mac(number),), "local") for number in range(count)]
    api.store.import_nodes(nodes)


def event(number: int, detail: str, kind: Kind = Kind.OFFER, **data: str) -> Event:
    return Event(kind, mac(number), f"n{number:04}", detail, data, 1.5)


def read(api: Api, **asked: int) -> tuple[dict[str, list[Any]], int, int]:
    """What is answered on all pages, the first one's ``newest``, and how many there are."""
    found: dict[str, list[Any]] = {}
    newest, pages, path = None, 0, "timelines"
    while path:
        answer = api.ask("GET", path, params=None if pages else asked)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["timelines"]) <= MAX_TIMELINES
        assert not found.keys() & page["timelines"].keys()
        found |= page["timelines"]
        newest = page["newest"] if newest is None else newest
        pages += 1
        path = answer.links["next"]["url"] if "next" in page else ""
    assert newest is not None
    return found, newest, pages


def details(records: list[Any]) -> list[str]:
    return [record["event"]["detail"] for record in records]


def test_a_thousand_nodes_are_ten_requests(api: Api) -> None:
    many(api, 1000)
    api.store.append_events([event(number, f"{at}") for at in range(3) for number in range(1000)])
    found, newest, pages = read(api, each=2)
    assert pages == 10
    assert newest == api.store.newest_event()
    assert sorted(found) == [f"n{number:04}" for number in range(1000)]
    assert all(details(records) == ["1", "2"] for records in found.values())


def test_what_came_since_is_of_those_alone_who_did_something(api: Api) -> None:
    many(api, 3)
    api.store.append_events([event(number, "before") for number in range(3)])
    _, newest, _ = read(api)
    api.store.append_events([event(1, "then"), event(1, "later")])
    found, _, pages = read(api, since=newest)
    assert ({name: details(records) for name, records in found.items()}, pages) == (
        {"n0001": ["then", "later"]},
        1,
    )


def test_a_page_of_nodes_that_did_nothing_is_not_the_last(api: Api) -> None:
    many(api, 3)
    before = api.store.newest_event()
    api.store.append_events([event(2, "here")])
    found, _, pages = read(api, limit=1, since=before)
    assert (list(found), pages) == (["n0002"], 3)


def test_it_is_what_the_node_s_own_timeline_says(api: Api) -> None:
    many(api, 2)
    api.store.append_events(
        [
            Event(Kind.DISCOVER, mac(1), None, "before it was registered"),
            event(1, "chatter", Kind.SYSLOG),
            event(1, "a stage", Kind.SYSLOG, stage="partitioning"),
            Event(Kind.JOB, None, "n0001", "by its name alone"),
            event(0, "another's"),
        ]
    )
    found, _, _ = read(api)
    own = api.ask("GET", "timeline/n0001").json()["events"]
    assert found["n0001"] == own
    assert details(own)[1:] == ["before it was registered", "a stage", "by its name alone"]


def test_without_nodes_it_is_empty(api: Api) -> None:
    assert api.ask("GET", "timelines").json() == {"timelines": {}, "newest": 0}


@pytest.mark.parametrize("asked", [{"limit": MAX_TIMELINES + 1}, {"each": MAX_EACH + 1}])
def test_no_more_than_one_answer_holds(api: Api, asked: dict[str, int]) -> None:
    assert api.ask("GET", "timelines", params=asked).status_code == 422
