"""``netboot node import``: machines of a nodes file, or of another program's files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from netboot.answer.profiles import load_profiles
from netboot.checked import read_yaml, shown
from netboot.cli.main import settings
from netboot.cli.pairs import json, table
from netboot.config import Settings
from netboot.control.inventory import COMMAND_LINE, Inventory, open_inventory
from netboot.errors import ConfigError
from netboot.migrate.files import Files
from netboot.migrate.formats import Format, detect, read
from netboot.migrate.found import Note, Reading
from netboot.migrate.nodes import LOCAL, Action, Plan, Row, Wish, entry_of, make_plan
from netboot.store.identities import identities
from netboot.store.shapes import Imported

AUTO = "auto"
LONGEST_TEXT = 300
"""Characters of a file's path or line that are shown."""


@click.command("import")
@click.argument("path", metavar="FILE|DIR", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice([AUTO, *(kind.value for kind in Format)]),
    default=AUTO,
    show_default=True,
    help="Whose file it is; auto looks at what is in it.",
)
@click.option("--profile", help=f"What new machines boot.  [default: {LOCAL}]")
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="OLD=NEW",
    help="What boots OLD there (a boot file, label, tag, class, profile) gets profile NEW here.",
)
@click.option("--apply", is_flag=True, help="Write it; without it another program's file is shown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def import_(ctx: click.Context, /, path: Path, **given: Any) -> None:  # noqa: ANN401 -- one per option
    """Add or replace all machines of a FILE, or none.

    A nodes file is YAML: a list of {name, macs: [...], profile, labels: {}, vars: {}, uuid, serial,
    asset_tag, loader, secure_boot, bmc: {address, user, password, tls}}; only the name and one
    identity have to be there, and a profile where no group gives one. It is written at once.

    Files of dnsmasq, ISC dhcpd, Kea, PXELINUX, matchbox, Metal3 and agent-config.yaml are only
    shown: what would be added, and every line that was not understood. --apply writes it.
    """
    found = settings(ctx)
    wish = Wish(given["profile"], _mapping(given["maps"]))
    files = Files()
    if given["kind"] == Format.NETBOOT:
        kind = Format.NETBOOT
    else:
        sources = files.given(path)
        auto = given["kind"] == AUTO
        kind = detect(sources, str(path)) if auto else Format(given["kind"])
    if kind is Format.NETBOOT:
        _import_own(path, found, wish, as_json=given["as_json"])
        return
    reading = read(kind, sources, files)
    with open_inventory(found, str(path)) as inventory:
        profiles = load_profiles(found.templates)
        plan = make_plan(reading, inventory.list(), wish, profiles, str(path))
        done = _written(inventory, plan) if given["apply"] else None
    if given["as_json"]:
        click.echo(json(_document(kind, reading, plan, applied=done is not None)))
        return
    for line in _report(kind, reading, plan, wish, done):
        click.echo(line)


def _mapping(texts: Iterable[str]) -> dict[str, str]:
    """``OLD=NEW``; OLD may have an equals sign in it, a profile's name has none."""
    found: dict[str, str] = {}
    for text in texts:
        old, equals, new = text.rpartition("=")
        if not (old and equals and new):
            raise ConfigError(COMMAND_LINE, "--map", f"= {shown(text)}: must be OLD=NEW")
        found[old] = new
    return found


def _import_own(path: Path, found: Settings, wish: Wish, *, as_json: bool) -> None:
    if wish.profile is not None or wish.mapping:
        problem = "is for other programs' files; a nodes file says each machine's profile itself"
        raise ConfigError(COMMAND_LINE, "--profile" if wish.profile else "--map", problem)
    raw = read_yaml(path)
    with open_inventory(found, str(path)) as inventory:
        done = inventory.import_nodes(raw)
    click.echo(json(done) if as_json else _counts(done))


def _written(inventory: Inventory, plan: Plan) -> Imported:
    """All of it or none; what stays as it is was looked at a moment ago and is left alone."""
    fresh = [entry_of(row.node) for row in plan.rows if row.action is not Action.SAME]
    same = tuple(row.node.name for row in plan.rows if row.action is Action.SAME)
    done = inventory.import_nodes(fresh)
    return Imported(done.added, done.changed, (*done.unchanged, *same))


def _counts(done: Imported) -> str:
    counts = f"{len(done.added)} added, {len(done.changed)} changed"
    return f"{counts}, {len(done.unchanged)} unchanged"


def _report(
    kind: Format, reading: Reading, plan: Plan, wish: Wish, done: Imported | None
) -> Iterable[str]:
    yield f"read as {kind}"
    yield ""
    if plan.rows:
        titles = ("NAME", "", "PROFILE", "KNOWN BY", "LABELS", "VARIABLES", "BOOTS THERE", "FROM")
        yield table([titles, *map(_cells, plan.rows)])
    else:
        yield "no machine was found"
    yield from _section("called otherwise here:", map(_line, plan.renamed))
    yield from _section("not understood, or not carried over:", _unread(reading, plan))
    stays = (f"{what} ({count})" for what, count in reading.stays.items())
    yield from _section("left to the DHCP server:", [", ".join(stays)] if reading.stays else [])
    yield ""
    if any(row.action is Action.ADD for row in plan.rows):
        yield _about_profiles(wish)
    if done is not None:
        yield _counts(done)
        return
    adds, changes, same = map(plan.count, Action)
    yield f"{adds} to add, {changes} to change, {same} unchanged"
    yield "nothing was written; --apply writes"


def _cells(row: Row) -> tuple[str, ...]:
    """Variables are named without their values, which may be secrets."""
    node = row.node
    return (
        node.name,
        row.action,
        node.profile or "",
        ",".join(one.value for one in identities(node)),
        ",".join(f"{key}={value}" for key, value in node.labels.items()),
        ",".join(node.vars),
        ",".join(map(_clean, row.machine.boots)),
        _clean(str(row.machine.place)),
    )


def _about_profiles(wish: Wish) -> str:
    profile = wish.profile or LOCAL
    own = "" if wish.profile else ", which starts their own disk"
    return (
        f"New machines get profile {profile}{own}, where --map names no other. They count as "
        "installed: none is erased before `netboot node install --reinstall` asks for it."
    )


def _section(title: str, lines: Iterable[str]) -> Iterable[str]:
    for at, line in enumerate(lines):
        if at == 0:
            yield ""
            yield title
        yield f"  {line}"


def _unread(reading: Reading, plan: Plan) -> Iterable[str]:
    yield from map(_line, plan.notes)
    if reading.unsaid:
        yield f"and {reading.unsaid} more"


def _line(note: Note) -> str:
    return f"{_clean(str(note.place))}: {_clean(note.what)}: {note.why}"


def _clean(text: str) -> str:
    """One line of what stands in a file, with what does not print as escapes."""
    cut = "…" if len(text) > LONGEST_TEXT else ""
    escaped = (char if char.isprintable() else ascii(char)[1:-1] for char in text[:LONGEST_TEXT])
    return "".join(escaped) + cut


def _document(kind: Format, reading: Reading, plan: Plan, *, applied: bool) -> dict[str, Any]:
    return {
        "format": kind.value,
        "applied": applied,
        "nodes": [
            {
                "action": row.action.value,
                "from": str(row.machine.place),
                "boots": list(row.machine.boots),
                "node": entry_of(row.node),
            }
            for row in plan.rows
        ],
        "renamed": [_noted(note) for note in plan.renamed],
        "not_understood": [_noted(note) for note in plan.notes],
        "unsaid": reading.unsaid,
        "stays": dict(reading.stays),
    }


def _noted(note: Note) -> dict[str, Any]:
    place = {"file": note.place.file, "line": note.place.line}
    return place | {"what": note.what, "why": note.why}
