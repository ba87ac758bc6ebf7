"""A real PostgreSQL for tests: one server a process of the run, one database a test.

It is Debian's own, run by an unprivileged user on a UNIX socket in a folder of its own. It ends
with the process that started it, however that ends.
"""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psycopg
import psycopg.sql
import pytest

from netboot.store.store import Store

PATIENCE = 60.0
"""Seconds the server gets to start or to end on a busy machine."""
USER = "netboot"
TEMPLATE = "made"
"""The database that has our tables; a test's own is a copy."""
_PREFIX = "netboot-pg-"
_OWNER = "owner"
_QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "logging_collector": "off",
}


def programs() -> Path:
    """The folder of ``postgres`` and ``initdb``, of the newest version installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if not found:
        pytest.fail("no PostgreSQL server; apt-get install postgresql", pytrace=False)
    return found[-1].parent


def _version(initdb: Path) -> int:
    return int(initdb.parent.parent.name)


class Cluster:
    """A server with its data; ``start`` and ``stop`` it as often as a test likes."""

    def __init__(self) -> None:
        self._bin = programs()
        _sweep()
        self.folder, self._owner = _owned_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self._as: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = _unprivileged()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            self._as = ["setpriv", *ids, "--"]
        try:
            self._run("initdb", "-D", self._data, "-U", USER, "--no-sync", "-E", "UTF8", "-A",
                      "trust", "--locale=C")  # fmt: skip
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        options = [part for key, value in _QUICK.items() for part in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "INT", *self._as[1:-1], "--", self._bin / "postgres",
                 "-D", self._data, "-k", self.folder, *options],
                stdout=log, stderr=log,
            )  # fmt: skip
        self._await_answer()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT hangs up on everybody, SIGQUIT is a crash."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def remove(self) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._owner.close()

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, database: str, template: str = TEMPLATE) -> str:
        """A new database; its URL."""
        self.sql(f"CREATE DATABASE {database} TEMPLATE {template}")
        return self.url(database)

    def guarded(self, name: str, password: str) -> str:
        """A role and its own empty database, whom the server asks for a password; the URL."""
        statement = psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            given = psycopg.sql.Identifier(name), psycopg.sql.Literal(password)
            connection.execute(statement.format(*given))
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0 OWNER {name}")
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"local all {name} scram-sha-256\n{rules.read_text()}")
        self.sql("SELECT pg_reload_conf()")
        url = self.url(name).replace(f"//{USER}@", f"//{name}@")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                psycopg.connect(url).close()
            except psycopg.OperationalError:
                return url
        return pytest.fail("the server does not ask for the password", pytrace=False)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail((self.folder / "log").read_text(errors="replace"), pytrace=False)
                time.sleep(0.02)
            else:
                return

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [*self._as, self._bin / program, *arguments], capture_output=True, check=False,
            cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode(errors="replace")


@contextlib.contextmanager
def cluster_running() -> Iterator[Cluster]:
    """A server of one's own, to be restarted at will."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The server that the tests of one process share."""
    with cluster_running() as made:
        made.sql(f"CREATE DATABASE {TEMPLATE}")
        Store(made.url(TEMPLATE)).close()
        yield made


_numbers = iter(range(sys.maxsize))


@pytest.fixture
def postgresql_url(cluster: Cluster) -> Iterator[str]:
    """A database of one's own, with our tables."""
    name = f"test{next(_numbers)}"
    yield cluster.create(name)
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of database in turn, not made yet or empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/netboot.db"
    return str(request.getfixturevalue("postgresql_url"))


def _owned_folder() -> tuple[Path, IO[bytes]]:
    """A folder that nobody sweeps before we end."""
    fresh = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}"))
    owner = (fresh / _OWNER).open("wb")
    fcntl.flock(owner, fcntl.LOCK_EX)
    return fresh.rename(fresh.with_name(fresh.name.removeprefix("new-"))), owner


def _sweep() -> None:
    """Remove what processes left behind that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / _OWNER).open("rb") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return pytest.fail("neither a user postgres nor nobody", pytrace=False)
