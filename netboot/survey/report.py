"""The four lines ``netboot serve`` starts with: where, whose DHCP, which rivals, which ports."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from netboot.config import Settings
from netboot.errors import OperationError
from netboot.survey.dhcp import TIMEOUT, DhcpServer, Role, dhcp_servers
from netboot.survey.network import Interface, choose
from netboot.survey.sockets import Port, ports

MAX_INTERFACES = 16
"""Interfaces that are listened on, all at the same time."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What looking round found.

    Attributes:
        interfaces: those we will serve.
        servers: interface name → the DHCP and PXE servers that answered there.
        ports: every port we use.
        problems: interface name → why we could not look there.
    """

    interfaces: tuple[Interface, ...]
    servers: Mapping[str, tuple[DhcpServer, ...]]
    ports: tuple[Port, ...]
    problems: Mapping[str, str] = field(default_factory=dict)


def look_round(settings: Settings, timeout: float = TIMEOUT) -> Survey:
    """Look at interfaces, ports and servers; blocks for at most ``timeout`` seconds.

    Raises:
        ConfigError: no interface to serve; see ``choose``.
    """
    chosen = choose(settings)
    asked = chosen[:MAX_INTERFACES]
    servers: dict[str, tuple[DhcpServer, ...]] = {}
    problems: dict[str, str] = {}
    with ThreadPoolExecutor(MAX_INTERFACES) as pool:
        pending = {one.name: pool.submit(dhcp_servers, one, timeout) for one in asked}
        held = ports(settings)
        for name, answer in pending.items():
            try:
                servers[name] = answer.result()
            except OperationError as error:
                problems[name] = str(error)
    return Survey(chosen, servers, held, problems)


def four_lines(survey: Survey) -> list[str]:
    """Exactly four lines for a person."""
    return [_where(survey), _dhcp(survey), _rivals(survey), _ports(survey)]


def _where(survey: Survey) -> str:
    shown = [f"{one.name} {one.address}/{one.prefix}" for one in survey.interfaces]
    return f"interface: {', '.join(shown)}"


def _dhcp(survey: Survey) -> str:
    beside = _beside(survey)
    here = f"{beside.holder} on this host: we listen beside it" if beside else ""
    shown = [
        f"{server} answers on {name}"
        for name, servers in survey.servers.items()
        for server in servers
        if server.role is not Role.PXE
    ]
    if shown or here:
        return f"DHCP server: {'; '.join(filter(None, [*shown, _silent(survey), here]))}"
    if survey.problems:
        return f"DHCP server: not looked for: {'; '.join(survey.problems.values())}"
    return (
        "DHCP server: none answered. Machines need one for their addresses: "
        "switch on the router's, or start one on this network"
    )


def _silent(survey: Survey) -> str:
    """On which of several interfaces no DHCP server answered, though one did on another."""
    answered = {
        name: any(server.role is not Role.PXE for server in servers)
        for name, servers in survey.servers.items()
    }
    silent = [name for name, found in answered.items() if not found]
    return f"none on {', '.join(silent)}" if silent and any(answered.values()) else ""


def _rivals(survey: Survey) -> str:
    shown = [
        f"{server} on {name} {_offers(server)}"
        for name, servers in survey.servers.items()
        for server in servers
        if server.role is not Role.DHCP
    ]
    if shown:
        return (
            f"other boot servers: {'; '.join(shown)}. Machines take whichever answers first: "
            "switch its network boot off, or keep it from these machines"
        )
    return "other boot servers: not looked for" if survey.problems else "other boot servers: none"


def _offers(server: DhcpServer) -> str:
    file = f" {server.bootfile}" if server.bootfile else ""
    return f"is a PXE server{file}" if server.role is Role.PXE else f"gives a boot file{file}"


def _ports(survey: Survey) -> str:
    free = [_name(port) for port in survey.ports if port.needed and not port.problem]
    bad = [
        f"{_name(port)} {port.problem}{f' by {port.holder}' if port.holder else ''}"
        for port in survey.ports
        if port.needed and port.problem
    ]
    parts = [*bad, *([f"{', '.join(free)} free"] if free else [])]
    return f"ports: {'; '.join(parts)}"


def _beside(survey: Survey) -> Port | None:
    return next((port for port in survey.ports if not port.needed and port.holder), None)


def _name(port: Port) -> str:
    return f"{port.proto.upper()} {port.number} ({port.purpose})"
