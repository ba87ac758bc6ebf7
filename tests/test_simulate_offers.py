"""Each firmware's choice among offers, case by case."""

import pytest

from netboot.model import Mac
from netboot.simulate.dhcp import Reply
from netboot.simulate.machine import Kind, Stop
from netboot.simulate.offers import Choice, choose

UEFI = [Kind.EDK2_OLD, Kind.EDK2]
DHCP, BOOT, RIVAL = "10.0.0.1", "10.0.0.2", "10.0.0.3"
USE_THIS_FILE, DISCOVER_SERVERS = {6: b"\x08"}, {6: b"\x03", 9: b"menu"}


def offer(
    server: str,
    *,
    yiaddr: str = "",
    siaddr: str = "",
    vendor_class: bytes = b"",
    tags: dict[int, bytes] | None = None,
    vendor: bytes | None = None,
    bootfile: str = "",
    has_dns: bool = False,
) -> Reply:
    return Reply(
        type=2,
        xid=1,
        mac=Mac("52:54:00:00:00:01"),
        source=(server, 67),
        yiaddr=yiaddr,
        siaddr=siaddr,
        server_id=server,
        vendor_class=vendor_class,
        vendor=vendor,
        tags=tags or {},
        bootfile=bootfile,
        tftp_server="",
        has_dns=has_dns,
    )


PLAIN = offer(DHCP, yiaddr="10.0.0.100")
NAMING = offer(DHCP, yiaddr="10.0.0.100", siaddr=DHCP, bootfile="theirs.efi")
LEASE_BINL = offer(DHCP, yiaddr="10.0.0.100", vendor_class=b"PXEClient")
BINL = offer(BOOT, siaddr=BOOT, vendor_class=b"PXEClient")
RIVAL_BINL = offer(RIVAL, siaddr=RIVAL, vendor_class=b"PXEClient")
DIRECT = offer(
    BOOT, siaddr=BOOT, vendor_class=b"PXEClient", tags=USE_THIS_FILE, bootfile="ours.efi"
)
MENU = offer(BOOT, siaddr=BOOT, vendor_class=b"PXEClient", tags=DISCOVER_SERVERS)
IPXE = offer(BOOT, siaddr=BOOT, vendor_class=b"PXEClient", bootfile="http://10.0.0.2/script")
URL = "http://10.0.0.2/a.efi"
HTTP = offer(BOOT, vendor_class=b"HTTPClient", bootfile=URL)
PI = offer(BOOT, siaddr=BOOT, vendor_class=b"PXEClient", vendor=b"\x09\x14Raspberry Pi Boot")

CHOICES = {
    # UEFI: without option 43, the boot file is asked for on port 4011
    ("edk2", "lease and BINL"): (Kind.EDK2, [PLAIN, BINL], Choice(PLAIN, ask=(BINL,))),
    ("edk2-old", "lease and BINL"): (Kind.EDK2_OLD, [PLAIN, BINL], Choice(PLAIN, ask=(BINL,))),
    ("edk2", "the proxy is first"): (Kind.EDK2, [BINL, PLAIN], Choice(PLAIN, ask=(BINL,))),
    ("edk2", "two BINL servers, each in turn"): (
        *(Kind.EDK2, [PLAIN, BINL, RIVAL_BINL]),
        Choice(PLAIN, ask=(BINL, RIVAL_BINL)),
    ),
    ("edk2", "valid 43 wins over BINL"): (
        *(Kind.EDK2, [PLAIN, BINL, DIRECT]),
        Choice(PLAIN, DIRECT),
    ),
    ("edk2-old", "an offer with 43 is lost, BINL is left"): (
        *(Kind.EDK2_OLD, [PLAIN, DIRECT, RIVAL_BINL]),
        Choice(PLAIN, ask=(RIVAL_BINL,)),
    ),
    ("edk2", "BINL wins over the lease's own boot file"): (
        *(Kind.EDK2, [NAMING, BINL]),
        Choice(NAMING, ask=(BINL,)),
    ),
    ("edk2", "the lease's own boot file where nothing else is"): (
        *(Kind.EDK2, [NAMING]),
        Choice(NAMING, NAMING),
    ),
    ("edk2", "the DHCP server is the boot server"): (
        *(Kind.EDK2, [LEASE_BINL]),
        Choice(LEASE_BINL, ask=(LEASE_BINL,)),
    ),
    ("bios", "discovery control 8"): (Kind.BIOS, [PLAIN, DIRECT], Choice(PLAIN, DIRECT)),
    ("bios", "no 43: port 4011"): (Kind.BIOS, [PLAIN, IPXE], Choice(PLAIN, ask=(IPXE,))),
    ("bios", "a plain lease with a boot file"): (Kind.BIOS, [NAMING], Choice(NAMING, NAMING)),
    ("http", "a URL by address"): (Kind.HTTP, [PLAIN, HTTP], Choice(PLAIN, HTTP)),
    ("ipxe", "siaddr and boot file"): (Kind.IPXE, [PLAIN, IPXE], Choice(PLAIN, IPXE)),
    ("ipxe", "the lease's own boot file"): (Kind.IPXE, [NAMING], Choice(NAMING, NAMING)),
    ("rpi", "its own words in 43"): (Kind.RPI, [PLAIN, PI], Choice(PLAIN, PI)),
}


@pytest.mark.parametrize("case", CHOICES, ids=": ".join)
def test_a_firmware_takes(case: tuple[str, str]) -> None:
    kind, offers, choice = CHOICES[case]
    assert choose(kind, offers, has_address=False) == choice


def test_ipxe_asks_on_port_4011_without_siaddr_whatever_file_there_is() -> None:
    without = offer(BOOT, vendor_class=b"PXEClient", bootfile="undionly.kpxe")
    choice = choose(Kind.IPXE, [PLAIN, without], has_address=False)
    assert isinstance(choice, Choice)
    assert (choice.boot, [asked.boot_server for asked in choice.ask]) == (None, [BOOT])


E16 = "PXE-E16: No valid offer received."
HTTP_FAILED = "Error: Could not retrieve NBP file size from HTTP server."
REFUSALS = [
    (Kind.EDK2, [], E16, "nobody answered"),
    (Kind.EDK2, [BINL], E16, "boot offers only"),
    (Kind.EDK2, [PLAIN], E16, "no offer says PXEClient"),
    (Kind.EDK2_OLD, [PLAIN, DIRECT], E16, "loses every proxy offer with discovery options in 43"),
    (Kind.EDK2, [PLAIN, MENU], E16, "10.0.0.2 wants boot server discovery"),
    (Kind.BIOS, [], "PXE-E51", "nobody answered"),
    (Kind.BIOS, [DIRECT], "PXE-E52", "boot offers only"),
    (Kind.BIOS, [PLAIN], "PXE-E53", "names a boot file"),
    (Kind.BIOS, [PLAIN, MENU], "PXE-E78", "discovery"),
    (Kind.HTTP, [PLAIN, BINL], HTTP_FAILED, "no offer says HTTPClient"),
    (
        *(Kind.HTTP, [PLAIN, offer(BOOT, vendor_class=b"HTTPClient:Arch:00016", bootfile=URL)]),
        *(HTTP_FAILED, "says more than HTTPClient"),
    ),
    (
        *(Kind.HTTP, [PLAIN, offer(BOOT, vendor_class=b"HTTPClient", bootfile="a.efi")]),
        *(HTTP_FAILED, "is no URL"),
    ),
    (
        *(Kind.HTTP, [PLAIN, offer(BOOT, vendor_class=b"HTTPClient", bootfile="http://[")]),
        *(HTTP_FAILED, "is no URL"),
    ),
    (
        *(Kind.HTTP, [PLAIN, offer(BOOT, vendor_class=b"HTTPClient", bootfile="http://boot/a")]),
        *(HTTP_FAILED, "the lease has no name server"),
    ),
    (Kind.IPXE, [], "No configuration methods succeeded", "nobody answered"),
    (Kind.IPXE, [IPXE], "No configuration methods succeeded", "boot offers only"),
    (Kind.IPXE, [PLAIN], "Nothing to boot", "no offer names a boot file"),
    (Kind.RPI, [PLAIN, BINL], "Raspberry Pi Boot", "PXEClient in option 60"),
]


@pytest.mark.parametrize(("kind", "offers", "words", "why"), REFUSALS)
def test_a_firmware_says_why_it_takes_none(
    kind: Kind, offers: list[Reply], words: str, why: str
) -> None:
    stop = choose(kind, offers, has_address=False)
    assert isinstance(stop, Stop)
    assert words in stop.words
    assert why in stop.why


def test_a_name_in_a_url_is_good_where_the_lease_has_a_name_server() -> None:
    lease = offer(DHCP, yiaddr="10.0.0.100", has_dns=True)
    named = offer(BOOT, vendor_class=b"HTTPClient", bootfile="http://boot.example/a.efi")
    assert choose(Kind.HTTP, [lease, named], has_address=False) == Choice(lease, named)


@pytest.mark.parametrize(
    ("kind", "proxy"), [*((kind, BINL) for kind in UEFI), (Kind.BIOS, DIRECT), (Kind.IPXE, IPXE)]
)
def test_a_machine_with_an_address_needs_no_lease(kind: Kind, proxy: Reply) -> None:
    choice = choose(kind, [proxy], has_address=True)
    assert isinstance(choice, Choice)
    assert choice.lease is None
    assert proxy in (choice.boot, *choice.ask)


@pytest.mark.parametrize("kind", Kind)
def test_silence_is_silence_also_with_an_address(kind: Kind) -> None:
    stop = choose(kind, [], has_address=True)
    assert isinstance(stop, Stop)
    assert stop.why == "nobody answered"
