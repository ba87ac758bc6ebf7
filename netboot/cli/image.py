"""``netboot image``: what can be booted, fetching or adding it, and whether it is unharmed."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from netboot.answer.catalogue import SECURE_BOOT
from netboot.checked import Checked
from netboot.cli.commands import Commands
from netboot.cli.main import EXIT_FAILED, EXIT_INTERRUPTED, settings
from netboot.cli.progress import megabytes, shown, timed
from netboot.errors import ConfigError
from netboot.media import build as system
from netboot.media import drift, library, own, rawdisk
from netboot.media.apt import ARCHIVE_KEYRING
from netboot.media.definition import definitions, fetched, known_only
from netboot.media.drift import Fit, Judgement
from netboot.media.fetch import each
from netboot.media.shelf import listed, missing, titles
from netboot.model import SIGNED_FOLDER
from netboot.secure_boot.chain import judge

EXIT_TERMINATED = 128 + signal.SIGTERM
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


class _Checked(Checked, frozen=True):
    """One image of ``image verify``; ``mirror`` says whether an installer fits the mirror."""

    name: str
    version: str | None
    files: int
    problems: tuple[str, ...]
    mirror: Fit | None = None
    notes: tuple[str, ...] = ()


@click.group(cls=Commands)
def image() -> None:
    """Fetch what machines boot, and look after it."""


@image.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def list_images(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001 -- click's flag
    """Say which images there are and which version is fetched or added."""
    images_dir = settings(ctx).images_dir
    lines = [listed(name, title, images_dir)[0] for name, title in titles(images_dir).items()]
    if as_json:
        _print_json(lines)
        return
    width = max((len(line.name) for line in lines), default=0)
    for line in lines:
        if line.version is None or line.fetched_at is None or line.size is None:
            state = missing(line.name)
        else:
            done = "added" if line.own else "built" if line.built else "fetched"
            state = f"{line.version}, {megabytes(line.size)}, {done} {_age(line.fetched_at)}"
        click.echo(f"{line.name:{width}}  {line.title}; {state}")


_keyring = click.option(
    "--keyring",
    type=click.Path(path_type=Path, dir_okay=False),
    default=ARCHIVE_KEYRING,
    show_default=True,
    help="Public keys, one of which must have signed the archive.",
)


@image.command()
@click.argument("names", nargs=-1, metavar="NAME…")
@click.option("--all", "everything", is_flag=True, help="Every image there is.")
@_keyring
@click.pass_context
def fetch(ctx: click.Context, names: tuple[str, ...], everything: bool, keyring: Path) -> None:  # noqa: FBT001 -- click's flag
    """Fetch images from the Debian mirror, each verified before it is switched in."""
    found = settings(ctx)
    wanted = _wanted(names, found.images_dir, everything=everything)
    with _interruptible(), shown() as progress:
        for outcome in each(wanted, found, progress, keyring=keyring):
            done = outcome.image
            size = megabytes(sum(file.size for file in done.files.values()))
            state = f"fetched, {size}" if outcome.changed else "is already current"
            click.echo(f"{done.name}: {done.version} {state}")
    _warn_of_unsigned(wanted, found.images_dir)


@image.command()
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the disk, uncompressed: a file, or a device no one uses, such as a LUN.",
)
@_keyring
@click.pass_context
def build(ctx: click.Context, name: str, output: Path | None, keyring: Path) -> None:
    """Build a system of its own from Debian packages, as an image of a whole disk.

    Takes a minute or two. Nothing is built where the image is current.
    """
    found = settings(ctx)
    with _interruptible():
        with timed() as seconds:
            outcome = system.build(name, found, seconds, keyring=keyring)
        done = outcome.image
        size = megabytes(sum(file.size for file in done.files.values()))
        state = f"built, {size}" if outcome.changed else "is already current"
        click.echo(f"{name}: {done.version} {state}")
        if output is not None:
            with shown() as progress:
                written = rawdisk.write(done, output, progress)
            click.echo(f"{name}: {megabytes(written)} written to {output}")


@image.command()
@click.argument("name")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--version", help="What these files are, for people; today's date otherwise.")
@click.pass_context
def add(ctx: click.Context, name: str, files: tuple[str, ...], version: str | None) -> None:
    """Copy files of your own into an image; FILE=SERVED serves one by another name.

    An image you added before is replaced at once, whole; a fetched one is not touched.
    """
    given, images_dir = own.files_of(files), settings(ctx).images_dir
    with _interruptible(), shown() as progress:
        done = own.add(name, given, images_dir, progress, version)
    size = megabytes(sum(file.size for file in done.files.values()))
    click.echo(f"{name}: {done.version} added, {size}")
    for served in done.files:
        click.echo(f"{name}: served as images/{name}/{served}")
    _warn_of_unsigned([name], images_dir)


@image.command()
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Take an image away, fetched or added: nothing of it is served any more."""
    own.remove(name, settings(ctx).images_dir)
    click.echo(f"{name}: removed")


@image.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@_keyring
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...], keyring: Path, as_json: bool) -> None:  # noqa: FBT001 -- click's flag
    """Hash every file again, and see that the mirror still fits the installers.

    Exit 1 where a file is not as it was fetched or added, or an installer does not fit any more.
    """
    found = settings(ctx)
    known_only(names, titles(found.images_dir))
    chosen = names or library.names(found.images_dir)
    with _interruptible():
        results = [_verified(found.images_dir / name) for name in chosen]
        fetched = [one for one in drift.installers(found.images_dir) if one.image in chosen]
        judged = {one.image: one for one in drift.judge(fetched, found, keyring=keyring)}
    results = [_with(result, judged.get(result.name)) for result in results]
    if as_json:
        _print_json(results)
    for result in () if as_json else results:
        state = f"{len(result.problems)} bad" if result.problems else _good(result.files)
        click.echo(f"{result.name}: {result.version or 'no version'}: {state}")
        for line in (*result.problems, *result.notes):
            click.echo(f"{result.name}: {line}")
    if any(result.problems for result in results):
        ctx.exit(EXIT_FAILED)


def _warn_of_unsigned(names: Sequence[str], images_dir: Path) -> None:
    """Say what of these images no machine with Secure Boot would start, where there is shim."""
    below = tuple(f"images/{name}/" for name in names)
    if any(name in SECURE_BOOT for name in names):
        below += (SIGNED_FOLDER,)
    for file, problem in judge(library.installed(images_dir, _silent)).problems():
        if file.startswith(below):
            click.echo(f"no machine with Secure Boot will start {file}: it {problem}", err=True)


def _silent(_problem: str) -> None:
    """Take no notice: what is broken was fetched anew just now."""


def _wanted(names: tuple[str, ...], images_dir: Path, *, everything: bool) -> Sequence[str]:
    known = definitions()
    if everything:
        return [name for name in fetched() if not library.is_own(images_dir / name)]
    if not names:
        problem = f"name an image or say --all; known: {', '.join(known)}"
        raise ConfigError("command line", "", problem)
    return list(known_only(names, known))


def _verified(image_dir: Path) -> _Checked:
    folder = library.current(image_dir)
    if not folder.is_dir():
        absent = (missing(image_dir.name),)
        return _Checked(name=image_dir.name, version=None, files=0, problems=absent)
    try:
        manifest = library.read_manifest(folder)
    except ConfigError as error:
        return _Checked(name=image_dir.name, version=None, files=0, problems=(str(error),))
    problems = library.check(folder, manifest)
    return _Checked(
        name=image_dir.name,
        version=manifest.version,
        files=len(manifest.files),
        problems=problems,
    )


def _with(result: _Checked, judgement: Judgement | None) -> _Checked:
    """The result, and what the mirror says: only a new fetch mends an installer that is too old."""
    if judgement is None:
        return result
    said = f"{judgement.what}; {judgement.cure}" if judgement.cure else judgement.what
    judged = msgspec.structs.replace(result, mirror=judgement.fit)
    if judgement.fit is Fit.OUTDATED:
        return msgspec.structs.replace(judged, problems=(*judged.problems, said))
    return msgspec.structs.replace(judged, notes=(said,))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command in order; whatever was served before still is."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))
    try:
        yield
    except KeyboardInterrupt:
        click.echo("netboot: cancelled; the images that were there are unchanged", err=True)
        sys.exit(EXIT_INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)


def _good(files: int) -> str:
    return f"{files} file{'s' if files != 1 else ''} good"


def _print_json(lines: Sequence[Checked]) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(lines), indent=2))


def _age(fetched_at: datetime) -> str:
    seconds = int(time.time() - fetched_at.astimezone(UTC).timestamp())
    for length, unit in _UNITS:
        if (count := seconds // length) > 0:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
