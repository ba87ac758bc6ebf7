"""The benchmarks run, and what they print can be trusted: each at a tiny size."""

import contextlib
from collections.abc import Iterator

import pytest

from benchmarks import bmc, peers, run
from benchmarks.compare import HEADER, Turn, row, table, take_turns
from benchmarks.work import Figure, Missing, Server, Sides, Size, Work

TINY = Size(runs=1, scale=0.002)
OURS = Server("netboot", host=None, neighbour=None, address="10.0.0.1", port=80)  # type: ignore[arg-type]
PEER = Server("peer", host=None, neighbour=None, address="10.0.0.2", port=80)  # type: ignore[arg-type]


def work(*, less_is_better: bool = False, cpu_unit: str = "") -> Work:
    @contextlib.contextmanager
    def sides(_size: Size) -> Iterator[Sides]:
        yield Sides(OURS, PEER)

    def measure(server: Server, _size: Size) -> Figure:
        measured.append(server.name)
        return Figure(10.0)

    measured.clear()
    return Work("w", "the work", "u/s", "the goal", sides, measure, cpu_unit, less_is_better)


measured: list[str] = []


def test_the_sides_take_turns_and_neither_always_goes_first() -> None:
    take_turns(work(), Sides(OURS, PEER), Size(4, 1.0))
    assert measured == ["peer", "netboot", "netboot", "peer"] * 2


def test_the_ratio_is_the_median_of_the_turns_with_its_spread() -> None:
    turns = [Turn(Figure(ours), Figure(100.0)) for ours in (50.0, 120.0, 200.0)]
    cells = dict(zip(HEADER, row(work(), Sides(OURS, PEER), turns), strict=True))
    assert cells["peer"] == "peer 100.0 u/s"
    assert cells["netboot"] == "120.0 u/s"
    assert cells["ratio (spread)"] == "1.20x (0.50-2.00)"


def test_above_one_is_better_also_where_less_is_better() -> None:
    turns = [Turn(Figure(2.0), Figure(4.0))]
    assert "2.00x (2.00-2.00)" in row(work(less_is_better=True), Sides(OURS, PEER), turns)


def test_processor_time_stands_beside_the_peers() -> None:
    turns = [Turn(Figure(1.0, cpu=30e-6), Figure(1.0, cpu=15e-6))]
    assert "30.0 µs / 15.0 µs a packet = 2.00x" in row(
        work(cpu_unit="packet"), Sides(OURS, PEER), turns
    )


def test_failures_and_a_peer_that_is_missing_are_said() -> None:
    missing = Sides(OURS, Missing("atftpd", "cannot be fetched"))
    cells = row(work(), missing, [Turn(Figure(5.0, failed=3))])
    assert "atftpd is missing: cannot be fetched" in cells
    assert "5.00 u/s, 3 FAILED" in cells


def test_the_table_is_markdown() -> None:
    lines = table([("a",) * len(HEADER)]).splitlines()
    assert [line.count("|") for line in lines] == [len(HEADER) + 1] * 3


def test_a_name_that_is_no_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run.main(["dhpc"])
    assert "dhpc: choose from dhcp" in capsys.readouterr().err


def test_the_room_of_bmcs_is_flipped_and_cycled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bmc, "LATENCY", 0.0)
    title, one, ours, ratio, *_ = run.measure(run.WORKS["bmc"], Size(runs=1, scale=0.01))
    assert title == run.WORKS["bmc"].title
    assert one.startswith("one alone ")
    assert "FAILED" not in one + ours
    assert ratio


def test_a_room_of_machines_is_installed() -> None:
    _title, one, ours, *_ = run.measure(run.WORKS["installs"], Size(runs=1, scale=0.004))
    assert one.startswith("one alone ")
    assert "FAILED" not in one + ours


@pytest.mark.root
@pytest.mark.parametrize(
    "name", ["dhcp", "tftp-200-4", "http-ranges", "ipxe-script", "boot-storm", "change"]
)
def test_each_benchmark_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_unpack", lambda: "a test fetches nothing")
    title, _peer, ours, ratio, _cpu, _goal = run.measure(run.WORKS[name], TINY)
    assert title == run.WORKS[name].title
    assert run.WORKS[name].unit in ours
    assert "FAILED" not in ours
    assert ratio
