"""Which offers a firmware takes, and what it says where it takes none.

A machine has an address from one server and what to boot from the same or another one; each
firmware picks in its own way, and each pick here follows that firmware's own source or standard.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from netboot.simulate.dhcp import Reply, is_address
from netboot.simulate.firmware import FIRMWARE, RASPBERRY_PI_BOOT
from netboot.simulate.machine import Kind, Stop

MAX_OFFERS = 16
"""Offers a machine looks at; EDK2 keeps as many."""

_HTTP_CLIENT = b"HTTPClient"
_NOTHING_VALID = FIRMWARE[Kind.EDK2].words.no_boot


@dataclass(frozen=True, slots=True)
class Choice:
    """What a machine goes on with.

    Attributes:
        lease: the offer whose address it takes, None for one that has an address.
        boot: the reply that names its boot file, None where it has to ask.
        ask: the offers whose servers it asks on port 4011, in order.
    """

    lease: Reply | None
    boot: Reply | None = None
    ask: tuple[Reply, ...] = ()


def choose(kind: Kind, offers: Sequence[Reply], *, has_address: bool) -> Choice | Stop:
    """What a firmware of ``kind`` makes of the offers it has, in the order they came.

    Args:
        kind: the firmware; ``IPXE`` also for an iPXE that was loaded.
        offers: each of them an OFFER.
        has_address: whether the machine can do without a lease.
    """
    words = FIRMWARE[kind].words
    leases = tuple(offer for offer in offers if offer.yiaddr and offer.server_id)
    proxies = tuple(offer for offer in offers if not offer.yiaddr)
    if not leases and not has_address:
        if proxies:
            return Stop(words.no_lease, "boot offers only: no DHCP server offered an address")
        return Stop(words.nothing, "nobody answered")
    picked = _PICKS[kind](leases, proxies)
    if isinstance(picked, Stop) and not offers:
        return Stop(words.nothing, "nobody answered")
    return picked


def _edk2(leases: Sequence[Reply], proxies: Sequence[Reply], *, old: bool = False) -> Choice | Stop:
    """EDK2 ``PxeBcDhcp4.c``: valid discovery offers first, then those to ask on port 4011."""
    plain = next((offer for offer in leases if not offer.is_pxe), None)
    binl = next((offer for offer in leases if offer.is_pxe and not offer.discovers), None)
    named = next((offer for offer in leases if offer.bootfile), None)
    # a proxy's offer is of use beside a lease's that says nothing about PXE
    beside = proxies if plain is not None or not leases else ()
    discovering = [offer for offer in beside if offer.discovers]
    asking = tuple(o for o in beside if o.is_pxe and not o.discovers and o.boot_server)
    picked: Choice | Stop
    if found := next((offer for offer in leases if offer.discovers), None):
        picked = _usable(Kind.EDK2, found, found)
    elif discovering and not old:
        picked = _usable(Kind.EDK2, plain, discovering[0])
    elif binl is not None:
        picked = Choice(binl, ask=(binl,))
    elif asking:
        picked = Choice(plain, ask=asking)
    elif named is not None:
        picked = Choice(named, named)
    elif discovering:
        picked = Stop(_NOTHING_VALID, "it loses every proxy offer with discovery options in 43")
    else:
        why = "no offer says PXEClient, and none of a lease names a boot file"
        picked = Stop(_NOTHING_VALID, why)
    return picked


def _edk2_old(leases: Sequence[Reply], proxies: Sequence[Reply]) -> Choice | Stop:
    return _edk2(leases, proxies, old=True)


def _bios(leases: Sequence[Reply], proxies: Sequence[Reply]) -> Choice | Stop:
    """PXE 2.1 section 2.2: option 43 says whether to discover; without it, port 4011 does."""
    words = FIRMWARE[Kind.BIOS].words
    lease = leases[0] if leases else None
    if found := next((offer for offer in (*proxies, *leases) if offer.is_pxe), None):
        if found.discovers:
            return _usable(Kind.BIOS, found if found.yiaddr else lease, found)
        return Choice(found if found.yiaddr else lease, ask=(found,))
    if found := next((offer for offer in leases if offer.bootfile), None):
        return Choice(found, found)
    return Stop(words.no_boot, "no offer says PXEClient or names a boot file")


def _http(leases: Sequence[Reply], proxies: Sequence[Reply]) -> Choice | Stop:
    """UEFI 2.10 section 24.7.3: option 60 is HTTPClient and the boot file is a URL."""
    words = FIRMWARE[Kind.HTTP].words
    lease = leases[0] if leases else None
    problems = ["no offer says HTTPClient"]
    for offer in (*leases, *proxies):
        if not offer.vendor_class.startswith(_HTTP_CLIENT):
            continue
        if problem := _url_problem(offer, lease):
            problems.append(problem)
        else:
            return Choice(offer if offer.yiaddr else lease, offer)
    return Stop(words.no_boot, problems[-1])


def _ipxe(leases: Sequence[Reply], proxies: Sequence[Reply]) -> Choice | Stop:
    """As iPXE's ``dhcp.c``: a boot offer with siaddr and boot file (or a menu), else port 4011."""
    lease = leases[-1] if leases else None  # a later offer of the same priority replaces it
    proxy = next((offer for offer in reversed(proxies) if offer.is_pxe), None)
    if proxy is None:
        if lease is not None and lease.bootfile:
            return Choice(lease, lease)
        return Stop(FIRMWARE[Kind.IPXE].words.no_boot, "no offer names a boot file")
    if proxy.siaddr and proxy.bootfile:
        return Choice(lease, proxy)
    if not proxy.server_id:
        return Stop(FIRMWARE[Kind.IPXE].words.no_boot, "its boot offer has no option 54")
    return Choice(lease, ask=(replace(proxy, siaddr=""),))  # it asks option 54, whatever siaddr is


def _pi(leases: Sequence[Reply], proxies: Sequence[Reply]) -> Choice | Stop:
    lease = leases[0] if leases else None
    for offer in (*leases, *proxies):
        if offer.is_pxe and RASPBERRY_PI_BOOT in (offer.vendor or b""):
            return Choice(offer if offer.yiaddr else lease, offer)
    why = "it takes an offer only with PXEClient in option 60 and that text in 43"
    return Stop(FIRMWARE[Kind.RPI].words.no_boot, why)


_PICKS: dict[Kind, Callable[[Sequence[Reply], Sequence[Reply]], Choice | Stop]] = {
    Kind.BIOS: _bios,
    Kind.EDK2_OLD: _edk2_old,
    Kind.EDK2: _edk2,
    Kind.HTTP: _http,
    Kind.IPXE: _ipxe,
    Kind.RPI: _pi,
}


def _usable(kind: Kind, lease: Reply | None, offer: Reply) -> Choice | Stop:
    """An offer with discovery options is good where it says to use its boot file."""
    if offer.uses_bootfile and offer.boot_server:
        return Choice(lease, offer)
    why = f"{offer.server_id or offer.source[0]} wants boot server discovery, which fakes do not do"
    return Stop(FIRMWARE[kind].words.discovery, why)


def _url_problem(offer: Reply, lease: Reply | None) -> str:
    """Why an HTTP Boot offer is dropped, "" where it is good."""
    server = offer.server_id or offer.source[0]
    if offer.vendor_class != _HTTP_CLIENT:
        return f"{server} says more than HTTPClient in option 60"
    try:
        url = urlsplit(offer.bootfile)
        host = url.hostname or ""
    except ValueError:
        return f"{server} names a boot file that is no URL"
    if url.scheme not in ("http", "https") or not host:
        return f"{server} names a boot file that is no URL"
    if is_address(host) or (lease is not None and lease.has_dns):
        return ""
    return f"{server} names host {host}, and the lease has no name server"
