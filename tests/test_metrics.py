"""What Prometheus is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netboot.control import planes as module
from netboot.control.metrics import Metrics
from netboot.control.planes import Planes
from netboot.frames import Counts
from netboot.model import Mac, Node, State
from netboot.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/data/netboot.db") as opened:
        yield opened


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Name and labels' values → number, as Prometheus' own parser reads them."""
    families = text_string_to_metric_families(metrics.text().decode())
    found = [sample for family in families for sample in family.samples]
    return {(one.name, *one.labels.values()): one.value for one in found}


def test_nodes_are_counted_by_state(store: Store) -> None:
    metrics = Metrics(store)
    for number in range(3):
        state = State.INSTALLED if number else State.ENROLLED
        mac = Mac(f"52:54:00:00:00:0{number}")
        store.add(Node(f"n{number}", (mac,), "debian-12", state=state))
    found = samples(metrics)
    assert found["netboot_nodes", "enrolled"] == 1
    assert found["netboot_nodes", "installing"] == 0
    assert found["netboot_nodes", "installed"] == 2


def test_what_boot_programs_count_is_summed_and_never_goes_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_INSTANCES", 2)
    planes = Planes()
    for run in range(5):
        planes.told(f"run-{run}", Counts({"dhcp: cut off": 1}))
        more = Counts({"dhcp: cut off": 10, 'a "reason"\n': 1}, {"x64 offered": 2}, 1000)
        planes.told(f"run-{run}", more)
    found = samples(Metrics(store, planes))
    assert found["netboot_dropped_packets_total", "dhcp: cut off"] == 50
    assert found["netboot_dropped_packets_total", 'a "reason"\n'] == 5
    assert found["netboot_dhcp_requests_total", "x64", "offered"] == 10
    assert found["netboot_tftp_bytes_total",] == 5000


def test_what_one_boot_program_says_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REASONS", 3)
    planes = Planes()
    many = {str(number): 1 for number in range(100)}
    planes.told("run", Counts(many, many))
    found = samples(Metrics(store, planes))
    assert len([name for name in found if name[0].startswith("netboot_dropped")]) == 3
    assert len([name for name in found if name[0].startswith("netboot_dhcp")]) == 3
