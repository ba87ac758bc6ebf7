"""Raw UDP packets: scapy is the oracle for what we send, hostile bytes for what we read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, IPOption_NOP

from netboot.errors import MalformedPacket
from netboot.wire import udp4
from netboot.wire.udp4 import Datagram

datagrams = st.builds(
    Datagram,
    source=st.ip_addresses(v=4).map(str),
    source_port=st.integers(0, 65535),
    destination=st.ip_addresses(v=4).map(str),
    destination_port=st.integers(0, 65535),
    payload=st.binary(max_size=600),
)


@given(datagrams, st.binary(max_size=20))
def test_what_is_built_parses_back_with_or_without_link_padding(
    datagram: Datagram, padding: bytes
) -> None:
    assert udp4.parse(udp4.build(datagram) + padding) == datagram


@given(datagrams)
def test_checksums_are_the_ones_scapy_computes(datagram: Datagram) -> None:
    ours = IP(udp4.build(datagram))
    theirs = ours.copy()
    del theirs.chksum, theirs[UDP].chksum
    theirs = IP(bytes(theirs))
    assert (ours.chksum, ours[UDP].chksum) == (theirs.chksum, theirs[UDP].chksum)


@given(
    datagrams.filter(lambda datagram: len(datagram.payload) >= 8), st.binary(min_size=4, max_size=4)
)
def test_a_rewritten_packet_is_the_one_built_with_other_bytes(
    datagram: Datagram, word: bytes
) -> None:
    packet = bytearray(udp4.build(datagram))
    udp4.rewrite(packet, 4, int.from_bytes(word))
    other = datagram.payload[:4] + word + datagram.payload[8:]
    assert packet == udp4.build(datagram._replace(payload=other))


@given(datagrams, st.binary(max_size=20))
def test_the_payload_alone_is_the_same(datagram: Datagram, padding: bytes) -> None:
    assert udp4.payload(udp4.build(datagram) + padding) == datagram.payload


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    try:
        assert isinstance(udp4.parse(data), Datagram)
    except MalformedPacket as problem:
        assert str(problem).startswith("udp: ")  # noqa: PT017 -- parsing may also succeed


GOOD = udp4.build(Datagram("10.0.0.1", 68, "255.255.255.255", 67, b"payload"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GOOD[:27], "no IPv4 header"),
        (b"\x65" + GOOD[1:], "no IPv4 header"),
        (b"\x41" + GOOD[1:], "lengths"),
        (GOOD[:2] + b"\xff\xff" + GOOD[4:], "lengths"),
        (GOOD[:9] + b"\x06" + GOOD[10:], "not UDP"),
        (GOOD[:6] + b"\x20\x00" + GOOD[8:], "fragment"),
        (GOOD[:24] + b"\xff\xff" + GOOD[26:], "length does not fit"),
        (GOOD[:24] + b"\x00\x07" + GOOD[26:], "length does not fit"),
    ],
)
def test_what_is_refused_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedPacket, match=reason):
        udp4.parse(data)


def test_a_wrong_checksum_is_no_reason_to_drop() -> None:
    assert udp4.parse(GOOD[:26] + b"\x12\x34" + GOOD[28:]).payload == b"payload"


def test_ip_options_are_skipped() -> None:
    with_options = bytes(IP(options=[IPOption_NOP()] * 4) / UDP(sport=68, dport=67) / b"x")
    assert udp4.parse(with_options).payload == b"x"
