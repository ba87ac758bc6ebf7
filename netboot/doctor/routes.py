"""Do answers to machines beyond a router go back the way their questions came?"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from netboot.doctor.context import Context, seen
from netboot.doctor.finding import Finding, Severity
from netboot.events import Event
from netboot.survey import device_to, path_to

MAX_NETWORKS = 32
"""Networks of machines beyond a router that are looked at, and as many relays."""

_finding = partial(Finding, "routes")


def check(context: Context) -> Iterable[Finding]:
    """The relays and machines of the last day that are on none of our networks."""
    events = seen(context.records).events
    near = [IPv4Network(f"{one.address}/{one.prefix}", strict=False) for one in context.interfaces]
    found = [
        *((f"the relay {relay}", relay) for relay in _far(_said(events, "relay"), near)),
        *((f"machines at {one}", one) for one in _one_a_network(_said(events, "address"), near)),
    ]
    for who, address in found:
        yield _way_back(context, who, address)
    if not found:
        yield _finding(Severity.OK, "every machine of the last day is on a network of ours")


def _way_back(context: Context, who: str, address: str) -> Finding:
    path, device = path_to(address), device_to(address, seen(context.routes))
    served = {one.name: one for one in context.interfaces}
    if path is None:
        cure = f"ip route add NETWORK via ROUTER, so that {address} is reached"
        return _finding(Severity.PROBLEM, f"there is no route back to {who}", cure)
    if device and device not in served:
        return _finding(
            Severity.WARNING,
            f"answers to {who} leave by {device}, which is not served: they name {path.source}, "
            "and a strict reverse path filter drops what comes in elsewhere",
            f"ip route add NETWORK via ROUTER dev {'|'.join(served) or 'INTERFACE'}, "
            "or sysctl net.ipv4.conf.all.rp_filter=2",
        )
    told = context.settings.http.advertise or path.source
    return _finding(Severity.OK, f"{who}: told {told}, answered by {device or 'a policy route'}")


def _said(events: Sequence[Event], key: str) -> Iterator[str]:
    """The IPv4 addresses events name under ``key``, each once."""
    values = (event.data.get(key) for event in events)
    for value in dict.fromkeys(value for value in values if isinstance(value, str)):
        try:
            yield str(IPv4Address(value))
        except ValueError:
            continue


def _far(addresses: Iterable[str], near: Sequence[IPv4Network]) -> list[str]:
    far = (one for one in addresses if not any(IPv4Address(one) in network for network in near))
    return [one for one in far if not IPv4Address(one).is_loopback][:MAX_NETWORKS]


def _one_a_network(addresses: Iterable[str], near: Sequence[IPv4Network]) -> list[str]:
    """One address of each /24: their true networks are the routers' knowledge, not ours."""
    each = {IPv4Network(f"{one}/24", strict=False): one for one in _far(addresses, near)}
    return list(each.values())
