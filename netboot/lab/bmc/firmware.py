"""A machine's firmware settings as its BMC shows them: Bios and SecureBoot (DSP0268).

What is written waits in the settings resource until the machine starts.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.machine import VirtualMachine
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.messages import Problem, bad
from netboot.redfish.resources import Json, Outcome, head, link

LOCKED_WRITES = 2
"""Writes refused after each start by a BMC that is locked during POST."""

_DEFAULTS: Json = {
    "BootMode": "Uefi",
    "NumLock": True,
    "ProcVirtualization": "Enabled",
    "SerialPort": "Com1",
    "PxeDev1EnDis": "Enabled",
}
_KEY_RESETS = ("ResetAllKeysToDefault", "DeleteAllKeys", "DeletePK")


class PostLock:
    """Refuses writes while the machine is in POST, where this BMC does so.

    Args:
        machine: it.
        locks: whether it does.
    """

    def __init__(self, machine: VirtualMachine, *, locks: bool) -> None:
        self._machine = machine
        self._locks = locks
        self._starts = machine.starts
        self._left = 0

    def check(self) -> None:
        """Count one write.

        Raises:
            Problem: 400, the machine is in POST.
        """
        if self._machine.starts != self._starts:
            self._starts, self._left = self._machine.starts, LOCKED_WRITES
        if self._locks and self._left:
            self._left -= 1
            raise bad("iLO.2.19.UnableToModifyDuringSystemPOST")


class Pending:
    """Values in force, and values for the next start."""

    def __init__(self, machine: VirtualMachine, values: Json) -> None:
        self._machine = machine
        self._values = self._next = values
        self._starts = machine.starts

    @property
    def values(self) -> Json:
        """In force."""
        self._settle()
        return self._values

    @property
    def next(self) -> Json:
        """From the next start on."""
        return self._next

    def change(self, changes: Json) -> None:
        """Have these from the next start on."""
        self._settle()
        self._next = self._next | changes

    def _settle(self) -> None:
        if self._machine.starts != self._starts:
            self._starts, self._values = self._machine.starts, self._next


class Bios:
    """Bios and its settings resource.

    Args:
        tree: its resources are added here.
        system: URI of the system.
        machine: applies what is pending by starting.
        quirk: what this BMC does otherwise.
        lock: refuses writes in POST.

    Attributes:
        changed: called after a write.
        hpe_links: to the resources that HPE has under it.
    """

    def __init__(
        self, tree: Tree, system: str, machine: VirtualMachine, quirk: Quirk, lock: PostLock
    ) -> None:
        self.path = f"{system}/Bios"
        self._lock = lock
        self._url = quirk.http_url_property if quirk.http_url_property != "HttpBootUri" else ""
        self._defaults = _DEFAULTS | ({self._url: ""} if self._url else {})
        self._pending = Pending(machine, self._defaults)
        self.changed: Callable[[], None] = lambda: None
        self.hpe_links: Json = {}
        tree[self.path] = Resource(self._read)
        tree[f"{self.path}/Settings"] = Resource(
            self._read_settings,
            {"Attributes": self._write, "@Redfish.SettingsApplyTime": _on_reset},
        )
        tree[f"{self.path}/Actions/Bios.ResetBios"] = Resource(post=self._reset)

    @property
    def http_url(self) -> str:
        """The URL of HTTP boot at the next start, where an attribute has it."""
        return str(self._pending.next.get(self._url, ""))

    def _read(self) -> Json:
        return (
            head(self.path, "Bios", "v1_2_3", "BIOS settings")
            | {
                "Attributes": self._pending.values,
                "@Redfish.Settings": {
                    "@odata.type": "#Settings.v1_3_6.Settings",
                    "SettingsObject": link(f"{self.path}/Settings"),
                    "SupportedApplyTimes": ["OnReset"],
                },
                "Actions": {"#Bios.ResetBios": {"target": f"{self.path}/Actions/Bios.ResetBios"}},
            }
            | ({"Oem": {"Hpe": {"Links": self.hpe_links}}} if self.hpe_links else {})
        )

    def _read_settings(self) -> Json:
        settings = head(f"{self.path}/Settings", "Bios", "v1_2_3", "BIOS settings, pending")
        return settings | {"Attributes": self._pending.next}

    def _write(self, wanted: Any) -> None:  # noqa: ANN401 -- any JSON
        if not isinstance(wanted, dict):
            raise bad("PropertyValueTypeError", "Attributes")
        for name, value in wanted.items():
            if name not in self._defaults:
                raise bad("PropertyUnknown", name)
            if type(value) is not type(self._defaults[name]):
                raise bad("PropertyValueTypeError", name)
        self._lock.check()
        self._pending.change(wanted)
        self.changed()

    def _reset(self, _: Json) -> Outcome:
        self._write(self._defaults)
        return Outcome()


class SecureBoot:
    """SecureBoot of a machine.

    Args:
        tree: its resources are added here.
        system: URI of the system.
        machine: applies what is pending by starting.
        enabled: whether it starts so.
    """

    def __init__(self, tree: Tree, system: str, machine: VirtualMachine, *, enabled: bool) -> None:
        self.path = f"{system}/SecureBoot"
        self._pending = Pending(machine, {"Enabled": enabled, "Mode": "UserMode"})
        tree[self.path] = Resource(self._read, {"SecureBootEnable": self._enable})
        tree[f"{self.path}/Actions/SecureBoot.ResetKeys"] = Resource(post=self._reset_keys)

    def _read(self) -> Json:
        now = self._pending.values
        in_use = now["Enabled"] and now["Mode"] == "UserMode"
        return head(self.path, "SecureBoot", "v1_1_2", "UEFI Secure Boot") | {
            "SecureBootEnable": self._pending.next["Enabled"],
            "SecureBootCurrentBoot": "Enabled" if in_use else "Disabled",
            "SecureBootMode": now["Mode"],
            "Actions": {
                "#SecureBoot.ResetKeys": {
                    "target": f"{self.path}/Actions/SecureBoot.ResetKeys",
                    "ResetKeysType@Redfish.AllowableValues": list(_KEY_RESETS),
                }
            },
        }

    def _enable(self, value: object) -> None:
        if not isinstance(value, bool):
            raise bad("PropertyValueTypeError", "SecureBootEnable")
        self._pending.change({"Enabled": value})

    def _reset_keys(self, body: Json) -> Outcome:
        kind = body.get("ResetKeysType")
        if kind not in _KEY_RESETS:
            raise Problem(
                HTTPStatus.BAD_REQUEST, "ActionParameterValueNotInList", str(kind), "ResetKeysType"
            )
        self._pending.change({"Mode": "UserMode" if kind == _KEY_RESETS[0] else "SetupMode"})
        return Outcome()


def _on_reset(value: object) -> None:
    """Take the apply time that there is."""
    if not isinstance(value, dict) or value.get("ApplyTime") != "OnReset":
        raise bad("PropertyValueNotInList", str(value), "ApplyTime")
