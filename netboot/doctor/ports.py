"""Are the ports ours, and if not, whose?"""

from collections.abc import Iterable, Iterator
from functools import partial
from ipaddress import ip_address

from netboot.doctor.context import Context
from netboot.doctor.finding import Finding, Severity
from netboot.doctor.running import Running
from netboot.survey import Port, holder, ports

OURS = "netboot"
"""What the names of our own processes begin with."""

_finding = partial(Finding, "ports")


def check(context: Context) -> Iterable[Finding]:
    """Every port of both programs."""
    host, _, number = context.settings.api.listen.rpartition(":")
    held = holder("tcp", int(number), _address(host))
    api = Port("tcp", int(number), "API", "is held" if held else "", held)
    yield from judge((*ports(context.settings), api), context.running)


def judge(found: tuple[Port, ...], running: Running) -> Iterator[Finding]:
    """What the state of the ports means.

    Args:
        found: the ports; one that is not needed is UDP 67, which anybody may hold.
        running: which of our programs run.
    """
    free, mine = [], []
    for port in found:
        name = f"{port.proto.upper()} {port.number} ({port.purpose})"
        ours = port.holder is not None and port.holder.program.startswith(OURS)
        if not port.needed:
            if port.holder is not None:
                yield _finding(Severity.OK, f"{name} is held by {port.holder}: no matter to us")
        elif not port.problem:
            free.append(name)
        elif ours and (running.boot or running.control):
            mine.append(name)
        elif port.holder is None and "root" in port.problem:
            yield _finding(Severity.NOTICE, f"{name} not looked at: {port.problem}", "use sudo")
        else:
            yield _held(name, port, ours=ours)
    if mine:
        yield _finding(Severity.OK, f"{', '.join(mine)} held by netboot, which runs")
    if free:
        yield _finding(Severity.OK, f"{', '.join(free)} free")


def _address(host: str) -> str | None:
    """The address a listener's host is; None for a name, which may be any of ours."""
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        return None


def _held(name: str, port: Port, *, ours: bool) -> Finding:
    by = f" by {port.holder}" if port.holder else ""
    if ours:
        cure = "that is another netboot, or one that hangs: stop it, or use its configuration"
    elif port.holder is not None and port.holder.pid is not None:
        cure = f"stop it (kill {port.holder.pid}, or its service)"
    else:
        cure = f"see who it is: sudo ss -lnp sport = :{port.number}"
    return _finding(Severity.PROBLEM, f"{name} {port.problem}{by}", cure)
