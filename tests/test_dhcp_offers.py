"""DISCOVER in, OFFER out: what is kept between two of them changes no byte of an answer."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.boot import dhcp as dhcp_module
from netboot.boot.dhcp import ProxyDhcp
from netboot.boot.journal import Note
from netboot.decision import Decision, Shape, Verdict
from netboot.events import Kind
from netboot.model import Client, Mac, Server
from netboot.wire import dhcp4, iana, udp4
from netboot.wire.dhcp4 import NO_ADDRESS, Message

LAN, ADDRESS, OTHER_ADDRESS = "lan", "192.0.2.1", "192.0.2.2"
RELAY = "198.51.100.1"
MACS = [Mac(f"52:54:00:00:00:0{number}") for number in range(3)]
IGNORED = Decision(Verdict.IGNORE, ("nobody knows it",))
DECISIONS = [
    IGNORED,
    *(
        Decision(Verdict.LOADER, (f"why {why}",), "debian-12", loader, shape, lesson)
        for why, shape in enumerate((Shape.BINL, Shape.DISCOVERY_CONTROL, Shape.HTTP))
        for loader in ("snponly.efi", "ipxe.efi")
        for lesson in ("", "it asked 3 times")
    ),
    Decision(Verdict.SCRIPT, ("it speaks as iPXE",), "debian-12", None, Shape.BOOTFILE),
]
Told = tuple[Kind, Mac, str, dict[str, str | int]]


class NoReactor:
    """Nothing is waited for."""

    def addReader(self, reader: object) -> None: ...  # noqa: N802 -- twisted's name

    def removeReader(self, reader: object) -> None: ...  # noqa: N802 -- twisted's name


@dataclass
class Responder:
    """A ProxyDHCP responder without sockets; what was decided is set from outside."""

    decision: Decision = DECISIONS[1]
    asked: list[Client] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.towards: str | None = OTHER_ADDRESS
        self.proxy = ProxyDhcp(NoReactor(), self, {LAN: ADDRESS})
        self.proxy._ports = {LAN: self}  # type: ignore[dict-item]
        self.proxy._raw = self  # type: ignore[assignment]
        self.proxy._towards = lambda _relay: self.towards  # type: ignore[assignment]

    def hears(self, message: Message) -> tuple[list[tuple[str, bytes]], list[Told]]:
        """What it sends, and to whom, and what it writes down."""
        self.sent, self.told = [], []
        self.proxy._on_dhcp_port(LAN, dhcp4.build(message))
        return self.sent, self.told

    # the interface, and the way to relays

    def broadcast(self, packet: bytes) -> None:
        self.sent.append(("everybody", bytes(packet)))

    def send(self, target: str, packet: bytes) -> None:
        self.sent.append((target, bytes(packet)))

    # the plane

    def discovered(self, client: Client) -> Decision:
        self.asked.append(client)
        return self.decision

    def decide(self, client: Client) -> Decision:  # noqa: ARG002 -- the plane's signature
        return self.decision

    def begins(self, mac: Mac) -> None:
        self.told.append((Kind.DISCOVER, mac, "a boot begins", {}))

    def took_offer(self, mac: Mac) -> None: ...

    def heard(self, mac: Mac, address: str) -> None: ...

    def server(self, address: str) -> Server:
        return Server(address, address, 8080)

    def record(self, kind: Kind, mac: Mac, detail: str, **data: str | int) -> None:
        self.told.append((kind, mac, detail, data))

    def exchanged(self, mac: Mac, notes: tuple[Note, ...]) -> None:
        self.told += [(note.kind, mac, note.detail, dict(note.data)) for note in notes]


def discover(
    mac: Mac = MACS[0], xid: int = 1, secs: int = 0, arch: int = 7, giaddr: str = NO_ADDRESS
) -> Message:
    options = {
        iana.OPT_MESSAGE_TYPE: bytes([iana.DISCOVER]),
        iana.OPT_VENDOR_CLASS: b"PXEClient",
        iana.OPT_CLIENT_ARCH: arch.to_bytes(2),
        iana.OPT_CLIENT_UUID: bytes(17),
    }
    return Message(iana.BOOTREQUEST, xid, mac, options, secs=secs, giaddr=giaddr)


@pytest.fixture
def responder() -> Responder:
    return Responder()


KEEPS, FORGETS = Responder(), Responder()
DISCOVERS = st.builds(
    discover,
    st.sampled_from(MACS),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**16 - 1),
    st.sampled_from([0, 7]),
    st.sampled_from([NO_ADDRESS, RELAY]),
)
STEPS = st.tuples(DISCOVERS, st.sampled_from(DECISIONS), st.sampled_from([OTHER_ADDRESS, None]))


@given(st.lists(STEPS, max_size=12))
def test_who_asks_again_gets_what_one_gets_who_asks_first(
    steps: list[tuple[Message, Decision, str | None]],
) -> None:
    for message, decision, towards in steps:
        for responder in (KEEPS, FORGETS):
            responder.decision = replace(decision)  # another object of the same value
            responder.towards = towards
        FORGETS.proxy._asked.clear()
        assert KEEPS.hears(message) == FORGETS.hears(message)
    assert KEEPS.asked == FORGETS.asked  # whoever asks again is counted again


def test_asking_again_gets_the_new_xid_and_is_not_parsed(
    responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    responder.hears(discover(xid=1))
    monkeypatch.setattr(dhcp4, "parse", None)
    [(_, packet)] = responder.hears(discover(xid=0xFFFFFFFF, secs=4))[0]
    monkeypatch.undo()
    assert dhcp4.parse(udp4.payload(packet)).xid == 0xFFFFFFFF


def test_a_machine_tried_with_one_shape_after_the_other_keeps_one_answer_each(
    responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = [replace(DECISIONS[1], shape=shape) for shape in (Shape.BINL, Shape.BOOTFILE)]
    for responder.decision in shapes:
        responder.hears(discover())
    monkeypatch.setattr(dhcp_module, "prepare", None)
    for responder.decision in shapes:
        responder.hears(discover())
        assert responder.told[1][3]["shape"] == responder.decision.shape


def test_nothing_is_kept_of_who_gets_no_answer(responder: Responder) -> None:
    responder.hears(discover())
    assert len(responder.proxy._asked) == 1
    responder.decision = IGNORED
    sent, told = responder.hears(discover())
    assert (sent, [kind for kind, *_ in told]) == ([], [Kind.DISCOVER, Kind.IGNORED])
    assert not responder.proxy._asked


def test_what_is_kept_is_bounded(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dhcp_module, "MAX_ASKED", 2)
    for mac in MACS:
        responder.hears(discover(mac))
    assert len(responder.proxy._asked) == 2


def test_a_relay_is_answered_from_the_address_on_its_route(responder: Responder) -> None:
    for towards, source in ((OTHER_ADDRESS, OTHER_ADDRESS), (None, ADDRESS)):
        responder.towards = towards
        [(target, packet)] = responder.hears(discover(giaddr=RELAY))[0]
        assert (target, udp4.parse(packet).source) == (RELAY, source)
        assert responder.told[0][3]["relay"] == RELAY


def test_grub_from_a_cd_begins_a_boot_and_is_not_answered(responder: Responder) -> None:
    said = {iana.OPT_MESSAGE_TYPE: bytes([iana.DISCOVER])}
    sent, told = responder.hears(Message(iana.BOOTREQUEST, 1, MACS[0], said))
    assert (sent, told) == ([], [(Kind.DISCOVER, MACS[0], "a boot begins", {})])
    said[iana.OPT_VENDOR_CLASS] = b"MSFT 5.0"
    assert responder.hears(Message(iana.BOOTREQUEST, 1, MACS[0], said)) == ([], [])
