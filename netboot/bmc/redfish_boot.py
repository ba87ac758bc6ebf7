"""The boot override in Redfish's words (DSP0268, ComputerSystem.Boot), as each BMC wants it."""

from collections.abc import Iterator, Mapping
from typing import Any

from netboot.bmc.model import BootMode, BootOverride, BootTarget
from netboot.bmc.quirks import GENERIC, Quirk
from netboot.bmc.redfish_words import Json

_PREFIX = "BootSourceOverride"
_TARGETS = {
    BootTarget.NONE: "None",
    BootTarget.PXE: "Pxe",
    BootTarget.HTTP: "UefiHttp",
    BootTarget.DISK: "Hdd",
    BootTarget.CD: "Cd",
    BootTarget.ISCSI: "RemoteDrive",
    BootTarget.BIOS: "BiosSetup",
}
_READ = {name: target for target, name in _TARGETS.items()} | {"UsbCd": BootTarget.CD}
_MODES = {BootMode.UEFI: "UEFI", BootMode.BIOS: "Legacy"}
_READ_MODES = {name: mode for mode, name in _MODES.items()}
_URL = "HttpBootUri"


def read(system: Json) -> BootOverride | None:
    """The override in a system's (or its settings') Boot; None where it does not say.

    A target that none of ours means is read as NONE; ``other_target`` has its name.
    """
    boot = part(system, "Boot")
    enabled = boot.get(f"{_PREFIX}Enabled")
    if enabled is None:
        return None
    target = _READ.get(str(boot.get(f"{_PREFIX}Target")), BootTarget.NONE)
    if enabled == "Disabled" or target is BootTarget.NONE:
        return BootOverride(BootTarget.NONE)
    url = boot.get(_URL) if target is BootTarget.HTTP else None
    return BootOverride(target, enabled == "Once", mode(system), str(url) if url else None)


def mode(system: Json) -> BootMode | None:
    """How the firmware boots, whether anything overrides its order or not."""
    return _READ_MODES.get(str(part(system, "Boot").get(f"{_PREFIX}Mode")))


def other_target(system: Json) -> str | None:
    """The name of a target in force that none of ours means."""
    boot = part(system, "Boot")
    name = boot.get(f"{_PREFIX}Target")
    in_force = boot.get(f"{_PREFIX}Enabled") in ("Once", "Continuous")
    return str(name) if in_force and name and name not in _READ else None


def body(wanted: BootOverride, quirk: Quirk, system: Json) -> Json:
    """The PATCH that sets ``wanted``.

    Args:
        wanted: without a mode it keeps the one it has.
        quirk: what this BMC does otherwise.
        system: as just read.
    """
    now = part(system, "Boot")
    boot: dict[str, Any] = {f"{_PREFIX}Enabled": "Once" if wanted.once else "Continuous"}
    boot[f"{_PREFIX}Target"] = target_name(wanted.target, quirk, system)
    if wanted.target is BootTarget.NONE:
        boot[f"{_PREFIX}Enabled"] = "Disabled"
    key = f"{_PREFIX}Mode"
    if wanted.mode is not None and (quirk.boot_has_mode or key in now):
        boot[key] = _MODES[wanted.mode]
    elif now.get(key) and (quirk.boot_always_full or quirk.name == GENERIC):
        boot[key] = now[key]
    if wanted.target is BootTarget.HTTP and wanted.url and quirk.http_url_property == _URL:
        boot[_URL] = wanted.url
    return {"Boot": boot}


def bios_url(wanted: BootOverride, quirk: Quirk) -> Json | None:
    """The BIOS attribute that has the URL of HTTP boot, where Boot has no place for it."""
    if wanted.target is not BootTarget.HTTP or not wanted.url or quirk.http_url_property == _URL:
        return None
    return {quirk.http_url_property: wanted.url}


def target_name(target: BootTarget, quirk: Quirk, system: Json) -> str:
    """``target`` by this BMC's name for it."""
    if target is not BootTarget.CD:
        return _TARGETS[target]
    can = allowed(system)
    return "UsbCd" if quirk.cd_target == "UsbCd" and (not can or "UsbCd" in can) else "Cd"


def allowed(system: Json) -> tuple[str, ...]:
    """The targets a BMC says that it takes; empty where it does not say."""
    names = part(system, "Boot").get(f"{_PREFIX}Target@Redfish.AllowableValues")
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def boots_http(system: Json) -> bool:
    """Whether UEFI HTTP boot is among them."""
    return _TARGETS[BootTarget.HTTP] in allowed(system)


def boots_remotely(system: Json) -> bool:
    """Whether a remote drive is among them."""
    return _TARGETS[BootTarget.ISCSI] in allowed(system)


def settings_path(resource: Json, quirk: Quirk) -> str | None:
    """Where settings for the next boot are written; None where that is the resource itself."""
    named = link(part(resource, "@Redfish.Settings"), "SettingsObject")
    own = resource.get("@odata.id")
    if named is None and quirk.settings_uri == "/SD" and isinstance(own, str):
        return f"{own.rstrip('/')}/SD"
    return named


def etags(resource: Json, header: str | None, quirk: Quirk) -> Iterator[str]:
    """What to send as If-Match, the likeliest first; each refused with 412 changes nothing."""
    said = resource.get("@odata.etag")
    found = [said if isinstance(said, str) else None, header]
    if quirk.if_match == "header-only":
        found.reverse()
    strong = [etag.removeprefix("W/") for etag in found if etag]
    bare = [f'"{etag.strip(chr(34))}"' for etag in strong]
    yield from dict.fromkeys([*(etag for etag in found if etag), *strong, *bare, "*"])


def part(resource: Json, name: str) -> Json:
    """An object within a resource; empty where it is missing or something else."""
    value = resource.get(name)
    return value if isinstance(value, Mapping) else {}


def objects(resource: Json, name: str) -> list[Json]:
    """The objects in a list, each in its place; empty where it is missing or something else."""
    listed = resource.get(name)
    entries = listed if isinstance(listed, list) else []
    return [one if isinstance(one, Mapping) else {} for one in entries]


def link(resource: Json, *names: str) -> str | None:
    """The URI that a resource has under these names."""
    for name in names:
        resource = part(resource, name)
    path = resource.get("@odata.id")
    return path if isinstance(path, str) else None


def links(resource: Json, name: str = "Members") -> tuple[str, ...]:
    """The URIs in a list of references."""
    listed = resource.get(name)
    members = (
        [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    )
    return tuple(path for one in members if (path := link(one)))
