"""TFTP packets, bytes against bytes: RFC 1350's and 2347's drawings, and what firmware sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.errors import MalformedPacket
from netboot.wire import tftp
from netboot.wire.tftp import Ack, Data, Error, Mode, OptionAck, ReadRequest, WriteRequest

GOLDEN = {
    "RRQ of RFC 1350": (
        b"\0\x01pxelinux.0\0octet\0",
        ReadRequest("pxelinux.0"),
    ),
    "OVMF asks for the size": (
        b"\0\x01snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0",
        ReadRequest("snponly.efi", options={"tsize": "0", "blksize": "1468", "windowsize": "4"}),
    ),
    "iPXE looks for its script": (
        b"\0\x01autoexec.ipxe\0octet\0blksize\x001432\0tsize\x000\0",
        ReadRequest("autoexec.ipxe", options={"blksize": "1432", "tsize": "0"}),
    ),
    "netascii": (b"\0\x01motd\0netascii\0", ReadRequest("motd", Mode.NETASCII)),
    "WRQ": (b"\0\x02core\0octet\0", WriteRequest("core")),
    "DATA": (b"\0\x03\0\x01abc", Data(1, b"abc")),
    "the empty last DATA": (b"\0\x03\xff\xff", Data(65535, b"")),
    "ACK": (b"\0\x04\x12\x34", Ack(0x1234)),
    "ERROR": (b"\0\x05\0\x08User aborted the transfer\0", Error(8, "User aborted the transfer")),
    "OACK": (
        b"\0\x06tsize\x00966768\0blksize\x001468\0",
        OptionAck({"tsize": "966768", "blksize": "1468"}),
    ),
}


@pytest.mark.parametrize(("raw", "packet"), GOLDEN.values(), ids=GOLDEN)
def test_parses_and_builds(raw: bytes, packet: tftp.Packet) -> None:
    assert tftp.parse(raw) == packet
    assert tftp.build(packet) == raw


CARELESS = {
    "mode in capitals": (b"\0\x01a\0OcTeT\0", ReadRequest("a")),
    "option in capitals": (
        b"\0\x01a\0octet\0BLKSIZE\x00512\0",
        ReadRequest("a", options={"blksize": "512"}),
    ),
    "option named twice: the first counts": (
        b"\0\x01a\0octet\0blksize\x00512\0blksize\x001024\0",
        ReadRequest("a", options={"blksize": "512"}),
    ),
    "padded with NULs": (b"\0\x01a\0octet\0\0\0\0", ReadRequest("a")),
    "option with an empty value": (
        b"\0\x01a\0octet\0tsize\0\0",
        ReadRequest("a", options={"tsize": ""}),
    ),
    "no name at all": (b"\0\x01\0octet\0", ReadRequest("")),
    "ERROR without its NUL": (b"\0\x05\0\0oops", Error(0, "oops")),
    "ERROR without a message": (b"\0\x05\0\0", Error(0, "")),
    "ACK with bytes behind it": (b"\0\x04\0\x07\0\0\0", Ack(7)),
    "0xff behind the name: a ROM copied DHCP's end option": (
        b"\0\x01pxelinux.0\xff\0octet\0",
        ReadRequest("pxelinux.0\\xff"),
    ),
    "a name that would forge a line of a log": (
        b"\0\x01a\nb\x1b[2J\xe2\x80\xae\0octet\0",
        ReadRequest("a\\nb\\x1b[2J\\u202e"),
    ),
}


@pytest.mark.parametrize(("raw", "packet"), CARELESS.values(), ids=CARELESS)
def test_takes_what_careless_firmware_sends(raw: bytes, packet: tftp.Packet) -> None:
    assert tftp.parse(raw) == packet


MALFORMED = {
    b"": "tftp: no opcode",
    b"\0": "tftp: no opcode",
    b"\0\0": "tftp: unknown opcode",
    b"\0\x07": "tftp: unknown opcode",
    b"\x01\x00a\0octet\0": "tftp: unknown opcode",
    b"\0\x01": "tftp: request without mode",
    b"\0\x01a": "tftp: string without its NUL",
    b"\0\x01a\0": "tftp: request without mode",
    b"\0\x01a\0octet": "tftp: string without its NUL",
    b"\0\x01a\0mail\0": "tftp: unknown mode",
    b"\0\x01a\0oct\xffet\0": "tftp: unknown mode",
    b"\0\x01a\0octet\0blksize\0": "tftp: option without value",
    b"\0\x01a\0octet\0\0001\0": "tftp: option without name",
    b"\0\x01a\0octet\0" + b"x\0y\0" * 33: "tftp: too many options",
    b"\0\x01" + b"a" * 1500 + b"\0octet\0": "tftp: request too long",
    b"\0\x03\0": "tftp: cut short",
    b"\0\x03\0\1" + bytes(65465): "tftp: block too long",
    b"\0\x04\0": "tftp: cut short",
    b"\0\x05\0": "tftp: cut short",
    b"\0\x06blksize\0": "tftp: option without value",
}


@pytest.mark.parametrize(("raw", "reason"), MALFORMED.items(), ids=MALFORMED.values())
def test_refuses(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedPacket) as refused:
        tftp.parse(raw)
    assert str(refused.value) == reason


REASONS = frozenset(MALFORMED.values())
MUTATED = st.builds(
    lambda raw, at, byte: raw[: at % (len(raw) + 1)] + byte + raw[at % (len(raw) + 1) :],
    st.sampled_from([raw for raw, _ in GOLDEN.values()]),
    st.integers(0, 2000),
    st.binary(max_size=4),
)


@given(st.one_of(st.binary(max_size=2000), st.binary().map(lambda b: b"\0\x01" + b), MUTATED))
def test_any_bytes_give_a_packet_or_one_of_few_reasons(raw: bytes) -> None:
    try:
        packet = tftp.parse(raw)
    except MalformedPacket as problem:
        assert str(problem) in REASONS  # noqa: PT017 -- it may as well parse
        return
    if isinstance(packet, ReadRequest):
        assert packet.filename.isprintable()
    assert tftp.parse(tftp.build(packet)) == packet


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
OPTIONS = st.dictionaries(NAMES.filter(lambda name: name == name.lower()), NAMES, max_size=8)
PACKETS = st.one_of(
    st.builds(ReadRequest, NAMES, st.sampled_from(Mode), OPTIONS),
    st.builds(WriteRequest, NAMES, st.sampled_from(Mode), OPTIONS),
    st.builds(Data, st.integers(0, 65535), st.binary(max_size=600)),
    st.builds(Ack, st.integers(0, 65535)),
    st.builds(Error, st.integers(0, 65535), NAMES),
    st.builds(OptionAck, OPTIONS),
)


@given(PACKETS)
def test_what_is_built_parses_to_the_same(packet: tftp.Packet) -> None:
    raw = tftp.build(packet)
    if len(raw) <= tftp.MAX_REQUEST:
        assert tftp.parse(raw) == packet


@pytest.mark.parametrize(
    "packet", [Ack(65536), Data(-1, b""), ReadRequest("a\0b"), OptionAck({"a": "\0"})]
)
def test_what_cannot_stand_in_a_packet_is_not_built(packet: tftp.Packet) -> None:
    with pytest.raises(ValueError, match=r"16 bits|NUL"):
        tftp.build(packet)


@given(st.binary(max_size=10))
def test_the_short_way_reads_the_same_block_as_parse(raw: bytes) -> None:
    for datagram in (raw, b"\0\x04" + raw):
        try:
            packet = tftp.parse(datagram)
        except MalformedPacket:
            packet = None
        try:
            block = tftp.acknowledged(datagram)
        except MalformedPacket:
            block = None
        assert block == (packet.block if isinstance(packet, Ack) else None)


@pytest.mark.parametrize(
    ("text", "wire"),
    [(b"a\n", b"a\r\n"), (b"\r", b"\r\0"), (b"\r\n", b"\r\0\r\n"), (b"plain", b"plain")],
)
def test_netascii_line_ends(text: bytes, wire: bytes) -> None:
    assert tftp.to_netascii(text) == wire


@given(st.binary(max_size=200), st.integers(0, 200))
def test_netascii_may_be_encoded_in_pieces_and_loses_nothing(text: bytes, cut: int) -> None:
    wire = tftp.to_netascii(text[:cut]) + tftp.to_netascii(text[cut:])
    assert wire == tftp.to_netascii(text)
    assert wire.replace(b"\r\n", b"\n").replace(b"\r\0", b"\r") == text
