"""Is everything here that machines will ask for, whole and not too old?"""

import shutil
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path

from netboot.answer.catalogue import AT_ROOT, Catalogue, loaders_in
from netboot.clients import KINDS
from netboot.decision import Verdict
from netboot.doctor.context import DAY, Context, seen
from netboot.doctor.finding import Finding, Severity
from netboot.doctor.records import Records
from netboot.errors import ConfigError, NotServed
from netboot.events import Event, Kind
from netboot.media import library
from netboot.media.foreign import foreign
from netboot.media.needed import needed
from netboot.model import Arch, Client, Firmware, Image, Mac
from netboot.policy import Rules, decide
from netboot.secure_boot.chain import judge

OLD = 90 * DAY
"""Seconds. Debian's point releases come about as often, and old installers do not fit new ones."""
ROOM = 3
"""Times an image's size that a fetch needs: its package, what is unpacked, the version before."""
LEAST_ROOM = 300_000_000
"""Bytes a fetch may need where nothing was fetched yet."""
MAX_MACHINES = 1000
"""Machines whose loader is looked up."""

_images = partial(Finding, "images")
_loaders = partial(Finding, "loaders")
_disk = partial(Finding, "disk")


def check(context: Context) -> Iterable[Finding]:
    """Images, loaders, and room for the next fetch."""
    folder = context.settings.images_dir
    records, profiles = seen(context.records), context.profiles
    wanted = needed(records.snapshot, profiles, context.settings.dhcp.unknown)
    present = set(library.names(folder))
    for name, who in wanted.items():
        if name not in present:
            what = f"image {name} is not fetched, and {who} it"
            yield _images(Severity.PROBLEM, what, f"netboot image fetch {name}")
    for name in sorted(present):
        yield from _one(folder / name, context)
    settings = context.settings
    installed = library.installed(folder, _silent)
    facade = settings.redfish_facade.members
    there = loaders_in(installed)
    signed = judge(installed).loaders
    rules = Rules(profiles, settings.dhcp.unknown, facade, signed, loaders=there)
    yield from loaders(records, rules, Catalogue(installed))
    yield from strange(records, rules, installed)
    yield _room(folder)


def loaders(records: Records, rules: Rules, catalogue: Catalogue) -> Iterator[Finding]:
    """Whether each machine of the last day has a loader, by the decision it would really get."""
    missing: dict[str, str] = {}
    clients = _clients(records.events)
    for client in clients[:MAX_MACHINES]:
        match = records.snapshot.match(client)
        decision = decide(client, match, rules)
        who = f"{match.node.name if match else client.mac} (architecture {client.arch:#04x})"
        if decision.verdict is Verdict.IGNORE and match is not None:
            missing.setdefault(decision.reasons[-1], who)
        elif decision.loader is not None and not _has(catalogue, decision.loader):
            missing.setdefault(f"its loader {decision.loader} is not among the fetched files", who)
    for problem, who in missing.items():
        cure = f"netboot image fetch {AT_ROOT}; or name another loader for it"
        yield _loaders(Severity.PROBLEM, f"{who} cannot boot: {problem}", cure)
    if not missing and clients:
        archs = ", ".join(sorted({f"{client.arch:#04x}" for client in clients}))
        yield _loaders(Severity.OK, f"there is one for every architecture seen: {archs}")
    elif not missing:
        yield _usual_loader(catalogue)


def strange(records: Records, rules: Rules, images: Iterable[Image]) -> Iterator[Finding]:
    """Machines of the last day whose profile's image is for another processor."""
    held = {image.name: image for image in images}
    made_for = cache(lambda name, arch: foreign(held.get(name or ""), arch))
    for client in _clients(records.events)[:MAX_MACHINES]:
        match = records.snapshot.match(client)
        profile = rules.profiles.get(decide(client, match, rules).profile or "")
        if match is None or profile is None:
            continue
        if other := made_for(profile.image, client.arch):
            what = f"{match.node.name}: image {profile.image} is for {other}, and cannot start"
            cure = f"netboot node set {match.node.name} --profile …"
            yield _images(Severity.PROBLEM, f"{what} on {KINDS[client.arch].name}", cure)


def _one(image_dir: Path, context: Context) -> Iterator[Finding]:
    own = library.is_own(image_dir)
    again = f"netboot image {f'add {image_dir.name} FILE…' if own else f'fetch {image_dir.name}'}"
    bad: list[str] = []
    try:
        folder = library.current(image_dir)
        manifest = library.read_manifest(folder)
        library.load(image_dir, bad.append)
        if context.full:
            bad += [f"image {image_dir.name}: {line}" for line in library.check(folder, manifest)]
    except ConfigError as problem:
        yield _images(Severity.PROBLEM, f"image {image_dir.name} is broken: {problem}", again)
        return
    for line in bad:
        yield _images(Severity.PROBLEM, line, again)
    age = context.now - manifest.fetched_at.timestamp()
    what = f"image {image_dir.name} {manifest.version}, {age / DAY:.0f} days old"
    if age > OLD and not own:
        yield _images(
            Severity.NOTICE, f"{what}: old installers find no drivers on new mirrors", again
        )
    elif not bad:
        how = "every hash is right" if context.full else "every size is right"
        yield _images(Severity.OK, f"{what}, {len(manifest.files)} files, {how}")


def _room(folder: Path) -> Finding:
    sizes = [
        sum(file.size for file in image.files.values())
        for image in library.installed(folder, _silent)
    ]
    wanted = max([LEAST_ROOM, *(ROOM * size for size in sizes)])
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    what = f"{free / 1e9:.1f} GB free at {there}"
    if free < wanted:
        cure = "make room, or put server.data_dir elsewhere"
        return _disk(
            Severity.WARNING, f"{what}; the next fetch may need {wanted / 1e9:.1f} GB", cure
        )
    return _disk(Severity.OK, what)


def _clients(events: Iterable[Event]) -> list[Client]:
    """Each machine as its firmware last described itself."""
    found: dict[Mac, Client] = {}
    for event in events:
        arch, firmware = event.data.get("arch"), event.data.get("firmware")
        if event.kind is not Kind.DISCOVER or event.mac is None or not isinstance(arch, int):
            continue
        if firmware in set(Firmware) and firmware != Firmware.IPXE:
            found[event.mac] = Client(event.mac, Firmware(str(firmware)), arch)
    return list(found.values())


def _usual_loader(catalogue: Catalogue) -> Finding:
    """The loader most machines would ask for, while none was seen."""
    usual = KINDS[Arch.X64]
    name = usual.loaders[0]
    if _has(catalogue, name):
        return _loaders(Severity.OK, f"{name} is there for {usual.name}; no machine was seen yet")
    what = f"{name}, for {usual.name}, is not among the fetched files"
    return _loaders(Severity.PROBLEM, what, f"netboot image fetch {AT_ROOT}")


def _has(catalogue: Catalogue, name: str) -> bool:
    try:
        catalogue.find(name)
    except NotServed:
        return False
    return True


def _silent(_problem: str) -> None:
    """Take no notice: ``_one`` says it."""
