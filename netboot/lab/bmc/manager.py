"""The Manager of a virtual BMC: the BMC itself (DSP0268)."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.resource import Resource, Tree
from netboot.lab.bmc.root import bmc_uuid
from netboot.redfish.messages import bad
from netboot.redfish.resources import ROOT, Json, Outcome, collection, head, link

MANAGERS = f"{ROOT}/Managers"
FIRMWARE_VERSION = "1.0"

NTP_SERVERS = 4
"""How many it keeps."""
_RESET_TYPES = ("ForceRestart", "GracefulRestart")


class Manager:
    """The manager, its network protocols and its Reset action.

    Args:
        tree: its resources are added here.
        machine: UUID of the machine it manages.
        quirk: what this BMC does otherwise.
        media: URI of its virtual media, "" where they belong to the system.
        ipmi_port: where it speaks IPMI too, None where it does not.
        restart: restarts this BMC.
    """

    def __init__(
        self,
        tree: Tree,
        machine: UUID,
        quirk: Quirk,
        media: str,
        ipmi_port: int | None,
        restart: Callable[[], None],
    ) -> None:
        self.path = f"{MANAGERS}/{quirk.identity.manager}"
        self._uuid = bmc_uuid(machine)
        self._identity = quirk.identity
        self._media = media
        self._ipmi_port = ipmi_port
        self._restart = restart
        self._ntp: list[str] = []
        tree[MANAGERS] = Resource(
            lambda: collection(MANAGERS, "ManagerCollection", "Managers", [self.path])
        )
        tree[self.path] = Resource(self._read)
        tree[f"{self.path}/Actions/Manager.Reset"] = Resource(post=self._reset)
        self._protocols = f"{self.path}/NetworkProtocol"
        tree[self._protocols] = Resource(self._read_protocols, {"NTP": self._set_ntp})

    def _read(self) -> Json:
        manager = head(self.path, "Manager", "v1_19_3", "BMC") | {
            "ManagerType": "BMC",
            "Manufacturer": self._identity.manufacturer or None,
            "Model": self._identity.bmc_model or None,
            "FirmwareVersion": FIRMWARE_VERSION,
            "UUID": str(self._uuid),
            "ServiceEntryPointUUID": str(self._uuid),
            "PowerState": "On",
            "Status": {"State": "Enabled", "Health": "OK"},
            "NetworkProtocol": link(self._protocols),
            "Links": {
                "ManagerForServers": [link(f"{ROOT}/Systems/{self._identity.system}")],
                "ManagerForChassis": [link(f"{ROOT}/Chassis/{self._identity.chassis}")],
            },
            "Actions": {
                "#Manager.Reset": {
                    "target": f"{self.path}/Actions/Manager.Reset",
                    "ResetType@Redfish.AllowableValues": list(_RESET_TYPES),
                }
            },
        }
        return manager | ({"VirtualMedia": link(self._media)} if self._media else {})

    def _read_protocols(self) -> Json:
        ipmi = {"IPMI": {"ProtocolEnabled": True, "Port": self._ipmi_port}}
        said = head(self._protocols, "ManagerNetworkProtocol", "v1_10_1", "Protocols") | {
            "HTTP": {"ProtocolEnabled": True, "Port": 80},
            "HTTPS": {"ProtocolEnabled": True, "Port": 443},
            "SSDP": {"ProtocolEnabled": False},
            "NTP": {"ProtocolEnabled": bool(self._ntp), "NTPServers": self._ntp},
        }
        return said | (ipmi if self._ipmi_port else {})

    def _set_ntp(self, wanted: Any) -> None:  # noqa: ANN401 -- any JSON
        """Write the array by DSP0266, "PATCH on array properties"."""
        if not isinstance(wanted, dict) or not isinstance(wanted.get("NTPServers"), list):
            raise bad("PropertyValueTypeError", "NTP")
        servers: list[str] = []
        for index, value in enumerate(wanted["NTPServers"]):
            if isinstance(value, str):
                servers.append(value)
            elif value == {} and index < len(self._ntp):  # this element stays as it is
                servers.append(self._ntp[index])
            elif value is not None:  # null removes it
                raise bad("PropertyValueTypeError", "NTPServers")
        if len(servers) > NTP_SERVERS:
            raise bad("PropertyValueTypeError", "NTPServers")
        self._ntp = servers

    def _reset(self, body: Json) -> Outcome:
        kind = body.get("ResetType", _RESET_TYPES[0])
        if kind not in _RESET_TYPES:
            raise bad("ActionParameterValueNotInList", str(kind), "ResetType")
        self._restart()
        return Outcome(HTTPStatus.NO_CONTENT)
