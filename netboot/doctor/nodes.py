"""Who is registered and who is not; who could not boot lately, and why."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial

from netboot.doctor.context import Context, seen
from netboot.doctor.finding import Finding, Severity
from netboot.event_text import clock
from netboot.events import Event, Kind
from netboot.guide import to_install
from netboot.model import Mac, Node
from netboot.stages import Wait
from netboot.stages.table import SPECIAL, WAITS

MAX_SHOWN = 10
"""Machines named in one finding, and unknown ones that get a line each."""

_LOCAL = 0x02  # IEEE 802: the second bit of the first octet, "locally administered"
_VIRTUAL = ("52:54:00", "02:42:")
"""Prefixes that virtual machines and containers rightly have: QEMU's, Docker's."""
_PLACEHOLDERS = re.compile(
    r"00:11:22:33:44:55|00:01:02:03:04:05|12:34:56:78:9a:bc|aa:bb:cc:dd:ee:ff|88:88:88:88:87:88"
    r"|de:ad:be:ef:.*|(..)(:\1){5}|(?!52:54:00)..:..:..:00:00:00"
)
"""Addresses of unprogrammed network cards and of examples: many machines have them."""
_WENT_ON = frozenset({Kind.KERNEL, Kind.INITRD, Kind.PRESEED})

_nodes = partial(Finding, "nodes")
_boots = partial(Finding, "boots")
_unknown = partial(Finding, "unknown machines")


def check(context: Context) -> Iterable[Finding]:
    """The nodes, and the last day's timeline."""
    records = seen(context.records)
    for line in context.broken_profiles:
        yield _nodes(Severity.PROBLEM, line, "correct that file")
    yield from registered(records.nodes, context.profiles)
    yield from stalls(records.events)
    yield from strangers(records.events, {mac for node in records.nodes for mac in node.macs})


def registered(nodes: Sequence[Node], profiles: Collection[str]) -> Iterator[Finding]:
    """Whether each node can be what it says it is."""
    bad = False
    for node in nodes:
        if node.profile not in profiles:
            bad = True
            problem = f"boots profile {node.profile}, which does not exist"
            what = f"node {node.name} {problem if node.profile else 'has no profile'}"
            known = "|".join(sorted(profiles))
            cure = f"netboot node set {node.name} --profile {known}"
            yield _nodes(Severity.PROBLEM, what, cure)
        for mac in node.macs:
            if why := doubtful(mac):
                bad = True
                cure = "compare it with the machine's firmware screen, or netboot timeline"
                yield _nodes(Severity.NOTICE, f"{mac} of node {node.name} {why}", cure)
    if not nodes:
        cure = "netboot node add NAME --mac MAC --profile debian-12"
        yield _nodes(Severity.NOTICE, "no machine is registered", cure)
    elif not bad:
        yield _nodes(Severity.OK, f"{len(nodes)} registered, each with a profile that exists")


def doubtful(mac: Mac) -> str:
    """What is odd about an address, "" where nothing is."""
    if _PLACEHOLDERS.fullmatch(mac):
        return "is a placeholder that many network cards without a burnt-in address share"
    if int(mac[:2], 16) & _LOCAL and not mac.startswith(_VIRTUAL):
        return "is locally administered: some software made it up, and may make up another"
    return ""


def stalls(events: Sequence[Event]) -> Iterator[Finding]:
    """The boots that stood still and did not go on, by the stage that did not come."""
    last: dict[str, Event] = {}
    for event in events:
        who = event.node or event.mac
        if who is None:
            continue
        if event.kind is Kind.STALLED:
            last[who] = event
        elif event.kind in _WENT_ON or event.data.get("image") == "":  # "": a script without one
            last.pop(who, None)
    by_stage: dict[tuple[str, Wait | None], list[str]] = defaultdict(list)
    for who, event in last.items():
        slug = str(event.data.get("stage", ""))
        by_stage[slug, _row(slug, event)].append(f"{who} at {clock(event.time)}")
    for (slug, wait), machines in by_stage.items():
        named = ", ".join(machines[:MAX_SHOWN]) + ("…" if len(machines) > MAX_SHOWN else "")
        missing = f"{wait.missing}; usual cause: {wait.cause}" if wait else f"stuck at {slug}"
        yield _boots(Severity.WARNING, f"{named}: {missing}", wait.cure if wait else "")
    if not by_stage:
        yield _boots(Severity.OK, "none of the last day stands still")


def _row(slug: str, event: Event) -> Wait | None:
    """What the event's line was made of."""
    rows = (row for stage, row in WAITS.items() if stage.slug == slug)
    special = (row for row in SPECIAL if event.detail.startswith(row.missing))
    return next(special, None) or next(rows, None)


def strangers(events: Sequence[Event], known: Collection[Mac]) -> Iterator[Finding]:
    """Machines that asked and nobody registered, with the command that would."""
    asked = {
        event.mac: event
        for event in events
        if event.kind is Kind.DISCOVER
        and event.node is None
        and event.mac is not None
        and event.mac not in known
    }
    newest = sorted(asked.items(), key=lambda item: -item[1].time)
    for mac, event in newest[:MAX_SHOWN]:
        cure = to_install(mac, event.data.get("arch"))
        yield _unknown(Severity.NOTICE, f"{mac} asked at {clock(event.time)}", cure)
    if len(newest) > MAX_SHOWN:
        yield _unknown(Severity.NOTICE, f"and {len(newest) - MAX_SHOWN} more")
    if not newest:
        yield _unknown(Severity.OK, "none asked in the last day")
