"""What Prometheus is told."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netboot.control import planes as module
from netboot.control.metrics import Metrics
from netboot.control.planes import Planes
from netboot.events import Event, Kind
from netboot.frames import Counts
from netboot.job import JobKind
from netboot.model import Mac, Node, State
from netboot.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/data/netboot.db") as opened:
        yield opened


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Name and labels' values by the labels' names → number, as Prometheus' own parser reads."""
    families = text_string_to_metric_families(metrics.text().decode())
    found = [sample for family in families for sample in family.samples]
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value for one in found
    }


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


M1 = Mac("52:54:00:00:00:01")


def told(store: Store, *what: tuple[Kind, float, dict[str, str | int]], mac: Mac = M1) -> None:
    store.append_events([Event(kind, mac, None, "", data, at) for kind, at, data in what])


def test_how_long_each_stage_of_a_boot_took(store: Store) -> None:
    metrics = Metrics(store)
    uefi = {"firmware": "uefi"}
    told(
        store,
        (Kind.DISCOVER, 0.0, uefi),
        (Kind.OFFER, 0.25, uefi),
        (Kind.DISCOVER, 2.0, uefi),  # it asks again, which is no progress
        (Kind.REQUEST_4011, 4.25, {}),
        (Kind.ACK_4011, 4.25, {}),
    )
    found = samples(metrics)
    assert found["netboot_boot_stage_seconds_sum", "offer"] == 0.25
    assert found["netboot_boot_stage_seconds_sum", "request-4011"] == 4.0
    assert found["netboot_boot_stage_seconds_bucket", "3.0", "request-4011"] == 0
    assert found["netboot_boot_stage_seconds_bucket", "10.0", "request-4011"] == 1
    assert found["netboot_boot_stage_seconds_count", "ack-4011"] == 1


def test_a_boot_that_begins_anew_is_no_stage_that_took_long(store: Store) -> None:
    metrics = Metrics(store)
    uefi = {"firmware": "uefi"}
    told(store, (Kind.DISCOVER, 0.0, uefi), (Kind.DISCOVER, 5000.0, uefi))
    told(store, (Kind.OFFER, 5001.0, uefi))
    assert samples(metrics)["netboot_boot_stage_seconds_sum", "offer"] == 1.0


def test_an_event_that_comes_again_after_a_broken_link_counts_once(store: Store) -> None:
    metrics = Metrics(store)
    events = list(zip(count(1), [Event(Kind.BMC, M1, "n1", "", {"came": "ok"})], strict=False))
    for _ in range(2):
        store.append_numbered("run", events)
    assert samples(metrics)["netboot_bmc_actions_total", "none", "ok", "none"] == 1


def test_bmc_actions_are_counted_by_fixed_words(store: Store) -> None:
    metrics = Metrics(store)
    rung = {"driver": "redfish", "rung": "full-body"}
    told(
        store,
        (Kind.BMC, 0.0, {"came": "asked"}),
        (Kind.BMC, 0.0, rung | {"came": "intent"}),
        (Kind.BMC, 0.0, rung | {"came": "refused"}),
        (Kind.BMC, 0.0, {"came": "done", "driver": "ipmi"}),
        (Kind.BMC, 0.0, {"came": "x" * 99, "driver": "52:54:00:00:00:01", "rung": "n1"}),
    )
    found = {name: value for name, value in samples(metrics).items() if "bmc" in name[0]}
    assert found == {
        ("netboot_bmc_actions_total", "redfish", "refused", "full-body"): 1,
        ("netboot_bmc_actions_total", "ipmi", "done", "none"): 1,
        ("netboot_bmc_actions_total", "none", "other", "none"): 1,
    }


def test_jobs_are_counted_by_kind_and_state(store: Store) -> None:
    metrics = Metrics(store)
    store.add(Node("n1", (M1,), "debian-12"))
    store.submit("n1", JobKind.POWER, "ann", {"action": "on"})
    found = samples(metrics)
    assert found["netboot_jobs", "power", "queued"] == 1
    assert found["netboot_jobs", "install", "active"] == 0


def test_no_machine_is_told_apart_however_many_there_are(store: Store) -> None:
    metrics = Metrics(store)
    for number in range(50):
        mac = Mac(f"52:54:00:00:01:{number:02x}")
        told(store, (Kind.DISCOVER, 0.0, {}), (Kind.OFFER, 1.0, {}), mac=mac)
    text = metrics.text().decode()
    assert "52:54" not in text
    assert 'netboot_boot_stage_seconds_count{stage="offer"} 50.0' in text
