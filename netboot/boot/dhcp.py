"""ProxyDHCP: datagram in, decision, reply out. The conversation itself is in ``answer``."""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from functools import lru_cache, partial
from socket import inet_ntoa
from typing import Protocol

from netboot.answer import proxydhcp
from netboot.answer.splice import splice
from netboot.boot.compose import templates
from netboot.boot.journal import Note
from netboot.boot.offers import Asked, Offer, asks, chaddr, prepare, question, sentence
from netboot.boot.packet import PacketPort, RawSender, address_towards
from netboot.boot.tables import remember
from netboot.boot.tally import ACKNOWLEDGED, IGNORED, NOT_FOR_US, OFFERED, Tally
from netboot.boot.udp import Reactor, UdpPort
from netboot.decision import Decision
from netboot.errors import MalformedPacket
from netboot.events import Kind
from netboot.model import Client, Mac, Server
from netboot.wire import dhcp4, iana, pxe
from netboot.wire.dhcp4 import NO_ADDRESS, Message

MAX_SERVER_ADDRESSES = 64
"""Addresses of ours that templates are kept for: one an interface, and one a route to a relay."""

MAX_RELAYS = 256
"""Relays whose route is remembered until the next look."""

MAX_ASKED = 16_384
"""Machines whose last DISCOVER and its OFFERs are kept, some 3 KB each."""


class Plane(Protocol):
    """What the responder needs to know of everything else."""

    def discovered(self, client: Client) -> Decision:
        """What a DISCOVER of ``client`` is answered with."""

    def decide(self, client: Client) -> Decision:
        """What ``client`` gets."""

    def begins(self, mac: Mac) -> None:
        """A boot of ``mac`` begins that asks for nothing but an address."""

    def took_offer(self, mac: Mac) -> None:
        """``mac`` took what it was offered."""

    def server(self, address: str) -> Server:
        """How machines that reach us at ``address`` are told to come back."""

    def heard(self, mac: Mac, address: str) -> None:
        """``mac`` uses ``address`` now."""

    def record(self, kind: Kind, mac: Mac, detail: str, **data: str | int) -> None:
        """Write one line of the timeline."""

    def exchanged(self, mac: Mac, notes: tuple[Note, ...]) -> None:
        """Write an answered question, all of it or none where there are too many."""


class ProxyDhcp:
    """Answers DISCOVER on every interface and REQUEST on port 4011.

    Args:
        reactor: where to wait.
        plane: who decides and writes down.
        addresses: interface name → the IPv4 address advertised there.
    """

    def __init__(self, reactor: Reactor, plane: Plane, addresses: Mapping[str, str]) -> None:
        self._plane = plane
        self._addresses = addresses
        self._advertised = set(addresses.values())
        self.drops: Counter[str] = Counter()
        self.tally = Tally()
        self._ports = {
            name: PacketPort(reactor, name, partial(self._on_dhcp_port, name), self.drops)
            for name in addresses
        }
        self._pxe = UdpPort(reactor, "0.0.0.0", iana.PXE_PORT, self._on_pxe_port)  # noqa: S104 -- requests for other addresses than ours are dropped
        self._raw: RawSender | None = None
        self._asked: OrderedDict[tuple[str, bytes], Asked] = OrderedDict()
        self._templates = lru_cache(MAX_SERVER_ADDRESSES)(templates)
        self._towards = lru_cache(MAX_RELAYS)(address_towards)

    def start(self) -> None:
        """Open every port and prepare every template.

        Raises:
            OSError: 4011 is held, an interface is away, or we are not permitted.
        """
        self._pxe.start()
        self._raw = RawSender(self.drops)
        for port in self._ports.values():
            port.start()
        for address in self._addresses.values():
            self._templates(address)

    def follow(self) -> None:
        """Look again at interfaces and routes, which come and go; about twice a second."""
        for port in self._ports.values():
            port.follow()
        self._towards.cache_clear()

    def stop(self) -> None:
        """Close every port."""
        for port in self._ports.values():
            port.stop()
        self._pxe.stop()
        if self._raw is not None:
            self._raw.close()

    def _on_dhcp_port(self, interface: str, payload: bytes) -> None:
        """Port 67: a DISCOVER gets an OFFER; a REQUEST to the other server tells an address."""
        key = interface, chaddr(payload)
        asked = self._asked.get(key)
        if asked is None or asked.question != question(payload):
            asked = self._newly_asked(payload)
            if asked is None:
                return
        relay = asked.message.giaddr
        made_of = self._plane.discovered(asked.client), self._source(interface, relay)
        offer = asked.offers.get(made_of[0].shape)
        if offer is None or offer.made_of != made_of:
            offer = self._prepared(key, asked, *made_of)
            if offer is None:
                return
        packet = offer.packet(payload)
        if relay == NO_ADDRESS:
            self._ports[interface].broadcast(packet)
        elif self._raw is not None:
            self._raw.send(relay, packet)
        self.tally.count(asked.client.arch, OFFERED)
        self._plane.exchanged(asked.client.mac, offer.notes)

    def _newly_asked(self, payload: bytes) -> Asked | None:
        """The DISCOVER in a message that nobody looked at yet; None where it is none."""
        heard = self._understood(payload)
        if heard is None:
            return None
        message, client = heard
        if message.type == iana.REQUEST:
            self._learn(message)
            self.tally.chosen(message)
        if message.type != iana.DISCOVER:
            return None
        return Asked(question(payload), message, client)

    def _prepared(
        self, key: tuple[str, bytes], asked: Asked, decision: Decision, source: str
    ) -> Offer | None:
        """An OFFER, which is kept; of a machine that gets none nothing is kept."""
        mac = asked.client.mac
        server, shapes = self._plane.server(source), self._templates(source)
        offer = prepare(asked, decision, server, shapes)
        if offer is None:
            self._asked.pop(key, None)
            self.tally.count(asked.client.arch, IGNORED)
            heard = asks(asked)
            self._plane.record(heard.kind, mac, heard.detail, **heard.data)
            self._plane.record(Kind.IGNORED, mac, decision.reasons[-1], arch=asked.client.arch)
            return None
        asked.offers[decision.shape] = offer
        remember(self._asked, key, asked, at_most=MAX_ASKED)
        return offer

    def _on_pxe_port(self, data: bytes, peer: tuple[str, int], local: str) -> None:
        """Port 4011: a REQUEST that followed our OFFER gets its boot file."""
        if local not in self._advertised:
            self.drops["dhcp: 4011 on an address we do not serve"] += 1
            return
        heard = self._understood(data)
        if heard is None:
            return
        message, client = heard
        self._learn(message)
        self._plane.took_offer(client.mac)
        decision = self._plane.decide(client)
        reply = proxydhcp.acknowledge(message, client, decision, self._plane.server(local))
        if reply is None:
            self.drops["dhcp: 4011 request that is not for us"] += 1
            self.tally.count(client.arch, NOT_FOR_US)
            return
        self.tally.count(client.arch, ACKNOWLEDGED)
        self._plane.record(Kind.REQUEST_4011, client.mac, sentence(client), address=peer[0])
        target = proxydhcp.ack_destination(message, peer)
        self._pxe.send(splice(self._templates(local)[reply.form], reply), target)
        self._plane.record(
            Kind.ACK_4011, client.mac, f"boot file {reply.bootfile}", profile=decision.profile or ""
        )

    def _understood(self, payload: bytes) -> tuple[Message, Client] | None:
        try:
            message = dhcp4.parse(payload)
        except MalformedPacket as problem:
            self.drops[str(problem)] += 1
            return None
        client = pxe.identify(message)
        if client is None:
            if pxe.is_grub(message):
                self._plane.begins(message.chaddr)
            return None
        return message, client

    def _source(self, interface: str, relay: str) -> str:
        """The address to answer from: the interface's own, or the one routing to the relay."""
        if relay == NO_ADDRESS:
            return self._addresses[interface]
        address = self._towards(relay) or self._addresses[interface]
        if len(self._advertised) < MAX_SERVER_ADDRESSES:
            self._advertised.add(address)
        return address

    def _learn(self, message: Message) -> None:
        """A REQUEST says which address the machine uses from now on."""
        asked = message.options.get(iana.OPT_REQUESTED_ADDRESS, b"")
        if message.ciaddr != NO_ADDRESS:
            self._plane.heard(message.chaddr, message.ciaddr)
        elif len(asked) == _ADDRESS_SIZE:
            self._plane.heard(message.chaddr, inet_ntoa(asked))


_ADDRESS_SIZE = 4
