"""Scripts and answer files for onlookers: what is secret in them is withheld.

Variables whose names say that they hold a secret are replaced before anything is rendered, so it
does not matter how a template quotes or joins them. What a template has in its own text is found by
its look: hashes of passwords, and lines that set one.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from netboot.model import Node, Profile

WITHHELD = "withheld"
"""What stands in a secret's place."""
_HASH = f"$6${WITHHELD}${WITHHELD * 4}"  # a form that crypt(5) has, or templates refuse it
_NAME = re.compile(
    r"pass|(^|_)pw(d)?(_|$)|secret|token|private|credential|psk|crypted|hash|(^|_)key$",
    re.IGNORECASE,
)
_NO_SECRET = frozenset({"", "!", "!!", "*", "true", "false"})
_CRYPT = re.compile(r"\$(?:1|5|6|7|y|gy|2[abxy])\$[./0-9A-Za-z$=,]{8,}")
_LINES = (
    re.compile(r"(?P<kept>^\s*[\w-]+\s+\S+/\S+\s+password\s+)\S.*$"),  # debconf's type
    re.compile(r"(?P<kept>^\s*rootpw\s+(?:--(?:lock|iscrypted|plaintext)\s+)*)[^-\s].*$"),
    re.compile(r"(?P<kept>--(?:password|passphrase)[= ])\S+"),
    re.compile(
        r"(?P<kept>(?:^|[{,]|-\s)\s*[\"']?[\w-]*(?:[Pp]ass(?:word|wd|phrase)|[Ss]ecret|[Tt]oken)[\w-]*"
        r"[\"']?\s*[:=]\s*)[^\s,}].*$"
    ),
)


def withheld(node: Node | None, profile: Profile) -> tuple[Node | None, Profile]:
    """The same node and profile without the values of secret variables."""
    bare = replace(profile, vars=without_secret_values(profile.vars))
    return None if node is None else replace(node, vars=without_secret_values(node.vars)), bare


def without_secret_values(values: Mapping[str, str]) -> dict[str, str]:
    """Variables, with something else for the values of those that are secret by name."""
    return {name: _instead(name, value) for name, value in values.items()}


def without_secrets(text: str) -> str:
    """A rendered text without the secrets that its template had itself."""
    return "\n".join(map(_line, text.split("\n")))


def _instead(name: str, value: str) -> str:
    if value in _NO_SECRET or not _NAME.search(name):
        return value
    return _HASH if value.startswith("$") else f"{WITHHELD}-{WITHHELD}"


def _line(line: str) -> str:
    for pattern in _LINES:
        line = pattern.sub(_kept, line)
    return _CRYPT.sub(_HASH, line)


def _kept(found: re.Match[str]) -> str:
    rest = found.group()[len(found["kept"]) :]
    said = {f"{WITHHELD}-{WITHHELD}", _HASH, "!", "*", "''", '""'}
    return found.group() if rest.strip() in said else f"{found['kept']}{WITHHELD}"
