"""Who else answers machines that boot: who gives them addresses, and who wants to boot them too."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from netboot.doctor.context import LISTEN, Context, Unseen
from netboot.doctor.finding import Finding, Severity
from netboot.survey import DhcpServer, Holder, Interface, Role, holder
from netboot.wire import iana

_dhcp = partial(Finding, "dhcp")
_rivals = partial(Finding, "rivals")
_SWITCH_OFF = "switch its network boot off, or keep it from these machines"


def check(context: Context) -> Iterable[Finding]:
    """The servers that answered on each interface."""
    beside = holder("udp", iana.DHCP_SERVER_PORT)
    for one in context.interfaces:
        found = context.servers.get(one.name, ())
        if isinstance(found, Unseen):
            yield _dhcp(Severity.NOTICE, f"not looked for on {one.name}: {found.reason}")
            continue
        others = [server for server in found if server.address not in context.addresses]
        givers = [server for server in others if server.role is not Role.PXE]
        yield from addresses(one, givers, beside)
        yield from rivals(one, others, context.addresses)
    if not context.interfaces:
        yield _dhcp(Severity.NOTICE, "not looked for: there is no interface to serve")


def addresses(
    one: Interface, servers: Sequence[DhcpServer], beside: Holder | None
) -> Iterator[Finding]:
    """Whether machines get one good address on this interface.

    Args:
        one: the interface.
        servers: the DHCP servers that answered there.
        beside: who holds UDP 67 on this very host; it cannot hear what we ask.
    """
    if beside is not None and not servers:
        yield _dhcp(
            Severity.NOTICE,
            f"{beside} on this host holds UDP 67 and does not hear us ask; no other DHCP server "
            f"answered on {one.name}",
            f"see that it serves {one.name}",
        )
    elif not servers:
        yield _dhcp(
            Severity.PROBLEM,
            f"no DHCP server answered on {one.name} within {LISTEN} s: machines get no address",
            "switch on the router's, or start one on this network; is this the machines' VLAN?",
        )
    networks = {server.network for server in servers if server.network}
    if len(networks) > 1:
        each = "; ".join(f"{server} gives {server.network or 'no network'}" for server in servers)
        yield _dhcp(
            Severity.PROBLEM,
            f"DHCP servers on {one.name} disagree: {each}",
            "switch off the one that does not belong here",
        )
    elif len(servers) > 1:
        yield _dhcp(
            Severity.NOTICE,
            f"{len(servers)} DHCP servers answer on {one.name}: {', '.join(map(str, servers))}",
            "well if they are a failover pair; otherwise switch one off",
        )
    lenders = [server for server in servers if server.offered]
    for server in servers:
        yield _one_server(one, server, others_offer=bool(lenders))


def rivals(
    one: Interface, servers: Sequence[DhcpServer], ours: Collection[str]
) -> Iterator[Finding]:
    """Who else tells machines on this interface what to boot.

    Args:
        one: the interface.
        servers: every server that answered there.
        ours: this host's addresses.
    """
    booting = [server for server in servers if server.role is not Role.DHCP]
    for server in booting:
        file = server.bootfile or "to be asked for"
        source = f" at {server.siaddr}" if server.siaddr else ""
        if server.siaddr in ours:
            what = f"{server} on {one.name} sends machines here, boot file {file}"
            yield _rivals(
                Severity.NOTICE, what, "needless beside netboot, which names each its own"
            )
        elif server.role is Role.PXE:
            what = f"{server} on {one.name} is a PXE server, boot file {file}{source}"
            yield _rivals(Severity.WARNING, f"{what}: machines take who is first", _SWITCH_OFF)
        else:
            what = f"the DHCP server {server} on {one.name} gives the boot file {file}{source}"
            yield _rivals(Severity.WARNING, f"{what}: machines may take it for ours", _SWITCH_OFF)
    if not booting:
        yield _rivals(Severity.OK, f"no other boot server answers on {one.name}")


def _one_server(one: Interface, server: DhcpServer, *, others_offer: bool) -> Finding:
    near = IPv4Network(f"{one.address}/{one.prefix}", strict=False)
    if server.network and IPv4Address(one.address) not in IPv4Network(server.network):
        return _dhcp(
            Severity.WARNING,
            f"{server} puts machines on {one.name} into {server.network}, and we are in {near}",
            f"give {one.name} an address of that network, or see that a router joins the two",
        )
    if not server.offered:
        return _dhcp(
            Severity.NOTICE if others_offer else Severity.WARNING,
            f"{server} answers on {one.name}, but offered no address",
            "see that its pool has free addresses and takes unknown machines",
        )
    return _dhcp(
        Severity.OK, f"{server} on {one.name} gives addresses of {server.network or 'no network'}"
    )
