"""The ComputerSystem of a virtual BMC, and its network interfaces (DSP0268)."""

from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.boot import BootSettings
from netboot.lab.bmc.machine import VirtualMachine
from netboot.lab.bmc.power import Power
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.messages import Problem, bad
from netboot.redfish.resources import ROOT, Json, collection, head, link

SYSTEMS = f"{ROOT}/Systems"

_HEALTHY = {"State": "Enabled", "Health": "OK"}
_LONGEST_TAG = 64


class System:
    """The system and its Reset action.

    Args:
        tree: its resources are added here.
        machine: what it is.
        quirk: what this BMC does otherwise.
        power: of the machine.
        boot: its override.
        parts: names of the resources under it, with their URIs.
    """

    def __init__(
        self,
        tree: Tree,
        machine: VirtualMachine,
        quirk: Quirk,
        power: Power,
        boot: BootSettings,
        parts: dict[str, str],
    ) -> None:
        self.path = f"{SYSTEMS}/{quirk.identity.system}"
        self._machine = machine
        self._quirk = quirk
        self._power = power
        self._boot = boot
        self._parts = parts
        self._tag = ""
        writes: dict[str, Callable[[Any], None]] = {"AssetTag": self._set_tag}
        if not quirk.settings_uri:
            writes["Boot"] = self._set_boot
        tree[SYSTEMS] = Resource(
            lambda: collection(SYSTEMS, "ComputerSystemCollection", "Systems", [self.path])
        )
        tree[self.path] = Resource(self._read, writes)
        tree[f"{self.path}/Actions/ComputerSystem.Reset"] = Resource(
            post=partial(power.reset, "Reset", quirk.reset_types)
        )
        if quirk.settings_uri:
            path = self.path + ("/SD" if quirk.settings_uri == "/SD" else "/Settings")
            self._settings = path
            tree[path] = Resource(self._read_settings, {"Boot": self._set_boot})

    def _read(self) -> Json:
        identity, machine = self._quirk.identity, self._machine
        system = head(self.path, "ComputerSystem", "v1_20_7", machine.name) | {
            "SystemType": "Physical",
            "Manufacturer": identity.manufacturer or None,
            "Model": identity.model or None,
            "SKU": None,
            "SerialNumber": machine.name,
            "UUID": str(machine.uuid),
            "AssetTag": self._tag,
            "BiosVersion": "1.0",
            "PowerState": self._power.state,
            "LastResetTime": self._power.last_reset,
            "Status": _HEALTHY,
            "ProcessorSummary": {"Count": 1, "CoreCount": machine.cpus, "Model": "virtual"},
            "MemorySummary": {"TotalSystemMemoryGiB": machine.memory_mib / 1024},
            "Boot": self._boot.read(),
            "Links": {
                "Chassis": [link(f"{ROOT}/Chassis/{identity.chassis}")],
                "ManagedBy": [link(f"{ROOT}/Managers/{identity.manager}")],
            },
            "Actions": {
                "#ComputerSystem.Reset": {
                    "target": f"{self.path}/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": list(self._quirk.reset_types),
                }
            },
        }
        system |= {name: link(path) for name, path in self._parts.items()}
        if self._quirk.settings_uri == "@Redfish.Settings":
            system["@Redfish.Settings"] = {
                "@odata.type": "#Settings.v1_3_6.Settings",
                "SettingsObject": link(self._settings),
            }
        return system

    def _read_settings(self) -> Json:
        settings = head(self._settings, "ComputerSystem", "v1_20_7", "Settings of the system")
        return settings | {"Boot": self._boot.read()}

    def _set_boot(self, wanted: object) -> None:
        if self._quirk.boot_patch == "refused":
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, "OperationNotAllowed")
        if self._quirk.boot_patch == "works":
            self._boot.write(wanted)

    def _set_tag(self, value: object) -> None:
        if not isinstance(value, str) or len(value) > _LONGEST_TAG:
            raise bad("PropertyValueTypeError", "AssetTag")
        self._tag = value


def add_interfaces(tree: Tree, system: str, macs: Sequence[str]) -> str:
    """Add EthernetInterfaces, one a MAC; returns the collection's URI."""
    path = f"{system}/EthernetInterfaces"
    members = {f"{path}/NIC.{number}": mac for number, mac in enumerate(macs, 1)}
    tree[path] = Resource(
        lambda: collection(path, "EthernetInterfaceCollection", "Ethernet interfaces", members)
    )
    for member, mac in members.items():
        tree[member] = Resource(partial(_interface, member, mac))
    return path


def _interface(path: str, mac: str) -> Json:
    return head(path, "EthernetInterface", "v1_8_6", "Ethernet interface") | {
        "MACAddress": mac.upper(),
        "PermanentMACAddress": mac.upper(),
        "SpeedMbps": 1000,
        "LinkStatus": "LinkUp",
        "InterfaceEnabled": True,
        "Status": _HEALTHY,
    }
