"""Can machines reach us as we tell them to: no NAT or container bridge between, a true address."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from netboot.doctor.context import Context, seen
from netboot.doctor.finding import Finding, Severity
from netboot.doctor.running import healthy
from netboot.survey import Interface, Route, driver

_MARKS = {"docker": Path("/.dockerenv"), "podman": Path("/run/.containerenv")}
_ENGINES = ("docker", "kubepods", "containerd", "libpod", "podman")
"""Words in /proc/1/cgroup that say whose container this is."""
_CGROUP = Path("/proc/1/cgroup")
_LONGEST_CGROUP = 65_536
_CABLE = "veth"

_container = partial(Finding, "container")
_advertise = partial(Finding, "advertise")


def check(context: Context) -> Iterable[Finding]:
    """The way from the machines to us."""
    engine = engine_of_this_container()
    if engine:
        cables = {one.name for one in context.interfaces if driver(one.name) == _CABLE}
        yield from bridged(engine, cables, context.interfaces, seen(context.routes))
    else:
        yield _container(Severity.OK, "not in a container")
    yield from _advertised(context)


def bridged(
    engine: str, cables: Collection[str], chosen: Sequence[Interface], routes: Sequence[Route]
) -> Iterator[Finding]:
    """Whether a container's own network stands between: its cable leads to a router of its own.

    Args:
        engine: whose container this is.
        cables: the interfaces that are veths. Host networking shows the host's real ones, and
            macvlan and ipvlan are on the machines' network themselves.
        chosen: the interfaces to serve.
        routes: the main routing table.
    """
    behind = {route.device: route.gateway for route in routes if route.network.prefixlen == 0}
    shut = [one for one in chosen if one.name in cables and behind.get(one.name)]
    for one in shut:
        yield _container(
            Severity.PROBLEM,
            f"{one.name} {one.address} is on a bridge of {engine}'s behind {behind[one.name]}: "
            "machines' broadcasts do not come in, and TFTP breaks at its NAT",
            "use host networking (docker run --network host, network_mode: host), or macvlan",
        )
    if not shut:
        yield _container(Severity.OK, f"in a container ({engine}), and on the machines' network")


def engine_of_this_container() -> str:
    """Whose container we are in, "" where we are in none that hides the network."""
    marked = next((name for name, mark in _MARKS.items() if mark.exists()), "")
    try:
        with _CGROUP.open("rb") as file:
            groups = file.read(_LONGEST_CGROUP).decode("utf-8", "replace")
    except OSError:
        groups = ""
    return marked or next((name for name in _ENGINES if name in groups), "")


def _advertised(context: Context) -> Iterator[Finding]:
    told = context.settings.http.advertise
    if told is None:
        each = ", ".join(f"{one.address} on {one.name}" for one in context.interfaces)
        yield _advertise(Severity.OK, f"machines are told {each or 'no address'}")
        return
    if told in context.addresses:
        yield _advertise(Severity.OK, f"machines are told {told}, which is ours")
    else:
        yield _advertise(
            Severity.NOTICE,
            f"http.advertise = {told} is no address of this host",
            "right behind NAT or with a virtual address; otherwise take http.advertise out",
        )
    if not context.running.boot:
        yield _advertise(Severity.NOTICE, "not tried: netboot serve does not run")
    elif not healthy(f"http://{told}:{context.settings.http.port}"):
        yield _advertise(
            Severity.WARNING,
            f"our HTTP does not answer at {told}:{context.settings.http.port}, as machines are "
            "told (from here; a NAT may not send us back to ourselves)",
            f"forward TCP {context.settings.http.port} of {told} to this host, or mend "
            "http.advertise",
        )
