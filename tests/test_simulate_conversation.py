"""Whole boots on a fake clock against a scripted site, and every way they can fail, named."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP

from netboot.model import Arch, Mac
from netboot.simulate.conversation import Command, Conversation
from netboot.simulate.effects import Got, HttpGet, Problem, Send, TftpGet
from netboot.simulate.firmware import FIRMWARE
from netboot.simulate.machine import STAGES, Kind, Machine, Outcome, Stage

MAC = Mac("52:54:00:00:00:01")
TYPE = "message-type"
HOST, LEASED = "10.0.0.50", "10.0.0.100"
DHCP_SERVER, BOOT = "10.0.0.1", "10.0.0.2"
SCRIPT = f"http://{BOOT}:8080/ipxe/{MAC}"
DEBIAN = f"""#!ipxe
kernel http://{BOOT}:8080/linux initrd=initrd.gz url=http://{BOOT}:8080/preseed.cfg || goto failed
initrd /initrd.gz || goto failed
boot
:failed
exit 1
"""
USE_THIS_FILE = (43, b"\x06\x01\x08\xff")
PI_MENU = (43, b"\x06\x01\x03\x0a\x04\x00PXE\x09\x14\x00\x00\x11Raspberry Pi Boot\xff")
BINL = [("server_id", BOOT), (60, b"PXEClient")]
FILES = {
    "tftp://10.0.0.2/snponly.efi": b"MZ" * 500,
    "tftp://10.0.0.2/undionly.kpxe": b"PX" * 500,
    "http://10.0.0.2:8080/snponly.efi": b"MZ" * 500,
    "tftp://10.0.0.2/325e0000/start4.elf": b"elf",
    "tftp://10.0.0.2/325e0000/kernel8.img": b"kernel",
    SCRIPT: DEBIAN.encode(),
    "http://10.0.0.2:8080/linux": b"kernel",
    "http://10.0.0.2:8080/initrd.gz": b"initrd",
    "http://10.0.0.2:8080/preseed.cfg": b"d-i",
}
Options = list[tuple[object, ...]]
Sent = tuple[tuple[int, int], dict[object, object]]


def proxied(options: dict[object, object]) -> Options | None:
    """What a boot server that knows every firmware offers."""
    if options.get("user_class") or 175 in options or b"iPXE" in options.values():
        return [*BINL, (67, SCRIPT.encode())]
    if str(options["vendor_class_id"]).startswith("b'HTTPClient"):
        url = b"http://10.0.0.2:8080/snponly.efi"
        return [("server_id", BOOT), (60, b"HTTPClient"), (67, url)]
    if options["pxe_client_architecture"] == b"\0\0":
        return [*BINL, USE_THIS_FILE, (67, b"undionly.kpxe")]
    return BINL


@dataclass
class Site:
    """What answers. ``offers`` and ``binl`` are asked with a request's options."""

    leases: bool = True
    lease_options: Options = field(default_factory=list)
    confirms: int | None = 5
    offers: Callable[[dict[object, object]], Options | None] = proxied
    siaddr: str = BOOT
    binl: Options | None = field(default_factory=lambda: [*BINL, (67, b"snponly.efi")])
    binl_port: int | None = None
    files: dict[str, bytes | Got] = field(default_factory=lambda: dict(FILES))
    sent: list[Sent] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    def answer(self, send: Send) -> list[tuple[bytes, tuple[str, int], int]]:
        """Payload, source and destination port of each reply."""
        request = BOOTP(send.payload)
        options = dict(option[:2] for option in request[DHCP].options if isinstance(option, tuple))
        self.sent.append((send.ports, options))
        kind = options[TYPE]
        if send.server and send.ports[1] == 4011:
            if self.binl is None:
                return []
            ack = made(request, 5, self.binl, siaddr=self.siaddr)
            return [(ack, (send.server, 4011), self.binl_port or send.ports[0])]
        main, boot = (DHCP_SERVER, 67), (BOOT, 67)
        named = [("server_id", DHCP_SERVER), *self.lease_options]
        replies = []
        if kind == 1 and (extra := self.offers(options)) is not None:
            replies.append((made(request, 2, extra, siaddr=self.siaddr), boot, send.ports[0]))
        if kind == 1 and self.leases:
            replies.append((made(request, 2, named, yiaddr=LEASED), main, send.ports[0]))
        if kind == 3 and self.confirms is not None:
            replies.append(
                (made(request, self.confirms, named, yiaddr=LEASED), main, send.ports[0])
            )
        return replies

    def fetch(self, get: TftpGet | HttpGet) -> Got:
        url = get.url if isinstance(get, HttpGet) else f"tftp://{get.server}/{get.name}"
        self.read.append(f"{'?' if getattr(get, 'probe', getattr(get, 'head', 0)) else ''}{url}")
        found = self.files.get(url, Got(Problem.MISSING, "not here"))
        if isinstance(found, Got):
            return found
        return Got(None, "", len(found), found[: get.keep])


def made(request: BOOTP, kind: int, options: Options, **header: str) -> bytes:
    reply = BOOTP(op=2, xid=request.xid, chaddr=request.chaddr, **header)
    return bytes(reply / DHCP(options=[("message-type", kind), *options, "end"]))


def machine(kind: Kind, *, eager: bool = False, has_address: bool = False) -> Machine:
    mac = Mac("dc:a6:32:5e:00:00") if kind is Kind.RPI else MAC
    arch = FIRMWARE[kind].archs[0]
    return Machine(mac, kind, arch, HOST, has_address=has_address, xid=256, eager=eager)


def boot(who: Machine, site: Site, until: Stage | None = None, limit: float = 600) -> Outcome:
    """Let it boot; whatever it asks is answered at once, and time passes only while it waits."""
    conversation, now = Conversation(who, until or STAGES[who.kind][-1]), 0.0
    todo: list[Command] = conversation.start(now)
    while conversation.outcome is None:
        while todo:
            command = todo.pop(0)
            if isinstance(command, Send):
                for payload, source, port in site.answer(command):
                    todo += conversation.receive(payload, source, port, now)
            else:
                todo += conversation.got(site.fetch(command), now)
        if conversation.outcome is None:
            assert conversation.timer is not None, "it waits for nothing"
            if conversation.timer > limit:
                todo = conversation.give_up(limit, f"given up after {limit:g} s")
            now = conversation.timer or now
            todo += conversation.tick(now)
    for command in todo:
        assert isinstance(command, Send)
        site.answer(command)
    return conversation.outcome


@pytest.mark.parametrize("kind", Kind)
def test_each_firmware_boots_through_all_its_stages(kind: Kind) -> None:
    def offers(options: dict[object, object]) -> Options | None:
        return [*BINL, PI_MENU] if kind is Kind.RPI else proxied(options)

    outcome = boot(machine(kind), Site(offers=offers))
    assert outcome.stop is None
    assert tuple(outcome.times) == STAGES[kind]
    assert list(outcome.times.values()) == sorted(outcome.times.values())
    assert outcome.stage is STAGES[kind][-1]


def test_edk2_reads_as_captured_and_ends_as_ipxe() -> None:
    site = Site()
    boot(machine(Kind.EDK2), site)
    assert site.read == [
        "?tftp://10.0.0.2/snponly.efi",
        "tftp://10.0.0.2/snponly.efi",
        "tftp://10.0.0.2/autoexec.ipxe",
        SCRIPT,
        "http://10.0.0.2:8080/linux",
        "http://10.0.0.2:8080/initrd.gz",
        "http://10.0.0.2:8080/preseed.cfg",
    ]
    kinds = [(ports, options[TYPE]) for ports, options in site.sent]
    assert kinds == [
        ((68, 67), 1),
        ((68, 67), 3),
        ((4011, 4011), 3),
        ((68, 67), 1),
        ((68, 67), 3),
        ((68, 67), 7),  # the lease is given back
    ]


def test_http_boot_asks_for_the_size_and_for_autoexec_beside_its_loader() -> None:
    site = Site()
    boot(machine(Kind.HTTP), site)
    loader = "http://10.0.0.2:8080/snponly.efi"
    assert site.read[:3] == [f"?{loader}", loader, "http://10.0.0.2:8080/autoexec.ipxe"]


def test_a_bios_ipxe_asks_for_no_autoexec() -> None:
    site = Site()
    boot(machine(Kind.BIOS), site)
    assert not any("autoexec" in url for url in site.read)


def test_autoexec_leads_to_the_script_without_dhcp() -> None:
    autoexec = b"#!ipxe\nisset ${net0/ip} && chain --replace " + SCRIPT.encode()
    site = Site(files={**FILES, "tftp://10.0.0.2/autoexec.ipxe": autoexec})
    assert boot(machine(Kind.EDK2), site).stop is None
    assert [options[TYPE] for _, options in site.sent].count(1) == 1


@pytest.mark.parametrize(
    ("kind", "eager", "seconds"),
    [
        (Kind.EDK2, False, 4.0),  # EDK2 listens for the whole of its first wait
        (Kind.EDK2, True, 0.0),
        (Kind.IPXE, False, 0.0),  # iPXE goes on once it has both offers
    ],
)
def test_a_firmware_listens_as_long_as_it_does(kind: Kind, eager: bool, seconds: float) -> None:
    outcome = boot(machine(kind, eager=eager), Site(), until=Stage.SCRIPT)
    assert outcome.times[Stage.OFFER] == 0.0
    assert outcome.times[Stage.SCRIPT] == seconds


def test_ipxe_waits_two_seconds_for_a_boot_offer() -> None:
    site = Site(offers=lambda _: None, lease_options=[(67, SCRIPT.encode())])
    assert boot(machine(Kind.IPXE), site).times[Stage.SCRIPT] == 2.0


@pytest.mark.parametrize(("kind", "port"), [(Kind.EDK2, 4011), (Kind.BIOS, 68), (Kind.IPXE, 68)])
def test_port_4011_is_asked_from_the_port_that_is_listened_on(kind: Kind, port: int) -> None:
    file = b"snponly.efi" if kind is not Kind.IPXE else SCRIPT.encode()

    def offers(options: dict[object, object]) -> Options | None:
        return proxied(options) if b"iPXE" in options.values() and kind is Kind.BIOS else BINL

    site = Site(offers=offers, binl=[*BINL, (67, file)])
    assert boot(machine(kind), site, until=STAGES[kind][1]).stop is None
    assert (port, 4011) in [ports for ports, _ in site.sent]
    site = Site(offers=offers, binl=[*BINL, (67, file)], binl_port=68 if port == 4011 else 4011)
    assert boot(machine(kind), site).stop is not None


def test_with_an_address_of_its_own_it_boots_without_a_dhcp_server() -> None:
    site = Site(leases=False, confirms=None)
    assert boot(machine(Kind.EDK2, has_address=True), site).stop is None
    requests = [options for ports, options in site.sent if (ports[1], options[TYPE]) == (67, 3)]
    assert [options["requested_addr"] for options in requests] == [HOST, HOST]  # it says which
    assert not any("server_id" in options for options in requests)


def test_a_raspberry_pi_takes_files_at_the_root_where_its_serial_has_none() -> None:
    files: dict[str, bytes | Got] = {
        "tftp://10.0.0.2/start4.elf": b"elf",
        "tftp://10.0.0.2/kernel8.img": b"kernel",
    }
    site = Site(offers=lambda _: [*BINL, PI_MENU], files=files)
    assert boot(machine(Kind.RPI), site).stop is None
    assert site.read.index("tftp://10.0.0.2/325e0000/start4.elf") < site.read.index(
        "tftp://10.0.0.2/start4.elf"
    )


TIMED_OUT = Got(Problem.NO_ANSWER, "no answer")
BROKEN = Got(Problem.BROKE_OFF, "after 12 bytes")
ERROR_2 = Got(Problem.REFUSED, "TFTP error 2: Access violation")


def without(url: str, instead: Got | bytes | None = None) -> Site:
    files: dict[str, bytes | Got] = {**FILES}
    files.pop(url)
    if instead is not None:
        files[url] = instead
    return Site(files=files)


EFI, KPXE = "tftp://10.0.0.2/snponly.efi", "tftp://10.0.0.2/undionly.kpxe"
HTTP_EFI, LINUX = "http://10.0.0.2:8080/snponly.efi", "http://10.0.0.2:8080/linux"
SILENT = Site(leases=False, offers=lambda _: None)
FAILURES = {
    "edk2: nobody": (Kind.EDK2, SILENT, None, "PXE-E16: No valid offer received."),
    "edk2: 4011 silent": (Kind.EDK2, Site(binl=None), Stage.OFFER, "PXE-E16", "port 4011"),
    "edk2: 4011 names no file": (Kind.EDK2, Site(binl=BINL), Stage.OFFER, "PXE-E16"),
    "edk2: no ACK": (Kind.EDK2, Site(confirms=None), Stage.OFFER, "PXE-E16", "did not confirm"),
    "edk2: NAK": (Kind.EDK2, Site(confirms=6), Stage.OFFER, "PXE-E16", "DHCPNAK"),
    "edk2: no file": (Kind.EDK2, without(EFI), Stage.OFFER, "PXE-E23"),
    "edk2: TFTP silent": (Kind.EDK2, without(EFI, TIMED_OUT), Stage.OFFER, "PXE-E18"),
    "bios: nobody": (Kind.BIOS, SILENT, None, "PXE-E51"),
    "bios: no lease": (Kind.BIOS, Site(leases=False), None, "PXE-E52"),
    "bios: no boot": (Kind.BIOS, Site(offers=lambda _: None), None, "PXE-E53"),
    "bios: 4011 silent": (
        *(Kind.BIOS, Site(offers=lambda _: BINL, binl=None), Stage.OFFER),
        "PXE-E55: ProxyDHCP: No reply to request on port 4011",
    ),
    "bios: no file": (Kind.BIOS, without(KPXE), Stage.OFFER, "PXE-T01: File not found"),
    "bios: TFTP silent": (Kind.BIOS, without(KPXE, TIMED_OUT), Stage.OFFER, "PXE-E32"),
    "bios: TFTP breaks off": (Kind.BIOS, without(KPXE, BROKEN), Stage.OFFER, "PXE-E35"),
    "bios: TFTP error": (Kind.BIOS, without(KPXE, ERROR_2), Stage.OFFER, "PXE-E36", "Access"),
    "http: nobody": (Kind.HTTP, SILENT, None, "Server response timeout"),
    "http: no file": (Kind.HTTP, without(HTTP_EFI), Stage.OFFER, "404 Not Found"),
    "ipxe: nobody": (Kind.IPXE, SILENT, None, "No configuration methods succeeded"),
    "ipxe: no boot": (Kind.IPXE, Site(offers=lambda _: None), None, "Nothing to boot"),
    "ipxe: no script": (
        *(Kind.IPXE, without(SCRIPT), Stage.OFFER),
        f"iPXE: {SCRIPT}: No such file or directory",
    ),
    "ipxe: HTTP silent": (
        *(Kind.IPXE, without(SCRIPT, TIMED_OUT), Stage.OFFER),
        "Connection timed out",
    ),
    "ipxe: given a loader": (*(Kind.IPXE, without(SCRIPT, b"MZ"), Stage.OFFER, "is no script"),),
    "ipxe: no kernel": (Kind.IPXE, without(LINUX), Stage.SCRIPT, "the script exit 1"),
    "ipxe: no preseed": (
        *(Kind.IPXE, without("http://10.0.0.2:8080/preseed.cfg"), Stage.INITRD),
        "Failed to retrieve the preconfiguration file",
    ),
    "ipxe: kernel without url=": (
        *(Kind.IPXE, without(SCRIPT, f"#!ipxe\nkernel {LINUX}\nboot".encode()), Stage.KERNEL),
        *("The kernel starts", "names no preseed"),
    ),
    "ipxe: a script that ends": (
        *(Kind.IPXE, without(SCRIPT, b"#!ipxe\necho hello"), Stage.SCRIPT),
        "ended without booting",
    ),
    "ipxe: a mad URL": (
        *(Kind.IPXE, without(SCRIPT, b"#!ipxe\nchain http://[x"), Stage.SCRIPT, "http://[x"),
    ),
    "rpi: not for it": (Kind.RPI, Site(offers=lambda _: BINL), None, "Raspberry Pi Boot"),
    "rpi: no firmware": (
        *(Kind.RPI, Site(offers=lambda _: [*BINL, PI_MENU], files={}), Stage.OFFER),
        *("Firmware not found", "tftp://10.0.0.2/start4.elf"),
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_boot_that_stops_says_why(name: str) -> None:
    kind, site, stage, *said = FAILURES[name]
    outcome = boot(machine(kind), site)
    assert outcome.stage is stage
    assert outcome.stop is not None
    for words in said:
        assert words in str(outcome.stop)


def test_given_up_it_says_what_it_waited_for() -> None:
    outcome = boot(machine(Kind.EDK2), Site(leases=False, offers=lambda _: None), limit=5)
    assert str(outcome.stop) == (
        "PXE-E16: No valid offer received. (nobody answered; given up after 5 s)"
    )
    assert outcome.seconds == 5.0


def test_it_stops_at_the_stage_that_is_enough() -> None:
    site = Site()
    outcome = boot(machine(Kind.EDK2), site, until=Stage.LOADER)
    assert (outcome.stop, outcome.stage, outcome.bytes) == (None, Stage.LOADER, 1000)
    assert site.read[-1] == EFI


def test_a_lease_it_was_given_is_given_back_also_after_a_failure() -> None:
    site = without(EFI)
    boot(machine(Kind.EDK2), site)
    assert site.sent[-1][1]["message-type"] == 7
    site = Site(leases=False)
    boot(machine(Kind.EDK2), site)
    assert all(options[TYPE] != 7 for _, options in site.sent)


def test_replies_to_others_are_not_heard() -> None:
    conversation = Conversation(machine(Kind.IPXE), Stage.SCRIPT)
    [discover] = conversation.start(0.0)
    assert isinstance(discover, Send)
    request = BOOTP(discover.payload)
    good = made(request, 2, [("server_id", DHCP_SERVER), (67, b"x")], yiaddr=LEASED)
    for wrong in (
        made(BOOTP(discover.payload, xid=1), 2, []),
        good[:4] + b"\0\0\0\0" + good[8:],
        good[:28] + b"\x02" * 6 + good[34:],
        good[:100],
    ):
        assert conversation.receive(wrong, (DHCP_SERVER, 67), 68, 0.1) == []
    conversation.receive(good, (DHCP_SERVER, 67), 67, 0.1)  # to another port
    conversation.receive(good, (DHCP_SERVER, 1067), 68, 0.1)  # not from a server's
    assert conversation.timer is not None
    assert conversation.timer == 1.0
    conversation.receive(good, (DHCP_SERVER, 67), 68, 0.1)
    assert conversation.timer == 1.0
    assert conversation.stage is Stage.OFFER


class Everywhere(dict[str, bytes | Got]):
    """One file by every name."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = content

    def get(self, *_: object) -> bytes:  # type: ignore[override]
        return self.content


hostile_options = st.lists(
    st.tuples(
        st.sampled_from([43, 52, 54, 60, 66, 67]),
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [b"PXEClient", b"HTTPClient", b"\x0a\0\0\2", b"http://[", b"://[x", b"tftp://a:b/c"]
            ),
        ),
    ),
    max_size=6,
)
hostile_scripts = st.one_of(
    st.binary(max_size=200).map(lambda raw: b"#!ipxe\n" + raw),
    st.lists(
        st.sampled_from(
            ["chain http://[", "chain //", "kernel tftp://[/x", "boot", "sleep 9e9", "set ${a} ${",
             "goto", ":", "|| && ||", "inc a 0x", "item", "choose x", "dhcp", "sleep 999999999999",
             "initrd ://", "exit", "chain --name", "kernel x url=http://["]
        ),
        max_size=8,
    ).map(lambda lines: ("#!ipxe\n" + "\n".join(lines)).encode()),
)  # fmt: skip


@given(st.sampled_from(list(Kind)), hostile_options, hostile_scripts, st.booleans())
def test_whatever_servers_say_it_ends_with_an_outcome(
    kind: Kind, options: Options, script: bytes, leases: bool
) -> None:
    site = Site(leases=leases, offers=lambda _: options, binl=options, files=Everywhere(script))
    assert boot(machine(kind, has_address=True), site).seconds <= 600


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_whatever_datagrams_come_nothing_is_raised(datagrams: list[bytes]) -> None:
    conversation = Conversation(machine(Kind.EDK2), Stage.PRESEED)
    [discover] = conversation.start(0.0)
    assert isinstance(discover, Send)
    header = made(BOOTP(discover.payload), 2, [])[:240]
    for raw in datagrams:
        conversation.receive(raw, (BOOT, 67), 68, 0.1)
        conversation.receive(header + raw, (BOOT, 67), 68, 0.1)
    conversation.got(Got(), 0.2)
    assert conversation.outcome is None


def test_arch_decides_what_scripts_see() -> None:
    script = b"#!ipxe\niseq ${platform} pcbios && exit 7 || exit 8"
    site = without(SCRIPT, script)
    bios = Machine(MAC, Kind.IPXE, Arch.BIOS, HOST)
    assert "exit 7" in str(boot(bios, site).stop)
    assert "exit 8" in str(boot(machine(Kind.IPXE), site).stop)
