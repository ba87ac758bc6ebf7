"""Can machines reach us as we tell them to: no NAT or container bridge between, a true address."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from netboot.doctor.context import Context, seen
from netboot.doctor.finding import Finding, Severity
from netboot.doctor.running import healthy
from netboot.survey import Interface, Route, driver
from netboot.survey.container import engine_of_this_container, shut_in

_container = partial(Finding, "container")
_advertise = partial(Finding, "advertise")


def check(context: Context) -> Iterable[Finding]:
    """The way from the machines to us."""
    engine = engine_of_this_container()
    if engine:
        drivers = {one.name: driver(one.name) for one in context.existing}
        yield from bridged(engine, drivers, context.interfaces, seen(context.routes))
    else:
        yield _container(Severity.OK, "not in a container")
    yield from _advertised(context)


def bridged(
    engine: str, drivers: Mapping[str, str], chosen: Sequence[Interface], routes: Sequence[Route]
) -> Iterator[Finding]:
    """Whether a container's own network stands between; the rest is as ``shut_in`` has it."""
    shut = shut_in(chosen, drivers, routes)
    for one in (one for one in chosen if one.name in shut):
        yield _container(
            Severity.PROBLEM,
            f"{one.name} {one.address} is on a bridge of {engine}'s behind {shut[one.name]}: "
            "machines' broadcasts do not come in, and TFTP breaks at its NAT",
            "use host networking (docker run --network host, network_mode: host), or macvlan",
        )
    if not shut:
        yield _container(Severity.OK, f"in a container ({engine}), and on the machines' network")


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
