"""Packets as they passed: an AF_PACKET socket inside a namespace, read by a thread.

A capture on a machine's tap sees exactly what that machine sent and was sent. The kernel filters
by port (classic BPF), and of TCP only what goes *to* a port with something in it, so a transfer
of megabytes costs nothing. IPv4 only.
"""

import contextlib
import ctypes
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Self

from netboot.errors import OperationError
from netboot.lab.journal import Journal
from netboot.lab.namespaces import Host
from netboot.lab.packets import ETHERNET_HEADER, TCP, UDP, Packet, dissect

SNAPLEN = 65535
RECEIVE_BUFFER = 4 << 20
"""Bytes the kernel may hold while the reading thread does not run."""
KEPT_FRAMES = 20_000
"""Frames one capture keeps; a boot has some hundred on the DHCP ports."""
DHCP_PORTS = (67, 68, 4011)

_ETH_P_ALL = 0x0003
_ETH_P_IP = 0x0800
_SO_ATTACH_FILTER = 26
_PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, 1)


class Capture:
    """A running capture; ended by ``close``, by leaving its ``with``, or with its LAN.

    Args:
        host: whose namespace; ``lan.switch`` for a machine's tap.
        interface: its name there.
        ports: UDP from or to them is kept, and TCP segments with a payload to them.

    """

    def __init__(
        self, host: Host, interface: str = "eth0", ports: Collection[int] = DHCP_PORTS
    ) -> None:
        self._journal = Journal[Packet](KEPT_FRAMES)
        self._socket = host.inside(lambda: _packet_socket(interface, ports))
        self._stop, self._stopped = socket.socketpair()
        self._reader = threading.Thread(
            target=self._read, name=f"capture of {interface}", daemon=True
        )
        self._reader.start()
        host.lan.on_close(self.close)

    @property
    def packets(self) -> list[Packet]:
        """What was kept so far, oldest first; at most ``KEPT_FRAMES``."""
        return self._journal.entries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_for(self, wanted: Callable[[Packet], bool], timeout: float) -> Packet:
        """The first packet, past or to come, that ``wanted`` is true of.

        Raises:
            OperationError: none within ``timeout`` seconds.
        """
        found = self._journal.first(wanted, timeout)
        if found is None:
            count = len(self.packets)
            raise OperationError(f"no such packet within {timeout:.0f} s; {count} others came")
        return found

    def write_pcap(self, path: Path) -> Path:
        """Write what was kept as a pcap file (link type Ethernet)."""
        with path.open("wb") as out:
            out.write(_PCAP_HEADER)
            for packet in list(self.packets):
                seconds, fraction = divmod(packet.time, 1)
                size = len(packet.frame)
                out.write(struct.pack("<IIII", int(seconds), int(fraction * 1e6), size, size))
                out.write(packet.frame)
        return path

    def close(self) -> None:
        """Stop; what was kept stays."""
        with contextlib.suppress(OSError):  # closed before
            self._stop.close()
        self._reader.join()
        self._socket.close()
        self._stopped.close()

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._stopped, select.POLLIN | select.POLLHUP)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._stopped.fileno() in ready:
                return
            try:
                frame = self._socket.recv(SNAPLEN)
            except OSError:  # the interface went away with its machine
                return
            packet = dissect(frame, time.time())
            if packet and (packet.payload or packet.protocol == UDP):
                self._journal.add(packet)


def _packet_socket(interface: str, ports: Collection[int]) -> socket.socket:
    # protocol 0 receives nothing until bind: no frame slips in before the filter stands
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        attach_port_filter(sniffer, ports)
        sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sniffer.bind((interface, _ETH_P_ALL))
    except OSError:
        sniffer.close()
        raise
    return sniffer


def attach_port_filter(sniffer: socket.socket, ports: Collection[int]) -> None:
    """Have the kernel pass only UDP from or to the ports, and TCP to them, on to the socket."""
    program = _keep_ports(sorted(ports))
    instructions = ctypes.create_string_buffer(program)  # lives until the kernel has its copy
    # struct sock_fprog of <linux/filter.h>: a count and a pointer
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    sniffer.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


def _keep_ports(ports: Sequence[int]) -> bytes:
    """Classic BPF: unfragmented IPv4, UDP from or to one of the ports, or TCP to one of them."""
    load_half, load_byte, load_half_indexed, index_by_header = 0x28, 0x30, 0x48, 0xB1
    equal, any_bit, give_back = 0x15, 0x45, 0x06
    here, accept, drop = 0, -1, -2  # targets: the next step, or one of the last two
    is_port = [(equal, accept, here, port) for port in ports]
    steps = [
        (load_half, here, here, 12),  # EtherType
        (equal, here, drop, _ETH_P_IP),
        (load_half, here, here, 20),  # fragment offset
        (any_bit, drop, here, 0x1FFF),
        (index_by_header, here, here, ETHERNET_HEADER),
        (load_byte, here, here, 23),  # IP protocol
        (equal, 2 + len(ports), here, TCP),  # to the destination port
        (equal, here, drop, UDP),
        (load_half_indexed, here, here, 14),  # source port, behind the IP header
        *is_port,
        (load_half_indexed, here, here, 16),  # destination port
        *is_port,
        (give_back, here, here, 0),
        (give_back, here, here, SNAPLEN),
    ]
    at = {accept: len(steps) - 1, drop: len(steps) - 2}
    return b"".join(
        struct.pack("=HBBI", code, *(at[t] - n - 1 if t in at else t for t in (yes, no)), value)
        for n, (code, yes, no, value) in enumerate(steps)
    )
