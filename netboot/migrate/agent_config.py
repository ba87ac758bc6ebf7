"""``agent-config.yaml`` of OpenShift's agent-based installer (v1beta1): its hosts.

A host's ``networkConfig`` is nmstate's. An address in there is the machine's own, not a lease, so
it is carried over: as ``ip``, ``gateway`` and ``nameservers``, which the installer is told.
"""

import ipaddress

from netboot.migrate import yaml_tree
from netboot.migrate.files import Files, Source
from netboot.migrate.found import SERVER_SETTING, Machine, Place, Reading
from netboot.migrate.kubernetes import disk, macs, unread
from netboot.migrate.tree import Tree

_SILENT = frozenset({"apiVersion", "kind", "metadata", "hosts"})
_HOST = frozenset({"hostname", "role", "interfaces", "rootDeviceHints", "networkConfig"})
_DEFAULT_ROUTE = "0.0.0.0/0"


def read(sources: list[Source], files: Files) -> Reading:  # noqa: ARG001 -- the readers' common shape
    """Read agent configurations.

    Raises:
        ConfigError: one is no YAML, or there is too much of it.
    """
    reading = Reading()
    for source in sources:
        for document in yaml_tree.documents(source):
            _document(source.name, document, reading)
    return reading


def _document(file: str, document: Tree, reading: Reading) -> None:
    for key, value in document.items():
        if key not in _SILENT:
            reading.note(Place(file, value.line), key, SERVER_SETTING)
    if not document.get("hosts").each():
        reading.note(Place(file, document.line), "a document", "has no hosts")
    for host in document.get("hosts").each():
        _host(file, host, reading)


def _host(file: str, host: Tree, reading: Reading) -> None:
    hostname, role = host.get("hostname").text, host.get("role").text
    unread(file, host, _HOST, "", reading)
    written = [one.get("macAddress") for one in host.get("interfaces").each()]
    known = macs(file, "macAddress", [one for one in written if one.text], reading)
    if not known:
        what = f"host {hostname}".rstrip()
        reading.note(Place(file, host.line), what, "has no macAddress, so nothing would know it")
        return
    machine = Machine(
        place=Place(file, host.line),
        name=hostname,
        hostname=hostname,
        macs=known,
        boots=(role,) if role else (),
        labels={"role": role} if role else {},
        vars={
            **disk(file, host.get("rootDeviceHints"), reading),
            **_network(file, host.get("networkConfig"), reading),
        },
    )
    reading.add(machine)


def _network(file: str, config: Tree, reading: Reading) -> dict[str, str]:
    """The static address of the one plain Ethernet interface that has one."""
    unread(file, config, frozenset({"interfaces", "routes", "dns-resolver"}), "", reading)
    addressed = [one for one in config.get("interfaces").each() if _addresses(one)]
    for one in addressed:
        plain = one.get("type").text in ("", "ethernet")
        if len(addressed) > 1 or not plain or len(_addresses(one)) > 1:
            why = "only one static IPv4 address, of an Ethernet interface, is understood"
            name = one.get("name").text
            reading.note(Place(file, one.line), f"networkConfig {name}".rstrip(), why)
            return {}
    if not addressed:
        return {}
    address = _addresses(addressed[0])[0]
    text = f"{address.get('ip').text}/{address.get('prefix-length').text}"
    try:
        found = {"ip": str(ipaddress.IPv4Interface(text))}
    except ValueError:
        reading.note(Place(file, address.line), "address", "is no IPv4 address and prefix-length")
        return {}
    return found | _routers(config) | _resolvers(config)


def _addresses(interface: Tree) -> list[Tree]:
    ipv4 = interface.get("ipv4")
    off = ipv4.get("dhcp").text == "true" or ipv4.get("enabled").text == "false"
    return [] if off else list(ipv4.get("address").each())


def _routers(config: Tree) -> dict[str, str]:
    for route in config.get("routes", "config").each():
        hop = route.get("next-hop-address").text
        if route.get("destination").text == _DEFAULT_ROUTE and _is_ipv4(hop):
            return {"gateway": hop}
    return {}


def _resolvers(config: Tree) -> dict[str, str]:
    servers = config.get("dns-resolver", "config", "server").each()
    known = [one.text for one in servers if _is_ipv4(one.text)]
    return {"nameservers": " ".join(known)} if known else {}


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
