"""How far a node's installation is, as the store keeps it: what takes it on and what does not."""

from collections.abc import Iterator

import pytest

from netboot.errors import ConfigError
from netboot.events import Event, Kind
from netboot.job import JobKind
from netboot.model import Group, Mac, Node, State
from netboot.store.group_shapes import GroupChange
from netboot.store.shapes import Conflict, NodeChange, Unknown, nodes_of
from netboot.store.store import Store

MAC = Mac("52:54:00:00:00:01")
INSTALLING = ("debian-12", "debian-13")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store(database_url) as opened:
        opened.add(Node("n1", (MAC,), "debian-12"))
        yield opened


def event(kind: Kind, installation: int | None = 1, node: str | None = "n1") -> Event:
    data = {} if installation is None else {"installation": installation}
    return Event(kind, MAC, node, "", data)


def state(store: Store) -> tuple[State, int]:
    node = store.get("n1")
    return node.state, node.installation


def test_its_script_begins_it_and_its_call_home_ends_it(store: Store) -> None:
    assert state(store) == (State.ENROLLED, 1)
    version = store.version()
    store.append_events([event(Kind.SCRIPT)])
    assert state(store) == (State.INSTALLING, 1)
    store.append_numbered("run", [(1, event(Kind.INSTALLED))])
    assert state(store) == (State.INSTALLED, 1)
    assert store.version() == version + 2
    store.append_events([event(Kind.SCRIPT), event(Kind.INSTALLED)])
    assert state(store) == (State.INSTALLED, 1)
    assert store.version() == version + 2


@pytest.mark.parametrize(
    "other",
    [
        event(Kind.SCRIPT, None),
        event(Kind.INSTALLED, 2),
        event(Kind.INSTALLED, node=None),
        event(Kind.INSTALLED, node="n2"),
        event(Kind.PROGRESS),
    ],
)
def test_nothing_else_takes_it_on(store: Store, other: Event) -> None:
    store.append_events([other])
    assert state(store) == (State.ENROLLED, 1)


def test_an_installed_node_is_installed_again_only_when_that_is_said(store: Store) -> None:
    store.append_events([event(Kind.INSTALLED)])
    with pytest.raises(Conflict, match="node n1 is installed; --reinstall erases it"):
        store.install(["n1"], INSTALLING)
    [node] = store.install(["n1"], INSTALLING, reinstall=True)
    assert (node.state, node.installation) == (State.REINSTALLING, 2) == state(store)
    store.append_events([event(Kind.INSTALLED, 1)])
    assert state(store) == (State.REINSTALLING, 2)
    store.append_events([event(Kind.INSTALLED, 2)])
    assert state(store) == (State.INSTALLED, 2)


def test_to_ask_twice_is_to_ask_once(store: Store) -> None:
    store.install(["n1", "n1"], INSTALLING)
    version = store.version()
    store.install(["n1"], INSTALLING)
    assert state(store) == (State.INSTALLING, 1)
    assert store.version() == version


def test_all_of_them_or_none(store: Store) -> None:
    store.add(Node("n2", (Mac("52:54:00:00:00:02"),), "debian-12", state=State.INSTALLED))
    store.add(Node("n3", (Mac("52:54:00:00:00:03"),), "local"))
    with pytest.raises(Conflict):
        store.install(["n1", "n2"], INSTALLING)
    with pytest.raises(Unknown):
        store.install(["n1", "n4"], INSTALLING)
    with pytest.raises(ConfigError, match="its profile local installs nothing; these do: debian-1"):
        store.install(["n1", "n3"], INSTALLING)
    assert state(store) == (State.ENROLLED, 1)


def test_a_profile_of_a_group_counts_and_stays_the_group_s(store: Store) -> None:
    store.set_group("lab", GroupChange(labels={"rack": "1"}, profile="debian-13"))
    assert store.groups() == [Group("lab", {"rack": "1"}, "debian-13")]
    store.add(Node("n2", (Mac("52:54:00:00:00:02"),), None, {"rack": "1"}))
    [node] = store.install(["n2"], INSTALLING)
    assert node.profile == "debian-13"
    assert store.get("n2").profile is None


def test_a_file_of_nodes_takes_no_installed_node_back(store: Store) -> None:
    store.append_events([event(Kind.INSTALLED)])
    raw = [{"name": "n1", "macs": [MAC], "profile": "debian-13"}]
    store.import_nodes(nodes_of(raw, "nodes.yaml", INSTALLING))
    assert store.get("n1").profile == "debian-13"
    assert state(store) == (State.INSTALLED, 1)
    assert store.import_nodes(nodes_of(raw, "nodes.yaml", INSTALLING)).unchanged == ("n1",)


def test_a_file_may_say_that_a_node_has_its_system(store: Store) -> None:
    raw = [{"name": "n1", "macs": [MAC], "profile": "debian-12", "state": "installed"}]
    store.import_nodes(nodes_of(raw, "nodes.yaml", INSTALLING))
    assert state(store) == (State.INSTALLED, 1)
    with pytest.raises(ConfigError, match="state"):
        nodes_of([raw[0] | {"state": "broken"}], "nodes.yaml", INSTALLING)


def test_a_person_may_say_so_too(store: Store) -> None:
    assert store.update("n1", NodeChange(state="installed")).state is State.INSTALLED


def test_an_installer_that_cannot_go_on_has_failed_in_its_own_words(store: Store) -> None:
    store.append_events([event(Kind.SCRIPT)])
    store.append_events([Event(Kind.FAILED, MAC, "n1", "a file is away")])
    assert state(store) == (State.INSTALLING, 1)
    store.append_events([Event(Kind.FAILED, MAC, "n1", "no disk fits", {"installation": 1})])
    assert state(store) == (State.FAILED, 1)
    assert store.get("n1").because == "no disk fits"


def test_a_job_with_an_image_has_its_node_deployed_by_it_from_then_on(store: Store) -> None:
    store.update("n1", NodeChange(vars={"disk": "first"}))
    with pytest.raises(ConfigError, match="installs nothing"):
        store.submit("n1", JobKind.INSTALL, "test", {"image": "own"}, installing=INSTALLING)
    assert store.get("n1").profile == "debian-12"
    store.submit("n1", JobKind.INSTALL, "test", {"image": "own"}, installing=["deploy"])
    node = store.get("n1")
    assert node.profile == "deploy"
    assert node.vars == {"disk": "first", "disk_image": "own"}
