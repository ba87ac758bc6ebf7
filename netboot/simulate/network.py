"""DHCP as a booting machine has it: DISCOVER, choose, REQUEST, and port 4011 where it must ask.

Both lives of a machine go through here, first its firmware and then the iPXE that it loaded.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from netboot.simulate import dhcp
from netboot.simulate.dhcp import NAK, Reply, Request
from netboot.simulate.effects import Listen, Send, Steps
from netboot.simulate.firmware import FIRMWARE, Firmware
from netboot.simulate.machine import Kind, Machine, Stop
from netboot.simulate.offers import MAX_OFFERS, Choice, choose
from netboot.simulate.packets import Packets
from netboot.wire import iana


class Stopped(Exception):  # noqa: N818 -- an end, not an error of ours
    """The machine gives up."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        super().__init__(str(stop))


@dataclass(slots=True)
class Clock:
    """The time as the conversation last heard it."""

    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Lease:
    """An address that a DHCP server gave."""

    address: str
    server_id: str
    packets: Packets
    xid: int


class Network:
    """One machine's DHCP.

    Args:
        machine: whose.
        clock: what time it is.
        expect: told what the machine would say if nothing more came.

    Attributes:
        lease: the last lease, None where it has none.
    """

    def __init__(self, machine: Machine, clock: Clock, expect: Callable[[Stop], None]) -> None:
        self._machine = machine
        self._clock = clock
        self._expect = expect
        self._xid = machine.xid
        self.lease: Lease | None = None

    def discover(self, kind: Kind, packets: Packets, ready: Callable[[], None]) -> Steps[Choice]:
        """Ask everybody, and choose as the firmware does.

        Args:
            kind: whose habits.
            packets: what is sent.
            ready: called once there are offers to go on with, which may be before it does.

        Raises:
            Stopped: there is nothing to choose from.
        """
        self._xid += 1
        firmware, started = FIRMWARE[kind], self._clock.now
        offers: list[Reply] = []
        picked: Choice | Stop = Stop(firmware.words.nothing, "nobody answered")
        for wait in firmware.discover_waits:
            until = self._clock.now + wait
            yield self._broadcast(packets.discover(self._xid, self._since(started)))
            while True:
                if isinstance(picked, Stop):
                    self._expect(picked)
                enough = self._enough_at(firmware, picked, offers, started, until)
                if self._clock.now >= min(enough, until):
                    break
                reply = yield from self._listen(min(enough, until), self._client_port)
                if reply is None or reply.type != iana.OFFER or len(offers) >= MAX_OFFERS:
                    continue
                if reply.source[1] == iana.DHCP_SERVER_PORT:
                    offers.append(reply)
                    picked = choose(kind, offers, has_address=self._machine.has_address)
                    if isinstance(picked, Choice):
                        ready()
            if self._clock.now >= enough:
                break
        if isinstance(picked, Stop):
            raise Stopped(picked)
        return picked

    def request(self, kind: Kind, packets: Packets, offer: Reply) -> Steps[Reply]:
        """Take the offered address; the server's ACK.

        Raises:
            Stopped: the server refuses or is silent.
        """
        words = FIRMWARE[kind].words.no_lease
        server = offer.server_id
        self._expect(Stop(words, f"{server} offered {offer.yiaddr} and did not confirm it"))
        started = self._clock.now
        for wait in FIRMWARE[kind].request_waits:
            secs = self._since(started)
            yield self._broadcast(packets.request(self._xid, secs, server, offer.yiaddr))
            until = self._clock.now + wait
            while (reply := (yield from self._listen(until, self._client_port))) is not None:
                if reply.server_id != server or reply.source[1] != iana.DHCP_SERVER_PORT:
                    continue
                if reply.type == NAK:
                    raise Stopped(Stop(words, f"{server} refused {offer.yiaddr} (DHCPNAK)"))
                if reply.type == iana.ACK:
                    self.lease = Lease(offer.yiaddr, server, packets, self._xid)
                    return reply
        raise Stopped(Stop(words, f"{server} offered {offer.yiaddr} and did not confirm it"))

    def announce(self, packets: Packets) -> Send:
        """Says which address the machine uses, where that is not its lease's."""
        return self._broadcast(packets.announce(self._xid, self._machine.address))

    def ask(self, kind: Kind, packets: Packets, offers: tuple[Reply, ...]) -> Steps[Reply]:
        """Ask the boot servers one after the other on port 4011 for a boot file.

        Raises:
            Stopped: none of them names one.
        """
        firmware = FIRMWARE[kind]
        silent = [offer.boot_server for offer in offers]
        stop = Stop(firmware.words.no_binl, f"no boot file from {', '.join(silent)} port 4011")
        self._expect(stop)
        ports = (firmware.binl_port, iana.PXE_PORT)
        for server in silent:
            self._xid += 1  # EDK2 takes a new one; to servers it is all the same
            started = self._clock.now
            for wait in firmware.binl_waits:
                secs = self._since(started)
                asked = packets.binl(self._xid, secs, server, self._machine.address)
                yield Send(dhcp.build(asked), server, ports)
                until = self._clock.now + wait
                while (reply := (yield from self._listen(until, firmware.binl_port))) is not None:
                    if reply.type == iana.ACK and reply.source == (server, iana.PXE_PORT):
                        if reply.bootfile and reply.boot_server:
                            return reply
                        break
        raise Stopped(stop)

    def release(self) -> Send | None:
        """What gives the lease back, None where there is none."""
        if self.lease is None:
            return None
        lease, self.lease = self.lease, None
        request = lease.packets.release(lease.xid, lease.server_id, lease.address)
        ports = iana.DHCP_CLIENT_PORT, iana.DHCP_SERVER_PORT
        return Send(dhcp.build(request), lease.server_id, ports)

    def answers(self, reply: Reply) -> bool:
        """Whether ``reply`` is to what was asked last."""
        return reply.xid == self._xid and reply.mac == self._machine.mac

    @property
    def _client_port(self) -> int:
        return iana.DHCP_SERVER_PORT if self._machine.giaddr else iana.DHCP_CLIENT_PORT

    @staticmethod
    def _listen(until: float, port: int) -> Steps[Reply | None]:
        reply: Reply | None = yield Listen(until, port)
        return reply

    def _broadcast(self, request: Request) -> Send:
        return Send(dhcp.build(request), "", (self._client_port, iana.DHCP_SERVER_PORT))

    def _since(self, started: float) -> int:
        return min(int(self._clock.now - started), 0xFFFF)

    def _enough_at(
        self,
        firmware: Firmware,
        picked: Choice | Stop,
        offers: list[Reply],
        started: float,
        until: float,
    ) -> float:
        """When it stops listening for more offers, with what it has."""
        if firmware.proxy_wait is not None and any(offer.yiaddr for offer in offers):
            proxied = any(offer.is_pxe for offer in offers)
            return self._clock.now if proxied else started + firmware.proxy_wait
        if isinstance(picked, Stop):
            return math.inf
        return self._clock.now if self._machine.eager else until
