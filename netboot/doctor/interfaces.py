"""Where we would serve: is each interface up, connected, addressed, and not in another's way?"""

from collections.abc import Iterable, Iterator
from functools import partial
from ipaddress import IPv4Network
from itertools import combinations

from netboot.doctor.context import MAX_INTERFACES, Context
from netboot.doctor.finding import Finding, Severity
from netboot.survey import Interface

_finding = partial(Finding, "interfaces")


def check(context: Context) -> Iterable[Finding]:
    """Each interface to serve, or why there is none."""
    if context.unfit:
        yield _finding(
            Severity.PROBLEM,
            context.unfit,
            "switch it on, connect it and give it an address, or name another one in "
            "server.interfaces",
        )
    for one in context.interfaces:
        yield _finding(Severity.OK, f"{one.name} {one.address}/{one.prefix} is up, {one.mac}")
    yield from _overlaps(context.interfaces)
    if len(context.interfaces) > MAX_INTERFACES:
        left = ", ".join(one.name for one in context.interfaces[MAX_INTERFACES:])
        yield _finding(Severity.NOTICE, f"not looked at, being too many: {left}")


def _overlaps(chosen: tuple[Interface, ...]) -> Iterator[Finding]:
    for one, other in combinations(chosen, 2):
        if _network(one).overlaps(_network(other)):
            yield _finding(
                Severity.WARNING,
                f"{one.name} and {other.name} are both on {_network(one)}: Linux answers for "
                "either by whichever it likes",
                f'serve one of them: server.interfaces = ["{one.name}"]',
            )


def _network(one: Interface) -> IPv4Network:
    return IPv4Network(f"{one.address}/{one.prefix}", strict=False)
