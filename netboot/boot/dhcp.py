"""ProxyDHCP: datagram in, decision, reply out. The conversation itself is in ``answer``."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache, partial
from socket import inet_ntoa
from typing import Protocol

from netboot.answer import proxydhcp
from netboot.answer.proxydhcp import Reply
from netboot.answer.splice import splice
from netboot.boot.compose import templates
from netboot.boot.packet import PacketPort, RawSender, address_towards
from netboot.boot.udp import Reactor, UdpPort
from netboot.clients import kind_of
from netboot.errors import MalformedPacket
from netboot.events import Kind
from netboot.model import Client, Decision, Firmware, Mac, Server, Shape
from netboot.wire import dhcp4, iana, pxe
from netboot.wire.dhcp4 import NO_ADDRESS, Message
from netboot.wire.udp4 import Datagram

MAX_SERVER_ADDRESSES = 64
"""Addresses of ours that templates are kept for: one an interface, and one a route to a relay."""


MAX_RELAYS = 256
"""Relays whose route is remembered until the next look."""


class Plane(Protocol):
    """What the responder needs to know of everything else."""

    def discovered(self, client: Client) -> Decision:
        """What a DISCOVER of ``client`` is answered with."""

    def decide(self, client: Client) -> Decision:
        """What ``client`` gets."""

    def took_offer(self, mac: Mac) -> None:
        """``mac`` took what it was offered."""

    def server(self, address: str) -> Server:
        """How machines that reach us at ``address`` are told to come back."""

    def heard(self, mac: Mac, address: str) -> None:
        """``mac`` uses ``address`` now."""

    def record(self, kind: Kind, mac: Mac, detail: str, **data: str | int) -> None:
        """Write one line of the timeline."""


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
        self._ports = {
            name: PacketPort(reactor, name, partial(self._on_dhcp_port, name), self.drops)
            for name in addresses
        }
        self._pxe = UdpPort(reactor, "0.0.0.0", iana.PXE_PORT, self._on_pxe_port)  # noqa: S104 -- requests for other addresses than ours are dropped
        self._raw: RawSender | None = None
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

    def _on_dhcp_port(self, interface: str, datagram: Datagram) -> None:
        """Port 67: a DISCOVER gets an OFFER; a REQUEST to the other server tells an address."""
        heard = self._understood(datagram.payload)
        if heard is None:
            return
        message, client = heard
        if message.type == iana.REQUEST:
            self._learn(message)
        if message.type != iana.DISCOVER:
            return
        address = self._reachable(interface, message)
        decision = self._plane.discovered(client)
        relay = {} if message.giaddr == NO_ADDRESS else {"relay": message.giaddr}
        self._plane.record(Kind.DISCOVER, client.mac, _asks(client), **_says(client), **relay)
        reply = proxydhcp.offer(message, decision, self._plane.server(address))
        if reply is None:
            self._plane.record(Kind.IGNORED, client.mac, decision.reasons[-1])
            return
        target = proxydhcp.offer_destination(message)
        payload = splice(self._templates(address)[reply.form], reply)
        if target is None:
            self._ports[interface].broadcast(address, payload)
        elif self._raw is not None:
            self._raw.send(address, target, payload)
        self._plane.record(
            Kind.OFFER,
            client.mac,
            _offers(reply, decision),
            profile=decision.profile or "",
            shape=reply.form[0].value,
            why=decision.reasons[-1],
            **_says(client),
        )

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
            return
        self._plane.record(Kind.REQUEST_4011, client.mac, _asks(client), address=peer[0])
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
        return None if client is None else (message, client)

    def _reachable(self, interface: str, message: Message) -> str:
        """The address to advertise: the interface's own, or the one routing towards the relay."""
        if message.giaddr == NO_ADDRESS:
            return self._addresses[interface]
        address = self._towards(message.giaddr) or self._addresses[interface]
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


def _asks(client: Client) -> str:
    if client.firmware is Firmware.IPXE:
        return "iPXE asks"
    return f"{kind_of(client).name} firmware asks (architecture {client.arch:#04x})"


def _says(client: Client) -> dict[str, str | int]:
    return {"arch": client.arch, "firmware": client.firmware.value}


def _offers(reply: Reply, decision: Decision) -> str:
    said = f"boot file {reply.bootfile}" if reply.bootfile else _WITHOUT_BOOTFILE[reply.form[0]]
    return f"{said} ({decision.lesson})" if decision.lesson else said


_WITHOUT_BOOTFILE = {
    Shape.BINL: "boot file follows on port 4011",
    Shape.RASPBERRY_PI: "its ROM asks TFTP for its own files",
}
