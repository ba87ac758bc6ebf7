"""DHCPv4 messages: what parses, what does not, and that nothing is lost on the way."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP

from netboot.errors import MalformedPacket
from netboot.model import Mac
from netboot.wire import dhcp4, iana
from netboot.wire.dhcp4 import Message

MAC = Mac("52:54:00:00:00:01")
DISCOVER = Message(
    op=iana.BOOTREQUEST,
    xid=0xDEADBEEF,
    chaddr=MAC,
    options={53: b"\x01", 60: b"PXEClient:Arch:00007:UNDI:003016", 93: b"\x00\x07"},
    flags=iana.BROADCAST_FLAG,
)

addresses = st.ip_addresses(v=4).map(str)
macs = st.binary(min_size=6, max_size=6).filter(lambda b: not b[0] & 1 and any(b))
text = st.binary(max_size=60).filter(lambda b: b"\0" not in b)
messages = st.builds(
    Message,
    op=st.sampled_from([iana.BOOTREQUEST, iana.BOOTREPLY]),
    xid=st.integers(0, 2**32 - 1),
    chaddr=macs.map(lambda b: Mac(b.hex(":"))),
    options=st.dictionaries(
        st.integers(1, 254).filter(lambda code: code != iana.OPT_OVERLOAD),
        st.binary(max_size=600),
        max_size=5,
    ),
    hops=st.integers(0, 255),
    secs=st.integers(0, 65535),
    flags=st.integers(0, 65535),
    ciaddr=addresses,
    yiaddr=addresses,
    siaddr=addresses,
    giaddr=addresses,
    sname=text,
    file=text,
)


@given(messages)
def test_what_is_built_parses_to_the_same_message(message: Message) -> None:
    assert dhcp4.parse(dhcp4.build(message)) == message


@given(st.binary(max_size=1500))
@example(b"")
@example(b"\x01")
@example(dhcp4.build(DISCOVER)[:240])
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    try:
        assert isinstance(dhcp4.parse(data), Message)
    except MalformedPacket as problem:
        assert len(str(problem)) < 60  # noqa: PT017 -- both outcomes are right; this bounds one


@given(st.binary(max_size=400), st.integers(0, 239), st.integers(0, 255))
def test_a_good_header_with_anything_behind_it_never_breaks_the_parser(
    options: bytes, position: int, value: int
) -> None:
    data = bytearray(dhcp4.build(DISCOVER)[:240] + options)
    data[position] = value
    try:
        dhcp4.parse(bytes(data))
    except MalformedPacket as problem:
        assert str(problem).startswith("dhcp: ")  # noqa: PT017 -- parsing may also succeed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:239], "shorter than a header"),
        (lambda data: data + bytes(5000), "larger than any client sends"),
        (lambda data: b"\x03" + data[1:], "op is neither"),
        (lambda data: data[:1] + b"\x06" + data[2:], "not Ethernet"),
        (lambda data: data[:2] + b"\x10" + data[3:], "not Ethernet"),
        (lambda data: data[:236] + b"\0\0\0\0" + data[240:], "no magic cookie"),
        (lambda data: data[:28] + b"\x01" + data[29:], "chaddr"),
        (lambda data: data[:28] + bytes(6) + data[34:], "chaddr"),
        (lambda data: data[:240] + b"\x3c\xff" + b"PXE", "runs past the end"),
        (lambda data: data[:240] + b"\x3c", "runs past the end"),
    ],
)
def test_what_is_refused_says_why(change, reason) -> None:  # noqa: ANN001 -- a case table
    with pytest.raises(MalformedPacket, match=reason):
        dhcp4.parse(change(dhcp4.build(DISCOVER)))


def test_a_missing_end_option_is_accepted() -> None:
    data = dhcp4.build(DISCOVER)
    end = data.index(b"\xff", 240)
    assert dhcp4.parse(data[:end]) == DISCOVER


def test_an_option_split_by_rfc_3396_is_whole_again() -> None:
    long = bytes(range(256)) * 2
    message = Message(iana.BOOTREQUEST, 1, MAC, options={43: long})
    assert dhcp4.parse(dhcp4.build(message)).options[43] == long


def test_options_overloaded_into_file_and_sname_are_read() -> None:
    data = bytearray(dhcp4.build(Message(iana.BOOTREPLY, 1, MAC, options={52: b"\x03"})))
    data[108 : 108 + 6] = b"\x35\x01\x02\xff\0\0"  # file: message type OFFER
    data[44 : 44 + 6] = b"\x42\x03abc\xff"  # sname: option 66
    parsed = dhcp4.parse(bytes(data))
    assert parsed.options == {53: b"\x02", 66: b"abc"}
    assert (parsed.file, parsed.sname) == (b"", b"")


def test_scapy_reads_what_we_build_the_same_way() -> None:
    theirs = BOOTP(dhcp4.build(DISCOVER))
    assert theirs.xid == DISCOVER.xid
    assert theirs.chaddr[:6].hex(":") == MAC
    options = dict(option for option in theirs[DHCP].options if isinstance(option, tuple))
    assert options["message-type"] == iana.DISCOVER
    assert options["vendor_class_id"] == DISCOVER.options[60]


@given(messages)
def test_every_message_reaches_bootp_minimum(message: Message) -> None:
    assert len(dhcp4.build(message)) >= dhcp4.MINIMUM_SIZE


def test_a_file_name_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="128"):
        dhcp4.build(Message(iana.BOOTREPLY, 1, MAC, file=b"x" * 129))


def _put_together(data: bytes) -> dict[int, bytes] | str:
    options: dict[int, bytes] = {}
    try:
        for code, value in dhcp4.split_options(data):
            options[code] = options.get(code, b"") + value
    except MalformedPacket as problem:
        return str(problem)
    return options


@given(st.binary(max_size=40), st.integers(0, 4))
@example(b"\x00\x01\x02ab\x01\x01c\xff\x01", 0)
@example(b"\x01\x02a", 0)
@example(b"\x01", 0)
def test_options_read_in_one_go_are_those_read_one_by_one(data: bytes, start: int) -> None:
    options: dict[int, bytes] = {}
    try:
        dhcp4._collect(data, options, start)
    except MalformedPacket as problem:
        assert str(problem) == _put_together(data[start:])  # noqa: PT017 -- both may refuse
    else:
        assert options == _put_together(data[start:])
