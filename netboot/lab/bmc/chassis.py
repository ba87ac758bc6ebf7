"""The Chassis of a virtual BMC."""

from functools import partial

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.power import Power
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.resources import ROOT, Json, collection, head, link

CHASSIS = f"{ROOT}/Chassis"

_HEALTHY = {"State": "Enabled", "Health": "OK"}


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
