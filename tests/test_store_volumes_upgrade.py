"""A store of before there were volumes, or Secure Boot, in either kind of database."""

import pytest
import sqlalchemy as sa

from netboot.model import Mac, Node, State
from netboot.store.database import engines, migrate, transaction
from netboot.store.shapes import NodeChange
from netboot.store.store import Store
from netboot.store.volume_shapes import NewVolume
from netboot.volume import Volume

MAC = Mac("52:54:00:00:00:01")
N1 = Node("n1", (MAC,), "debian-12", state=State.INSTALLING, installation=2)
TARGET = "iqn.2026-01.com.example:disk1"
BEFORE = (
    (
        "INSERT INTO node (name, profile, vars, state, installation)"
        " VALUES ('n1', 'debian-12', '{}', 'installing', 2)"
    ),
    "INSERT INTO mac (mac, node, position) VALUES ('52:54:00:00:00:01', 'n1', 0)",
)
VOLUME = (
    "INSERT INTO volume (name, target, portal, port, lun, chap_user, node)"
    " VALUES ('v1', 'iqn.2026-01.com.example:disk1', '192.0.2.5', 3260, 1, '', 'n1')"
)


def made_by(url: str, schema: str, *statements: str) -> None:
    sure, quick = engines(url)
    with transaction(sure, writes=True) as connection:
        migrate(connection, schema)
        for statement in statements:
            connection.execute(sa.text(statement))
    sure.dispose()
    quick.dispose()


@pytest.mark.parametrize("schema", ["0008", "0009"])
def test_an_older_store_goes_on_and_takes_volumes(database_url: str, schema: str) -> None:
    volumes = [VOLUME] if schema == "0009" else []
    made_by(database_url, schema, *BEFORE, *volumes)
    with Store(database_url) as store:
        assert store.list() == [N1]
        assert [kept.name for kept in store.volumes()] == ["v1"] * len(volumes)
        if not volumes:
            store.add_volume(NewVolume(Volume("v1", TARGET, "192.0.2.5", 3260, 1, ""), None))
        assert store.attach_volume("v1", "n1").node == "n1"
        assert store.update("n1", NodeChange(secure_boot=True)).secure_boot
        assert list(store.snapshot().volumes) == ["n1"]
    with Store(database_url) as store:  # and again, as it is now
        assert store.get("n1").secure_boot
        assert store.volume("v1").node == "n1"
