"""Which options we agree to (RFC 2347, 2348, 2349, 7440)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.wire.tftp import MAX_BLKSIZE, Mode, ReadRequest
from netboot.wire.tftp_options import MAX_WINDOW, WINDOWSIZE_BOUND, negotiate

SIZE = 966_768

CASES = {
    "none asked, none answered": ({}, {}),
    "OVMF's": (
        {"tsize": "0", "blksize": "1468", "windowsize": "4"},
        {"tsize": "966768", "blksize": "1468", "windowsize": "4"},
    ),
    "in the order asked": (
        {"blksize": "1024", "tsize": "0"},
        {"blksize": "1024", "tsize": "966768"},
    ),
    "only what was asked": ({"blksize": "1024"}, {"blksize": "1024"}),
    "unknown ones are left out": ({"multicast": "", "blksize": "600"}, {"blksize": "600"}),
    "blksize is clamped to the MTU": ({"blksize": "8192"}, {"blksize": "1468"}),
    "a blksize past the RFC is clamped too": ({"blksize": "65500"}, {"blksize": "1468"}),
    "the smallest blksize": ({"blksize": "8"}, {"blksize": "8"}),
    "a smaller one is left out": ({"blksize": "7"}, {}),
    "no number": ({"blksize": "1k", "tsize": "", "timeout": "-1", "windowsize": "٤"}, {}),
    "an endless number": ({"blksize": "9" * 400}, {}),
    "windowsize is lowered": ({"windowsize": "64"}, {"windowsize": "16"}),
    "windowsize 1": ({"windowsize": "1"}, {"windowsize": "1"}),
    "windowsize out of range": ({"windowsize": "0"}, {}),
    "windowsize beyond 16 bits": ({"windowsize": "65536"}, {}),
    "timeout as asked": ({"timeout": "5"}, {"timeout": "5"}),
    "timeout out of range": ({"timeout": "0"}, {}),
    "timeout too long to keep a dead peer for": ({"timeout": "255"}, {}),
    "tsize whatever it was sent with": ({"tsize": "123"}, {"tsize": "966768"}),
}


@pytest.mark.parametrize(("asked", "answered"), CASES.values(), ids=CASES)
def test_octet(asked: dict[str, str], answered: dict[str, str]) -> None:
    terms = negotiate(ReadRequest("a", options=asked), SIZE, mtu=1500, max_windowsize=16)
    assert list(terms.accepted.items()) == list(answered.items())
    assert terms.blksize == int(answered.get("blksize", "512"))
    assert terms.windowsize == int(answered.get("windowsize", "1"))
    assert terms.timeout == (int(answered["timeout"]) if "timeout" in answered else None)


def test_netascii_has_no_tsize() -> None:
    request = ReadRequest("a", Mode.NETASCII, {"tsize": "0", "blksize": "600"})
    assert negotiate(request, SIZE, 1500, 16).accepted == {"blksize": "600"}


NUMBERS = st.integers(-1, 70_000).map(str) | st.text(max_size=5)


@given(
    st.dictionaries(st.sampled_from(["blksize", "windowsize", "timeout", "tsize"]), NUMBERS),
    st.integers(0, 1 << 40),
    st.integers(68, 65536),
    st.integers(1, 1 << 20),
)
def test_never_more_than_asked_or_allowed(
    asked: dict[str, str], size: int, mtu: int, max_windowsize: int
) -> None:
    terms = negotiate(ReadRequest("a", options=asked), size, mtu, max_windowsize)
    assert set(terms.accepted) <= set(asked)
    if "blksize" in terms.accepted:
        assert 8 <= terms.blksize <= min(int(asked["blksize"]), MAX_BLKSIZE, mtu - 32)
    if "windowsize" in terms.accepted:
        assert 1 <= terms.windowsize <= min(int(asked["windowsize"]), WINDOWSIZE_BOUND)
        assert terms.windowsize <= max_windowsize
        assert terms.windowsize * terms.blksize <= MAX_WINDOW
