"""``netboot dhcp-snippet``: what a DHCP server must be told where netboot cannot speak for itself.

The rules come from the table of clients (``netboot.clients``): every kind we have a loader for, by
its architecture; and iPXE, whichever it came from, which is sent to its first script.
"""

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import click

from netboot.checked import shown
from netboot.cli.main import settings
from netboot.clients import KINDS
from netboot.config import Settings
from netboot.decision import Shape
from netboot.errors import ConfigError
from netboot.model import Arch, Server
from netboot.survey.network import choose
from netboot.wire import iana
from netboot.wire.pxe import HTTP_CLIENT, PXE_CLIENT

FIRST_SCRIPT = "autoexec.ipxe"
"""What iPXE runs first; it asks for its own script by each NIC's address."""
TFTP_PORT = 69
"""The port firmware knows (RFC 1350)."""

_ABOUT = (
    "Sends machines that boot from the network to netboot at {address}.",
    "",
    "Choose one of two ways:",
    "- Where netboot hears the machines' broadcasts (the same network, or a relay that has its",
    "  address as well) it answers beside this server. Then nothing has to be edited here.",
    "- Where its answers do not arrive (other subnets, switches with DHCP snooping), use this.",
    "Both at once do no harm: they name the same programs and the same scripts.",
    "",
    "netboot gives an answer file, with its secrets, only to machines whose DISCOVER it heard. So",
    "where it installs, have the relays send a copy to {address} too.",
)
_HERE = "command line"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one architecture is sent.

    Attributes:
        name: for a tag or a class.
        bootfile: a TFTP name, or a URL where the client boots by HTTP.
        by_http: it takes only offers whose vendor class is ``HTTPClient``.
    """

    name: str
    arch: int
    bootfile: str
    by_http: bool


def rules(server: Server) -> tuple[Rule, ...]:
    """One for each architecture we have a loader for."""
    found = []
    for arch, kind in KINDS.items():
        if not kind.loaders:
            continue
        by_http = kind.shapes == (Shape.HTTP,)
        loader = kind.loaders[0]
        bootfile = f"{server.url}/{loader}" if by_http else loader
        name = Arch(arch).name.lower().replace("_", "-")
        found.append(Rule(f"netboot-{name}", arch, bootfile, by_http))
    return tuple(found)


def script_url(server: Server) -> str:
    """Where iPXE goes on, whichever machine it is on."""
    return f"{server.url}/{FIRST_SCRIPT}"


def dnsmasq(server: Server) -> str:
    """Lines for dnsmasq.conf (dnsmasq(8))."""
    lines = [f"dhcp-match=set:netboot-ipxe,{iana.OPT_IPXE}", "dhcp-userclass=set:netboot-ipxe,iPXE"]
    lines += [
        f"dhcp-match=set:{rule.name},option:client-arch,{rule.arch}" for rule in rules(server)
    ]
    lines.append(f"dhcp-boot=tag:netboot-ipxe,{script_url(server)},,{server.address}")
    for rule in rules(server):
        tags = f"tag:!netboot-ipxe,tag:{rule.name}"
        lines.append(f"dhcp-boot={tags},{rule.bootfile},,{server.address}")
        if rule.by_http:
            client = HTTP_CLIENT.decode()
            lines.append(f"dhcp-option-force={tags},{iana.OPT_VENDOR_CLASS},{client}")
    return _document(_commented(server), lines)


def isc(server: Server) -> str:
    """A class for dhcpd.conf (dhcpd.conf(5), dhcp-eval(5))."""
    vendor = " or ".join(
        f'substring(option vendor-class-identifier, 0, {len(name)}) = "{name.decode()}"'
        for name in (PXE_CLIENT, HTTP_CLIENT)
    )
    lines = [
        f"option netboot-arch code {iana.OPT_CLIENT_ARCH} = unsigned integer 16;",
        'class "netboot" {',
        f"  match if {vendor};",
        f"  next-server {server.address};",
        '  if option user-class = "iPXE" {',
        f'    filename "{script_url(server)}";',
    ]
    for rule in rules(server):
        octets = rule.arch.to_bytes(2).hex(":")  # a number would equal nothing the client sends
        lines.append(f"  }} elsif option netboot-arch = {octets} {{")
        if rule.by_http:
            lines.append(f'    option vendor-class-identifier "{HTTP_CLIENT.decode()}";')
        lines.append(f'    filename "{rule.bootfile}";')
    return _document(_commented(server), [*lines, "  }", "}"])


def kea(server: Server) -> str:
    """Client classes for kea-dhcp4.conf (Kea Administrator Reference Manual, "Client Classes")."""
    user_class = f"substring(option[{iana.OPT_USER_CLASS}].hex, 0, 4) == 'iPXE'"
    classes: list[dict[str, object]] = [
        {
            "name": "netboot-ipxe",
            "test": f"option[{iana.OPT_IPXE}].exists or {user_class}",
            "next-server": server.address,
            "boot-file-name": script_url(server),
        }
    ]
    for rule in rules(server):
        told: dict[str, object] = {
            "name": rule.name,
            "test": (
                f"option[{iana.OPT_CLIENT_ARCH}].hex == {rule.arch:#06x}"
                " and not member('netboot-ipxe')"
            ),
            "next-server": server.address,
            "boot-file-name": rule.bootfile,
        }
        if rule.by_http:
            option = {
                "name": "vendor-class-identifier",
                "data": HTTP_CLIENT.decode(),
                "always-send": True,
            }
            told["option-data"] = [option]
        classes.append(told)
    about = _commented(server, "Put the classes into the Dhcp4 you have.")
    written = json.dumps({"Dhcp4": {"client-classes": classes}}, indent=2)
    return _document(about, written.splitlines())


WRITERS: Mapping[str, Callable[[Server], str]] = {"dnsmasq": dnsmasq, "isc": isc, "kea": kea}


@click.command("dhcp-snippet")
@click.argument("server", type=click.Choice(list(WRITERS)))
@click.option("--address", help="netboot's IPv4 address, as machines reach it.")
@click.pass_context
def dhcp_snippet(ctx: click.Context, server: str, address: str | None) -> None:
    """Print what to add to the configuration of a DHCP SERVER that you may edit.

    Only where netboot cannot answer beside it: what is printed says when.
    """
    found = settings(ctx)
    if found.tftp.port != TFTP_PORT:
        problem = f"= {found.tftp.port}: must be {TFTP_PORT}; DHCP cannot name firmware another"
        raise ConfigError("configuration", "tftp.port", problem)
    reached = _address(address, found)
    click.echo(WRITERS[server](Server(reached, reached, found.http.port)), nl=False)


def _address(given: str | None, found: Settings) -> str:
    """The option's, else the configured one for NAT, else the one of the one interface served."""
    if given is not None:
        return ipv4_address(given)
    if found.http.advertise is not None:
        return found.http.advertise
    served = choose(found)
    if len(served) > 1:
        which = ", ".join(map(str, served))
        raise ConfigError(_HERE, "--address", f"must be given, one of: {which}")
    return served[0].address


def ipv4_address(given: str) -> str:
    """What ``--address`` names.

    Raises:
        ConfigError: it is no IPv4 address.
    """
    try:
        return str(ipaddress.IPv4Address(given))
    except ValueError:
        problem = f"= {shown(given)}: must be an IPv4 address"
        raise ConfigError(_HERE, "--address", problem) from None


def _commented(server: Server, *more: str) -> Iterable[str]:
    for line in (*_ABOUT, *more):
        yield f"# {line.format(address=server.address)}".rstrip()


def _document(about: Iterable[str], lines: Iterable[str]) -> str:
    return "\n".join((*about, "", *lines)) + "\n"
