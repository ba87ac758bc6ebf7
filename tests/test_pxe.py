"""Telling clients apart by one packet alone."""

import pytest

from netboot.model import Client, Firmware, Mac
from netboot.wire import iana, pxe
from netboot.wire.dhcp4 import Message

MAC = Mac("52:54:00:00:00:01")
PI = Mac("dc:a6:32:00:00:01")
UUID_OPTION = b"\0" + bytes.fromhex("33221100554477668899aabbccddeeff")


def asked(mac: Mac = MAC, op: int = iana.BOOTREQUEST, **options: bytes) -> Message:
    return Message(op, 1, mac, options={int(code[1:]): value for code, value in options.items()})


@pytest.mark.parametrize(
    ("message", "client"),
    [
        (asked(_60=b"PXEClient:Arch:00000", _93=b"\0\0"), Client(MAC, Firmware.BIOS, 0)),
        (asked(_60=b"PXEClient"), Client(MAC, Firmware.BIOS, 0)),
        (asked(_60=b"PXEClient:Arch:00007:UNDI:003016"), Client(MAC, Firmware.UEFI, 7)),
        (asked(_60=b"PXEClient", _93=b"\0\x06"), Client(MAC, Firmware.UEFI, 6)),
        (asked(_60=b"PXEClient", _93=b"\0\x09"), Client(MAC, Firmware.UEFI, 9)),
        (asked(_60=b"PXEClient", _93=b"\0\x0b\0\x0a"), Client(MAC, Firmware.UEFI, 0x0B)),
        (asked(_60=b"PXEClient", _93=b"\x12\x34"), Client(MAC, Firmware.UEFI, 0x1234)),
        (asked(_60=b"PXEClient", _93=b"\0"), Client(MAC, Firmware.BIOS, 0)),
        (asked(_60=b"HTTPClient:Arch:00016", _93=b"\0\x10"), Client(MAC, Firmware.HTTP, 16)),
        (asked(_60=b"PXEClient", _93=b"\0\7", _175=b"\1\1\1"), Client(MAC, Firmware.IPXE, 7)),
        (asked(_60=b"PXEClient", _93=b"\0\7", _77=b"iPXE"), Client(MAC, Firmware.IPXE, 7)),
        (asked(_60=b"PXEClient", _93=b"\0\0", _77=b"\4iPXE"), Client(MAC, Firmware.IPXE, 0)),
        (asked(PI, _60=b"PXEClient:Arch:00000"), Client(PI, Firmware.RPI, 0)),
        (asked(_60=b"MSFT 5.0"), None),
        (asked(), None),
        (asked(_60=b"pxeclient"), None),
        (asked(op=iana.BOOTREPLY, _60=b"PXEClient"), None),
    ],
)
def test_a_request_says_who_asks(message: Message, client: Client | None) -> None:
    assert pxe.identify(message) == client


def test_the_machine_uuid_is_little_endian_as_smbios_has_it() -> None:
    client = pxe.identify(asked(_60=b"PXEClient", _97=UUID_OPTION))
    assert client is not None
    assert client.uuid == "00112233-4455-6677-8899-aabbccddeeff"


@pytest.mark.parametrize("value", [b"", UUID_OPTION[1:], b"\1" + UUID_OPTION[1:]])
def test_a_broken_uuid_does_not_lose_the_client(value: bytes) -> None:
    client = pxe.identify(asked(_60=b"PXEClient", _97=value))
    assert client is not None
    assert client.uuid is None


@pytest.mark.parametrize(
    ("message", "is_grub"),
    [
        (asked(_53=b"\1"), True),
        (asked(_53=b"\3"), False),
        (asked(_53=b"\1", op=iana.BOOTREPLY), False),
        (asked(_53=b"\1", _61=b"\1RT\0\0\0\1"), False),
        (asked(_53=b"\1", _60=b"PXEClient"), False),
    ],
)
def test_grub_is_who_says_nothing_of_itself(message: Message, is_grub: bool) -> None:
    assert pxe.is_grub(message) is is_grub
