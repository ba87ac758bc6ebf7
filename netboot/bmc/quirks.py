"""What a BMC does otherwise than DSP0266 and DSP0268 have it, as data.

``quirks.toml`` has one table a personality. The client asks ``of`` with what the BMC
says of itself; the lab's virtual BMCs are made of the same table, so that a line removed from it
fails a test.
"""

import functools
import re
from pathlib import Path
from typing import Literal

from msgspec import structs

from netboot import checked
from netboot.errors import ConfigError

GENERIC = "generic"
"""The personality without quirks: what nobody knows better is taken for it."""

_FILE = Path(__file__).with_name("quirks.toml")


class Identity(checked.Checked, frozen=True):
    """What one BMC of this kind says of itself; "" where it says nothing.

    Attributes:
        root_vendor: ``Vendor`` of the service root.
        manufacturer: ``Manufacturer`` of the system.
        model: ``Model`` of the system.
        bmc_model: ``Model`` of the manager.
        system: the last segment of the system's URI; likewise ``manager`` and ``chassis``.
    """

    root_vendor: str = ""
    manufacturer: str = ""
    model: str = ""
    bmc_model: str = ""
    system: str = "1"
    manager: str = "1"
    chassis: str = "1"


class Match(checked.Checked, frozen=True):
    """Patterns of what a BMC says of itself; all given ones must be found, whatever the case."""

    root_vendor: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    bmc_model: str | None = None
    system: str | None = None


class Quirk(checked.Checked, frozen=True):
    """One personality.

    Attributes:
        name: its table's key.
        label: its name for people.
        match: how it is told; one of them is enough.
        identity: what the lab's virtual BMC of this kind says of itself.
        sessions: whether it has a SessionService; else basic authentication alone.
        session_limit: how many sessions it keeps; one more is refused.
        boot_patch: what a PATCH of Boot does: ``noop`` is answered 204 and changes nothing,
            ``refused`` is an error whatever it says.
        boot_always_full: Enabled and, where there is one, Mode must be sent with every Target.
        boot_needs_target: Enabled without a Target is refused.
        boot_has_mode: it has BootSourceOverrideMode.
        boot_targets: allowable values of BootSourceOverrideTarget.
        once_ignored: a Once is taken and read back, and the next boot is the usual one.
        if_match: what a PATCH needs: ``required`` an If-Match with the ETag of header or body (428
            without), ``header-only`` the same where the body has no ``@odata.etag``, ``odata``
            where the header is missing and only the body has one.
        etag_form: how it writes an ETag; ``doubly-quoted`` has quotes within the quotes, ``none``
            has no ETag at all.
        settings_uri: where the override is patched: the system itself, a resource under it, or the
            one its ``@Redfish.Settings`` names.
        http_url_property: where the URL of HTTP Boot is said: ``HttpBootUri`` in Boot; a BIOS
            attribute for the others.
        cd_target: the BootSourceOverrideTarget that starts a virtual CD.
        media_at: the collection its VirtualMedia belongs to, ``none`` without any.
        media_verbs: ``actions`` are InsertMedia and EjectMedia; ``patch`` writes Image
            and Inserted.
        media_inserted_property: whether Inserted and WriteProtected are accepted in InsertMedia.
        media_eject_body: EjectMedia needs a body, ``{}``.
        media_schemes: of the image's URL.
        media_schemes_said: its slots say which, as allowable values of TransferProtocolType.
        media_directory: Image is a directory; the images in it are listed and one is taken.
        media_by_name: Image is the name of a file uploaded before, no URL.
        media_bad_characters: characters that an image's URL must not have.
        media_unusable_slots: slots are listed that refuse every image; the next one is tried.
        stale_inserted: for a while after EjectMedia Inserted stays true and the slot answers 5xx.
        stale_image: Image keeps the old URL after EjectMedia.
        transfer_protocol_required: InsertMedia needs TransferProtocolType.
        dummy_credentials_required: InsertMedia needs UserName and Password, any.
        reset_types: allowable values of the system's ResetType.
        chassis_reset_types: likewise of the chassis; empty without that action.
        same_power_refused: On when it is on is 409.
        locked_during_post: the override and BIOS settings cannot be written during POST.
        iscsi: where firmware's iSCSI is set up: ``network-device-functions`` by DSP0268, or
            ``hpe-oem``, a resource under Bios.
        iscsi_pending: what is written to a NetworkDeviceFunction waits in its settings resource
            until the machine starts.
        screenshot: a path whose GET gives what the machine shows, "" without one.
    """

    label: str
    name: str = ""
    match: tuple[Match, ...] = ()
    identity: Identity = Identity()
    sessions: bool = True
    session_limit: int = 64
    boot_patch: Literal["works", "noop", "refused"] = "works"
    boot_always_full: bool = False
    boot_needs_target: bool = False
    boot_has_mode: bool = True
    boot_targets: tuple[str, ...] = ("None", "Pxe", "Hdd", "Cd", "Usb", "BiosSetup", "UefiHttp")
    once_ignored: bool = False
    if_match: Literal["no", "required", "header-only", "odata"] = "no"
    etag_form: Literal["strong", "weak", "doubly-quoted", "none"] = "strong"
    settings_uri: Literal["", "/SD", "@Redfish.Settings"] = ""
    http_url_property: Literal["HttpBootUri", "HttpDev1Uri", "UrlBootFile"] = "HttpBootUri"
    cd_target: Literal["Cd", "UsbCd"] = "Cd"
    media_at: Literal["Managers", "Systems", "none"] = "Managers"
    media_verbs: Literal["actions", "patch"] = "actions"
    media_inserted_property: bool = True
    media_eject_body: bool = False
    media_schemes: tuple[str, ...] = ("http", "https")
    media_schemes_said: bool = True
    media_directory: bool = False
    media_by_name: bool = False
    media_bad_characters: str = ""
    media_unusable_slots: bool = False
    stale_inserted: bool = False
    stale_image: bool = False
    transfer_protocol_required: bool = False
    dummy_credentials_required: bool = False
    reset_types: tuple[str, ...] = (
        "On",
        "ForceOff",
        "GracefulShutdown",
        "GracefulRestart",
        "ForceRestart",
        "Nmi",
        "ForceOn",
        "PushPowerButton",
        "PowerCycle",
    )
    chassis_reset_types: tuple[str, ...] = ("On", "ForceOff", "PowerCycle")
    same_power_refused: bool = False
    locked_during_post: bool = False
    iscsi: Literal["network-device-functions", "hpe-oem", "none"] = "network-device-functions"
    iscsi_pending: bool = False
    screenshot: str = ""


@functools.cache
def known() -> dict[str, Quirk]:
    """Every personality by name, in the order in which they are tried.

    Raises:
        ConfigError: ``quirks.toml`` is wrong; names the key.
    """
    tables = checked.convert(checked.read_toml(_FILE), dict[str, Quirk], _FILE.name)
    for name, quirk in tables.items():
        for match in quirk.match:
            _compiled(name, match)
    return {name: structs.replace(quirk, name=name) for name, quirk in tables.items()}


def of(
    manufacturer: str | None = None,
    model: str | None = None,
    bmc_model: str | None = None,
    root_vendor: str | None = None,
    system: str | None = None,
) -> Quirk:
    """The personality of a BMC by what it says of itself; ``generic`` if none fits.

    Args:
        manufacturer: of the system.
        model: of the system.
        bmc_model: of the manager.
        root_vendor: of the service root.
        system: the last segment of the system's URI.
    """
    said = {
        "manufacturer": manufacturer,
        "model": model,
        "bmc_model": bmc_model,
        "root_vendor": root_vendor,
        "system": system,
    }
    for name, quirk in known().items():
        for match in quirk.match:
            patterns = _compiled(name, match)
            if all(patterns[key].search(said[key] or "") for key in patterns):
                return quirk
    return known()[GENERIC]


@functools.cache
def _compiled(name: str, match: Match) -> dict[str, re.Pattern[str]]:
    patterns = {}
    for key in match.__struct_fields__:
        if (text := getattr(match, key)) is not None:
            try:
                patterns[key] = re.compile(text, re.IGNORECASE)
            except re.error as error:
                raise ConfigError(_FILE.name, f"{name}.match.{key}", str(error)) from None
    return patterns
