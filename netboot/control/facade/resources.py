"""What the facade's resources look like (DSP0268). Pure: values in, JSON data out.

Only what is true is said: no manufacturer, so that no client takes the machine for one whose
peculiarities it knows, and no boot mode, which an answer to a machine's firmware cannot change.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, uuid5

from netboot.bmc.model import PowerAction, PowerState
from netboot.control.facade.accounts import SESSION_SECONDS, Session
from netboot.model import BootSource, Node, Override
from netboot.redfish.resources import ROOT, Json, collection, head, link

SYSTEMS, MANAGERS, CHASSIS = f"{ROOT}/Systems", f"{ROOT}/Managers", f"{ROOT}/Chassis"
SESSION_SERVICE = f"{ROOT}/SessionService"
SESSIONS = f"{SESSION_SERVICE}/Sessions"

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

SERVICES = {
    "Systems": "ComputerSystemCollection",
    "Chassis": "ChassisCollection",
    "Managers": "ManagerCollection",
    "SessionService": "SessionService",
}
"""On the service root."""

_SOURCES = {source: target for target, source in TARGETS.items()}
_POWER = {PowerState.ON: "On", PowerState.OFF: "Off"}


def session_service() -> Json:
    """Where to log in."""
    service = head(SESSION_SERVICE, "SessionService", "v1_1_9", "Session Service")
    timeout = {"ServiceEnabled": True, "SessionTimeout": SESSION_SECONDS}
    return service | timeout | {"Sessions": link(SESSIONS)}


def session(session: Session) -> Json:
    """One session without its token."""
    path = f"{SESSIONS}/{session.number}"
    shown = {"UserName": session.user, "Password": None}
    return head(path, "Session", "v1_7_2", "User Session") | shown


def members(path: str, kind: str, names: Iterable[str]) -> Json:
    """A collection of ``kind``; ``names``: the last parts of its members' URIs."""
    paths = [f"{path}/{name}" for name in names]
    return collection(path, f"{kind}Collection", f"{kind} Collection", paths)


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
    said = head(path, "ComputerSystem", "v1_20_7", node.name) | {
        "SystemType": "Physical",
        "HostName": node.name,
        "UUID": node.uuid or str(uuid5(NAMESPACE_OID, f"netboot node {node.name}")),
        "SerialNumber": node.serial,
        "AssetTag": node.asset_tag,
        "PowerState": _POWER.get(power),
        "Status": {"State": "Enabled", "Health": "OK" if heard else "Warning"},
        "Boot": boot(override),
        "EthernetInterfaces": link(f"{path}/EthernetInterfaces"),
        "Links": {
            "Chassis": [link(f"{CHASSIS}/{node.name}")],
            "ManagedBy": [link(f"{MANAGERS}/{node.name}")],
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
    return head(path, "EthernetInterface", "v1_8_6", f"NIC {number}") | {
        "MACAddress": mac,
        "PermanentMACAddress": mac,
        "Status": {"State": "Enabled"},
    }


def manager(node: Node) -> Json:
    """What stands in for the node's BMC: us."""
    path = f"{MANAGERS}/{node.name}"
    return head(path, "Manager", "v1_19_3", f"netboot for {node.name}") | {
        "ManagerType": "Service",
        "PowerState": "On",
        "Status": {"State": "Enabled", "Health": "OK"},
        "VirtualMedia": link(f"{path}/VirtualMedia"),
        "Links": {
            "ManagerForServers": [link(f"{SYSTEMS}/{node.name}")],
            "ManagerForChassis": [link(f"{CHASSIS}/{node.name}")],
        },
    }


def medium(node: Node, image: str | None) -> Json:
    """The node's virtual CD drive."""
    path = f"{MANAGERS}/{node.name}/VirtualMedia/Cd"
    actions = f"{path}/Actions/VirtualMedia"
    return head(path, "VirtualMedia", "v1_6_5", "Virtual CD") | {
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
    return head(f"{CHASSIS}/{node.name}", "Chassis", "v1_22_4", f"Chassis of {node.name}") | {
        "ChassisType": "Other",
        "Status": {"State": "Enabled", "Health": "OK"},
        "Links": {
            "ComputerSystems": [link(f"{SYSTEMS}/{node.name}")],
            "ManagedBy": [link(f"{MANAGERS}/{node.name}")],
        },
    }
