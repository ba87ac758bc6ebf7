"""The lab file: which networks and machines a lab has."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field, structs

from netboot import checked
from netboot.bmc import quirks
from netboot.bmc.quirks import Quirk
from netboot.checked import Checked
from netboot.errors import ConfigError
from netboot.lab.dhcp import FIRST_LEASE
from netboot.lab.up.faults import MOST_FAULTS, FaultSaid, check, habits
from netboot.lab.up.qemu import Firmware
from netboot.model import Mac, parse_mac

MOST_NODES = 64
"""Machines of a lab: each is a QEMU process with its memory."""
MOST_NICS, MOST_DISKS = 8, 8
MOST_NETWORKS = 8
FIRST_BMC = 11
"""Host number of the first node's BMC where the file gives no address; then they count up."""
WIDEST_PREFIX = 24
"""A network has room for the fixed hosts, the DHCP range and the BMCs."""

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        description="a name of letters, digits and hyphens, such as n1",
    ),
]
YesNo = Annotated[str, Meta(pattern="^(yes|no)$", description="yes or no")]
Megabytes = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{1,5}$", description="MiB of memory, such as 1024")
]
Disk = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]{0,4}[MG]|.*/.*)$",
        description="a size such as 8G, or the path of a raw image, which is copied",
    ),
]

_SWITCH = {"yes": True, "no": False}


class Network(Checked, frozen=True):
    """A network: a bridge in a namespace of its own.

    Attributes:
        subnet: IPv4, /24 or wider.
        dhcp: whether it has a plain DHCP server.
    """

    subnet: str
    dhcp: YesNo = "yes"


class Nic(Checked, frozen=True):
    """One NIC; without a MAC it gets one made of the node's place in the file."""

    network: Name
    mac: str = ""


class Bmc(Checked, frozen=True):
    """A node's virtual BMC.

    Attributes:
        protocols: what it speaks.
        personality: whose quirks its Redfish has.
        quirks: more of them, by the keys of ``quirks.toml``; a switch is yes or no.
        faults: what goes wrong with requests of its Redfish.
        address: on the BMC network.
        tls: whether its Redfish is HTTPS.
        user: who may log in. ``password``: likewise.
    """

    protocols: tuple[Literal["redfish", "ipmi"], ...] = ("redfish", "ipmi")
    personality: str = quirks.GENERIC
    quirks: dict[str, str] = field(default_factory=dict)
    faults: Annotated[tuple[FaultSaid, ...], Meta(max_length=MOST_FAULTS)] = ()
    address: str = ""
    tls: YesNo = "yes"
    user: Annotated[str, Meta(min_length=1, max_length=16)] = "admin"
    password: Annotated[str, Meta(min_length=1, max_length=20)] = "password"  # noqa: S105 -- of a machine that does not exist


class Node(Checked, frozen=True):
    """A machine.

    Attributes:
        firmware: what boots it.
        memory: MiB.
        disks: sizes of empty ones, or images.
        nics: the first one is tried first.
        boot: its own boot order, as its firmware's menu would have it.
    """

    firmware: Firmware = "uefi"
    memory: Megabytes = "1024"
    disks: Annotated[tuple[Disk, ...], Meta(max_length=MOST_DISKS)] = ("8G",)
    nics: Annotated[tuple[Nic, ...], Meta(max_length=MOST_NICS)] = (Nic(network="boot"),)
    boot: tuple[Literal["disk", "network", "cd"], ...] = ("disk", "network")
    bmc: Bmc = Bmc()


class LabFile(Checked, frozen=True):
    """A lab.

    Attributes:
        name: of the lab, for ``status`` and ``down``.
        networks: by name.
        bmc_network: the one the BMCs are on.
        nodes: by name.
    """

    name: Name = "lab"
    networks: dict[Name, Network] = field(
        default_factory=lambda: {
            "boot": Network(subnet="10.77.0.0/24"),
            "bmc": Network(subnet="10.78.0.0/24", dhcp="no"),
        }
    )
    bmc_network: Name = "bmc"
    nodes: dict[Name, Node] = field(default_factory=lambda: {"n1": Node()})


def read(path: Path | None) -> LabFile:
    """Read a lab file; None is the lab with one node and everything else as it is by default.

    In what is returned every NIC has its MAC, every BMC its address, and every image is an
    absolute path.

    Raises:
        ConfigError: one line naming the key, the value and what is allowed.
    """
    source = "the lab" if path is None else str(path)
    raw = checked.read_yaml(path) if path else {}
    lab = checked.convert({} if raw is None else raw, LabFile, source)
    subnets = _subnets(lab, source)
    if len(lab.nodes) > MOST_NODES:
        raise ConfigError(source, "nodes", f"are {len(lab.nodes)}; at most {MOST_NODES} run")
    folder = path.parent if path else Path()
    nodes = {}
    taken: set[str] = set()
    for index, (name, node) in enumerate(lab.nodes.items()):
        where = f"nodes.{name}"
        nics = tuple(
            _nic(nic, lab, source, f"{where}.nics[{place}]", _own_mac(index, place))
            for place, nic in enumerate(node.nics)
        )
        default = str(subnets[lab.bmc_network][FIRST_BMC + index])
        bmc = _bmc(node.bmc, subnets[lab.bmc_network], source, f"{where}.bmc", default)
        disks = tuple(_disk(disk, folder, source, f"{where}.disks") for disk in node.disks)
        for what in (bmc.address, *(nic.mac for nic in nics)):
            if what in taken:
                raise ConfigError(source, where, f"has {what}, which another one has")
            taken.add(what)
        nodes[name] = structs.replace(node, nics=nics, bmc=bmc, disks=disks)
    return structs.replace(lab, nodes=nodes)


def quirk_of(bmc: Bmc, source: str = "the lab", key: str = "bmc") -> Quirk:
    """What its Redfish does otherwise than the standard has it.

    Raises:
        ConfigError: there is no such personality or quirk.
    """
    if bmc.personality not in (names := quirks.known()):
        problem = f"= {checked.shown(bmc.personality)}: must be one of {', '.join(names)}"
        raise ConfigError(source, f"{key}.personality", problem)
    quirk = names[bmc.personality]
    said = {
        name: _SWITCH.get(value, value) if isinstance(getattr(quirk, name, None), bool) else value
        for name, value in (bmc.quirks | habits(bmc.faults)).items()
    }
    read = checked.convert({"label": quirk.label} | said, Quirk, source, f"{key}.quirks")
    return structs.replace(quirk, **{name: getattr(read, name) for name in said})


def _subnets(lab: LabFile, source: str) -> dict[str, ipaddress.IPv4Network]:
    if len(lab.networks) > MOST_NETWORKS:
        raise ConfigError(source, "networks", f"are more than {MOST_NETWORKS}")
    if lab.bmc_network not in lab.networks:
        _unknown_network(lab, source, "bmc_network", lab.bmc_network)
    subnets: dict[str, ipaddress.IPv4Network] = {}
    for name, network in lab.networks.items():
        key = f"networks.{name}.subnet"
        try:
            subnet = ipaddress.IPv4Network(network.subnet)
        except ValueError:
            problem = f"= {checked.shown(network.subnet)}: must be an IPv4 network, 10.77.0.0/24"
            raise ConfigError(source, key, problem) from None
        if subnet.prefixlen > WIDEST_PREFIX:
            raise ConfigError(source, key, f"= {subnet}: must be a /{WIDEST_PREFIX} or wider")
        for other, there in subnets.items():
            if there.overlaps(subnet):
                raise ConfigError(source, key, f"= {subnet}: overlaps that of {other}")
        subnets[name] = subnet
    return subnets


def _nic(nic: Nic, lab: LabFile, source: str, key: str, default: str) -> Nic:
    if nic.network not in lab.networks:
        _unknown_network(lab, source, f"{key}.network", nic.network)
    try:
        mac = parse_mac(nic.mac or default)
    except ValueError as error:
        raise ConfigError(source, f"{key}.mac", str(error)) from None
    return structs.replace(nic, mac=mac)


def _own_mac(node: int, nic: int) -> Mac:
    return parse_mac(f"52:54:00:77:{node:02x}:{nic:02x}")


def _bmc(bmc: Bmc, subnet: ipaddress.IPv4Network, source: str, key: str, default: str) -> Bmc:
    quirk_of(bmc, source, key)
    if bmc.faults and "redfish" not in bmc.protocols:
        raise ConfigError(source, f"{key}.faults", "are Redfish's, which it does not speak")
    for number, fault in enumerate(bmc.faults):
        check(fault, source, f"{key}.faults[{number}]")
    address = bmc.address or default
    low, high = subnet[FIRST_BMC], subnet[FIRST_LEASE - 1]
    try:
        inside = low <= ipaddress.IPv4Address(address) <= high
    except ValueError:
        inside = False
    if not inside:
        problem = f"= {checked.shown(address)}: must be an address from {low} to {high}"
        raise ConfigError(source, f"{key}.address", problem)
    return structs.replace(bmc, address=address)


def _disk(disk: str, folder: Path, source: str, key: str) -> str:
    if "/" not in disk:
        return disk
    image = (folder / disk).absolute()
    if not image.is_file():
        raise ConfigError(source, key, f"= {checked.shown(disk)}: is no file")
    return str(image)


def _unknown_network(lab: LabFile, source: str, key: str, name: str) -> None:
    known = ", ".join(lab.networks)
    raise ConfigError(source, key, f"= {checked.shown(name)}: must be a network; there are {known}")
