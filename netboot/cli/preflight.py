"""What ``netboot serve`` does before it serves: looks round, and fetches what is missing.

No mirror is waited for: what is there is served, and what a mirror would have told is said to be
untold.

Nothing here is needed by the two programs themselves: they say the same in their own words when
they meet it. It is for the person who starts them by hand.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from netboot.answer.profiles import load_profiles
from netboot.bmc.address import parse_address
from netboot.config import Settings
from netboot.control.inventory import open_inventory
from netboot.control.surveyed import Surveyed, keep
from netboot.errors import ConfigError, NetbootError, OperationError
from netboot.guide import see
from netboot.media import drift, library
from netboot.media.drift import Fit, Judgement
from netboot.media.fetch import fetch
from netboot.media.needed import needed
from netboot.media.patience import Away, Patience
from netboot.media.progress import Progress
from netboot.policy import IGNORE
from netboot.snapshot import Snapshot
from netboot.store.shapes import check_profile
from netboot.survey import Survey, four_lines, look_round

FIRST_IMAGE = "debian-12"
"""What is fetched where no node says yet what it wants, so that the first one need not wait."""
SILENCE = 10.0
"""Seconds in which a mirror must send something, or serving begins without."""
MEDIA = "redfish"
"""What BMCs speak that have virtual media."""


def survey(settings: Settings, say: Callable[[str], None]) -> None:
    """Say in four lines what this network is like, then which installers the mirror left behind.

    Raises:
        ConfigError: an interface does not exist, a port we need is held (says by whom), or
            ``dhcp.unknown`` names no profile.
    """
    known = {IGNORE, *load_profiles(settings.templates)}
    check_profile(settings.dhcp.unknown, known, "configuration", "dhcp.unknown")
    with ThreadPoolExecutor(1) as pool:  # while DHCP servers are waited for
        judged = pool.submit(_judge, settings)
        found = look_round(settings)
        for line in four_lines(found):
            say(line)
        _refuse_held(found)
        _keep(found, settings)
        for line in drifted(judged.result()):
            say(line)


def _keep(found: Survey, settings: Settings) -> None:
    """For the dashboard; serving does not depend on it."""
    now = time.time()
    servers = [
        Surveyed(name, one.server_id or one.address, one.mac, one.role, one.bootfile, now)
        for name, answered in found.servers.items()
        for one in answered
    ]
    with contextlib.suppress(OSError):
        keep(settings.run_dir, servers)


def _judge(settings: Settings) -> list[Judgement]:
    return list(drift.judge(drift.installers(settings.images_dir), settings))


def drifted(judgements: Iterable[Judgement]) -> Iterator[str]:
    """What must be known of the installers before they are served: nothing where all is well."""
    unknown: dict[str, list[str]] = {}
    for one in judgements:
        if one.fit is Fit.UNKNOWN:
            unknown.setdefault(one.what, []).append(one.image)
        elif one.fit is not Fit.FITS:
            yield f"image {one.image}: {one.what}; {one.cure}"
    for what, images in unknown.items():
        yield f"{', '.join(images)}: {what}"


def fetch_missing(settings: Settings, say: Callable[[str], None], progress: Progress) -> None:
    """Fetch every image that a node or the rule for unknown machines needs and that is not here.

    Neither a mirror that is away nor a full disk keeps anybody from serving: what is there is
    served, what is not is said.
    """
    try:
        needed_now = wanted(settings)
    except OperationError as problem:
        say(f"not looked for missing images: {problem}")
        return
    present = {image.name for image in library.installed(settings.images_dir)}
    missing = [name for name in needed_now if name not in present]
    for number, name in enumerate(missing):
        try:
            fetch([name], settings, _impatient(progress))
        except Away as problem:
            say(f"not fetched: {', '.join(missing[number:])}: {problem}")
            return
        except NetbootError as problem:
            say(f"image {name} is not fetched: {problem}")
        else:
            say(f"image {name} is fetched")


def wanted(settings: Settings) -> list[str]:
    """The images a boot could ask for now, the loaders first."""
    with open_inventory(settings) as inventory:
        snapshot = Snapshot(0, tuple(inventory.list()), tuple(inventory.groups()))
        bmcs = inventory.bmcs.overview().bmcs
    by_media = {name for name, bmc in bmcs.items() if parse_address(bmc.address).scheme == MEDIA}
    profiles, unknown = load_profiles(settings.templates), settings.dhcp.unknown
    found = [*needed(snapshot, profiles, unknown, by_media)]
    nobody_says = unknown == IGNORE and not any(node.profile for node in snapshot.nodes_in_effect())
    return [*found, FIRST_IMAGE] if nobody_says else found


def _impatient(progress: Progress) -> Progress:
    """The same progress, that ends a fetch in which nothing more comes."""
    patience = Patience(SILENCE)

    def tick(stage: str, done: int, total: int | None) -> None:
        progress(stage, done, total)
        patience.see((stage, done))

    return tick


def _refuse_held(found: Survey) -> None:
    for port in found.ports:
        if port.needed and port.problem:
            by = f" by {port.holder}" if port.holder else ""
            raise ConfigError(
                f"{port.proto.upper()} port {port.number} ({port.purpose})",
                "",
                f"{port.problem}{by}; {see('port-held')}",
            )
