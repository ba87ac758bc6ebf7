"""A machine's BIOS attributes over Redfish (DSP0268, Bios and its ``@Redfish.Settings``).

What is written waits in the settings resource until the machine starts.
"""

from collections.abc import Mapping

from netboot.bmc.quirks import Quirk
from netboot.bmc.redfish_boot import etags, link, part
from netboot.bmc.redfish_http import Connection, Reply
from netboot.bmc.redfish_media import patch
from netboot.bmc.redfish_words import Json
from netboot.errors import BmcError


def read(connection: Connection, system: Json) -> Mapping[str, object]:
    """The attributes in force, by name.

    Args:
        connection: to the BMC.
        system: the system they are of, as it was read.

    Raises:
        BmcError: this BMC shows none.
    """
    found = part(_bios(connection, system).said, "Attributes")
    if not found:
        raise BmcError("the BMC shows no BIOS attributes")
    return found


def write(connection: Connection, system: Json, quirk: Quirk, attributes: Json) -> Reply:
    """Have these attributes from the machine's next start on.

    Raises:
        BmcError: this BMC shows none, or did not take them.
    """
    bios = _bios(connection, system)
    named = link(part(bios.said, "@Redfish.Settings"), "SettingsObject")
    path = named or f"{link(system, 'Bios')}/Settings"
    settings = connection.get(path)
    matches = tuple(etags(settings.said, settings.etag, quirk))
    return patch(connection, path, {"Attributes": dict(attributes)}, matches)


def _bios(connection: Connection, system: Json) -> Reply:
    path = link(system, "Bios")
    if path is None:
        raise BmcError("the BMC shows no BIOS attributes")
    return connection.get(path)
