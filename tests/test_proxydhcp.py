"""Which reply each dialect gets, and that splicing equals scapy byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.answer import proxydhcp
from netboot.answer.proxydhcp import LAYOUTS, Reply
from netboot.answer.splice import splice
from netboot.boot.compose import compose, templates
from netboot.decision import Decision, Shape, Verdict
from netboot.model import Client, Firmware, Mac, Server
from netboot.wire import dhcp4, iana
from netboot.wire.dhcp4 import Message

MAC = Mac("52:54:00:00:00:01")
SERVER = Server("10.77.0.2", "10.77.0.2", 8080)
UUID = b"\0" + bytes(range(16))
SCRIPT = Decision(Verdict.SCRIPT, ("why",), "debian-12", shape=Shape.BOOTFILE)
IGNORE = Decision(Verdict.IGNORE, ("why",))


def loader(shape: Shape) -> Decision:
    return Decision(Verdict.LOADER, ("why",), "debian-12", "snponly.efi", shape)


LOADER = loader(Shape.BINL)

replies = st.builds(
    Reply,
    form=st.sampled_from(list(LAYOUTS)),
    xid=st.integers(0, 2**32 - 1),
    flags=st.sampled_from([0, iana.BROADCAST_FLAG, 0xFFFF]),
    ciaddr=st.ip_addresses(v=4).map(str),
    giaddr=st.ip_addresses(v=4).map(str),
    chaddr=st.binary(min_size=6, max_size=6).map(lambda b: Mac(b.hex(":"))),
    bootfile=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=300),
    uuid=st.none() | st.binary(min_size=17, max_size=17),
)


def asked(kind: int, mac: Mac = MAC, **header: object) -> Message:
    options = {iana.OPT_MESSAGE_TYPE: bytes([kind]), iana.OPT_CLIENT_UUID: UUID}
    return Message(iana.BOOTREQUEST, 0x1234, mac, options=options, **header)  # type: ignore[arg-type]


@given(replies, st.ip_addresses(v=4).map(str))
def test_spliced_bytes_are_the_bytes_scapy_builds(reply: Reply, server: str) -> None:
    assert splice(templates(server)[reply.form], reply) == compose(reply, server)


@pytest.mark.parametrize(
    ("decision", "bootfile"),
    [
        (loader(Shape.BINL), ""),
        (loader(Shape.DISCOVERY_CONTROL), "snponly.efi"),
        (loader(Shape.BOOTFILE), "snponly.efi"),
        (loader(Shape.HTTP), "http://10.77.0.2:8080/snponly.efi"),
        (loader(Shape.RASPBERRY_PI), ""),
        (SCRIPT, f"http://10.77.0.2:8080/ipxe/{MAC}"),
    ],
)
def test_each_shape_names_its_boot_file(decision: Decision, bootfile: str) -> None:
    reply = proxydhcp.offer(asked(iana.DISCOVER), decision, SERVER)
    assert reply is not None
    assert (reply.form, reply.bootfile) == ((decision.shape, iana.OFFER), bootfile)


def on_the_wire(reply: Reply | None) -> Message:
    assert reply is not None
    return dhcp4.parse(splice(templates(SERVER.address)[reply.form], reply))


def test_uefi_offers_carry_no_option_43_and_no_boot_file() -> None:
    offer = on_the_wire(proxydhcp.offer(asked(iana.DISCOVER), LOADER, SERVER))
    assert offer.options == {
        53: bytes([iana.OFFER]),
        54: bytes([10, 77, 0, 2]),
        60: b"PXEClient",
        97: UUID,
    }
    assert (offer.siaddr, offer.yiaddr, offer.file) == (SERVER.address, "0.0.0.0", b"")  # noqa: S104 -- a header field


def test_the_answer_on_4011_names_the_boot_file_everywhere_a_loader_may_look() -> None:
    client = Client(MAC, Firmware.UEFI, 7)
    ack = on_the_wire(proxydhcp.acknowledge(asked(iana.REQUEST), client, LOADER, SERVER))
    assert ack.type == iana.ACK
    assert (ack.siaddr, ack.file) == (SERVER.address, b"snponly.efi")
    assert (ack.options[66], ack.options[67]) == (b"10.77.0.2", b"snponly.efi")


def test_bios_is_told_to_use_the_file_of_this_very_offer() -> None:
    decision = loader(Shape.DISCOVERY_CONTROL)
    offer = on_the_wire(proxydhcp.offer(asked(iana.DISCOVER), decision, SERVER))
    assert dict(dhcp4.split_options(offer.options[43])) == {6: b"\x08"}
    assert (offer.siaddr, offer.file) == (SERVER.address, b"snponly.efi")


def test_http_boot_is_answered_as_http_client_only() -> None:
    client = Client(MAC, Firmware.HTTP, 16)
    offer = on_the_wire(proxydhcp.offer(asked(iana.DISCOVER), loader(Shape.HTTP), SERVER))
    assert offer.options[60] == b"HTTPClient"
    assert 43 not in offer.options
    assert proxydhcp.acknowledge(asked(iana.REQUEST), client, LOADER, SERVER) is None


def test_option_97_is_echoed_only_where_it_was_sent() -> None:
    plain = Message(iana.BOOTREQUEST, 1, MAC, options={53: bytes([iana.DISCOVER])})
    assert 97 not in on_the_wire(proxydhcp.offer(plain, LOADER, SERVER)).options


@pytest.mark.parametrize("kind", [0, iana.OFFER, iana.REQUEST, iana.ACK, 4, 7, 8])
def test_only_discover_is_offered_anything(kind: int) -> None:
    assert proxydhcp.offer(asked(kind), LOADER, SERVER) is None


def test_an_ignored_machine_hears_nothing() -> None:
    client = Client(MAC, Firmware.UEFI, 7)
    assert proxydhcp.offer(asked(iana.DISCOVER), IGNORE, SERVER) is None
    assert proxydhcp.acknowledge(asked(iana.REQUEST), client, IGNORE, SERVER) is None


def test_a_request_meant_for_another_boot_server_is_left_alone() -> None:
    client = Client(MAC, Firmware.UEFI, 7)
    ours = {53: bytes([iana.REQUEST]), 54: bytes([10, 77, 0, 2])}
    theirs = {53: bytes([iana.REQUEST]), 54: bytes([10, 77, 0, 3])}
    for options, answered in ((ours, True), (theirs, False)):
        message = Message(iana.BOOTREQUEST, 1, MAC, options=options)
        reply = proxydhcp.acknowledge(message, client, LOADER, SERVER)
        assert (reply is not None) is answered


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ({}, None),
        ({"ciaddr": "10.77.0.9"}, None),
        ({"giaddr": "10.9.0.1"}, ("10.9.0.1", 67)),
    ],
)
def test_where_an_offer_goes(header: dict[str, str], target: tuple[str, int] | None) -> None:
    assert proxydhcp.offer_destination(asked(iana.DISCOVER, **header)) == target


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        ({}, iana.BROADCAST_FLAG),
        ({"giaddr": "10.9.0.1"}, iana.BROADCAST_FLAG),
        ({"giaddr": "10.9.0.1", "ciaddr": "10.9.0.7"}, 0),
        ({"flags": iana.BROADCAST_FLAG, "ciaddr": "10.9.0.7"}, iana.BROADCAST_FLAG),
    ],
)
def test_a_relay_is_told_to_broadcast_where_the_machine_has_no_address(
    header: dict[str, str], flags: int
) -> None:
    reply = proxydhcp.offer(asked(iana.DISCOVER, **header), LOADER, SERVER)
    assert reply is not None
    assert reply.flags == flags


@pytest.mark.parametrize(
    ("header", "peer", "target"),
    [
        ({"ciaddr": "10.77.0.9"}, ("10.77.0.9", 4011), ("10.77.0.9", 4011)),
        ({"ciaddr": "10.77.0.9"}, ("10.77.0.9", 68), ("10.77.0.9", 68)),
        ({}, ("10.77.0.9", 68), ("10.77.0.9", 68)),
        ({"giaddr": "10.9.0.1", "ciaddr": "10.9.0.7"}, ("10.9.0.7", 68), ("10.9.0.1", 67)),
    ],
)
def test_an_answer_from_4011_goes_where_the_client_listens(
    header: dict[str, str], peer: tuple[str, int], target: tuple[str, int]
) -> None:
    assert proxydhcp.ack_destination(asked(iana.REQUEST, **header), peer) == target


def test_a_boot_file_too_long_for_the_header_goes_into_option_67_alone() -> None:
    form = (Shape.BOOTFILE, iana.OFFER)
    reply = Reply(form, 1, 0, "10.0.0.9", "10.0.0.1", MAC, "http://x/" + "y" * 150, None)
    parsed = on_the_wire(reply)
    assert parsed.file == b""
    assert parsed.options[67].endswith(b"y" * 150)


def test_no_shape_was_forgotten() -> None:
    assert {shape for shape, message_type in LAYOUTS if message_type == iana.OFFER} == set(Shape)


def test_a_bios_rom_that_asks_4011_is_told_again_to_use_the_file() -> None:
    client = Client(MAC, Firmware.BIOS, 0)
    ack = on_the_wire(proxydhcp.acknowledge(asked(iana.REQUEST), client, LOADER, SERVER))
    assert dict(dhcp4.split_options(ack.options[43])) == {6: b"\x08"}
    assert (ack.siaddr, ack.file) == (SERVER.address, b"snponly.efi")


def test_a_raspberry_pi_finds_the_menu_entry_its_rom_looks_for() -> None:
    offer = on_the_wire(proxydhcp.offer(asked(iana.DISCOVER), loader(Shape.RASPBERRY_PI), SERVER))
    menu = dict(dhcp4.split_options(offer.options[43]))
    assert menu == {6: b"\x03", 10: b"\0PXE", 9: b"\0\0\x11Raspberry Pi Boot"}
    assert (offer.siaddr, offer.file) == (SERVER.address, b"")
