"""Wake-on-LAN: a machine without a BMC can be switched on, and nothing else."""

import socket
from collections.abc import Callable, Sequence

import psutil

from netboot.bmc.model import Hardware, Nic, Observed, PowerAction, PowerState
from netboot.bmc.no_bmc import NoBmc
from netboot.errors import BmcError
from netboot.model import Mac

PORT = 9
"""Discard; a NIC that is woken looks at no port."""
COPIES = 3
"""A datagram may be lost, and nothing says so."""
_BROADCAST = "255.255.255.255"

Send = Callable[[str, bytes], None]
"""Broadcasts a datagram on the interface of that name; OSError where it cannot."""


class WolDriver(NoBmc):
    """Switches one machine on; where it boots from is decided by its own order and our answers.

    Args:
        mac: whom to wake.
        interfaces: where it is; every Ethernet-like interface that is up, by default.
        send: for tests.
    """

    name = "wol"

    def __init__(
        self, mac: Mac, interfaces: Sequence[str] | None = None, *, send: Send | None = None
    ) -> None:
        super().__init__("Wake-on-LAN")
        self._mac = mac
        self._interfaces = interfaces
        self._send = send or broadcast

    def observe(self) -> Observed:
        """Nothing can be read."""
        return Observed(power=PowerState.UNKNOWN, boot=None)

    def power(self, action: PowerAction) -> None:
        """Send the magic packet.

        Raises:
            BmcError: another action than ON; or it could be sent on no interface.
        """
        if action is not PowerAction.ON:
            raise BmcError(f"Wake-on-LAN can only switch on; {action} needs a BMC or a person")
        packet = magic_packet(self._mac)
        interfaces = broadcasting() if self._interfaces is None else self._interfaces
        failed = [problem for each in interfaces if (problem := self._sent(each, packet))]
        if len(failed) == len(interfaces):
            raise BmcError(
                f"the magic packet for {self._mac} could not be sent:"
                f" {'; '.join(failed) or 'no interface is up'}",
                retryable=True,
            )

    def inspect(self) -> Hardware:
        """Its MAC is all that is known."""
        return Hardware(nics=(Nic(self._mac),), capabilities=frozenset({"wol"}))

    def _sent(self, interface: str, packet: bytes) -> str | None:
        """Why it could not be sent there."""
        try:
            for _ in range(COPIES):
                self._send(interface, packet)
        except OSError as error:
            return f"{interface}: {error.strerror}"
        return None


def magic_packet(mac: Mac) -> bytes:
    """Six bytes of ones and sixteen times the address (AMD publication 20213)."""
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16


def broadcast(interface: str, packet: bytes) -> None:
    """Broadcast on one interface; needs no address there, but the right to choose it.

    Raises:
        OSError: the interface is not there or down, or it may not be chosen.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sender.sendto(packet, (_BROADCAST, PORT))


def broadcasting() -> list[str]:
    """Interfaces that are up and have an IPv4 broadcast address."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    return sorted(
        name
        for name, addresses in psutil.net_if_addrs().items()
        if name in up
        and any(each.family is socket.AF_INET and each.broadcast for each in addresses)
    )
