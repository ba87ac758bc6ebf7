"""``netboot backup`` and ``netboot restore``: everything the store holds, in one file."""

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from netboot.answer.profiles import load_profiles
from netboot.bmc.credentials import KEY_FILE
from netboot.cli.main import settings
from netboot.config import Settings
from netboot.control.lock import lock_for_command
from netboot.control.sealed import complaint, named, unopened
from netboot.errors import ConfigError
from netboot.model import State
from netboot.policy import installing

_UNPACKED = ".restore-"
_File = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_File)
@click.option("--with-key", is_flag=True, help="Put bmc.key in it, which opens the BMC passwords.")
@click.pass_context
def backup(ctx: click.Context, file: Path, with_key: bool) -> None:  # noqa: FBT001 -- click's signature
    """Write everything the store holds to FILE, also while netboot serves."""
    from netboot.store.backup import back_up  # noqa: PLC0415 -- start-up stays short

    found = settings(ctx)
    key = found.data_dir / KEY_FILE if with_key else None
    if key is not None and not key.exists():
        raise ConfigError(str(key), "", "is not there: no BMC password is kept")
    manifest = back_up(found.database, found.database_password_file, file, key)
    click.echo(f"{file}: {_held(manifest.rows)}{', and bmc.key' if key else ''}")
    if manifest.rows.get("bmc") and not key:
        click.echo(f"Its BMC passwords are sealed: keep {found.data_dir / KEY_FILE} elsewhere.")


@click.command()
@click.argument("file", type=_File)
@click.option("--replace", is_flag=True, help="Lose what the store holds now.")
@click.pass_context
def restore(ctx: click.Context, file: Path, replace: bool) -> None:  # noqa: FBT001 -- click's signature
    """Make the store hold what FILE holds. netboot must not be serving."""
    from netboot.store import restore as store  # noqa: PLC0415 -- start-up stays short
    from netboot.store.backup import DATABASE, KEY, unpack  # noqa: PLC0415 -- likewise

    found = settings(ctx)
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock_for_command(found.run_dir))
        for left in found.data_dir.glob(f"{_UNPACKED}*"):  # of one that was killed
            shutil.rmtree(left)
        unpacked = tempfile.TemporaryDirectory(prefix=_UNPACKED, dir=found.data_dir)
        folder = Path(stack.enter_context(unpacked))
        manifest = unpack(file, folder)
        given = folder / KEY
        key = store.KeyFile(given, found.data_dir / KEY_FILE) if given.exists() else None
        done = store.restore(
            folder / DATABASE, found.database, found.database_password_file, key, replace=replace
        )
    when = datetime.fromtimestamp(manifest.made, UTC).astimezone()
    click.echo(f"Restored what was there at {when:%Y-%m-%d %H:%M:%S}: {_held(done.rows)}.")
    if done.cancelled:
        click.echo(f"Cancelled, for they were under way then: {done.cancelled} of the jobs.")
    if done.freed:
        click.echo(f"Not installed until asked again: {named(done.freed)}.")
    _warn(found)


def _warn(found: Settings) -> None:
    """What of the past might surprise somebody now."""
    from netboot.store.store import Store  # noqa: PLC0415 -- start-up stays short

    with Store(found.database, password_file=found.database_password_file) as store:
        nodes, sealed = store.snapshot().nodes_in_effect(), unopened(store, found.data_dir)
    wanted = installing(load_profiles(found.templates))
    new = [n.name for n in nodes if n.state is State.ENROLLED and n.profile in wanted]
    if new:
        click.echo(
            f"Installed when they boot from the network next: {named(new)}."
            " One that has its system by now: netboot node set NAME --installed"
        )
    if any(sealed):
        click.echo(f"{complaint(sealed, found.data_dir)}.")


def _held(rows: Mapping[str, int]) -> str:
    nouns = {"node": "node", "node_group": "group", "job": "job", "event": "event"}
    numbers = [(rows.get(name, 0), noun) for name, noun in nouns.items()]
    return ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in numbers)
