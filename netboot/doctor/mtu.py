"""Do packets as long as we send them get through to those around us?"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from netboot.doctor.context import MAX_INTERFACES, Context, Unseen, seen
from netboot.doctor.finding import Finding, Severity
from netboot.survey import Interface, Route, answered, neighbours, path_to

ETHERNET = 1500
"""The MTU of every machine's firmware, in bytes (IEEE 802.3)."""
MAX_PEERS = 4
"""Hosts asked on each interface."""
SMALL = 64
"""Bytes that pass everywhere."""

_finding = partial(Finding, "mtu")


def check(context: Context) -> Iterable[Finding]:
    """Each interface's MTU, and whether its neighbours take packets of that size."""
    with ThreadPoolExecutor(MAX_INTERFACES) as pool:
        for findings in pool.map(partial(_tried, context), context.interfaces[:MAX_INTERFACES]):
            yield from findings


def judge(one: Interface, heard: dict[str, set[int]], known: dict[str, int]) -> Iterator[Finding]:
    """What one interface's echoes mean.

    Args:
        one: the interface.
        heard: peer → sizes of the packets it answered, of ``SMALL`` and the interface's MTU.
        known: peer → MTU of the path as the kernel knows it.
    """
    answering = {peer for peer, sizes in heard.items() if sizes}
    whole = sorted(peer for peer in answering if one.mtu in heard[peer])
    for peer in sorted(answering.difference(whole)):
        yield _finding(
            Severity.WARNING,
            f"{peer} answers on {one.name}, but not to packets of {one.mtu} bytes: "
            "it, or a switch between, has a smaller MTU",
            f"set one MTU everywhere on this network: ip link set dev {one.name} mtu {ETHERNET}, "
            "and the same on the others",
        )
    for peer, mtu in sorted(known.items()):
        if mtu < one.mtu:
            what = f"the route to {peer} takes {mtu} bytes, {one.name} takes {one.mtu}"
            yield _finding(Severity.NOTICE, what, "look for an mtu in: ip route show")
    if one.mtu < ETHERNET:
        yield _finding(
            Severity.NOTICE,
            f"{one.name} has an MTU of {one.mtu}; machines' firmware has {ETHERNET}",
            f"unless the network is really that small: ip link set dev {one.name} mtu {ETHERNET}",
        )
    if not answering:
        what = f"{one.name} has an MTU of {one.mtu}; not tried: no host there answers an echo"
        yield _finding(Severity.NOTICE, what)
    elif whole:
        jumbo = " (jumbo frames)" if one.mtu > ETHERNET else ""
        what = f"{one.name}: {one.mtu} bytes{jumbo} get through to {', '.join(whole)}"
        yield _finding(Severity.OK, what)


def _tried(context: Context, one: Interface) -> list[Finding]:
    peers = _peers(context, one, seen(context.routes))
    heard = answered(one.address, peers, {SMALL, one.mtu}) if peers else {}
    known = {peer: path.mtu for peer in peers if (path := path_to(peer))}
    return list(judge(one, heard, known))


def _peers(context: Context, one: Interface, routes: Iterable[Route]) -> list[str]:
    """Hosts on the link that may answer: routers, DHCP servers, whoever spoke to us lately."""
    found = context.servers.get(one.name, ())
    servers = () if isinstance(found, Unseen) else found
    near = IPv4Network(f"{one.address}/{one.prefix}", strict=False)
    known = [
        *(route.gateway for route in routes if route.device == one.name and route.gateway),
        *(server.address for server in servers),
        *neighbours(one.name),
    ]
    others = (peer for peer in dict.fromkeys(known) if peer not in context.addresses)
    return [peer for peer in others if IPv4Address(peer) in near][:MAX_PEERS]
