"""Does this host's own packet filter let machines in?

DHCP on port 67 is heard on a packet socket, which stands before the filter's input chain; only a
chain on the device itself (``ingress``) comes earlier. The other ports are ordinary sockets.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from ipaddress import IPv4Network

from netboot.doctor import read_iptables, read_nft
from netboot.doctor.context import Context
from netboot.doctor.finding import Finding, Severity
from netboot.doctor.packet_filter import Chain, Fate, Packet, fates
from netboot.errors import OperationError
from netboot.survey import Interface
from netboot.wire import iana

TIMEOUT = 4.0
"""Seconds a program that lists rules may take."""
MAX_RULESET = 32_000_000
"""Bytes of rules that are read."""

_INPUT = ("prerouting", "input")
_INGRESS = "ingress"
_DUMPS = ("iptables-nft-save", "iptables-legacy-save")
_NOBODY = IPv4Network("0.0.0.0/32")  # what a machine without an address is called
_ANY_PORT = 49152  # the first of those the kernel gives out
_finding = partial(Finding, "firewall")


def check(context: Context) -> Iterable[Finding]:
    """Every kind of packet we must hear, on every interface."""
    chains = rules_of_this_host()
    for one in context.interfaces:
        yield from judge(
            packets(one, context.settings.tftp.port, context.settings.http.port), chains
        )
    if not context.interfaces:
        yield _finding(Severity.NOTICE, "not looked at: there is no interface to serve")


def packets(one: Interface, tftp: int, http: int) -> tuple[Packet, ...]:
    """What comes in on an interface when machines boot."""
    here = IPv4Network(f"{one.address}/{one.prefix}", strict=False)
    us = IPv4Network(one.address)
    udp = partial(Packet, interface=one.name, protocol="udp", source=here, destination=us)
    return (
        udp("TFTP", port=tftp),
        udp("acknowledgements of TFTP", port=_ANY_PORT, state="established"),
        udp("ProxyDHCP", port=iana.PXE_PORT),
        Packet("HTTP", one.name, "tcp", http, here, us),
        udp("DHCP", port=iana.DHCP_SERVER_PORT, source=_NOBODY),
    )


def judge(wanted: Sequence[Packet], chains: Sequence[Chain]) -> Iterator[Finding]:
    """What the rules do with one interface's packets."""
    well = []
    for packet in wanted:
        hooks = (_INGRESS,) if packet.port == iana.DHCP_SERVER_PORT else (_INGRESS, *_INPUT)
        found = _worst(packet, [chain for chain in chains if chain.hook in hooks], chains)
        name = f"{packet.what} ({packet.protocol.upper()} {packet.port}) on {packet.interface}"
        if found is None:
            well.append(packet.what)
            continue
        certain, chain = found
        if certain:
            what = f"{name} is dropped by the chain {chain.name}"
            yield _finding(Severity.PROBLEM, what, cure(packet, chain))
        else:
            what = f"{name} may be dropped by the chain {chain.name}: its rules do not say clearly"
            yield _finding(Severity.NOTICE, what, cure(packet, chain))
    if well:
        where = wanted[0].interface
        yield _finding(Severity.OK, f"this host lets {', '.join(well)} in on {where}")


def cure(packet: Packet, chain: Chain) -> str:
    """The command that lets a packet in."""
    if packet.state == "established":
        test, module = "ct state established", "-m conntrack --ctstate ESTABLISHED"
    else:
        test = f"{packet.protocol} dport {packet.port}"
        module = f"-p {packet.protocol} --dport {packet.port}"
    if chain.program == "iptables":
        table, name = chain.name.split()
        return f"iptables -t {table} -I {name} -i {packet.interface} {module} -j ACCEPT"
    return f'nft insert rule {chain.name} iifname "{packet.interface}" {test} accept'


def rules_of_this_host() -> tuple[Chain, ...]:
    """Every chain of nftables and of iptables, old or new.

    Raises:
        OperationError: they cannot be listed: no program for it, or not permitted.
    """
    chains: list[Chain] = []
    if nft := shutil.which("nft"):
        found, foreign = read_nft.read(_listed(nft, "--json", "list", "ruleset"))
        other = shutil.which("iptables-nft-save") if foreign else None
        if other:
            found = tuple(one for one in found if one.name.rpartition(" ")[0] not in foreign)
            tables = {name.removeprefix("ip ") for name in foreign}
            chains += read_iptables.read(_listed(other).decode("utf-8", "replace"), tables)
        chains += found
    dumps = [path for name in _DUMPS[bool(nft) :] if (path := shutil.which(name))]
    if not nft and not dumps:
        raise OperationError("neither nft nor iptables-save is installed: apt install nftables")
    for dump in dumps:
        chains += read_iptables.read(_listed(dump).decode("utf-8", "replace"))
    return tuple(chains)


def _worst(
    packet: Packet, hooked: Sequence[Chain], chains: Sequence[Chain]
) -> tuple[bool, Chain] | None:
    """The chain that stops the packet and whether it surely does; None where none may."""
    by_name = {chain.name: chain for chain in chains}
    doubtful = None
    for chain in hooked:
        if chain.device and chain.device != packet.interface:
            continue
        possible = fates(chain, packet, by_name)
        if possible == {Fate.DROPPED}:
            return True, chain
        if Fate.DROPPED in possible and doubtful is None:
            doubtful = False, chain
    return doubtful


def _listed(*command: str) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperationError(f"{command[0]} gave no answer: {error}") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        hint = " (try sudo)" if os.geteuid() != 0 else ""
        raise OperationError(f"{command[0]}: {said[0] if said else 'failed'}{hint}")
    if len(done.stdout) > MAX_RULESET:
        raise OperationError(f"{command[0]} lists more than {MAX_RULESET} bytes of rules")
    return done.stdout
