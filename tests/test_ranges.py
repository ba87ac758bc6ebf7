"""RFC 9110 sections 13 and 14: which bytes a request asks for."""

from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.boot.ranges import (
    MAX_RANGES,
    ByteRange,
    failed,
    not_modified,
    parse_range,
    range_counts,
    unsatisfied_range,
)

SIZE = 1000
WHOLE = None
UNSATISFIABLE = ()

ETAG = '"5bf1"'
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, WHOLE),
        ("bytes=0-0", ((0, 1),)),
        ("bytes=0-499", ((0, 500),)),
        ("bytes=500-", ((500, 1000),)),
        ("bytes=-1", ((999, 1000),)),
        ("bytes=-5000", ((0, 1000),)),
        ("bytes=990-5000", ((990, 1000),)),
        ("bytes=0-99999999999999999999", ((0, 1000),)),
        ("BYTES=1-2", ((1, 3),)),
        ("bytes=1-2 , 5-6,,", ((1, 3), (5, 7))),
        ("bytes=5-6,1-2", ((5, 7), (1, 3))),  # disjoint: as asked
        ("bytes=5-9,0-6", ((0, 10),)),  # overlapping: each byte once
        ("bytes=0-0,0-0,0-0", ((0, 1),)),
        ("bytes=0-4,5-9", ((0, 5), (5, 10))),  # touching is not overlapping
        ("bytes=0-1,2000-3000", ((0, 2),)),  # one that exists is enough
        ("bytes=1000-", UNSATISFIABLE),
        ("bytes=1000-1001,-0", UNSATISFIABLE),
        ("bytes=-0", UNSATISFIABLE),
        ("bytes=5-4", WHOLE),  # invalid, so ignored
        ("bytes=0-1,5-4", WHOLE),
        ("bytes=", WHOLE),
        ("bytes=,,", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=1-2-3", WHOLE),
        ("bytes=+1-2", WHOLE),
        ("bytes=١-٢", WHOLE),  # noqa: RUF001 -- digits, but not RFC 9110's
        ("bytes 0-1", WHOLE),
        ("items=0-1", WHOLE),
        ("bytes=0-" + "9" * 5000, WHOLE),  # more digits than int() would read
        ("bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MAX_RANGES + 1)), WHOLE),
        ("bytes=" + "," * 5000 + "0-1", WHOLE),
    ],
)
def test_a_range_field_means(
    header: str | None, wanted: tuple[tuple[int, int], ...] | None
) -> None:
    assert parse_range(header, SIZE) == wanted


def test_as_many_ranges_as_allowed_are_served() -> None:
    header = "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MAX_RANGES))
    assert len(parse_range(header, SIZE) or ()) == MAX_RANGES


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_an_empty_file_is_served_whole(header: str) -> None:
    assert parse_range(header, 0) is None


def test_content_range_names_last_byte_and_size() -> None:
    assert ByteRange(0, 500).content_range(1000) == "bytes 0-499/1000"
    assert unsatisfied_range(1000) == "bytes */1000"


@given(st.text() | st.text("bytes=0123456789-, \t").map("bytes=".__add__), st.integers(0, 1 << 70))
def test_any_text_is_read_without_error_and_stays_inside_the_file(header: str, size: int) -> None:
    ranges = parse_range(header, size) or ()
    assert len(ranges) <= MAX_RANGES
    assert all(0 <= start < stop <= size for start, stop in ranges)
    assert sum(piece.size for piece in ranges) <= size


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 50))
def test_a_single_range_is_what_a_list_of_one_is(first: int, last: int, size: int) -> None:
    alone = f"bytes={first}-{last}"
    assert parse_range(alone, size) == parse_range(f"{alone},", size)


_SPEC = st.tuples(st.none() | st.integers(0, 60), st.none() | st.integers(0, 60)).filter(
    lambda spec: spec != (None, None) and not (None not in spec and spec[1] < spec[0])
)


def _bytes_of(spec: tuple[int | None, int | None], size: int) -> set[int]:
    first, last = spec
    if first is None:
        return set(range(size)[-last:]) if last else set()
    return set(range(first, size if last is None else last + 1)) & set(range(size))


@given(st.lists(_SPEC, min_size=1, max_size=MAX_RANGES), st.integers(1, 50))
def test_valid_ranges_give_exactly_the_bytes_they_name(
    specs: list[tuple[int | None, int | None]], size: int
) -> None:
    written = ("" if first is None else str(first) for first, _ in specs)
    ends = ("" if last is None else str(last) for _, last in specs)
    header = "bytes=" + ", ".join(map("-".join, zip(written, ends, strict=True)))
    ranges = parse_range(header, size)
    assert ranges is not None
    given_bytes = [number for start, stop in ranges for number in range(start, stop)]
    assert len(given_bytes) == len(set(given_bytes))
    assert set(given_bytes) == set().union(*(_bytes_of(spec, size) for spec in specs))


@pytest.mark.parametrize(
    ("if_range", "counts"),
    [
        (None, True),
        (ETAG, True),
        (f" {ETAG} ", True),
        (f"W/{ETAG}", False),  # compared strongly
        ('"other"', False),
        (MODIFIED, True),
        ("Sun, 06 Nov 1994 08:49:38 GMT", False),
        ("", False),
    ],
)
def test_if_range(if_range: str | None, counts: bool) -> None:
    assert range_counts(if_range, ETAG, MODIFIED) is counts


@pytest.mark.parametrize(
    ("if_match", "since", "expected"),
    [
        (None, None, False),
        ("*", None, False),
        (ETAG, None, False),
        (f'"other" , {ETAG}', None, False),
        ('"other"', None, True),
        ("", None, True),
        (f"W/{ETAG}", None, True),
        (ETAG, BEFORE, False),
        (None, BEFORE, True),
        (None, MODIFIED, False),
        (None, "yesterday", False),
    ],
)
def test_a_precondition_that_fails(if_match: str | None, since: str | None, expected: bool) -> None:
    changed = int(parsedate_to_datetime(MODIFIED).timestamp())
    assert failed(if_match, since, ETAG, changed) is expected
    if if_match is None:
        assert not failed(None, since, ETAG, None)


@pytest.mark.parametrize(
    ("if_none_match", "since", "expected"),
    [
        (None, None, False),
        (ETAG, None, True),
        (f"W/{ETAG}", None, True),  # compared weakly
        (f'"a", {ETAG}', None, True),
        ("*", None, True),
        ('"a"', None, False),
        ("5bf1", None, False),  # a tag has quotes
        ('"a"', MODIFIED, False),  # If-Modified-Since does not count beside If-None-Match
        (None, MODIFIED, True),
        (None, "Sun, 06 Nov 1994 08:49:38 GMT", False),
        (None, "yesterday", False),
    ],
)
def test_not_modified(if_none_match: str | None, since: str | None, expected: bool) -> None:
    assert not_modified(if_none_match, since, ETAG, MODIFIED) is expected
