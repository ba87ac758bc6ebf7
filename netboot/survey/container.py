"""Is this a container that machines cannot reach? Said before anything is served from it.

On a network of the container engine's own, machines' broadcasts do not come in, and TFTP breaks at
its NAT. It is told by three signs together: the engine left its mark, our interface is a veth, and
a default route leads out by it. Host networking shows the host's interfaces; macvlan and ipvlan
are on the machines' network themselves.

A bridge beside us means that these are a host's interfaces after all, though they look the same:
an engine that runs in a system container (LXC) has its own bridge there, and host networking shows
it to us.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from netboot.config import Settings
from netboot.survey.network import Interface, all_interfaces, driver, interfaces
from netboot.survey.routes import Route, route_table

_MARKS = {"docker": Path("/.dockerenv"), "podman": Path("/run/.containerenv")}
_ENGINES = ("docker", "kubepods", "containerd", "libpod", "podman")
"""Words in /proc/1/cgroup that say whose container this is."""
_CGROUP = Path("/proc/1/cgroup")
_LONGEST_CGROUP = 65_536
_CABLE, _BRIDGE = "veth", "bridge"
"""What ethtool(8) calls their drivers."""
_REFUSAL = """\
{one.name} {one.address} is on a bridge of {engine}'s behind {router}: machines' broadcasts do not \
come in, and TFTP breaks at its NAT
Give netboot the host's network. In compose.yaml:
    services:
      netboot:
        network_mode: host
or on the command line:
    {command} run --network host
A macvlan network on the machines' LAN will do as well."""


def engine_of_this_container() -> str:
    """Whose container we are in, "" where we are in none that hides the network."""
    marked = next((name for name, mark in _MARKS.items() if mark.exists()), "")
    try:
        with _CGROUP.open("rb") as file:
            groups = file.read(_LONGEST_CGROUP).decode("utf-8", "replace")
    except OSError:
        groups = ""
    return marked or next((name for name in _ENGINES if name in groups), "")


def shut_in(
    chosen: Sequence[Interface], drivers: Mapping[str, str], routes: Sequence[Route]
) -> dict[str, str]:
    """Which interfaces of a container are on a network of its engine's own.

    Args:
        chosen: the interfaces to serve.
        drivers: every interface here → its driver.
        routes: the main routing table.

    Returns:
        The interface's name → the address of the router between it and the machines.
    """
    if _BRIDGE in drivers.values():
        return {}
    behind = {route.device: route.gateway for route in routes if route.network.prefixlen == 0}
    return {
        one.name: behind[one.name]
        for one in chosen
        if drivers.get(one.name) == _CABLE and behind.get(one.name)
    }


def refusal(settings: Settings) -> str:
    """Why machines cannot reach this container, and the lines that mend it; else "".

    One interface on the machines' network is enough to be reached.
    """
    engine = engine_of_this_container()
    if not engine:
        return ""
    existing = all_interfaces()
    # one that is named and not here is named as it is on the host
    named = [one for one in existing if one.name in settings.interfaces]
    chosen = named or interfaces()
    shut = shut_in(chosen, {one.name: driver(one.name) for one in existing}, route_table())
    if not shut or len(shut) < len(chosen):
        return ""
    return _REFUSAL.format(
        one=chosen[0],
        engine=engine,
        router=shut[chosen[0].name],
        command="podman" if engine in ("podman", "libpod") else "docker",
    )
