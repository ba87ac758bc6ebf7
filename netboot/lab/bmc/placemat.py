"""placemat's virtual BMC, to the letter: one ``System.Embedded.1`` and little else.

Its representations are constant but for PowerState, name what is not there, and have no ETag. There
is no PATCH, so no override; PushPowerButton and Nmi are allowed and do nothing; a power state asked
for twice is 409.
"""

from functools import partial
from http import HTTPStatus

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.http import Reply, Request
from netboot.lab.bmc.power import Power
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.messages import Problem, bad
from netboot.redfish.resources import ROOT, Json, Outcome, link, links

NAME = "placemat"

_ID = "System.Embedded.1"
_SYSTEM = f"{ROOT}/Systems/{_ID}"
_CHASSIS = f"{ROOT}/Chassis/{_ID}"
_OK = {"Health": "OK", "HealthRollup": "OK", "State": "Enabled"}


def add(tree: Tree, quirk: Quirk, power: Power) -> None:
    """Add all that placemat has."""
    tree["/"] = Resource(raw={"GET": _null}, open=True)
    tree[ROOT] = Resource(_root, open=True)
    tree[f"{ROOT}/Systems"] = Resource(
        partial(_collection, "Systems", "ComputerSystem", "Computer System", _SYSTEM)
    )
    tree[f"{ROOT}/Chassis"] = Resource(
        partial(_collection, "Chassis/", "Chassis", "Chassis", _CHASSIS)
    )
    tree[_SYSTEM] = Resource(partial(_system, quirk, power), raw={"PATCH": _no_such_page})
    tree[_CHASSIS] = Resource(partial(_chassis, quirk, power))
    tree[f"{_SYSTEM}/Actions/ComputerSystem.Reset"] = Resource(
        post=partial(_reset_system, power), needs_body=True
    )
    tree[f"{_CHASSIS}/Actions/Chassis.Reset"] = Resource(
        post=partial(_reset_chassis, quirk, power), needs_body=True
    )


def _null(_: Request) -> Reply:
    return Reply(HTTPStatus.OK, b"null", {"Content-Type": "application/json; charset=utf-8"})


def _no_such_page(_: Request) -> Reply:
    """Its router's answer to a method it has no handler for."""
    return Reply(HTTPStatus.NOT_FOUND, b"404 page not found", {"Content-Type": "text/plain"})


def _reset_system(power: Power, body: Json) -> Outcome:
    """Act on what it knows; any other type is taken and does nothing, as placemat has it."""
    kind = body.get("ResetType")
    if kind in ("On", "ForceOff", "ForceRestart", "GracefulShutdown"):
        if (kind == "On") == (power.state == "On"):
            words = f"Server is already powered {power.state.upper()}"
            raise Problem(HTTPStatus.CONFLICT, "GeneralError", words)
        power.act("ForceOff" if kind == "GracefulShutdown" else kind)
    return Outcome()


def _reset_chassis(quirk: Quirk, power: Power, body: Json) -> Outcome:
    kind = body.get("ResetType")
    if kind not in quirk.chassis_reset_types:
        raise bad("ActionParameterValueNotInList", str(kind), "ResetType")
    power.act(str(kind))
    return Outcome()


def _root() -> Json:
    services = {
        "AccountService": "Managers/Embedded.1/AccountService",
        "Chassis": "Chassis",
        "EventService": "EventService",
        "Fabrics": "Fabrics",
        "JsonSchemas": "JSONSchemas",
        "Managers": "Managers",
        "Registries": "Registries",
        "SessionService": "SessionService",
        "Systems": "Systems",
        "Tasks": "TaskService",
        "UpdateService": "UpdateService",
    }
    return _head("", "ServiceRoot", "v1_3_0", "Root Service", "RootService") | {
        "Description": "Root Service",
        "Links": {"Sessions": link(f"{ROOT}/Sessions")},
        "Oem": {},
        "Product": "Placemat",
        "ProtocolFeaturesSupported": {
            "ExpandQuery": {
                "ExpandAll": True,
                "Levels": True,
                "Links": True,
                "MaxLevels": 1,
                "NoLinks": True,
            },
            "FilterQuery": True,
            "SelectQuery": True,
        },
        "RedfishVersion": "1.4.0",
        **{name: link(f"{ROOT}/{path}") for name, path in services.items()},
    }


def _collection(path: str, kind: str, name: str, member: str) -> Json:
    plural = {"Chassis": "Chassis"}.get(name, f"{name}s")
    return {
        "@odata.context": f"{ROOT}/$metadata#{kind}Collection.{kind}Collection",
        "@odata.id": f"{ROOT}/{path}",
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Description": f"Collection of {plural}",
        "Members": [link(member)],
        "Members@odata.count": 1,
        "Name": f"{name} Collection",
    }


def _system(quirk: Quirk, power: Power) -> Json:
    parts = {
        "Bios": "Bios",
        "EthernetInterfaces": "EthernetInterfaces",
        "Memory": "Memory",
        "NetworkInterfaces": "NetworkInterfaces",
        "Processors": "Processors",
        "SecureBoot": "SecureBoot",
        "SimpleStorage": "SimpleStorage/Controllers",
        "Storage": "Storage",
    }
    lists = {
        "HostingRoles": [],
        "PCIeDevices": links([f"{_SYSTEM}/PCIeDevice/0-31"]),
        "PCIeFunctions": links([f"{_SYSTEM}/PCIeFunction/0-31-4"]),
    }
    return (
        _head(f"Systems/{_ID}", "ComputerSystem", "v1_5_0", "System", _ID)
        | {name: link(f"{_SYSTEM}/{path}") for name, path in parts.items()}
        | _counted(lists)
        | {
            "Actions": {
                "#ComputerSystem.Reset": _action(_SYSTEM, "ComputerSystem", quirk.reset_types)
            },
            "AssetTag": "",
            "BiosVersion": "X.X.X",
            "Boot": _boot(quirk),
            "Description": "Computer System which represents a machine (physical or virtual) and "
            "the local resources such as memory, cpu and other devices that can be accessed from "
            "that machine.",
            "HostName": "",
            "HostWatchdogTimer": {
                "FunctionEnabled": False,
                "Status": {"State": "Disabled"},
                "TimeoutAction": "None",
            },
            "IndicatorLED": "Off",
            "Links": _links(_SYSTEM),
            "Manufacturer": quirk.identity.manufacturer,
            "MemorySummary": {
                "MemoryMirroring": "System",
                "Status": _OK,
                "TotalSystemMemoryGiB": 300,
            },
            "Model": quirk.identity.model,
            "Oem": {},
            "PartNumber": "XXXX",
            "PowerState": power.state,
            "ProcessorSummary": {
                "Count": 2,
                "LogicalProcessorCount": 28,
                "Model": "XXXX",
                "Status": _OK,
            },
            "SKU": "XXXX",
            "SerialNumber": "XXXX",
            "Status": _OK,
            "SystemType": "Virtual",
            "TrustedModules": [
                {
                    "FirmwareVersion": "X.X.X.X",
                    "InterfaceType": "TPM2_0",
                    "Status": {"State": "Enabled"},
                }
            ],
            "UUID": "XXXX",
        }
    )


def _boot(quirk: Quirk) -> Json:
    return {
        "BootOptions": link(f"{_SYSTEM}/BootOptions"),
        "BootOrder": ["Boot0000", "Boot0001"],
        "BootOrder@odata.count": 2,
        "BootSourceOverrideEnabled": "Once",
        "BootSourceOverrideMode": "UEFI",
        "BootSourceOverrideTarget": "None",
        "BootSourceOverrideTarget@Redfish.AllowableValues": list(quirk.boot_targets),
        "UefiTargetBootSourceOverride": "",
    }


def _links(owner: str) -> Json:
    fans = "Fan.Embedded.1" if owner == _SYSTEM else "1"
    lists: dict[str, list[Json]] = {
        "CooledBy": links(f"{_CHASSIS}/Sensors/Fans/{fans}{letter}" for letter in "AB"),
        "ManagedBy": links([f"{ROOT}/Managers/1"]),
        "PoweredBy": links([f"{_CHASSIS}/Power/PowerSupplies/PSU.Slot.1"]),
    }
    if owner == _SYSTEM:
        return _counted(lists | {"Chassis": links([_CHASSIS])}) | {"Oem": {}}
    return _counted(
        lists
        | {
            "ComputerSystems": links([_SYSTEM]),
            "Contains": [],
            "Drives": [],
            "ManagersInChassis": links([f"{ROOT}/Managers/1"]),
            "PCIeDevices": links([f"{_SYSTEM}/PCIeDevice/0-31"]),
            "Storage": links([f"{_SYSTEM}/Storage/CPU.1"]),
        }
    )


def _chassis(quirk: Quirk, power: Power) -> Json:
    return _head(f"Chassis/{_ID}", "Chassis", "v1_6_0", "Computer System Chassis", _ID) | {
        "Actions": {"#Chassis.Reset": _action(_CHASSIS, "Chassis", quirk.chassis_reset_types)},
        "Assembly": link(f"{_CHASSIS}/Assembly"),
        "AssetTag": None,
        "ChassisType": "RackMount",
        "Description": "It represents the properties for physical components for any system.It "
        "represent racks, rackmount servers, blades, standalone, modular systems,enclosures, and "
        "all other containers.The non-cpu/device centric parts of the schema are all accessed "
        "either directly or indirectly through this resource.",
        "IndicatorLED": "Off",
        "Links": _links(_CHASSIS),
        "Location": {
            "Info": ";;;;1",
            "InfoFormat": "DataCenter;RoomName;Aisle;RackName;RackSlot",
            "Placement": {"Rack": "", "Row": ""},
            "PostalAddress": {"Building": "", "Room": ""},
        },
        "Manufacturer": "Placemat Inc.",
        "Model": "Placemat XXX",
        "NetworkAdapters": link(f"{_SYSTEM}/NetworkAdapters"),
        "PartNumber": "0000",
        "PhysicalSecurity": {
            "IntrusionSensor": "XXX",
            "IntrusionSensorNumber": 111,
            "IntrusionSensorReArm": "XXX",
        },
        "Power": link(f"{_CHASSIS}/Power"),
        "PowerState": power.state,
        "SKU": "XXXXXX",
        "SerialNumber": "XXXXXX",
        "Status": _OK,
        "Thermal": link(f"{_CHASSIS}/Thermal"),
    }


def _head(path: str, kind: str, version: str, name: str, identity: str) -> Json:
    return {
        "@odata.context": f"{ROOT}/$metadata#{kind}.{kind}",
        "@odata.id": f"{ROOT}/{path}".rstrip("/"),
        "@odata.type": f"#{kind}.{version}.{kind}",
        "Id": identity,
        "Name": name,
    }


def _action(owner: str, kind: str, types: tuple[str, ...]) -> Json:
    return {
        "ResetType@Redfish.AllowableValues": list(types),
        "target": f"{owner}/Actions/{kind}.Reset",
    }


def _counted(lists: dict[str, list[Json]]) -> Json:
    counts = {f"{name}@odata.count": len(values) for name, values in lists.items()}
    return {**lists, **counts}
