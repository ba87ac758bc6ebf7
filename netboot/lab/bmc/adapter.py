"""The network adapter of a virtual BMC, whose functions can boot by iSCSI (DSP0268).

Where the quirk has it so, what is written waits in each function's settings resource until the
machine starts.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from netboot.lab.bmc.firmware import Pending
from netboot.lab.bmc.machine import IscsiDrive, VirtualMachine
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.messages import bad
from netboot.redfish.resources import Json, collection, head, link

_HEALTHY = {"State": "Enabled", "Health": "OK"}
_BOOT_MODES = ("Disabled", "PXE", "iSCSI", "HTTP")
_METHODS = ("None", "CHAP", "MutualCHAP")
_SECRETS = ("CHAPSecret", "MutualCHAPSecret")
_ISCSI_BOOT: Json = {
    "IPAddressType": "IPv4",
    "InitiatorName": "",
    "InitiatorIPAddress": "",
    "InitiatorNetmask": "",
    "InitiatorDefaultGateway": "",
    "IPMaskDNSViaDHCP": True,
    "TargetInfoViaDHCP": False,
    "PrimaryTargetName": "",
    "PrimaryTargetIPAddress": "",
    "PrimaryTargetTCPPort": 3260,
    "PrimaryLUN": 0,
    "PrimaryVLANEnable": False,
    "PrimaryVLANId": 0,
    "PrimaryDNS": "",
    "AuthenticationMethod": "None",
    "CHAPUsername": "",
    "CHAPSecret": "",
    "MutualCHAPUsername": "",
    "MutualCHAPSecret": "",
}


class NetworkAdapter:
    """One adapter, with a device function for each MAC.

    Args:
        tree: its resources are added here.
        chassis: URI of the chassis it is in.
        system: URI of the system that sees it as a NetworkInterface.
        machine: whose NICs they are; logs in to what one of them is told.
        pending: whether what is written waits for the machine to start.
    """

    def __init__(
        self, tree: Tree, chassis: str, system: str, machine: VirtualMachine, *, pending: bool
    ) -> None:
        adapters = f"{chassis}/NetworkAdapters"
        self._path = f"{adapters}/NIC"
        functions = f"{self._path}/NetworkDeviceFunctions"
        members = [f"{functions}/{number}" for number in range(1, len(machine.macs) + 1)]
        self.interfaces = f"{system}/NetworkInterfaces"
        interface = f"{self.interfaces}/NIC"
        tree[adapters] = _collection(adapters, "NetworkAdapter", [self._path])
        tree[functions] = _collection(functions, "NetworkDeviceFunction", members)
        tree[self.interfaces] = _collection(self.interfaces, "NetworkInterface", [interface])
        tree[self._path] = Resource(self._adapter)
        tree[interface] = Resource(partial(self._interface, interface))
        self._machine = machine
        self._functions = [
            DeviceFunction(path, mac, machine, pending=pending)
            for path, mac in zip(members, machine.macs, strict=True)
        ]
        for function in self._functions:
            function.add(tree, self._tell)

    def _tell(self) -> None:
        """Have the machine log in to what its first function that boots by iSCSI is told."""
        drives = (function.drive for function in self._functions)
        self._machine.set_iscsi(next(filter(None, drives), None))

    def _adapter(self) -> Json:
        return head(self._path, "NetworkAdapter", "v1_9_3", "Network adapter") | {
            "Status": _HEALTHY,
            "NetworkDeviceFunctions": link(f"{self._path}/NetworkDeviceFunctions"),
        }

    def _interface(self, path: str) -> Json:
        return head(path, "NetworkInterface", "v1_2_3", "Network interface") | {
            "Status": _HEALTHY,
            "NetworkDeviceFunctions": link(f"{self._path}/NetworkDeviceFunctions"),
            "Links": {"NetworkAdapter": link(self._path)},
        }


class DeviceFunction:
    """One NetworkDeviceFunction; the CHAP secrets it keeps are read as null."""

    def __init__(self, path: str, mac: str, machine: VirtualMachine, *, pending: bool) -> None:
        self._path = path
        self._mac = mac.upper()
        self._waits = pending
        self._kept = Pending(machine, {"BootMode": "PXE", "iSCSIBoot": dict(_ISCSI_BOOT)})

    def add(self, tree: Tree, changed: Callable[[], None]) -> None:
        """Add its resources; ``changed`` is called after a write."""

        def write(name: str, check: Callable[[Any], object], value: Any) -> None:  # noqa: ANN401 -- any JSON
            self._kept.change({name: check(value)})
            changed()

        writes = {
            "iSCSIBoot": partial(write, "iSCSIBoot", self._iscsi_boot),
            "BootMode": partial(write, "BootMode", _boot_mode),
        }
        if not self._waits:
            tree[self._path] = Resource(lambda: self._read(self._kept.next), writes)
            return
        settings = f"{self._path}/Settings"
        tree[self._path] = Resource(
            lambda: (
                self._read(self._kept.values)
                | {
                    "@Redfish.Settings": {
                        "@odata.type": "#Settings.v1_3_6.Settings",
                        "SettingsObject": link(settings),
                        "SupportedApplyTimes": ["OnReset"],
                    }
                }
            )
        )
        tree[settings] = Resource(
            lambda: (
                head(settings, "NetworkDeviceFunction", "v1_9_4", "Network function, pending")
                | _shown(self._kept.next)
            ),
            writes,
        )

    @property
    def drive(self) -> IscsiDrive | None:
        """What it has the machine log in to at its next start."""
        kept = self._kept.next
        said = kept["iSCSIBoot"]
        if kept["BootMode"] != "iSCSI" or not said["PrimaryTargetName"]:
            return None
        chap = said["AuthenticationMethod"] != "None"
        return IscsiDrive(
            target=said["PrimaryTargetName"],
            portal=said["PrimaryTargetIPAddress"],
            port=said["PrimaryTargetTCPPort"],
            lun=said["PrimaryLUN"],
            initiator=said["InitiatorName"],
            user=said["CHAPUsername"] if chap else "",
            secret=said["CHAPSecret"] if chap else "",
        )

    def _read(self, kept: Json) -> Json:
        return (
            head(self._path, "NetworkDeviceFunction", "v1_9_4", "Network function")
            | {
                "NetDevFuncType": "iSCSI" if kept["BootMode"] == "iSCSI" else "Ethernet",
                "NetDevFuncCapabilities": ["Ethernet", "iSCSI"],
                "DeviceEnabled": True,
                "Status": _HEALTHY,
                "Ethernet": {"MACAddress": self._mac, "PermanentMACAddress": self._mac},
            }
            | _shown(kept)
        )

    def _iscsi_boot(self, wanted: Any) -> Json:  # noqa: ANN401 -- any JSON
        """``iSCSIBoot`` with some of it changed; null puts a property back as it was made."""
        if not isinstance(wanted, dict):
            raise bad("PropertyValueTypeError", "iSCSIBoot")
        changed: Json = dict(self._kept.next["iSCSIBoot"])
        for name, value in wanted.items():
            if name not in _ISCSI_BOOT:
                raise bad("PropertyUnknown", name)
            if value is not None and type(value) is not type(_ISCSI_BOOT[name]):
                raise bad("PropertyValueTypeError", name)
            changed[name] = _ISCSI_BOOT[name] if value is None else value
        if changed["AuthenticationMethod"] not in _METHODS:
            raise bad(
                "PropertyValueNotInList", changed["AuthenticationMethod"], "AuthenticationMethod"
            )
        return changed


def _boot_mode(value: object) -> object:
    if value not in _BOOT_MODES:
        raise bad("PropertyValueNotInList", str(value), "BootMode")
    return value


def _shown(kept: Json) -> Json:
    """Without the secrets."""
    return {
        "BootMode": kept["BootMode"],
        "iSCSIBoot": kept["iSCSIBoot"] | dict.fromkeys(_SECRETS),
    }


def _collection(path: str, kind: str, members: list[str]) -> Resource:
    return Resource(lambda: collection(path, f"{kind}Collection", f"{kind}s", members))
