"""The router's word on IPv6: there is none on this LAN.

iPXE configures a NIC by DHCP and by IPv6 at the same time and goes on when both have ended. Where
no router answers, its solicitations go on for a quarter of a minute.
"""

import contextlib
import socket
import struct
import threading

from netboot.lab.namespaces import Host

ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134
"""ICMPv6 types, RFC 4861 section 4."""
ALL_ROUTERS = "ff02::2"
HOP_LIMIT = 255
"""Whatever has less is not from this link (RFC 4861 section 6.1)."""

# no default router, no address configuration by DHCPv6, no times, no prefix
_NOTHING = struct.pack("!BBHBBHII", ROUTER_ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0)
_LONGEST = 1500


class Router:
    """Answers router solicitations with neither route nor prefix (RFC 4861 section 6.2.6).

    On a machine without IPv6 it says nothing, and firmware finds that out by itself.

    Args:
        host: on whose ``eth0``; it ends with that host's LAN.
    """

    def __init__(self, host: Host) -> None:
        with contextlib.suppress(OSError):  # no IPv6 here
            self._socket = host.inside(_listening)
            self._thread = threading.Thread(
                target=self._answer, name=f"router at {host.namespace}", daemon=True
            )
            self._thread.start()
            host.lan.on_close(self._end)

    def _answer(self) -> None:
        while True:
            message, sender = self._socket.recvfrom(_LONGEST)
            if not message:  # shut down
                return
            if message[0] == ROUTER_SOLICITATION:
                with contextlib.suppress(
                    OSError
                ):  # its own address is not ready: it is asked again
                    self._socket.sendto(_NOTHING, sender)

    def _end(self) -> None:
        with contextlib.suppress(OSError):  # it has no peer, yet this wakes who reads
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


def _listening() -> socket.socket:
    listener = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    group = socket.inet_pton(socket.AF_INET6, ALL_ROUTERS)
    joined = group + struct.pack("@I", socket.if_nametoindex("eth0"))
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, joined)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, HOP_LIMIT)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
    return listener
