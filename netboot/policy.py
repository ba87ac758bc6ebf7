"""The one seam that decides what a machine boots. Pure: no I/O, no clock, no packet.

Every protocol asks here: DHCP before it offers, HTTP before it renders a script, and
``netboot explain`` with no machine present. The reasons are sentences for a person, in the order
they were found; the last one is what settled it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from netboot.clients import kind_of
from netboot.learning import NOTHING
from netboot.matching import Match
from netboot.model import Client, Decision, Firmware, Learned, Mac, Profile, Verdict

IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the site says.

    Attributes:
        profiles: every known profile by name.
        unknown: what a machine nobody registered gets: ``ignore`` or a profile's name.
    """

    profiles: Mapping[str, Profile]
    unknown: str = IGNORE


def decide(
    client: Client, match: Match | None, rules: Rules, learned: Learned = NOTHING
) -> Decision:
    """What ``client`` gets, being the node it matches (None: nobody registered it)."""
    profile, reason = _profile(client.mac, match, rules)
    if profile is None:
        return Decision(Verdict.IGNORE, (reason,))
    kind = kind_of(client)
    shape = kind.shapes[learned.shape % len(kind.shapes)]
    if client.firmware is Firmware.IPXE:
        said = "it speaks as iPXE (option 175 or user class), so it gets its script"
        return Decision(Verdict.SCRIPT, (reason, said), profile, shape=shape)
    if client.firmware is Firmware.RPI:
        said = "its address is a Raspberry Pi's, whose ROM asks TFTP for files of its own"
        return Decision(Verdict.LOADER, (reason, said), profile, shape=shape)
    named = None if match is None else match.node.loader
    if named is None and not kind.loaders:
        return Decision(Verdict.IGNORE, (reason, f"it is {kind.name}: no loader is known for that"))
    loader = named or kind.loaders[learned.loader % len(kind.loaders)]
    why = "its node names" if named else f"it is {kind.name}, whose loader is"
    tried = (learned.why,) if learned.why else ()
    reasons = (reason, *tried, f"{why} {loader}")
    return Decision(Verdict.LOADER, reasons, profile, loader, shape, learned.why)


def _profile(mac: Mac, match: Match | None, rules: Rules) -> tuple[str | None, str]:
    """The profile's name, None for no answer; and why."""
    known = ", ".join(sorted(rules.profiles))
    if match is None:
        said = f'{mac} belongs to no node, and dhcp.unknown = "{rules.unknown}"'
        if rules.unknown == IGNORE:
            return None, said
        if rules.unknown not in rules.profiles:
            return None, f"{said}, which is no known profile ({known})"
        return rules.unknown, said
    name = match.node.profile
    if name is not None and name not in rules.profiles:
        return None, f"{match.reason}, which is not known ({known})"
    return name, match.reason
