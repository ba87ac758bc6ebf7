"""A backup and its restore: everything, from and into either database, or nothing at all."""

import gzip
import io
import json
import os
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from netboot.bmc.address import parse_address
from netboot.bmc.model import BootTarget, Hardware, Rung
from netboot.cli.main import main
from netboot.control.lock import lock_to_serve
from netboot.errors import ConfigError, OperationError
from netboot.events import Event, Kind
from netboot.job import JobKind, JobState
from netboot.model import Mac, Node, State
from netboot.store import restore as restoring
from netboot.store.backup import DATABASE, KEY, MANIFEST, back_up, unpack
from netboot.store.bmc_shapes import BmcChange
from netboot.store.database import migrate, transaction
from netboot.store.group_shapes import GroupChange
from netboot.store.postgresql import SERVING
from netboot.store.restore import KeyFile, Restored
from netboot.store.sqlite import engine_for
from netboot.store.store import Store
from netboot.store.trouble import NoRoom
from netboot.store.volume_shapes import NewVolume
from netboot.volume import Volume

M1 = Mac("52:54:00:00:00:01")
N1 = Node(
    "n1", (M1,), "debian-12", {"rack": "a"}, {"hostname": "n1"}, serial="S1", secure_boot=True
)
OTHER = Node("other", (Mac("52:54:00:00:00:09"),), "local")
SEALED = b"\x00sealed\xff"
V1 = Volume("v1", "iqn.2026-01.com.example:disk1", "192.0.2.5", 3260, 1, "n1")
BMC = BmcChange(address=parse_address("redfish://bmc1"), user="root", sealed=SEALED)


def fill(store: Store) -> None:
    store.add(N1, bmc=BMC)
    store.set_group("racks", GroupChange(labels={"rack": "a"}, vars={"k": "ü\U0001f600"}))
    store.add_volume(NewVolume(V1, SEALED))
    store.attach_volume("v1", "n1")
    store.keep_hardware("n1", Hardware(model="R650"))
    store.remember_rung("R650", BootTarget.PXE, Rung.FULL_BODY)
    store.append_numbered("run", [(7, Event(Kind.OFFER, M1, "n1", "shown", {"n": 1}, 12.5))])


def content(store: Store) -> object:
    return (
        store.list(),
        store.groups(),
        dict(store.bmcs()),
        [(kept, kept.sealed) for kept in store.volumes()],
        store.inspected("n1"),
        dict(store.rungs("R650")),
        [(record.id, record.event) for record in store.timeline("n1")],
        store.last_seq("run"),
    )


def restored(path: Path, url: str, folder: Path, *, replace: bool = False) -> Restored:
    folder.mkdir()
    unpack(path, folder)
    key = KeyFile(folder / KEY, folder.parent / "data" / KEY)
    given = key if key.given.exists() else None
    return restoring.restore(folder / DATABASE, url, None, given, replace=replace)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/target/netboot.db"
    made: str = request.getfixturevalue("cluster").create(f"target{abs(hash(tmp_path))}")
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "netboot.backup"


class TestRoundTrip:
    def test_everything_comes_back_in_either_kind_of_database(
        self, database_url: str, target_url: str, file: Path, tmp_path: Path
    ) -> None:
        with Store(database_url) as store:
            fill(store)
            before, version = content(store), store.version()
            manifest = back_up(database_url, None, file)
        assert manifest.rows["node"] == 1
        restored(file, target_url, tmp_path / "unpacked")
        with Store(target_url) as store:
            assert content(store) == before
            assert store.version() > version
            last = store.timeline("n1")[-1].id
            store.append_events([Event(Kind.OFFER, M1, "n1", "later")])
            assert [record.event.detail for record in store.timeline("n1", last)] == ["later"]
            job = store.submit("n1", JobKind.POWER, "me")
            store.remove("n1")
            assert store.job(job.id).state is JobState.CANCELLED

    def test_it_is_of_one_moment_while_the_store_is_written(
        self, database_url: str, file: Path, tmp_path: Path
    ) -> None:
        stop = threading.Event()
        with Store(database_url) as store:

            def write() -> None:
                for n in range(1, 120):
                    pair = [f"52:54:00:01:{n:02x}:{m:02x}" for m in (1, 2)]
                    store.import_nodes(
                        [Node(f"n{n}-{m}", (Mac(mac),), "local") for m, mac in enumerate(pair)]
                    )
                    if stop.is_set():
                        return

            writer = threading.Thread(target=write)
            writer.start()
            counts = [back_up(database_url, None, file).rows for _ in range(4)]
            stop.set()
            writer.join()
        assert all(rows["node"] % 2 == 0 and rows["node"] == rows["mac"] for rows in counts)
        assert [rows["node"] for rows in counts] == sorted(rows["node"] for rows in counts)
        assert unpack(file, _made(tmp_path / "last")).rows == counts[-1]

    def test_one_of_an_older_netboot_is_brought_up(
        self, target_url: str, file: Path, tmp_path: Path
    ) -> None:
        old = _made(tmp_path / "old") / "netboot.db"
        engine = engine_for(old, "FULL")
        with transaction(engine, writes=True) as connection:
            migrate(connection, "0001")
            for statement in (
                "INSERT INTO node (name, profile, vars) VALUES ('n1', 'local', '{}')",
                "INSERT INTO mac (mac, node, position) VALUES ('52:54:00:00:00:01', 'n1', 0)",
            ):
                connection.exec_driver_sql(statement)
        engine.dispose()
        assert back_up(f"sqlite:///{old}", None, file).schema == "0001"
        with sqlite3.connect(old) as connection_:
            assert connection_.execute("SELECT version_num FROM alembic_version").fetchone() == (
                "0001",
            )
        restored(file, target_url, tmp_path / "unpacked")
        with Store(target_url) as store:
            assert store.list() == [Node("n1", (M1,), "local")]


class TestWhatWasUnderWay:
    def test_jobs_are_cancelled_and_no_machine_is_erased_by_what_was_wanted_then(
        self, database_url: str, target_url: str, file: Path, tmp_path: Path
    ) -> None:
        with Store(database_url) as store:
            store.add(N1)
            store.add(Node("n2", (Mac("52:54:00:00:00:02"),), "debian-12"))
            job = store.submit("n1", JobKind.INSTALL, "me")
            assert store.claim("a runner", 600, job.created)
            store.append_events([Event(Kind.SCRIPT, None, "n2", "", {"installation": 1})])
            assert store.get("n2").state is State.INSTALLING
            back_up(database_url, None, file)
        done = restored(file, target_url, tmp_path / "unpacked")
        assert (done.cancelled, done.freed) == (1, ("n2",))
        with Store(target_url) as store:
            assert store.job(job.id).state is JobState.CANCELLED
            assert {node.state for node in store.list()} == {State.AVAILABLE}
            assert store.claim("another", 60, job.created + 10**6) is None


class TestFile:
    @pytest.fixture
    def url(self, tmp_path: Path) -> Iterator[str]:
        url = f"sqlite:///{tmp_path}/data/netboot.db"
        with Store(url) as store:
            fill(store)
            yield url

    def test_nobody_else_may_read_it_and_nothing_else_is_left(
        self, url: str, file: Path, tmp_path: Path
    ) -> None:
        previous = os.umask(0)
        try:
            back_up(url, None, file)
        finally:
            os.umask(previous)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "netboot.backup"]

    def test_the_key_is_in_it_only_where_that_is_asked_for(
        self, url: str, file: Path, tmp_path: Path
    ) -> None:
        key = tmp_path / "data" / KEY
        key.write_bytes(bytes(range(32)))
        assert sorted(back_up(url, None, file).files) == [DATABASE]
        assert key.read_bytes() not in gzip.decompress(file.read_bytes())
        assert sorted(back_up(url, None, file, key).files) == [KEY, DATABASE]
        key.unlink()
        restored(file, f"sqlite:///{tmp_path}/data/other.db", tmp_path / "unpacked")
        assert key.read_bytes() == bytes(range(32))
        assert stat.S_IMODE(key.stat().st_mode) == 0o600

    def test_another_key_is_not_lost_unasked(self, url: str, file: Path, tmp_path: Path) -> None:
        key = tmp_path / "data" / KEY
        key.write_bytes(b"1" * 32)
        back_up(url, None, file, key)
        key.write_bytes(b"2" * 32)
        other = f"sqlite:///{tmp_path}/data/other.db"
        with pytest.raises(ConfigError, match="is another key: --replace to lose it"):
            restored(file, other, tmp_path / "first")
        assert key.read_bytes() == b"2" * 32
        restored(file, other, tmp_path / "second", replace=True)
        assert key.read_bytes() == b"1" * 32

    def test_an_older_backup_is_replaced_and_no_other_file(self, url: str, file: Path) -> None:
        back_up(url, None, file)
        before = file.read_bytes()
        back_up(url, None, file)
        assert file.read_bytes() != before
        for text in (b"", b"precious", gzip.compress(b"precious")):
            file.write_bytes(text)
            with pytest.raises(ConfigError, match="is no backup of netboot's: name another"):
                back_up(url, None, file)
            assert file.read_bytes() == text

    def test_what_is_not_there_is_not_backed_up(self, file: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="is not there: nothing was kept yet"):
            back_up(f"sqlite:///{tmp_path}/none/netboot.db", None, file)
        with pytest.raises(ConfigError, match=f"there is no folder {tmp_path}/none"):
            back_up(f"sqlite:///{tmp_path}/data/netboot.db", None, tmp_path / "none" / "file")
        assert list(tmp_path.iterdir()) == []

    def test_no_damaged_one_is_taken(self, url: str, file: Path, tmp_path: Path) -> None:
        back_up(url, None, file)
        whole = file.read_bytes()
        damaged = [whole[: len(whole) * part // 7] for part in range(7)]
        damaged += [_flipped(whole, len(whole) * part // 7) for part in range(1, 7)]
        damaged += [b"x" * 1000, gzip.compress(b"x" * 1000)]
        for number, text in enumerate(damaged):
            file.write_bytes(text)
            with pytest.raises(ConfigError, match=r"damaged|no backup"):
                unpack(file, _made(tmp_path / str(number)))

    @pytest.mark.parametrize("name", ["../netboot.db", "/etc/passwd", "other"])
    def test_nothing_else_is_taken_out(
        self, url: str, file: Path, tmp_path: Path, name: str
    ) -> None:
        manifest = back_up(url, None, file)
        _rewrite(file, {MANIFEST: {"files": {**manifest.files, name: "00"}}}, name)
        with pytest.raises(ConfigError, match="is damaged"):
            unpack(file, _made(tmp_path / "a" / "b"))
        assert sorted(path.name for path in (tmp_path / "a").rglob("*")) == ["b"]

    @pytest.mark.parametrize("change", [{"schema": "9999"}, {"format": 2}])
    def test_one_of_a_newer_netboot_says_so(
        self, url: str, file: Path, tmp_path: Path, change: dict[str, object]
    ) -> None:
        back_up(url, None, file)
        _rewrite(file, {MANIFEST: change})
        with pytest.raises(ConfigError, match=r"was written by netboot .*: upgrade netboot"):
            unpack(file, _made(tmp_path / "unpacked"))

    @pytest.mark.root
    def test_a_full_disk_leaves_no_half_file(self, url: str, tmp_path: Path) -> None:
        small = _made(tmp_path / "small")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
        try:
            with pytest.raises((NoRoom, OperationError), match="no backup was made"):
                back_up(url, None, small / "netboot.backup")
            assert list(small.iterdir()) == []
        finally:
            subprocess.run(["umount", "-l", small], check=True)


class TestRefused:
    def test_what_a_store_holds_is_not_lost_unasked(
        self, database_url: str, target_url: str, file: Path, tmp_path: Path
    ) -> None:
        with Store(database_url) as store:
            fill(store)
        back_up(database_url, None, file)
        with Store(target_url) as store:
            store.add(OTHER)
            before = store.snapshot()
            with pytest.raises(
                ConfigError, match=r"is not empty \(1 in node, .*: --replace to lose"
            ):
                restored(file, target_url, tmp_path / "first")
            assert store.snapshot() == before
            restored(file, target_url, tmp_path / "second", replace=True)
            assert [node.name for node in store.list()] == ["n1"]
            assert store.version() > before.version

    def test_what_fails_half_way_changes_nothing(
        self,
        database_url: str,
        target_url: str,
        file: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with Store(database_url) as store:
            fill(store)
        back_up(database_url, None, file)
        with Store(target_url) as store:
            store.add(OTHER)
            before = store.snapshot()
            monkeypatch.setattr(restoring, "_count_on", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                restored(file, target_url, tmp_path / "unpacked", replace=True)
            assert store.snapshot() == before

    @pytest.mark.slow
    def test_a_replica_that_serves_is_named(
        self, postgresql_url: str, file: Path, tmp_path: Path
    ) -> None:
        with Store(postgresql_url) as store:
            fill(store)
        back_up(postgresql_url, None, file)
        with psycopg.connect(postgresql_url, application_name="netboot on rack7") as serving:
            serving.execute("SELECT pg_advisory_lock_shared(%s)", [SERVING])
            with pytest.raises(ConfigError, match="is in use by netboot on rack7: end netboot"):
                restored(file, postgresql_url, tmp_path / "first", replace=True)
        restored(file, postgresql_url, tmp_path / "second", replace=True)

    @pytest.mark.parametrize("newer", [True, False])
    def test_a_sqlite_file_of_no_use_any_longer_is_set_aside(
        self, file: Path, tmp_path: Path, *, newer: bool
    ) -> None:
        path = tmp_path / "data" / "netboot.db"
        url = f"sqlite:///{path}"
        with Store(url) as store:
            fill(store)
        back_up(url, None, file)
        if newer:
            engine = engine_for(path, "FULL")
            with transaction(engine, writes=True) as connection:
                connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
            engine.dispose()
        else:
            path.write_bytes(b"damaged " * 1000)
        spoilt = path.read_bytes()
        with pytest.raises((ConfigError, OperationError)):
            restored(file, url, tmp_path / "first")
        assert path.read_bytes() == spoilt
        restored(file, url, tmp_path / "second", replace=True)
        assert Path(f"{path}.before-restore").read_bytes() == spoilt
        with Store(url) as store:
            assert [node.name for node in store.list()] == ["n1"]


class TestCommand:
    @pytest.fixture
    def run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> "Run":
        file = tmp_path / "netboot.toml"
        file.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n')
        return Run(file, monkeypatch, capsys)

    def test_a_store_is_backed_up_lost_and_restored(self, run: "Run", tmp_path: Path) -> None:
        file = tmp_path / "a.backup"
        (tmp_path / "password").write_text("5ecret\n")
        bmc = ("--bmc", "redfish://bmc1", "--bmc-user", "root")
        run("node", "add", "n1", "--mac", M1, "--profile", "debian-12", *bmc,
            "--bmc-password-file", tmp_path / "password")  # fmt: skip
        assert run("backup", file) == (
            0,
            (
                f"{file}: 1 node, 0 groups, 0 jobs, 1 event\n"
                f"Its BMC passwords are sealed: keep {tmp_path}/data/bmc.key elsewhere.\n"
            ),
            "",
        )
        code, out, err = run("restore", file)
        assert (code, out) == (2, "")
        assert "--replace to lose what is there" in err
        for path in (tmp_path / "data").glob("*.*"):
            path.unlink()
        _made(tmp_path / "data" / ".restore-killed")
        code, out, err = run("restore", file)
        assert (code, err) == (0, "")
        restored_, installed, key = out.splitlines()
        assert restored_.endswith(": 1 node, 0 groups, 0 jobs, 1 event.")
        assert installed.startswith("Installed when they boot from the network next: n1.")
        assert key.startswith(f"{tmp_path}/data/bmc.key does not open the BMC passwords of n1: put")
        assert run("node", "show", "n1")[0] == 0
        assert not list((tmp_path / "data").glob(".*"))

    def test_it_is_refused_while_netboot_serves(self, run: "Run", tmp_path: Path) -> None:
        file = tmp_path / "a.backup"
        run("node", "add", "n1", "--mac", M1, "--profile", "local")
        with lock_to_serve(tmp_path / "data" / "run"):
            assert run("backup", file)[0] == 0
            code, _, err = run("restore", file, "--replace")
        assert code == 2
        assert f"is in use by process {os.getpid()}" in err


class Run:
    """Runs the command in this process, as a shell would see it."""

    def __init__(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._file = file
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        line = ["netboot", "--config", str(self._file), *map(str, words)]
        self._monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return int(ended.value.code or 0), out, err


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _flipped(text: bytes, at: int) -> bytes:
    return text[:at] + bytes([text[at] ^ 0xFF]) + text[at + 1 :]


def _rewrite(path: Path, changes: dict[str, dict[str, object]], *more: str) -> None:
    """Change what the manifest says, and put in more members."""

    with tarfile.open(path, "r:gz") as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    manifest = json.loads(members[MANIFEST]) | changes[MANIFEST]
    members[MANIFEST] = json.dumps(manifest).encode()
    members |= dict.fromkeys(more, b"")
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
