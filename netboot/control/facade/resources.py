"""What the facade's resources look like (DSP0268). Pure: values in, JSON data out.

Only what is true is said: no manufacturer, so that no client takes the machine for one whose
peculiarities it knows, and no boot mode, which an answer to a machine's firmware cannot change.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, uuid5

from netboot.bmc.model import PowerAction, PowerState
from netboot.control.facade.accounts import SESSION_SECONDS, Session
from netboot.model import BootSource, Node, Override

ROOT = "/redfish/v1"
SYSTEMS, MANAGERS, CHASSIS = f"{ROOT}/Systems", f"{ROOT}/Managers", f"{ROOT}/Chassis"
SESSION_SERVICE = f"{ROOT}/SessionService"
SESSIONS = f"{SESSION_SERVICE}/Sessions"
SCHEMAS = "http://redfish.dmtf.org/schemas/v1"
VERSION = "1.18.0"
"""Of DSP0266."""

TARGETS = {
    "None": BootSource.NONE,
    "Pxe": BootSource.PXE,
    "Hdd": BootSource.DISK,
    "Cd": BootSource.CD,
}
"""BootSourceOverrideTarget."""
ENABLED = ("Disabled", "Once", "Continuous")
RESETS = {
    "On": PowerAction.ON,
    "ForceOff": PowerAction.OFF,
    "GracefulShutdown": PowerAction.SHUTDOWN,
    "ForceRestart": PowerAction.RESET,
    "PowerCycle": PowerAction.CYCLE,
}
"""ResetType."""

Json = dict[str, Any]

_SERVICES = {
    "Systems": "ComputerSystemCollection",
    "Chassis": "ChassisCollection",
    "Managers": "ManagerCollection",
    "SessionService": "SessionService",
}
_SOURCES = {source: target for target, source in TARGETS.items()}
_POWER = {PowerState.ON: "On", PowerState.OFF: "Off"}
_EDMX, _EDM = "http://docs.oasis-open.org/odata/ns/edmx", "http://docs.oasis-open.org/odata/ns/edm"


def root() -> Json:
    """Where a client starts."""
    services = {name: _link(f"{ROOT}/{name}") for name in _SERVICES}
    return (
        _head(f"{ROOT}/", "ServiceRoot", "v1_16_2", "Root Service", "RootService")
        | {
            "RedfishVersion": VERSION,
            "Product": "netboot: a Redfish service for machines whose boots it decides",
            "ProtocolFeaturesSupported": {
                "ExcerptQuery": False,
                "ExpandQuery": dict.fromkeys(("ExpandAll", "Levels", "Links", "NoLinks"), False),
                "FilterQuery": False,
                "OnlyMemberQuery": False,
                "SelectQuery": False,
            },
            "Links": {"Sessions": _link(SESSIONS)},
        }
        | services
    )


def odata() -> Json:
    """OData's service document."""
    entries = [{"name": "Service", "kind": "Singleton", "url": f"{ROOT}/"}]
    entries += [{"name": name, "kind": "Singleton", "url": f"{ROOT}/{name}"} for name in _SERVICES]
    return {"@odata.context": f"{ROOT}/$metadata", "value": entries}


def metadata() -> str:
    """OData's metadata document, which names the schemas and holds none."""
    references = "".join(
        f'<edmx:Reference Uri="{SCHEMAS}/{kind}_v1.xml">'
        f'<edmx:Include Namespace="{kind}"/></edmx:Reference>'
        for kind in ("ServiceRoot", *_SERVICES.values())
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><edmx:Edmx xmlns:edmx="{_EDMX}" Version="4.0">'
        f'{references}<edmx:DataServices><Schema xmlns="{_EDM}" Namespace="Service">'
        '<EntityContainer Name="Service" Extends="ServiceRoot.v1_16_2.ServiceContainer"/>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )


def session_service() -> Json:
    """Where to log in."""
    service = _head(SESSION_SERVICE, "SessionService", "v1_1_9", "Session Service")
    timeout = {"ServiceEnabled": True, "SessionTimeout": SESSION_SECONDS}
    return service | timeout | {"Sessions": _link(SESSIONS)}


def session(session: Session) -> Json:
    """One session without its token."""
    path = f"{SESSIONS}/{session.number}"
    shown = {"UserName": session.user, "Password": None}
    return _head(path, "Session", "v1_7_2", "User Session") | shown


def collection(path: str, kind: str, members: Iterable[str]) -> Json:
    """A collection of ``kind``; ``members``: the last parts of their URIs."""
    references = [_link(f"{path}/{member}") for member in members]
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": f"{kind} Collection",
        "Members": references,
        "Members@odata.count": len(references),
    }


def system(
    node: Node, override: Override, power: PowerState, resets: Iterable[str], *, heard: bool
) -> Json:
    """A node.

    Args:
        node: it.
        override: what was said that it starts from.
        power: what is known of it.
        resets: what can be done to it.
        heard: its power could be read.
    """
    path = f"{SYSTEMS}/{node.name}"
    said = _head(path, "ComputerSystem", "v1_20_7", node.name) | {
        "SystemType": "Physical",
        "HostName": node.name,
        "UUID": node.uuid or str(uuid5(NAMESPACE_OID, f"netboot node {node.name}")),
        "SerialNumber": node.serial,
        "AssetTag": node.asset_tag,
        "PowerState": _POWER.get(power),
        "Status": {"State": "Enabled", "Health": "OK" if heard else "Warning"},
        "Boot": boot(override),
        "EthernetInterfaces": _link(f"{path}/EthernetInterfaces"),
        "Links": {
            "Chassis": [_link(f"{CHASSIS}/{node.name}")],
            "ManagedBy": [_link(f"{MANAGERS}/{node.name}")],
        },
    }
    if allowed := list(resets):
        said["Actions"] = {
            "#ComputerSystem.Reset": {
                "target": f"{path}/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": allowed,
            }
        }
    return said


def boot(override: Override) -> Json:
    """The Boot object of a system."""
    idle = override.source is BootSource.NONE
    enabled = "Disabled" if idle else "Once" if override.once else "Continuous"
    return {
        "BootSourceOverrideEnabled": enabled,
        "BootSourceOverrideEnabled@Redfish.AllowableValues": list(ENABLED),
        "BootSourceOverrideTarget": _SOURCES[override.source],
        "BootSourceOverrideTarget@Redfish.AllowableValues": list(TARGETS),
    }


def interface(node: Node, number: int) -> Json:
    """One of a node's registered NICs, from 1 on."""
    path, mac = f"{SYSTEMS}/{node.name}/EthernetInterfaces/{number}", node.macs[number - 1].upper()
    return _head(path, "EthernetInterface", "v1_8_6", f"NIC {number}") | {
        "MACAddress": mac,
        "PermanentMACAddress": mac,
        "Status": {"State": "Enabled"},
    }


def manager(node: Node) -> Json:
    """What stands in for the node's BMC: us."""
    path = f"{MANAGERS}/{node.name}"
    return _head(path, "Manager", "v1_19_3", f"netboot for {node.name}") | {
        "ManagerType": "Service",
        "PowerState": "On",
        "Status": {"State": "Enabled", "Health": "OK"},
        "VirtualMedia": _link(f"{path}/VirtualMedia"),
        "Links": {
            "ManagerForServers": [_link(f"{SYSTEMS}/{node.name}")],
            "ManagerForChassis": [_link(f"{CHASSIS}/{node.name}")],
        },
    }


def medium(node: Node, image: str | None) -> Json:
    """The node's virtual CD drive."""
    path = f"{MANAGERS}/{node.name}/VirtualMedia/Cd"
    actions = f"{path}/Actions/VirtualMedia"
    return _head(path, "VirtualMedia", "v1_6_5", "Virtual CD") | {
        "MediaTypes": ["CD", "DVD"],
        "Image": image,
        "ImageName": PurePosixPath(urlsplit(image).path).name if image else None,
        "Inserted": image is not None,
        "ConnectedVia": "URI" if image else "NotConnected",
        "WriteProtected": True,
        "Actions": {
            "#VirtualMedia.InsertMedia": {"target": f"{actions}.InsertMedia"},
            "#VirtualMedia.EjectMedia": {"target": f"{actions}.EjectMedia"},
        },
    }


def chassis(node: Node) -> Json:
    """What the node is in, of which nothing is known."""
    return _head(f"{CHASSIS}/{node.name}", "Chassis", "v1_22_4", f"Chassis of {node.name}") | {
        "ChassisType": "Other",
        "Status": {"State": "Enabled", "Health": "OK"},
        "Links": {
            "ComputerSystems": [_link(f"{SYSTEMS}/{node.name}")],
            "ManagedBy": [_link(f"{MANAGERS}/{node.name}")],
        },
    }


def _head(path: str, kind: str, version: str, name: str, identity: str | None = None) -> Json:
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}.{version}.{kind}",
        "Id": identity or path.rpartition("/")[2],
        "Name": name,
    }


def _link(path: str) -> Json:
    return {"@odata.id": path}
