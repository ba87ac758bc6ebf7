"""Tokens, audit log and logins as they cross HTTP."""

import msgspec

from netboot.checked import Checked
from netboot.store.access_shapes import AuditEntry, Role, Token

USUAL_ENTRIES = 50
"""Audit entries on a page where nobody says how many."""
MOST_ENTRIES = 1_000
"""Audit entries on one page."""


class TokenList(msgspec.Struct, frozen=True):
    """Every token, by name."""

    tokens: tuple[Token, ...]


class AuditPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Entries, the newest first; ``next`` is there where more follow."""

    audit: tuple[AuditEntry, ...]
    next: int | None = None


class Shown(Checked, frozen=True):
    """What a browser logs in with."""

    token: str


class Login(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who asks; ``expires``: when the browser is logged out, epoch seconds."""

    name: str
    role: Role
    expires: float | None = None
