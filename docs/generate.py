"""Write those parts of the documentation that the code already knows.

    python docs/generate.py

fills what stands between ``<!-- generated: NAME -->`` and ``<!-- end -->`` in the pages beside this
file. ``tests/test_docs.py`` fails where a page is not what this would write.
"""  # noqa: INP001 -- a script; documentation is no package

import ast
import dataclasses
import importlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from netboot.clients import IPXE, KINDS, RASPBERRY_PI
from netboot.job import JobKind
from netboot.lab import bmc_matrix
from netboot.lifecycle import ASKED, AT_REST, BACK, TRANSITIONS, WORDS, Cause, Illegal, beginning
from netboot.matching import Match
from netboot.media.definition import definitions
from netboot.model import Arch, Client, Firmware, Mac, Node, Profile, State
from netboot.policy import Rules, decide
from netboot.stages import WAITS

PAGES = Path(__file__).parent
ROOT = PAGES.parent

Row = tuple[str, ...]

_SECTION = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NO_BOUNDS = (
    "netboot/lab",  # the test bench
    "netboot/wire/iana.py",  # numbers of standards
)
_CONSTANT = re.compile(r"(?!EXIT_)[A-Z][A-Z0-9_]*")
_LIMITS = ("Limits", "Retention")
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+?)(?=^ {4}\w+: |^\S|\Z)", re.MULTILINE | re.DOTALL)


def bounds() -> str:
    """Every public constant that is a number, and every field of a class of limits, by module."""
    found = [path.relative_to(ROOT).as_posix() for path in (ROOT / "netboot").rglob("*.py")]
    rows: list[Row] = []
    for where in sorted(found):
        for at, row in enumerate(_bounds_of(where)):
            rows.append(("" if at else f"`{where}`", *row))
    return _table(("where", "bound", "what it is"), rows)


def patience() -> str:
    """How long each stage of a boot may take."""
    rows = [(stage.slug, f"{wait.seconds:g} s", wait.missing) for stage, wait in WAITS.items()]
    return _table(("awaited", "patience", "said when it does not come"), rows)


def kinds() -> str:
    """What each kind of client is offered, and which of its loaders the image ``ipxe`` lacks."""
    held = definitions()["ipxe"].files
    numbered = [(f"`{arch.value:#04x}`", kind) for arch, kind in KINDS.items()]
    rows = []
    for asked, kind in [*numbered, ("any", RASPBERRY_PI), ("any", IPXE)]:
        tried = [f"`{name}`" + ("" if name in held else " (not held)") for name in kind.loaders]
        shapes = ", ".join(shape.value for shape in kind.shapes)
        signed = f"`{kind.signed}`" if kind.signed else "none"
        rows.append((asked, kind.name, ", ".join(tried) or "none", signed, shapes))
    loaders = ("loaders, in the order tried", "with Secure Boot")
    return _table(("option 93", "client", *loaders, "offers, likewise"), rows)


def bmcs() -> str:
    """What each kind of BMC takes for each way of booting, and what it refuses who knows it not."""
    rows: list[Row] = []
    name = ""
    for row in bmc_matrix.rows():
        kind = "" if row.quirk.name == name else f"{row.quirk.label}, `{row.quirk.name}`"
        name = row.quirk.name
        unknown = _unknown(row.unknown) if row.entry_matters else "the same"
        taken = "<br>".join(map(_request, row.known.accepted))
        rows.append((kind, row.way, row.known.rung or "none", taken, unknown))
    return _table(("BMC", "boots from", "by rung", "accepted", "without its entry"), rows)


def states() -> str:
    """Each state, what a machine whose profile installs something boots in it, and which jobs."""
    mac = Mac("52:54:00:00:00:01")
    client = Client(mac, Firmware.IPXE, Arch.X64)
    profiles = {
        name: Profile(name, "", installs=name == "debian-13", wipes=name == "wipe")
        for name in _BOOTED
        if name
    }
    rows = []
    for state, meant in _members("netboot/model.py", "State").items():
        node = Node("n1", (mac,), "debian-13", state=State(state))
        boots = decide(client, Match(node, ""), Rules(profiles)).profile
        jobs = ", ".join(kind for kind in JobKind if _begins(node.state, kind)) or "none"
        said = "" if state == State.DISCOVERED else _BOOTED[boots]
        rows.append((f"`{state}`", meant, said or "what `dhcp.unknown` says", jobs))
    return _table(("state", "what it is", "boots", "jobs that may begin"), rows)


def life() -> str:
    """The picture: all that takes a node from one state to another."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for cause, to in dict.fromkeys((cause, to) for (_, cause), to in TRANSITIONS.items()):
        ways = [of for of, why in TRANSITIONS if why is cause and of is not to]
        sources = [of for of in ways if TRANSITIONS[of, cause] is to]
        for of in _gathered(sources, to) if cause is not Cause.REMOVED else ():
            arrows.setdefault((of, to), []).append(cause)
    for state, cause in sorted(BACK):
        arrows.setdefault((state, "back"), []).append(cause)
    lines = [f"    {of} --> {to}: {', '.join(why)}" for (of, to), why in arrows.items()]
    named = '    state "the state it came from" as back'
    inside = [f"        {state}" for state in AT_REST]
    rest = ['    state "at rest" as rest {', *inside, "    }"]
    start = f"    [*] --> {State.DISCOVERED}"
    return "\n".join(("```mermaid", "stateDiagram-v2", named, *rest, start, *lines, "```"))


def transitions() -> str:
    """By cause: what it is, and what it makes of which states."""
    rows = []
    for cause, words in WORDS.items():
        ways: dict[str, list[str]] = {}
        for (state, why), to in TRANSITIONS.items():
            if why is cause:
                ways.setdefault(f"`{to}`", []).append(state)
        for state, why in sorted(BACK):
            if why is cause:
                ways.setdefault("the state before", []).append(state)
        said = [f"{', '.join(of)} → {to}" for to, of in ways.items()]
        by = "people" if cause in ASKED else "machine or job"
        rows.append((f"`{cause}`", words, by, "<br>".join(said)))
    return _table(("cause", "in the timeline", "comes from", "takes on"), rows)


def page(text: str) -> str:
    """A page with its generated parts as they should be."""
    return _SECTION.sub(lambda found: f"{found[1]}{_PARTS[found[2]]()}\n{found[3]}", text)


_PARTS: dict[str, Callable[[], str]] = {
    "bounds": bounds,
    "patience": patience,
    "kinds": kinds,
    "bmcs": bmcs,
    "states": states,
    "life": life,
    "transitions": transitions,
}


_BOOTED: dict[str | None, str] = {
    "debian-13": "its profile",
    "local": "its disk",
    "rescue": "profile `rescue`",
    "wipe": "profile `wipe`",
    None: "nothing: it is not answered",
}


def _gathered(sources: Sequence[str], to: State) -> list[str]:
    """The states at rest as one, where all of them (but ``to``) are among the sources."""
    inside = [state for state in AT_REST if state is not to]
    if not set(inside) <= set(sources):
        return list(sources)
    return ["rest", *(of for of in sources if of not in inside)]


def _begins(state: State, kind: JobKind) -> bool:
    try:
        beginning(state, kind)
    except Illegal:
        return False
    return True


def _members(where: str, enum: str) -> dict[str, str]:
    """An enumeration's values and the words below each."""
    for statement in ast.parse((ROOT / where).read_text("utf-8")).body:
        if isinstance(statement, ast.ClassDef) and statement.name == enum:
            pairs = itertools.pairwise(statement.body)
            return {
                _constant(member): _line(_constant(words))
                for member, words in pairs
                if isinstance(member, ast.Assign) and isinstance(words, ast.Expr)
            }
    raise ValueError(f"{where} has no {enum}")


def _constant(statement: ast.stmt) -> str:
    """The text a statement assigns, or is."""
    match statement:
        case ast.Assign([ast.Name()], ast.Constant(str(text))) | ast.Expr(ast.Constant(str(text))):
            return text
    return ""


def _unknown(ending: bmc_matrix.Ending) -> str:
    """What was refused on the way, and how that ended."""
    lines = []
    for given in ending.given_up:
        words = _line(given.words.partition("; usually")[0])
        lines.append(f"{given.rung}: {' → '.join([*map(_request, given.requests), words])}")
    lines.append(f"then it boots by {ending.rung}" if ending.rung else "**it does not boot**")
    return "<br>".join(lines)


def _request(request: str) -> str:
    short = request.replace("/redfish/v1/", "/").replace("BootSourceOverride", "…")
    return f"`{_line(short)}`"


def _bounds_of(where: str) -> Iterator[Row]:
    if where.startswith(_NO_BOUNDS):
        return
    group: list[str] = []
    for statement in ast.parse((ROOT / where).read_text("utf-8")).body:
        match statement:
            case ast.ClassDef(name) if name.endswith(_LIMITS):
                yield from _limits_of(where, statement)
            case ast.Assign(
                [ast.Name(name)], ast.Constant(int() | float()) | ast.BinOp() | ast.Call()
            ):
                group += [name] if _CONSTANT.fullmatch(name) else []
                continue
            case ast.Expr(ast.Constant(str(text))):  # the words for the constants above it
                yield from _row(where, group, text)
                group = []
        yield from _row(where, group, "")
        group = []
    yield from _row(where, group, "")


def _row(where: str, names: Iterable[str], text: str) -> Iterator[Row]:
    values = [f"`{name}` = {shown}" for name in names if (shown := _number(where, name))]
    if values:
        yield ", ".join(values), _line(text)


def _number(where: str, name: str) -> str:
    """A constant's value where it is a number, or a data class of numbers; else nothing."""
    value = getattr(_module(where), name)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.asdict(value)
        numbers = all(isinstance(one, int | float) for one in fields.values())
        return ", ".join(f"{key} {_shown(one)}" for key, one in fields.items()) if numbers else ""
    return _shown(value) if isinstance(value, int | float) else ""


def _limits_of(where: str, limits: ast.ClassDef) -> Iterator[Row]:
    text = ast.get_docstring(limits) or ""
    meant = dict(_ATTRIBUTE.findall(text))
    for field in dataclasses.fields(getattr(_module(where), limits.name)):
        bound = f"`{limits.name}.{field.name}` = {_shown(field.default)}"
        yield bound, _line(meant.get(field.name, "" if meant else text))


def _module(where: str) -> ModuleType:
    return importlib.import_module(where.removesuffix(".py").replace("/", "."))


def _shown(value: object) -> str:
    return str(value) if isinstance(value, bool) else f"{value:,}"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def _table(titles: Row, rows: Iterable[Row]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    for path in PAGES.glob("*.md"):
        path.write_text(page(path.read_text("utf-8")), "utf-8")
