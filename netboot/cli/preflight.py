"""What ``netboot serve`` does before it serves: looks round, and fetches what is missing.

Nothing here is needed by the two programs themselves: they say the same in their own words when
they meet it. It is for the person who starts them by hand.
"""

from collections.abc import Callable, Iterable, Mapping

from netboot.answer.profiles import load_profiles
from netboot.config import Settings
from netboot.control.inventory import open_inventory
from netboot.errors import ConfigError, NetbootError
from netboot.media import library
from netboot.media.fetch import fetch
from netboot.media.progress import Progress
from netboot.model import Profile
from netboot.policy import IGNORE
from netboot.snapshot import Snapshot
from netboot.survey import Survey, four_lines, look_round

LOADERS = "ipxe"
"""The image every machine's first step comes from."""
FIRST_IMAGE = "debian-12"
"""What is fetched where no node says yet what it wants, so that the first one need not wait."""


def survey(settings: Settings, say: Callable[[str], None]) -> None:
    """Say in four lines what this network is like.

    Raises:
        ConfigError: an interface does not exist, or a port we need is held; says by whom.
    """
    found = look_round(settings)
    for line in four_lines(found):
        say(line)
    _refuse_held(found)


def fetch_missing(settings: Settings, say: Callable[[str], None], progress: Progress) -> None:
    """Fetch every image that a node or the rule for unknown machines needs and that is not here.

    A mirror that is away keeps nobody from serving: what is there is served, what is not is said.
    """
    present = {image.name for image in library.installed(settings.images_dir)}
    missing = [name for name in needed(settings) if name not in present]
    for name in missing:
        try:
            fetch([name], settings, progress)
        except NetbootError as problem:
            say(f"image {name} is not fetched: {problem}")
        else:
            say(f"image {name} is fetched")


def needed(settings: Settings) -> list[str]:
    """The images a boot could ask for now, the loaders first."""
    profiles = load_profiles(settings.templates)
    used = _profiles_in_use(settings)
    wanted = _images(profiles, used) if used else [FIRST_IMAGE]
    return list(dict.fromkeys([LOADERS, *wanted]))


def _profiles_in_use(settings: Settings) -> list[str]:
    with open_inventory(settings) as inventory:
        snapshot = Snapshot(0, tuple(inventory.list()), tuple(inventory.groups()))
    used = [node.profile for node in snapshot.nodes_in_effect() if node.profile is not None]
    return [*used, *([] if settings.dhcp.unknown == IGNORE else [settings.dhcp.unknown])]


def _images(profiles: Mapping[str, Profile], names: Iterable[str]) -> Iterable[str]:
    for name in names:
        profile = profiles.get(name)
        if profile is not None and profile.image is not None:
            yield profile.image


def _refuse_held(found: Survey) -> None:
    for port in found.ports:
        if port.needed and port.problem:
            by = f" by {port.holder}" if port.holder else ""
            raise ConfigError(
                f"{port.proto.upper()} port {port.number} ({port.purpose})",
                "",
                f"{port.problem}{by}",
            )
