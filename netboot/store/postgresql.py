"""PostgreSQL: one database that several replicas of the control program share.

- Writers take one lock when their transaction begins, in the whole database. So what the store
  refuses it refuses however many write at once, and events are numbered in the order in which
  readers see them: a follower who asks for what came after a number misses nothing.
- Readers wait for nobody, and see one moment (``REPEATABLE READ``).
- A replica that stops in mid-transaction is cut off by the server, so it cannot keep the lock.
- Text is compared and sorted by its bytes, as SQLite does: no index depends on the host's locale.
"""

import socket
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import sqlalchemy as sa
from psycopg import conninfo
from psycopg.types.string import StrDumperUnknown

from netboot.errors import ConfigError, OperationError
from netboot.guide import see
from netboot.store.trouble import Away, NoRoom

OLDEST = 13
"""The oldest server that we know works."""
POOL = 8
"""Connections of one program, besides the one that listens."""
CONNECT_TIMEOUT = 5
"""Seconds to reach a server."""
SILENCE = 15
"""Seconds after which a server that answers nothing on the network is given up."""
IDLE_IN_TRANSACTION = 10
"""Seconds after which the server ends a transaction whose program does nothing."""
LOCK_TIMEOUT = 20
"""Seconds to wait for other writers: longer than a stopped one can keep the lock."""
MAX_PASSWORD = 1024
"""Bytes of a password's file that are read."""

WRITERS = 0x6E6574626F6F74
"""The writers' advisory lock ("netboot"); of one database, as all of them."""
SERVING = WRITERS + 1
"""The advisory lock that serving programs share, and that who replaces everything has alone."""


def parameters(url: str, password_file: Path | None) -> dict[str, Any]:
    """What libpq is told to connect.

    Args:
        url: of libpq's form, without a password.
        password_file: its first line is the password; read now.

    Raises:
        ConfigError: the URL is none.
        OperationError: the file cannot be read.
    """
    try:
        given = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        problem = f'= "{url}": {_line(str(error))}'
        raise ConfigError("configuration", "server.database", problem) from None
    ours = {
        "client_encoding": "UTF8",
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": f"netboot on {socket.gethostname()}",
        "keepalives_idle": SILENCE // 3,
        "keepalives_interval": SILENCE // 3,
        "keepalives_count": 2,
        "tcp_user_timeout": SILENCE * 1000,
    }
    secret = {} if password_file is None else {"password": _password(password_file)}
    return ours | given | secret


def engine_for(url: str, password_file: Path | None) -> sa.Engine:
    """An engine whose connections all are as said above; nothing is connected yet.

    Raises:
        ConfigError: the URL is none of ours.
        OperationError: the password's file cannot be read.
    """
    shown = _shown(parameters(url, password_file))
    engine = sa.create_engine(
        shown,
        creator=lambda: psycopg.connect(**parameters(url, password_file)),
        pool_size=POOL,
        max_overflow=0,
        pool_pre_ping=True,  # the server was restarted: nobody's question fails for it
    )

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401 -- psycopg's, behind the pool
        connection.adapters.register_dumper(str, _Storable)
        connection.autocommit = True
        connection.execute(
            f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}s';"
            f"SET lock_timeout = '{LOCK_TIMEOUT}s'"
        )
        connection.autocommit = False

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")
        else:
            mode = "ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            connection.exec_driver_sql(f"SET TRANSACTION {mode}")

    return engine


class _Storable(StrDumperUnknown):
    """Text with what PostgreSQL's cannot hold, NUL and lone surrogates, written as escapes."""

    def dump(self, obj: str) -> Any:  # noqa: ANN401 -- as psycopg types it
        """The text's bytes."""
        escaped = obj.replace("\0", "\\x00").encode("utf-8", "backslashreplace")
        return super().dump(escaped.decode())


def refuse_unfit(connection: sa.Connection) -> None:
    """See that the server is new enough and keeps any text.

    Raises:
        ConfigError: it is not.
    """
    source = said(connection.engine.url)
    (version, *_) = connection.dialect.server_version_info or (0,)
    if int(version) < OLDEST:
        raise ConfigError(source, "", f"is PostgreSQL {version}; at least {OLDEST} is needed")
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        problem = f"keeps text as {encoding}; make it anew with ENCODING 'UTF8'"
        raise ConfigError(source, "", problem)


def compare_by_bytes(connection: sa.Connection) -> None:
    """Give every text column the collation ``C``; called at the end of a migration."""
    for table, column, kind in connection.exec_driver_sql(_BY_LOCALE).all():
        quote = connection.dialect.identifier_preparer.quote
        change = f'ALTER COLUMN {quote(column)} TYPE {kind} COLLATE "C"'
        connection.exec_driver_sql(f"ALTER TABLE {quote(table)} {change}")


_BY_LOCALE = """
SELECT t.relname, c.attname, format_type(c.atttypid, c.atttypmod)
FROM pg_attribute c JOIN pg_class t ON t.oid = c.attrelid
WHERE t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace
AND c.attnum > 0 AND NOT c.attisdropped
AND c.attcollation NOT IN (0, 'pg_catalog."C"'::regcollation)
ORDER BY t.relname, c.attnum
"""


def explained(url: sa.URL, error: BaseException | None) -> OperationError:
    """What the driver raised, for a person; no value of a row is in it."""
    state = getattr(error, "sqlstate", None)
    where = said(url)
    if isinstance(error, psycopg.Error) and state is not None:
        line = _line(error.diag.message_primary or str(error))
    else:
        line = _line(str(error))
    if state == _DISK_FULL:
        return NoRoom(f"{where}: {line}; what was there is kept; {see('full-disk')}")
    if state == _LOCK_NOT_AVAILABLE:
        return OperationError(f"{where}: another program keeps it from being written: {line}")
    gone = state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if gone or str(state).startswith(_UNREACHABLE):
        return Away(f"{where}: {line}; {see('database')}")
    return OperationError(f"{where}: {line}")


_DISK_FULL = "53100"
_LOCK_NOT_AVAILABLE = "55P03"
_UNREACHABLE = ("08", "28", "3D000", "53300", "57P", "25P03")
"""SQLSTATE of PostgreSQL's appendix A: connection, authorization, no such database, too many
connections, operator intervention, idle in a transaction for too long."""


def said(url: sa.URL) -> str:
    """The database for a person: its URL, which has no password."""
    return unquote(url.set(drivername="postgresql").render_as_string(hide_password=True))


def _shown(given: dict[str, Any]) -> sa.URL:
    host, port = str(given.get("host", "")), str(given.get("port", ""))
    local = host.startswith("/")
    return sa.URL.create(
        "postgresql+psycopg",
        username=given.get("user"),
        host=None if local or not host else host,
        port=int(port) if port.isdigit() else None,
        database=given.get("dbname"),
        query={"host": host} if local else {},
    )


def _password(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_PASSWORD).decode()
    except OSError as error:
        problem = f"server.database_password_file: {path} cannot be read: {error.strerror}"
        raise OperationError(problem) from None
    except UnicodeDecodeError:
        problem = f"server.database_password_file: {path} is not UTF-8 text"
        raise OperationError(problem) from None
    return text.partition("\n")[0].removesuffix("\r")


def _line(text: str) -> str:
    """What libpq says, without its advice, which stands on lines of its own."""
    said = " ".join(line for line in text.splitlines() if not line.startswith("\t"))
    return said.removeprefix("connection is bad: ").removeprefix("connection failed: ")
