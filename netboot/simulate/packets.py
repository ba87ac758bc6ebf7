"""What each firmware sends by DHCP, modelled on captured packets to the byte.

OVMF's PXE and HTTP Boot, the iPXE of a card's ROM, ``snponly.efi`` and ``undionly.kpxe`` were
captured; a BIOS ROM and a Raspberry Pi are as their documents have them.
"""

from dataclasses import dataclass

from netboot.model import Arch, Mac
from netboot.simulate.dhcp import NO_ADDRESS, OPT_CLIENT_ID, RELEASE, Request
from netboot.simulate.machine import Kind, Machine
from netboot.wire import iana

_EFI_LIST = bytes.fromhex("0102030405060c0d0f111216171c28292a2b3233363a3b3c424361")
_PXE_VENDOR_LIST = bytes(range(0x80, 0x88))  # PXE 2.1 table 2-1
_HTTP_LIST = bytes.fromhex("0102030405060c0d0f111216171c28292a2b3233363a3b3ceb4361")
_ROM_LIST = bytes.fromhex("0102030506 0b0c0d0f1011122b363c43".replace(" ", "")) + _PXE_VENDOR_LIST
_PI_LIST = bytes.fromhex("01032b3c4243") + _PXE_VENDOR_LIST
_MTU_MESSAGE = b"\x05\xc0"  # 1472 bytes
_ROM_MESSAGE = b"\x04\xec"
_LARGE_MESSAGE = b"\xff\x00"
"""EDK2 overrides the size it takes once it has chosen an offer."""
_BINL_ORDER = (
    iana.OPT_PARAMETER_LIST,
    iana.OPT_MAX_MESSAGE_SIZE,
    iana.OPT_VENDOR_CLASS,
    iana.OPT_CLIENT_ARCH,
    iana.OPT_CLIENT_NDI,
    iana.OPT_CLIENT_UUID,
)
_UNDI_BIOS, _UNDI_EFI, _UNDI_EFI_IPXE = b"\x01\x02\x01", b"\x01\x03\x00", b"\x01\x03\x0a"


@dataclass(frozen=True, slots=True)
class _Ipxe:
    """One build of iPXE, as captured.

    Attributes:
        flags: the header's flags; older builds asked for unicast.
        features: option 175, by which a server knows iPXE.
    """

    flags: int
    wanted: bytes
    features: bytes
    ndi: bytes


_IPXE_LIST_2019 = bytes.fromhex("010306070c0f111a2b3c4243778081828384858687afcb")
_IPXE_LIST = bytes.fromhex("010306070c0f111a2a2b3c4243778081828384858687afcb")
_IPXE_BUILDS = {
    # (in the card's ROM, under EFI) -> the 2019 ROM of QEMU's cards, and Debian 13's builds
    (True, True): _Ipxe(
        0,
        _IPXE_LIST_2019,
        bytes.fromhex("b105011af41000eb03010000170101240101130101110101270101290101150101120101"),
        _UNDI_EFI_IPXE,
    ),
    (True, False): _Ipxe(
        0,
        _IPXE_LIST_2019,
        bytes.fromhex(
            "b105011af41000eb03010000170101220101130101110101270101190101290101100102210101150101"
            "180101120101"
        ),
        _UNDI_BIOS,
    ),
    (False, True): _Ipxe(
        iana.BROADCAST_FLAG,
        _IPXE_LIST,
        bytes.fromhex(
            "b105011af41000eb03010000260101170101270101240101130101140101110101290101150101120101"
        ),
        _UNDI_EFI_IPXE,
    ),
    (False, False): _Ipxe(
        iana.BROADCAST_FLAG,
        _IPXE_LIST,
        bytes.fromhex(
            "b105011af41000eb03010000260101170101270101220101130101140101110101190101290101100102"
            "210101150101180101120101"
        ),
        _UNDI_BIOS,
    ),
}


@dataclass(frozen=True, slots=True)
class Packets:
    """Builds what a machine sends, first as its firmware and then as iPXE.

    Attributes:
        as_ipxe: whether iPXE speaks; a machine with iPXE in ROM always does.
        chained: whether that iPXE was loaded over the network.
    """

    machine: Machine
    as_ipxe: bool
    chained: bool

    def discover(self, xid: int, secs: int) -> Request:
        """A DISCOVER to everybody on port 67."""
        return self._request(xid, secs, ((iana.OPT_MESSAGE_TYPE, bytes((iana.DISCOVER,))),), ())

    def request(self, xid: int, secs: int, server_id: str, address: str) -> Request:
        """The REQUEST by which the offered address is taken."""
        chosen = (
            (iana.OPT_SERVER_ID, _packed(server_id)),
            (iana.OPT_REQUESTED_ADDRESS, _packed(address)),
        )
        kind = ((iana.OPT_MESSAGE_TYPE, bytes((iana.REQUEST,))),)
        return self._request(xid, secs, kind, chosen)

    def announce(self, xid: int, address: str) -> Request:
        """The REQUEST of a machine that remembers its address (RFC 2131 section 3.2).

        Its answer does not matter: who listens learns which address is whose.
        """
        kind = ((iana.OPT_MESSAGE_TYPE, bytes((iana.REQUEST,))),)
        return self._request(xid, 0, kind, ((iana.OPT_REQUESTED_ADDRESS, _packed(address)),))

    def binl(self, xid: int, secs: int, server_id: str, address: str) -> Request:
        """The REQUEST to a boot server's port 4011; ``address`` is ours by then."""
        kind = ((iana.OPT_MESSAGE_TYPE, bytes((iana.REQUEST,))),)
        if self.as_ipxe or self.machine.kind is Kind.BIOS:
            named = ((iana.OPT_SERVER_ID, _packed(server_id)),)
            made = self._request(xid, secs, kind, named)
        else:  # EDK2 names no server here, and has an order of its own
            made = self._request(xid, secs, kind, ())
            by_code = dict(made.options)
            options = (*kind, *((code, by_code[code]) for code in _BINL_ORDER))
            made = Request(xid, made.mac, options, secs)
        return Request(xid, made.mac, made.options, secs, made.flags, address)

    def release(self, xid: int, server_id: str, address: str) -> Request:
        """Gives the address back, which no firmware does: fakes must not use up a range."""
        options = [
            (iana.OPT_MESSAGE_TYPE, bytes((RELEASE,))),
            (iana.OPT_SERVER_ID, _packed(server_id)),
        ]
        if self.as_ipxe:
            options.append((OPT_CLIENT_ID, _client_id(self.machine.mac)))
        return Request(xid, self.machine.mac, tuple(options), ciaddr=address)

    def _request(
        self,
        xid: int,
        secs: int,
        kind: tuple[tuple[int, bytes], ...],
        chosen: tuple[tuple[int, bytes], ...],
    ) -> Request:
        flags, options = self._ipxe(kind, chosen) if self.as_ipxe else self._firmware(kind, chosen)
        if self.machine.broadcast:
            flags = iana.BROADCAST_FLAG
        giaddr = self.machine.giaddr
        return Request(xid, self.machine.mac, options, secs, flags, NO_ADDRESS, giaddr)

    def _ipxe(
        self, kind: tuple[tuple[int, bytes], ...], chosen: tuple[tuple[int, bytes], ...]
    ) -> tuple[int, tuple[tuple[int, bytes], ...]]:
        arch = self.machine.arch
        build = _IPXE_BUILDS[not self.chained, arch != Arch.BIOS]
        undi = "003010" if arch != Arch.BIOS else "002001"
        # one that was chained finds the vendor class in the offer its firmware was given
        vendor_class = "PXEClient" if self.chained else f"PXEClient:Arch:{arch:05}:UNDI:{undi}"
        return build.flags, (
            *kind,
            (iana.OPT_MAX_MESSAGE_SIZE, _MTU_MESSAGE),
            (iana.OPT_CLIENT_ARCH, arch.to_bytes(2)),
            (iana.OPT_CLIENT_NDI, build.ndi),
            (iana.OPT_VENDOR_CLASS, vendor_class.encode()),
            (iana.OPT_USER_CLASS, b"iPXE"),
            (iana.OPT_PARAMETER_LIST, build.wanted),
            *((iana.OPT_IPXE, build.features),),
            (OPT_CLIENT_ID, _client_id(self.machine.mac)),
            (iana.OPT_CLIENT_UUID, b"\0" + self.machine.uuid.bytes_le),
            *chosen,
        )

    def _firmware(
        self, kind: tuple[tuple[int, bytes], ...], chosen: tuple[tuple[int, bytes], ...]
    ) -> tuple[int, tuple[tuple[int, bytes], ...]]:
        machine, arch = self.machine, self.machine.arch
        uuid = b"\0" + machine.uuid.bytes_le
        if machine.kind is Kind.RPI:
            uuid = b"\0RPi4" + bytes(4) + bytes.fromhex(machine.mac[6:].replace(":", "") * 2)
            wanted, size, ndi = _PI_LIST, _MTU_MESSAGE, _UNDI_BIOS
        elif machine.kind is Kind.BIOS:
            wanted, size, ndi = _ROM_LIST, _ROM_MESSAGE, _UNDI_BIOS
        elif machine.kind is Kind.HTTP:
            wanted, size, ndi = _HTTP_LIST, _MTU_MESSAGE, _UNDI_EFI
        else:
            size = _LARGE_MESSAGE if chosen else _MTU_MESSAGE
            wanted, ndi = _EFI_LIST + _PXE_VENDOR_LIST, _UNDI_EFI
        client = "HTTPClient" if machine.kind is Kind.HTTP else "PXEClient"
        undi = "002001" if ndi == _UNDI_BIOS else "003000"
        flags = 0 if machine.kind is Kind.RPI else iana.BROADCAST_FLAG
        return flags, (
            *kind,
            *chosen,
            (iana.OPT_MAX_MESSAGE_SIZE, size),
            (iana.OPT_PARAMETER_LIST, wanted),
            (iana.OPT_CLIENT_UUID, uuid),
            (iana.OPT_CLIENT_NDI, ndi),
            (iana.OPT_CLIENT_ARCH, arch.to_bytes(2)),
            (iana.OPT_VENDOR_CLASS, f"{client}:Arch:{arch:05}:UNDI:{undi}".encode()),
        )


def _client_id(mac: Mac) -> bytes:
    return bytes((iana.HTYPE_ETHERNET,)) + bytes.fromhex(mac.replace(":", ""))


def _packed(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))
