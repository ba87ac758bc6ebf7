"""Which containers machines cannot reach; a real engine is asked in ``test_compose``."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from netboot.config import Server, Settings
from netboot.survey import Interface, Route, container

ETH0 = Interface("eth0", "172.17.0.2", 16, "02:42:ac:11:00:02", 1500)
NET1 = Interface("net1", "192.0.2.10", 24, "02:00:00:00:00:10", 1500)
OUT = Route(IPv4Network("0.0.0.0/0"), "172.17.0.1", "eth0", 0)
LINK = Route(IPv4Network("172.17.0.0/16"), "", "eth0", 0)


@pytest.mark.parametrize(
    ("drivers", "routes", "shut"),
    [
        pytest.param({"eth0": "veth"}, (OUT, LINK), {"eth0": "172.17.0.1"}, id="bridge"),
        pytest.param({"eth0": "macvlan"}, (OUT, LINK), {}, id="macvlan"),
        pytest.param({"eth0": "e1000e"}, (OUT, LINK), {}, id="a network card of the host"),
        pytest.param({"eth0": "veth"}, (LINK,), {}, id="a cable that leads to no router"),
        pytest.param(
            {"eth0": "veth", "docker0": "bridge"}, (OUT, LINK), {}, id="the host is a container"
        ),
    ],
)
def test_a_cable_to_a_router_of_the_engine_s_is_told_by_driver_and_route(
    drivers: dict[str, str], routes: tuple[Route, ...], shut: dict[str, str]
) -> None:
    assert container.shut_in((ETH0,), drivers, routes) == shut


class TestRefusal:
    @pytest.fixture(autouse=True)
    def bridged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A Docker container on its bridge, with a second interface on the machines' network."""
        monkeypatch.setattr(container, "engine_of_this_container", lambda: "docker")
        monkeypatch.setattr(container, "all_interfaces", lambda: (ETH0, NET1))
        monkeypatch.setattr(container, "interfaces", lambda: (ETH0, NET1))
        monkeypatch.setattr(container, "route_table", lambda: (OUT, LINK))
        drivers = {"eth0": "veth", "net1": "macvlan"}
        monkeypatch.setattr(container, "driver", drivers.get)

    @pytest.mark.parametrize(
        ("named", "refused"),
        [((), False), (("net1",), False), (("eth0", "net1"), False), (("eth0",), True)],
    )
    def test_one_interface_on_the_machines_network_is_enough(
        self, named: tuple[str, ...], *, refused: bool
    ) -> None:
        said = container.refusal(Settings(server=Server(interfaces=named)))
        assert bool(said) is refused

    @pytest.mark.parametrize(
        ("engine", "command"),
        [("docker", "docker run"), ("podman", "podman run"), ("libpod", "podman run")],
    )
    def test_the_lines_that_mend_it_are_the_engine_s(
        self, monkeypatch: pytest.MonkeyPatch, engine: str, command: str
    ) -> None:
        monkeypatch.setattr(container, "engine_of_this_container", lambda: engine)
        said = container.refusal(Settings(server=Server(interfaces=("eth0",))))
        assert f"    {command} --network host\n" in said
        assert "        network_mode: host\n" in said

    def test_outside_a_container_nothing_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(container, "engine_of_this_container", lambda: "")
        assert container.refusal(Settings(server=Server(interfaces=("eth0",)))) == ""


@pytest.mark.parametrize(
    ("cgroup", "marked", "engine"),
    [
        ("0::/\n", True, "docker"),  # cgroup v2 with a namespace of its own says nothing
        ("0::/\n", False, ""),
        ("9:pids:/docker/98e8dfaca0cf\n", False, "docker"),
        ("0::/kubepods.slice/pod1\n", False, "kubepods"),
        ("0::/init.scope\n", False, ""),
        (None, False, ""),
    ],
)
def test_whose_container_this_is(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cgroup: str | None,
    engine: str,
    *,
    marked: bool,
) -> None:
    if marked:
        (tmp_path / "mark").touch()
    if cgroup is not None:
        (tmp_path / "cgroup").write_text(cgroup, "ascii")
    monkeypatch.setattr(container, "_MARKS", {"docker": tmp_path / "mark"})
    monkeypatch.setattr(container, "_CGROUP", tmp_path / "cgroup")
    assert container.engine_of_this_container() == engine
