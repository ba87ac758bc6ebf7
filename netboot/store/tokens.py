"""The store's bearer tokens, and the logins browsers made with them.

A secret is 256 random bits, and only its SHA-256 is kept. A slow, salted hash makes it costly to
guess what people chose; nobody guesses one of 2**256, so it would cost nobody but us.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from netboot.checked import shown
from netboot.errors import ConfigError
from netboot.store import schema
from netboot.store.access_shapes import NewToken, Role, Token, TokenEntry
from netboot.store.database import transaction
from netboot.store.opened import COMMAND_LINE, Opened
from netboot.store.shapes import Conflict, Unknown

PREFIX = "netboot_"
"""Every secret begins with it, so that people and scanners know one where it should not be."""
SECRET_BYTES = 32
MAX_TOKENS = 256
MAX_LOGINS = 1_024
"""Browsers logged in at a time; the longest logged in makes room."""
LOGIN_SECONDS = 12 * 3600
"""Seconds a browser stays logged in: a working day."""
FIRST_NAME = "admin"
_DAY = 24 * 3600

Row = sa.Row[*tuple[Any, ...]]


class Tokens(Opened):
    """Tokens and logins. ``now`` is always epoch seconds."""

    def add_token(self, entry: TokenEntry, now: float, source: str = COMMAND_LINE) -> NewToken:
        """Make a token.

        Raises:
            ConfigError: its name is taken (``Conflict``), or there are too many.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            names = [token.name for token in _tokens(connection)]
            if entry.name in names:
                raise Conflict(source, "name", f"a token is called {shown(entry.name)} already")
            if len(names) >= MAX_TOKENS:
                raise ConfigError(source, "", f"there are {MAX_TOKENS} tokens; no more fit")
            return _insert(connection, entry, now)

    def tokens(self) -> Sequence[Token]:
        """Every token, by name; those that have expired too."""
        with transaction(self._sure) as connection:
            return _tokens(connection)

    def remove_token(self, name: str, source: str = COMMAND_LINE) -> None:
        """Forget a token, and log out who logged in with it.

        Raises:
            Unknown: there is none of that name.
        """
        table = schema.token
        with self._writing, transaction(self._sure, writes=True) as connection:
            if not connection.execute(sa.delete(table).where(table.c.name == name)).rowcount:
                raise Unknown(source, "", f"no token is called {shown(name)}")

    def first_token(self, keep: Callable[[str], None], now: float) -> bool:
        """Make an admin's token where there is none at all; whether one was made.

        Args:
            keep: is given the secret; what it raises undoes everything.
            now: the time.
        """
        with self._writing, transaction(self._sure, writes=True) as connection:
            if _tokens(connection):
                return False
            keep(_insert(connection, TokenEntry(name=FIRST_NAME, role=Role.ADMIN), now).secret)
            return True

    def whose_token(self, secret: str, now: float) -> Token | None:
        """The token with this secret; None where there is none, or it has expired."""
        with transaction(self._sure) as connection:
            rows = connection.execute(sa.select(schema.token)).all()
        return _live(_same(rows, secret), now)

    def log_in(self, token: Token, now: float) -> tuple[str, float]:
        """Log a browser in: the secret of its login, and when that ends."""
        table, secret = schema.login, _new_secret()
        ends = min(now + LOGIN_SECONDS, token.expires or float("inf"))
        with self._writing, transaction(self._sure, writes=True) as connection:
            connection.execute(sa.delete(table).where(table.c.expires <= now))
            newest = sa.select(table.c.digest).order_by(table.c.expires.desc())
            kept = newest.limit(MAX_LOGINS - 1)
            connection.execute(sa.delete(table).where(table.c.digest.not_in(kept)))
            row = {"digest": _digest(secret), "token": token.name, "expires": ends}
            connection.execute(sa.insert(table).values(row))
        return secret, ends

    def whose_login(self, secret: str, now: float) -> Token | None:
        """The token a browser logged in with; None where it is not logged in any longer."""
        login, token = schema.login, schema.token
        query = sa.select(login.c.digest, login.c.token, login.c.expires.label("until"))
        with transaction(self._sure) as connection:
            found = _same(connection.execute(query).all(), secret)
            if found is None or found.until <= now:
                return None
            owner = sa.select(token).where(token.c.name == found.token)
            return _live(connection.execute(owner).first(), now)

    def log_out(self, secret: str) -> None:
        """End a login; one that has ended is no error."""
        table = schema.login
        with self._writing, transaction(self._sure, writes=True) as connection:
            connection.execute(sa.delete(table).where(table.c.digest == _digest(secret)))


def expires_at(entry: TokenEntry, now: float) -> float | None:
    """When a token made now expires."""
    return None if entry.expires_days is None else now + entry.expires_days * _DAY


def _insert(connection: sa.Connection, entry: TokenEntry, now: float) -> NewToken:
    secret = _new_secret()
    token = Token(entry.name, entry.role, now, expires_at(entry, now))
    row = {
        "name": token.name,
        "role": token.role.value,
        "digest": _digest(secret),
        "created": token.created,
        "expires": token.expires,
    }
    connection.execute(sa.insert(schema.token).values(row))
    return NewToken(token, secret)


def _tokens(connection: sa.Connection) -> list[Token]:
    rows = connection.execute(sa.select(schema.token).order_by(schema.token.c.name))
    return [_token(row) for row in rows]


def _token(row: Row) -> Token:
    return Token(row.name, Role(row.role), row.created, row.expires)


def _live(row: Row | None, now: float) -> Token | None:
    return None if row is None or (row.expires or float("inf")) <= now else _token(row)


def _same(rows: Sequence[Row], secret: str) -> Row | None:
    """The row of a secret; takes as long for one that nearly fits as for any other."""
    digest, found = _digest(secret), None
    for row in rows:
        if hmac.compare_digest(row.digest, digest):
            found = row
    return found


def _new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
