"""A backup over the API: the same file ``netboot backup`` writes, for an administrator alone."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot.bmc.credentials import KEY_FILE
from netboot.control.access.roles import Need, need_of
from netboot.store.access_shapes import Role
from netboot.store.backup import DATABASE, KEY, unpack
from netboot.store.store import Store
from tests.api_site import N1, Api, api_in


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        found.ask("POST", "nodes", json=N1)
        yield found


def test_it_is_a_whole_backup_and_leaves_nothing_behind(api: Api, tmp_path: Path) -> None:
    before = sorted(path.name for path in (tmp_path / "data").iterdir())
    (tmp_path / "data" / ".backup-killed").mkdir()
    answer = api.ask("GET", "backup")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/gzip"
    assert int(answer.headers["content-length"]) == len(answer.content)
    (tmp_path / "a.backup").write_bytes(answer.content)
    folder = tmp_path / "unpacked"
    folder.mkdir()
    assert sorted(unpack(tmp_path / "a.backup", folder).files) == [DATABASE]
    with Store(f"sqlite:///{folder / DATABASE}") as store:
        assert [node.name for node in store.list()] == ["n1"]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == before


def test_the_key_is_in_it_only_where_that_is_asked_for(api: Api, tmp_path: Path) -> None:
    refused = api.ask("GET", "backup?with_key=true")
    assert (refused.status_code, refused.json()["key"]) == (422, "with_key")
    (tmp_path / "data" / KEY_FILE).write_bytes(b"k" * 32)
    assert b"k" * 32 not in gzip.decompress(api.ask("GET", "backup").content)
    (tmp_path / "a.backup").write_bytes(api.ask("GET", "backup?with_key=true").content)
    (tmp_path / "unpacked").mkdir()
    assert KEY in unpack(tmp_path / "a.backup", tmp_path / "unpacked").files


def test_only_an_administrator_may_and_it_is_in_the_audit_log(api: Api) -> None:
    [route] = [one for one in api.bare.routes if getattr(one, "path", "") == "/api/v1/backup"]
    assert need_of(route, "GET") == Need(Role.ADMIN, audited=True)
