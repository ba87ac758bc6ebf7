"""The boot override of a virtual BMC: what it says is what the machine does at its next start."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.firmware import PostLock
from netboot.lab.bmc.machine import BootDevice, Refused, VirtualMachine
from netboot.redfish.messages import bad
from netboot.redfish.resources import Json

_DEVICES = {
    "Pxe": BootDevice.NETWORK,
    "UefiHttp": BootDevice.HTTP,
    "Hdd": BootDevice.DISK,
    "RemoteDrive": BootDevice.ISCSI,
    "Cd": BootDevice.CD,
    "UsbCd": BootDevice.CD,
    "Usb": BootDevice.USB,
    "BiosSetup": BootDevice.SETUP,
}
_ENABLED = ("Disabled", "Once", "Continuous")
_PREFIX = "BootSourceOverride"
_URI = "HttpBootUri"


@dataclass(frozen=True, slots=True)
class Override:
    """The properties of Boot that can be written (DSP0268, ComputerSystem)."""

    enabled: str = "Disabled"
    target: str = "None"
    mode: str = "UEFI"
    uri: str = ""


class BootSettings:
    """Boot of one system.

    Args:
        machine: told what to start from.
        quirk: what this BMC does otherwise.
        attribute_uri: the URL of HTTP boot, where a BIOS attribute has it.
        lock: refuses writes in POST.
    """

    def __init__(
        self,
        machine: VirtualMachine,
        quirk: Quirk,
        attribute_uri: Callable[[], str],
        lock: PostLock,
    ) -> None:
        self._machine = machine
        self._quirk = quirk
        self._lock = lock
        self._attribute_uri = attribute_uri
        self._override = Override(mode=machine.modes[0])
        self._starts = machine.starts
        self.targets = [
            target
            for target in quirk.boot_targets
            if target == "None" or _DEVICES.get(target) in machine.boot_devices
        ]

    @property
    def override(self) -> Override:
        """What is in force; a Once that the machine has used is Disabled."""
        if self._override.enabled == "Once" and self._machine.starts != self._starts:
            self._override = replace(self._override, enabled="Disabled", target="None")
        return self._override

    def read(self) -> Json:
        """The Boot object."""
        override = self.override
        boot: Json = {
            f"{_PREFIX}Enabled": override.enabled,
            f"{_PREFIX}Enabled@Redfish.AllowableValues": list(_ENABLED),
            f"{_PREFIX}Target": override.target,
            f"{_PREFIX}Target@Redfish.AllowableValues": self.targets,
        }
        if self._quirk.boot_has_mode:
            boot[f"{_PREFIX}Mode"] = override.mode
            boot[f"{_PREFIX}Mode@Redfish.AllowableValues"] = list(self._machine.modes)
        if self._has_uri:
            boot[_URI] = override.uri or None
        return boot

    def write(self, wanted: object) -> None:
        """A PATCH of Boot: all of it or nothing.

        Raises:
            Problem: a property is unknown or has a value it cannot have.
        """
        if not isinstance(wanted, dict):
            raise bad("PropertyValueTypeError", "Boot")
        self._check_names(wanted)
        allowed = {"Enabled": _ENABLED, "Target": self.targets, "Mode": self._machine.modes}
        for name, values in allowed.items():
            value = wanted.get(_PREFIX + name, values[0])
            if value not in values:
                raise bad("PropertyValueNotInList", str(value), _PREFIX + name)
        override = self.override
        uri = wanted.get(_URI, override.uri) or ""  # null takes it away, as "" does
        if not isinstance(uri, str):
            raise bad("PropertyValueTypeError", _URI)
        self._lock.check()
        self._arm(
            Override(
                wanted.get(f"{_PREFIX}Enabled", override.enabled),
                wanted.get(f"{_PREFIX}Target", override.target),
                wanted.get(f"{_PREFIX}Mode", override.mode),
                uri,
            )
        )

    def renew(self) -> None:
        """Tell the machine again: a BIOS attribute the override needs has changed."""
        self._arm(self.override)

    @property
    def _has_uri(self) -> bool:
        return self._quirk.http_url_property == _URI and "UefiHttp" in self.targets

    def _device(self, target: str) -> BootDevice | None:
        """What a target starts; where UsbCd is the virtual CD, Cd is a drive that is not there."""
        return None if target == "Cd" != self._quirk.cd_target else _DEVICES.get(target)

    def _check_names(self, wanted: dict[str, Any]) -> None:
        names = [f"{_PREFIX}Enabled", f"{_PREFIX}Target"]
        full = list(names)
        if self._quirk.boot_has_mode:
            names.append(f"{_PREFIX}Mode")
            full.append(f"{_PREFIX}Mode")
        if self._has_uri:
            names.append(_URI)
        for name in wanted:
            if name not in names:
                raise bad("PropertyUnknown", name)
        disabling = wanted.get(f"{_PREFIX}Enabled") == "Disabled"
        if self._quirk.boot_always_full and not disabling:
            for name in full:
                if name not in wanted:
                    raise bad("PropertyMissing", name)
        if self._quirk.boot_needs_target and full[0] in wanted and full[1] not in wanted:
            raise bad("PropertyMissing", full[1])

    def _arm(self, override: Override) -> None:
        if override.target == "None" and override.enabled == "Once":
            override = replace(override, enabled="Disabled")
        once = override.enabled == "Once"
        device = None if override.enabled == "Disabled" else self._device(override.target)
        uri = override.uri if self._has_uri else self._attribute_uri()
        starts = self._machine.starts
        try:
            self._machine.set_boot(
                None if once and self._quirk.once_ignored else device,
                once=once,
                url=uri if device is BootDevice.HTTP else "",
            )
        except Refused as refusal:
            raise bad("GeneralError", str(refusal)) from None
        self._override, self._starts = override, starts
