"""The one seam that decides what a machine boots. Pure: no I/O, no clock, no packet.

Every protocol asks here: DHCP before it offers, HTTP before it renders a script, and
``netboot explain`` with no machine present. The reasons are sentences for a person, in the order
they were found; the last one is what settled it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from netboot.clients import Kind, kind_of
from netboot.decision import Decision, Learned, Verdict
from netboot.learning import NOTHING
from netboot.lifecycle import ERASING
from netboot.matching import Match
from netboot.model import BootSource, Client, Firmware, Mac, Node, Override, Profile, State

IGNORE = "ignore"
LOCAL = "local"
"""The profile that starts a machine from its own disk."""
SANBOOT = "sanboot"
"""The profile that starts a machine from a CD image."""
RESCUE = "rescue"
"""The profile that a machine in rescue boots."""
WIPE = "wipe"
"""The profile that erases a machine's disks."""
DEPLOY = "deploy"
"""The profile that writes a disk image straight to a machine's disk."""
DISK_IMAGE = "disk_image"
"""The variable that names that image."""

_ERASES = ERASING | {State.ENROLLED}
"""The states in which a profile that erases the disk is given."""
_BOOTS: Mapping[State, tuple[str | None, str]] = {
    State.RESCUE: (RESCUE, "it is in rescue, whatever its profile"),
    State.WIPING: (WIPE, "it is being wiped, whatever its profile"),
    State.MAINTENANCE: (LOCAL, "it is in maintenance, so it starts from its disk"),
    State.RETIRED: (None, "it is retired, so it is not answered"),
}
"""The states that alone say what is booted: the profile, or None for no answer; and why."""
_ENDED_BY = {State.RESCUE: "rescue", State.MAINTENANCE: "maintenance", State.RETIRED: "retire"}
"""The commands that end them, by ``--off``."""


def by_state(state: State) -> str | None:
    """The profile that a node boots by its state alone; None where it is its own, or none."""
    return _BOOTS.get(state, (None, ""))[0]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the site says.

    Attributes:
        profiles: every known profile by name.
        unknown: what a machine nobody registered gets: ``ignore`` or a profile's name.
        facade: the label of the nodes that start from what is said over Redfish, and without that
            from their disk; None where that is not served.
        signed: a loader's catalogue name → why firmware with Secure Boot would not start it, as the
            rest of a sentence about it; "" where it would.
        kernels: a kernel's → why the loaders would not start it then, likewise.
        loaders: catalogue names of the loaders that are there; empty where that is not known.
    """

    profiles: Mapping[str, Profile]
    unknown: str = IGNORE
    facade: tuple[str, str] | None = None
    signed: Mapping[str, str] = field(default_factory=dict)
    kernels: Mapping[str, str] = field(default_factory=dict)
    loaders: Collection[str] = frozenset()

    def override(self, node: Node) -> Override | None:
        """The boot override ``node`` obeys, None where it boots by its profile alone."""
        if self.facade is None or self.facade not in node.labels.items():
            return None
        return node.override or Override()


def decide(
    client: Client,
    match: Match | None,
    rules: Rules,
    learned: Learned = NOTHING,
    *,
    installed: bool = False,
) -> Decision:
    """What ``client`` gets, being the node it matches (None: nobody registered it).

    Args:
        client: who asks.
        match: the node it is.
        rules: what the site says.
        learned: what it taught us.
        installed: it called home since its installation, or wipe, was asked for, whether or not
            the node's state says so yet.
    """
    profile, reason = _profile(client.mac, match, rules)
    override = _override(match, rules)
    if match is not None and match.node.state in _BOOTS:
        profile, reason = _by_state(match.node, reason, rules, installed=installed)
    elif override is not None:
        profile, reason = _obeying(override, profile, reason, rules)
    notice = ""
    if profile is not None and _is_over(rules.profiles[profile], match, installed=installed):
        wipes = rules.profiles[profile].wipes
        said, notice = _unasked(profile, match) if wipes else _over(match, installed=installed)
        profile = LOCAL if LOCAL in rules.profiles else None
        reason = f"{reason}; {said}"
    if profile is None:
        return Decision(Verdict.IGNORE, (reason,))
    if match is not None and match.node.secure_boot and client.firmware is not Firmware.GRUB:
        decision = _signed(client, match.node, profile, reason, learned, rules)
    else:
        decision = _answer(client, match, profile, reason, learned, rules)
    if notice:
        decision = replace(decision, notice=notice)
    if override is None or decision.verdict is Verdict.IGNORE:
        return decision
    return replace(decision, override=override)


def _answer(
    client: Client,
    match: Match | None,
    profile: str,
    reason: str,
    learned: Learned,
    rules: Rules,
) -> Decision:
    """How ``client`` is given ``profile``."""
    kind = kind_of(client)
    shape = kind.shapes[learned.shape % len(kind.shapes)]
    if client.firmware is Firmware.IPXE:
        said = "it speaks as iPXE (option 175 or user class), so it gets its script"
        return Decision(Verdict.SCRIPT, (reason, said), profile, shape=shape)
    if client.firmware is Firmware.GRUB:
        said = "it is GRUB, which shim started, so it gets its configuration"
        return Decision(Verdict.SCRIPT, (reason, said), profile, shape=shape)
    if client.firmware is Firmware.RPI:
        said = "its address is a Raspberry Pi's, whose ROM asks TFTP for files of its own"
        return Decision(Verdict.LOADER, (reason, said), profile, shape=shape)
    if match is not None and (named := match.node.loader):
        return _offered(kind, profile, named, learned, reason, f"its node names {named}")
    if not kind.loaders:
        return Decision(Verdict.IGNORE, (reason, f"it is {kind.name}: no loader is known for that"))
    loader, passed_over = _whose_turn(kind, learned, rules)
    said = f"it is {kind.name}, whose loader is {loader}"
    return _offered(kind, profile, loader, learned, reason, *passed_over, said)


def _whose_turn(kind: Kind, learned: Learned, rules: Rules) -> tuple[str, tuple[str, ...]]:
    """The loader to try now, and why not the one before it: one that is there, if any is."""
    first = learned.loader % len(kind.loaders)
    turns = kind.loaders[first:] + kind.loaders[:first]
    there = next((name for name in turns if name in rules.loaders), turns[0])
    if there == turns[0]:
        return there, ()
    return there, (f"{turns[0]}, whose turn it is, is not there",)


def _signed(
    client: Client, node: Node, profile: str, reason: str, learned: Learned, rules: Rules
) -> Decision:
    """How ``client``, whose firmware starts only what is signed, is given ``profile``."""
    kind = kind_of(client)
    marked = "it is marked secure_boot"
    loader = node.loader or kind.signed
    own = client.firmware is Firmware.IPXE and node.starts_ipxe
    if loader is None or (client.firmware in (Firmware.IPXE, Firmware.BIOS) and not own):
        undo = f"`netboot node set {node.name} --no-secure-boot` if it has none"
        said = f"{marked}, and there is no signed boot program for {kind.name}; {undo}"
        return Decision(Verdict.IGNORE, (reason, said))
    cure = "in no image" if node.loader else f"`netboot image fetch {kind.signed_image}`"
    absent = f"is not there: {cure}"
    if problem := rules.signed.get(loader, absent):
        said = f"{marked}, but {loader} {problem}"
        return Decision(Verdict.IGNORE, (reason, said))
    if own:
        return _answer(client, None, profile, reason, learned, rules)
    why = "its node names" if node.loader else f"it is {kind.name}, whose signed loader is"
    said = f"{marked}; {why} {loader}, whose signatures are good"
    return _offered(kind, profile, loader, learned, reason, said)


def _offered(
    kind: Kind, profile: str, loader: str, learned: Learned, reason: str, *settled: str
) -> Decision:
    """``loader``, in the shape whose turn it is, and what was learned among the reasons."""
    shape = kind.shapes[learned.shape % len(kind.shapes)]
    tried = (learned.why,) if learned.why else ()
    reasons = (reason, *tried, *settled)
    return Decision(Verdict.LOADER, reasons, profile, loader, shape, learned.why)


def _obeying(
    override: Override, profile: str | None, reason: str, rules: Rules
) -> tuple[str | None, str]:
    """What a machine gets by a boot override, and why; ``profile`` is what it would get without."""
    times = "once" if override.once else "always"
    match override.source:
        case BootSource.PXE:
            return profile, f"{reason}; its boot override over Redfish says Pxe, {times}"
        case BootSource.CD if override.image is not None:
            said, wanted = f"Cd, {times}, and {override.image} is in", SANBOOT
        case BootSource.CD:
            said, wanted = f"Cd, {times}, and the drive is empty, so it starts from its disk", LOCAL
        case BootSource.DISK:
            said, wanted = f"Hdd, {times}", LOCAL
        case BootSource.NONE:
            said, wanted = "nothing, so it starts from its disk", LOCAL
    whole = f"{reason}; its boot override over Redfish says {said}"
    if wanted in rules.profiles:
        return wanted, whole
    return None, f"{whole}; there is no profile {wanted}, so it is not answered"


def _override(match: Match | None, rules: Rules) -> Override | None:
    """The boot override that is obeyed: none where the node's state alone says what it boots."""
    if match is None or match.node.state in _BOOTS:
        return None
    return rules.override(match.node)


def _by_state(node: Node, reason: str, rules: Rules, *, installed: bool) -> tuple[str | None, str]:
    """What a machine gets by its node's state alone, and why."""
    wanted, why = _BOOTS[node.state]
    if node.state is State.WIPING and installed:
        wanted, why = LOCAL, "it was wiped, so it starts from its disk"
    whole = f"{reason}; {why}"
    if command := _ENDED_BY.get(node.state):
        whole = f"{whole}; `netboot node {command} {node.name} --off` ends that"
    if wanted is None or wanted in rules.profiles:
        return wanted, whole
    known = LOCAL if LOCAL in rules.profiles else None
    instead = "it starts from its disk" if known else "it is not answered"
    return known, f"{whole}, but there is no profile {wanted}, so {instead}"


def _is_over(profile: Profile, match: Match | None, *, installed: bool) -> bool:
    """Whether the profile's installation is not to begin, or to begin again: it would erase.

    One that does nothing but erase is asked for by a wipe, never by having it for a profile.
    """
    if profile.wipes:
        asked = match is not None and match.node.state is State.WIPING
    else:
        asked = match is None or match.node.state in _ERASES
    return profile.erases and (installed or not asked)


def _unasked(profile: str, match: Match | None) -> tuple[str, str]:
    """Why a profile that only erases is not given, and nothing for the machine's own screen."""
    said = f"profile {profile} erases disks, and nobody asked for that, so it starts from its disk"
    if match is None:
        return said, ""
    name = match.node.name
    return f"{said}; `netboot node wipe {name} --confirm {name}` does", ""


def _over(match: Match | None, *, installed: bool) -> tuple[str, str]:
    """Why a profile that erases is not given, and what the machine's own screen says of it."""
    if match is None:
        said = "it was installed, so it starts from its disk; to install it again, register it"
        return said, ""
    node = match.node
    command = f"netboot node install {node.name}"
    if installed or node.state is State.INSTALLED:
        again = f"`{command} --reinstall` installs it again"
        return f"it is installed, so it starts from its disk; {again}", ""
    if node.state is State.FAILED:
        said = f"what was done to it last failed ({node.because or 'nobody said why'})"
        notice = f"{node.name}: {said}. It starts from its disk; to try again: {command}"
        return f"{said}, so it starts from its disk; `{command}` tries again", notice
    said = f"it is {node.state}, so it starts from its disk until somebody asks"
    return f"{said}; `{command}` installs it", ""


def _profile(mac: Mac, match: Match | None, rules: Rules) -> tuple[str | None, str]:
    """The profile's name, None for no answer; and why."""
    if match is None:
        said = f'{mac} belongs to no node, and dhcp.unknown = "{rules.unknown}"'
        if rules.unknown == IGNORE:
            return None, said
        if rules.unknown not in rules.profiles:
            return None, f"{said}, which is no known profile ({_known(rules)})"
        return rules.unknown, said
    name = match.node.profile
    if name is not None and name not in rules.profiles:
        return None, f"{match.reason}, which is not known ({_known(rules)})"
    return name, match.reason


def _known(rules: Rules) -> str:
    return ", ".join(sorted(rules.profiles))


def installing(profiles: Mapping[str, Profile]) -> frozenset[str]:
    """The names of those that install something."""
    return frozenset(name for name, profile in profiles.items() if profile.installs)
