"""Does the Debian mirror answer, and does our clock agree with what it signed?"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial

import httpx

from netboot.config import Settings
from netboot.doctor.context import DAY, Context
from netboot.doctor.finding import Finding, Severity
from netboot.errors import ConfigError
from netboot.media import library, mirror
from netboot.media.definition import definitions

PATIENCE = 4.0
"""Seconds the mirror has to begin its answer, and for each piece of it."""
HEAD_SIZE = 4096
"""Bytes of an InRelease file that are read: its fields stand before its hashes."""
MAX_SKEW = 300.0
"""Seconds our clock may differ from the mirror's: TLS and signatures take no offence yet."""
MAX_SUITES = 8

_OK = 200
_FIELD = re.compile(r"^(Date|Valid-Until): (.+)$", re.MULTILINE)
_mirror = partial(Finding, "mirror")
_clock = partial(Finding, "clock")


@dataclass(frozen=True, slots=True)
class Release:
    """What the mirror said of one suite.

    Attributes:
        status: HTTP's.
        served: when it answered by its own clock; each moment is in seconds since the epoch, and
            None where it was not said.
        made: the moment the index was signed.
        valid_until: the moment after which it should not be trusted.
    """

    suite: str
    status: int
    served: float | None = None
    made: float | None = None
    valid_until: float | None = None


def check(context: Context) -> Iterable[Finding]:
    """The mirror, then the clock."""
    releases: list[Release] = []
    try:
        found = mirror.find(context.settings)
    except ConfigError as problem:
        what = f"no Debian mirror is known: {problem.problem}"
        yield _mirror(Severity.WARNING, what, 'set [debian] mirror = "http://…/debian"')
    else:
        releases += ask(found, sorted(_suites())[:MAX_SUITES])
        yield from reachable(found.url, releases)
    yield from clock(context.now, releases, _fetched(context.settings))


def ask(found: mirror.Mirror, suites: Iterable[str]) -> Iterator[Release]:
    """Read the beginning of each suite's InRelease; ends at the first silence.

    A suite without an answer is ``Release(suite, 0)``.
    """
    login = re.search(r"login (\S+) password (\S*)", found.netrc)
    with httpx.Client(
        timeout=PATIENCE,
        follow_redirects=True,
        auth=(login[1], login[2]) if login else None,
        proxy=found.proxy or None,
    ) as client:
        for suite in suites:
            try:
                yield _release(client, f"{found.url}/dists/{suite}/InRelease", suite)
            except (httpx.HTTPError, httpx.InvalidURL):
                yield Release(suite, 0)
                return


def reachable(url: str, releases: Iterable[Release]) -> Iterator[Finding]:
    """What the answers say of the mirror."""
    good = [release.suite for release in releases if release.status == _OK]
    for release in releases:
        if release.status == 0:
            what = f"{url} does not answer within {PATIENCE:.0f} s"
            cure = "check name service and route; set debian.mirror, or debian.proxy to reach it by"
            yield _mirror(Severity.WARNING, what, cure)
        elif release.status != _OK:
            what = f"{url} has no {release.suite}: HTTP status {release.status}"
            yield _mirror(Severity.WARNING, what, "choose a mirror that has it: debian.mirror")
    if good:
        yield _mirror(Severity.OK, f"{url} answers for {', '.join(good)}")


def clock(now: float, releases: Iterable[Release], fetched: float | None) -> Iterator[Finding]:
    """Whether our clock can be right.

    Args:
        now: what it says.
        releases: what the mirror said.
        fetched: when the newest image was fetched, by this clock then.
    """
    cure = "set it: timedatectl set-ntp true, or date --set"
    wrong = [*_disagreements(now, releases)]
    if fetched is not None and now < fetched - MAX_SKEW:
        wrong.append(f"images were fetched {_ago(fetched - now)} in its future")
    for what in wrong:
        yield _clock(Severity.WARNING, f"our clock says {_date(now)}, but {what}", cure)
    if not wrong and any(release.served or release.made for release in releases):
        yield _clock(Severity.OK, f"{_date(now)} agrees with the mirror")
    elif not wrong:
        yield _clock(Severity.NOTICE, f"{_date(now)}; not compared: no mirror answered")


def _disagreements(now: float, releases: Iterable[Release]) -> Iterator[str]:
    for release in releases:
        if release.served is not None and abs(release.served - now) > MAX_SKEW:
            yield f"the mirror's says {_date(release.served)}: TLS and signatures will fail"
            return
        if release.made is not None and release.made > now + MAX_SKEW:
            yield f"{release.suite} was signed {_date(release.made)}, in its future"
        if release.valid_until is not None and release.valid_until < now:
            yield f"{release.suite} is valid until {_date(release.valid_until)} only"


def _release(client: httpx.Client, url: str, suite: str) -> Release:
    with client.stream("GET", url) as answer:
        text = b""
        for piece in answer.iter_bytes(HEAD_SIZE):
            text += piece
            if len(text) >= HEAD_SIZE:
                break
    fields = dict(_FIELD.findall(text.decode("utf-8", "replace")))
    return Release(
        suite,
        answer.status_code,
        _moment(answer.headers.get("Date")),
        _moment(fields.get("Date")),
        _moment(fields.get("Valid-Until")),
    )


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text.replace(" UTC", " GMT"))
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _fetched(settings: Settings) -> float | None:
    """When the newest image was fetched."""
    moments = []
    try:
        for name in library.names(settings.images_dir):
            folder = library.current(settings.images_dir / name)
            moments.append(library.read_manifest(folder).fetched_at.timestamp())
    except (ConfigError, OSError):
        return None  # the check of images says it
    return max(moments, default=None)


def _suites() -> set[str]:
    return {definition.source.suite for definition in definitions().values()}


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _ago(seconds: float) -> str:
    return f"{seconds / DAY:.0f} days" if seconds > DAY else f"{seconds / 60:.0f} minutes"
