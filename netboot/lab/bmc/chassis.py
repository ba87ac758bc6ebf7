"""The Chassis of a virtual BMC, with the network adapter whose functions can boot by iSCSI."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.power import Power
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.messages import bad
from netboot.redfish.resources import ROOT, Json, collection, head, link

CHASSIS = f"{ROOT}/Chassis"

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


def add_chassis(tree: Tree, quirk: Quirk, power: Power, serial: str) -> str:
    """Add the chassis and its Reset action; returns its URI."""
    path = f"{CHASSIS}/{quirk.identity.chassis}"
    tree[CHASSIS] = Resource(lambda: collection(CHASSIS, "ChassisCollection", "Chassis", [path]))
    tree[path] = Resource(partial(_chassis, path, quirk, power, serial))
    if quirk.chassis_reset_types:
        tree[f"{path}/Actions/Chassis.Reset"] = Resource(
            post=partial(power.reset, "Reset", quirk.chassis_reset_types)
        )
    return path


def _chassis(path: str, quirk: Quirk, power: Power, serial: str) -> Json:
    identity = quirk.identity
    manager = link(f"{ROOT}/Managers/{identity.manager}")
    chassis = head(path, "Chassis", "v1_22_4", "Chassis") | {
        "ChassisType": "RackMount",
        "Manufacturer": identity.manufacturer or None,
        "Model": identity.model or None,
        "SerialNumber": serial,
        "PowerState": power.state,
        "Status": _HEALTHY,
        "Links": {
            "ComputerSystems": [link(f"{ROOT}/Systems/{identity.system}")],
            "ManagedBy": [manager],
            "ManagersInChassis": [manager],
        },
    }
    if quirk.iscsi == "network-device-functions":
        chassis["NetworkAdapters"] = link(f"{path}/NetworkAdapters")
    if quirk.chassis_reset_types:
        chassis["Actions"] = {
            "#Chassis.Reset": {
                "target": f"{path}/Actions/Chassis.Reset",
                "ResetType@Redfish.AllowableValues": list(quirk.chassis_reset_types),
            }
        }
    return chassis


class NetworkAdapter:
    """One adapter, with a device function for each MAC.

    Args:
        tree: its resources are added here.
        chassis: URI of the chassis it is in.
        system: URI of the system that sees it as a NetworkInterface.
        macs: lower case with colons.
    """

    def __init__(self, tree: Tree, chassis: str, system: str, macs: Sequence[str]) -> None:
        adapters = f"{chassis}/NetworkAdapters"
        self._path = f"{adapters}/NIC"
        functions = f"{self._path}/NetworkDeviceFunctions"
        self._members = [f"{functions}/{number}" for number in range(1, len(macs) + 1)]
        self.interfaces = f"{system}/NetworkInterfaces"
        interface = f"{self.interfaces}/NIC"
        tree[adapters] = _collection(adapters, "NetworkAdapter", [self._path])
        tree[functions] = _collection(functions, "NetworkDeviceFunction", self._members)
        tree[self.interfaces] = _collection(self.interfaces, "NetworkInterface", [interface])
        tree[self._path] = Resource(self._adapter)
        tree[interface] = Resource(partial(self._interface, interface))
        for path, mac in zip(self._members, macs, strict=True):
            function = DeviceFunction(path, mac)
            writes = {"iSCSIBoot": function.set_iscsi_boot, "BootMode": function.set_boot_mode}
            tree[path] = Resource(function.read, writes)

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

    def __init__(self, path: str, mac: str) -> None:
        self._path = path
        self._mac = mac.upper()
        self._boot_mode = "PXE"
        self._iscsi = dict(_ISCSI_BOOT)

    def read(self) -> Json:
        """Its representation."""
        return head(self._path, "NetworkDeviceFunction", "v1_9_4", "Network function") | {
            "NetDevFuncType": "iSCSI" if self._boot_mode == "iSCSI" else "Ethernet",
            "NetDevFuncCapabilities": ["Ethernet", "iSCSI"],
            "DeviceEnabled": True,
            "Status": _HEALTHY,
            "BootMode": self._boot_mode,
            "Ethernet": {"MACAddress": self._mac, "PermanentMACAddress": self._mac},
            "iSCSIBoot": self._iscsi | dict.fromkeys(_SECRETS),
        }

    def set_boot_mode(self, value: Any) -> None:  # noqa: ANN401 -- any JSON
        """Say how it boots."""
        if value not in _BOOT_MODES:
            raise bad("PropertyValueNotInList", str(value), "BootMode")
        self._boot_mode = value

    def set_iscsi_boot(self, wanted: Any) -> None:  # noqa: ANN401 -- any JSON
        """Change some of iSCSIBoot; null puts a property back as it was made."""
        if not isinstance(wanted, dict):
            raise bad("PropertyValueTypeError", "iSCSIBoot")
        changed = dict(self._iscsi)
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
        self._iscsi = changed


def _collection(path: str, kind: str, members: list[str]) -> Resource:
    return Resource(lambda: collection(path, f"{kind}Collection", f"{kind}s", members))
