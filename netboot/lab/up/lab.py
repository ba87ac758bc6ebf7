"""A lab in namespaces: its networks, its machines, and their BMCs.

switch, dhcp, server   of each network, as ``namespaces.Lan`` makes them; netboot belongs into
                       the first network's ``server``, which is joined to all the others
one for each node      its BMC's address on the BMC network. QEMU runs here, so that a virtual
                       CD is read from that address; and here end the machine's NICs:

    QEMU ── tap0 ── br0 ── nic0 ══ the bridge of nic0's network
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from netboot.lab.bmc.certificate import Certificate, self_signed
from netboot.lab.bmc.http import Server
from netboot.lab.bmc.machine import BootDevice
from netboot.lab.bmc.virtual import VirtualBmc
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.ipmi_bmc import PORT as IPMI_PORT
from netboot.lab.ipmi_bmc import IpmiBmc
from netboot.lab.namespaces import Host, Lan
from netboot.lab.up.faults import of_requests
from netboot.lab.up.file import LabFile, Node, quirk_of
from netboot.lab.up.guest_port import GuestPort
from netboot.lab.up.node import QemuMachine
from netboot.lab.up.qemu import GUEST_PORT, Hardware, Nic
from netboot.model import parse_mac

HTTP_PORT, HTTPS_PORT = 80, 443
COPY_TIMEOUT = 600.0
"""Seconds to copy a disk image."""

_UNITS = {"M": 1 << 20, "G": 1 << 30}


class LabNode:
    """A machine with its BMC.

    Attributes:
        machine: the machine.
        guest_port: where its system learns and announces its BMC's address.
        fingerprint: SHA-256 of the certificate of its BMC; "" where it has none.
    """

    def __init__(self, lab: "Lab", name: str, node: Node) -> None:
        self.name = name
        self.node = node
        self.host = lab.bmcs.host(name, node.bmc.address)
        directory = lab.directory / f"node-{name}"
        directory.mkdir()
        hardware = Hardware(
            name=name,
            firmware=node.firmware,
            memory=int(node.memory),
            nics=[
                Nic(parse_mac(nic.mac), _wire(self.host, number, lab.networks[nic.network]))
                for number, nic in enumerate(node.nics)
            ],
            disks=[
                _disk(disk, self.host, directory, number) for number, disk in enumerate(node.disks)
            ],
        )
        order = [BootDevice(device) for device in node.boot]
        self.machine = QemuMachine(hardware, directory, order, self.host.start)
        lab.on_close(self.machine.close)
        self.guest_port = GuestPort(directory / GUEST_PORT, node.bmc.address)
        lab.on_close(self.guest_port.close)
        self.fingerprint = ""
        if "redfish" in node.bmc.protocols:
            self._redfish(lab, directory)
        if "ipmi" in node.bmc.protocols:
            self._ipmi(lab, directory)

    @property
    def bmcs(self) -> list[str]:
        """The addresses of its BMC, as ``netboot node set --bmc`` takes them."""
        where = self.node.bmc.address
        redfish = f"redfish://{where}" if self.node.bmc.tls == "yes" else f"redfish+http://{where}"
        said = {"redfish": redfish, "ipmi": f"ipmi://{where}"}
        return [said[protocol] for protocol in self.node.bmc.protocols]

    def _redfish(self, lab: "Lab", directory: Path) -> None:
        bmc, certificate = self.node.bmc, None
        if bmc.tls == "yes":
            certificate = self_signed(bmc.address)
            self._keep(certificate, directory)
        service = VirtualBmc(
            self.machine,
            quirk_of(bmc),
            certificate=certificate,
            user=bmc.user,
            password=bmc.password,
            server=lab.http,
            listener=self.host.listen(HTTPS_PORT if certificate else HTTP_PORT),
            secure_boot=self.node.firmware == "secureboot",
            ipmi_port=IPMI_PORT if "ipmi" in bmc.protocols else None,
        )
        for fault in of_requests(bmc.faults):
            service.faults.add(fault)
        service.start()
        lab.on_close(service.stop)

    def _keep(self, certificate: Certificate, directory: Path) -> None:
        (directory / "bmc.pem").write_text(certificate.pem, "ascii")
        self.fingerprint = certificate.fingerprint

    def _ipmi(self, lab: "Lab", directory: Path) -> None:
        bmc = IpmiBmc(
            self.machine,
            directory,
            user=self.node.bmc.user,
            password=self.node.bmc.password,
            address=self.node.bmc.address,
            port=IPMI_PORT,
            start=self.host.start,
        )
        lab.on_close(bmc.close)


class Lab:
    """A running lab; a context manager.

    Args:
        file: as ``file.read`` gives it.

    Attributes:
        networks: by name. ``bmcs``: the one of the BMCs.
        nodes: by name.
        http: the thread of all Redfish services.

    Raises:
        OperationError: something of it did not start; then nothing is left of it.
    """

    def __init__(self, file: LabFile) -> None:
        self.file = file
        self.networks: dict[str, Lan] = {}
        self.nodes: dict[str, LabNode] = {}
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as making:
            self._resources = making
            for name, network in self.file.networks.items():
                self.networks[name] = making.enter_context(Lan(name, network.subnet))
            self._join_server()
            for name, network in self.file.networks.items():
                if network.dhcp == "yes":
                    PlainDhcp(self.networks[name])
            self.http = Server()
            making.callback(self.http.close)
            for name, node in self.file.nodes.items():
                self.nodes[name] = LabNode(self, name, node)
            self._resources = making.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    @property
    def bmcs(self) -> Lan:
        """The network of the BMCs."""
        return self.networks[self.file.bmc_network]

    @property
    def server(self) -> Host:
        """Where netboot belongs."""
        return next(iter(self.networks.values())).server

    @property
    def directory(self) -> Path:
        """Everything it keeps; it ends with the lab."""
        return self.bmcs.directory

    @property
    def hosts(self) -> dict[str, str]:
        """The namespace of each node and of ``server``."""
        nodes = {name: node.host.namespace for name, node in self.nodes.items()}
        return {"server": self.server.namespace} | nodes

    def on_close(self, action: Callable[[], object]) -> None:
        """Have ``action()`` called when the lab ends, last in first out."""
        self._resources.callback(action)

    def status(self) -> str:
        """One JSON document: each node with its power, its NICs and its BMC."""
        nodes = [
            {
                "name": name,
                "firmware": node.node.firmware,
                "power": "on" if node.machine.is_on else "off",
                "starts": node.machine.starts,
                "macs": list(node.machine.macs),
                "bmcs": node.bmcs,
                "user": node.node.bmc.user,
                "fingerprint": node.fingerprint,
                "announced": node.guest_port.announced,
                "iscsi": str(node.machine.lun),
                "serial_log": str(node.machine.serial_log),
            }
            for name, node in self.nodes.items()
        ]
        return json.dumps({"name": self.file.name, "nodes": nodes})

    def _join_server(self) -> None:
        first, *others = self.networks.values()
        for number, lan in enumerate(others, start=1):
            lan.join(first.server, f"eth{number}", str(lan.subnet[-2]))


def _wire(host: Host, number: int, network: Lan) -> str:
    """Lead a tap of this host to a network; the tap's name. No end of it has an address."""
    port, tap, bridge = f"nic{number}", f"tap{number}", f"br{number}"
    network.join(host, port)
    commands = (
        f"link set {port} addrgenmode none",
        f"link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        f"link set {bridge} addrgenmode none",
        f"tuntap add dev {tap} mode tap",
        f"link set {tap} addrgenmode none",
        f"link set {port} master {bridge}",
        f"link set {tap} master {bridge} up",
        f"link set {bridge} up",
    )
    host.run(["ip", "-batch", "-"], text_input="\n".join(commands))
    return tap


def _disk(disk: str, host: Host, directory: Path, number: int) -> Path:
    image = directory / f"disk{number}.img"
    if "/" in disk:
        host.run(["cp", "--sparse=always", disk, image], timeout=COPY_TIMEOUT)
    else:
        with image.open("wb") as file:
            file.truncate(int(disk[:-1]) * _UNITS[disk[-1]])
    return image
