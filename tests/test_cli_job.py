"""``netboot job`` and what makes jobs: words, exit codes, and a watch that ends with them."""

import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from netboot.cli import watch
from netboot.cli.job_words import age, begins, lines, stands
from netboot.events import Event, Kind
from netboot.job import Job, JobKind, JobState
from netboot.model import Mac
from netboot.stages.pace import pace
from netboot.store.store import Store
from tests.test_cli_node import M1, M2, Nodes, cli, configured, served
from tests.waiting import await_

__all__ = ["cli", "served"]


def job(state: JobState = JobState.ACTIVE, kind: JobKind = JobKind.INSTALL, **more: object) -> Job:
    return Job(7, "n1", kind, "ann", state, 0.0, 0.0, 0.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (job(JobState.QUEUED), "queued"),
        (job(stage="power-on", waits_for="a sign"), "power on: waits for a sign"),
        (job(stage="flip", cancelling=True), "flip (is being cancelled)"),
        (job(JobState.DONE, outcome="it called home"), "installed: it called home"),
        (job(JobState.FAILED, outcome="no\x1b[2J"), r"failed: no\x1b[2J"),
        (job(JobState.CANCELLED, outcome="cancelled by ann"), "cancelled: cancelled by ann"),
        (job(JobState.DONE, JobKind.POWER), "switched"),
    ],
)
def test_where_a_job_stands(known: Job, said: str) -> None:
    assert stands(known) == said


def test_what_a_job_does_first() -> None:
    assert "restarts it" in begins(job(), {"n1": None})
    assert "switch it on" in begins(job(), {})
    assert "switch it on" in begins(job(asked={"power": False}), {"n1": None})


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (200_000, "2 d")],
)
def test_an_age(seconds: float, said: str) -> None:
    assert age(seconds) == said


@pytest.fixture
def server(
    served: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Nodes:
    """While it serves, with two nodes and no job under way."""
    found = Nodes(served, monkeypatch, capsys)
    for node in found.nodes():
        found("node", "remove", str(node["name"]))
    for name, mac in (("n1", M1), ("n2", M2)):
        found("node", "add", name, "--mac", mac, "--profile", "debian-12", "-l", "rack=a")
    return found


def numbers(out: str) -> list[str]:
    return re.findall(r"job (\d+):", out)


def stored(found: Nodes) -> Store:
    return Store(f"sqlite:///{found.file.parent}/data/netboot.db")


def test_each_node_gets_a_job_and_it_is_said_what_it_does_first(server: Nodes) -> None:
    code, out, err = server("node", "install", "-l", "rack=a")
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines()] == ["node n1", "node n2"]
    assert all("waits for the machine" in line for line in out.splitlines())
    first, second = numbers(out)
    follow = f"follow: netboot job watch {first} {second}; end: netboot job cancel {first} {second}"
    assert err == f"{follow}\n"
    listed = server("job", "list", "--node", "n1", "--limit", "1")[1].splitlines()
    assert listed[0].split() == ["JOB", "NODE", "KIND", "STATE", "AGE", "WHERE"]
    assert listed[1].split()[:3] == [first, "n1", "install"]


def test_as_json_it_says_which_way_it_went(server: Nodes) -> None:
    found = json.loads(server("node", "install", "n1", "--json", "--no-power")[1])
    assert found["way"] == "through the server"
    [made] = found["jobs"]
    assert (made["node"], made["kind"], made["asked"]) == ("n1", "install", {"power": False})
    listed = json.loads(server("job", "list", "--json", "--kind", "install")[1])
    assert made["id"] in [one["id"] for one in listed["jobs"]]
    shown = json.loads(server("job", "show", str(made["id"]), "--json")[1])
    assert (shown["way"], shown["id"]) == ("through the server", made["id"])


def test_one_that_is_being_cancelled_says_so_until_it_has_ended() -> None:
    states = JobState.ACTIVE, JobState.CANCELLED
    active, over = (job(state, cancelling=True) for state in states)
    assert dict(lines(active))["state"] == "active (is being cancelled)"
    assert dict(lines(over))["state"] == "cancelled"


def test_shown_cancelled_and_begun_again(server: Nodes) -> None:
    [number] = numbers(server("node", "install", "n1")[1])
    code, out, err = server("job", "cancel", number)
    assert (code, err) == (0, "")
    await_(lambda: "(is being cancelled)" not in server("job", "show", number)[1], "its end")
    shown = dict(line.split(maxsplit=1) for line in server("job", "show", number)[1].splitlines())
    assert (shown["job"], shown["node"], shown["state"]) == (number, "n1", "cancelled")
    code, out, err = server("job", "retry", number)
    assert (code, err) == (0, "")
    assert out.startswith(f"job {number} (node n1): ")
    assert "attempt    2" in server("job", "show", number)[1]


def test_one_that_cannot_be_ended_hinders_no_other(server: Nodes) -> None:
    [number] = numbers(server("node", "install", "n1")[1])
    code, out, err = server("job", "cancel", "999999", number)
    assert code == 1
    assert out.startswith(f"job {number} (node n1): ")
    assert err.startswith("netboot: ")
    assert "999999" in err
    assert server("job", "cancel", "999999")[0] == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("node", "install", "n9"), 2, 'no node is called "n9"'),
        (("node", "install"), 2, "say either which nodes, by name, or -l KEY=VALUE"),
        (("node", "install", "-l", "rack=z"), 2, "--label: no node is labelled rack=z"),
        (("node", "wipe", "n1"), 2, "confirm: must name the nodes of a wipe once more"),
        (("node", "wipe", "n1", "--confirm", "n2"), 2, "confirm: must name the nodes of a wipe"),
        (("node", "maintenance", "n1", "--off"), 2, "resume is refused"),
        (("job", "show", "999999"), 2, "999999"),
    ],
)
def test_what_cannot_be_is_said(
    server: Nodes, words: tuple[str, ...], code: int, said: str
) -> None:
    ended, out, err = server(*words)
    assert (ended, out) == (code, "")
    assert said in err


def test_a_second_job_is_refused_with_the_way_to_end_the_first(server: Nodes) -> None:
    [number] = numbers(server("node", "install", "n1")[1])
    code, _, err = server("node", "rescue", "n1")
    assert code == 2
    assert f"netboot job cancel {number}" in err


@pytest.mark.parametrize(
    ("words", "state", "after"),
    [(("maintenance",), "maintenance", "enrolled"), (("retire",), "retired", "available")],
)
def test_states_and_back(cli: Nodes, words: tuple[str, ...], state: str, after: str) -> None:
    cli("node", "add", "n1", "--mac", M1, "--profile", "debian-12")
    assert cli("node", *words, "n1") == (0, f"node n1: {state}\n", "")
    assert cli("node", *words, "n1", "--off") == (0, f"node n1: {after}\n", "")
    shown = json.loads(cli("node", *words, "n1", "--json")[1])
    assert [node["state"] for node in shown["nodes"]] == [state]


def test_rescue_and_wipe_are_jobs(server: Nodes) -> None:
    [number] = numbers(server("node", "rescue", "n1")[1])
    assert "kind       rescue" in server("job", "show", number)[1]
    [number] = numbers(server("node", "wipe", "n2", "--confirm", "n2")[1])
    assert "kind       wipe" in server("job", "show", number)[1]


@pytest.mark.timeout(300)
class TestWatch:
    @pytest.fixture(autouse=True)
    def hasty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "LOOK_EVERY", 0.05)

    @contextmanager
    def meanwhile(self, do: Callable[[], object]) -> Iterator[None]:
        """``do`` in another thread, as soon as jobs are there."""
        thread = threading.Thread(target=do)
        thread.start()
        try:
            yield
        finally:
            thread.join(60)

    def test_it_ends_with_the_jobs_and_says_how_each_ended(self, server: Nodes) -> None:
        def end() -> None:
            with stored(server) as store:
                await_(lambda: len(live(store)) == 2, "two jobs")
                one, two = sorted(live(store), key=lambda job: job.node)
                store.cancel(two.id, "ben")
                home = {"installation": one.installation}
                store.append_events([Event(Kind.INSTALLED, Mac(M1), "n1", "called home", home)])

        with self.meanwhile(end):
            code, out, _ = server("node", "install", "n1", "n2", "--watch")
        assert code == 1, "one of them was cancelled"
        assert re.search(r"^n1: installed: it called home$", out, re.MULTILINE)
        assert re.search(r"^n2: cancelled: cancelled", out, re.MULTILINE)

    def test_where_all_went_well_it_is_exit_code_0(self, server: Nodes) -> None:
        def end() -> None:
            with stored(server) as store:
                await_(lambda: bool(live(store)), "a job")
                [one] = live(store)
                home = {"installation": one.installation}
                store.append_events([Event(Kind.INSTALLED, Mac(M1), "n1", "called home", home)])

        with self.meanwhile(end):
            code, out, err = server("node", "install", "n1", "--watch", "--json")
        assert (code, err) == (0, "")
        assert [one["state"] for one in json.loads(out)["jobs"]] == ["done"]

    def test_who_stops_watching_stops_nothing(
        self, server: Nodes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(watch, "_looked", interrupted)
        code, out, err = server("node", "install", "n1", "--watch")
        [number] = numbers(out)
        assert code == watch.INTERRUPTED
        expected = f"follow: netboot job watch {number}; end: netboot job cancel {number}"
        assert err == f"the jobs go on; {expected}\n"
        with stored(server) as store:
            assert not store.job(int(number)).state.ended


def live(store: Store) -> list[Job]:
    return list(store.jobs(states=[JobState.QUEUED, JobState.ACTIVE]))


class TestAlone:
    @pytest.fixture
    def alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Nodes:
        found = Nodes(configured(tmp_path), monkeypatch, capsys)
        found("node", "add", "n1", "--mac", M1, "--profile", "debian-12")
        return found

    def test_an_installation_waits_for_the_machine(self, alone: Nodes) -> None:
        assert alone("node", "install", "n1") == (
            0,
            "node n1: debian-12 is installed at its next network boot\n",
            "netboot does not serve now, so no machine is restarted\n",
        )
        assert alone("job", "list")[1].splitlines()[1:] == []
        said = json.loads(alone("node", "install", "n1", "--json")[1])
        assert (said["way"], [node["name"] for node in said["nodes"]]) == ("directly", ["n1"])

    @pytest.mark.parametrize(
        "words",
        [
            ("install", "n1", "--watch"),
            ("rescue", "n1"),
            ("wipe", "n1", "--confirm", "n1"),
        ],
    )
    def test_what_needs_a_server_is_refused_and_changes_nothing(
        self, alone: Nodes, words: tuple[str, ...]
    ) -> None:
        code, out, err = alone("node", *words)
        assert (code, out) == (1, "")
        assert "no control program runs" in err
        assert [node["state"] for node in alone.nodes()] == ["enrolled"]


@pytest.mark.parametrize("words", [("--verbose", "node", "list"), ("node", "list", "--verbose")])
def test_a_command_says_which_way_it_goes(
    cli: Nodes, words: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    ours = logging.getLogger("netboot")
    before = ours.level
    try:
        caplog.clear()
        assert cli("node", "list")[0] == 0
        assert caplog.messages == []
        assert cli(*words)[0] == 0
    finally:
        ours.setLevel(before)
    [said] = caplog.messages
    assert said.startswith(("through the server: ", "directly: "))


def test_on_a_terminal_what_ended_stands_above_and_the_rest_has_a_bar() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, height=20, color_system=None)
    jobs = [
        job(stage="packages", waits_for="the packages", since=1.0),
        replace(job(JobState.FAILED, outcome="no disk fits"), id=8, node="n2"),
        replace(job(kind=JobKind.POWER, stage="power"), id=9, node="n3"),
    ]
    with Live(console=console, auto_refresh=False) as live:
        shown = watch._Live(live, {"n1": pace([])})
        shown.shows(jobs)
        shown.shows(jobs)
    lines = written.getvalue().splitlines()
    assert sum("n2: failed: no disk fits" in line for line in lines) == 1
    for row in (r"n1 +7 +packages +━+╸? +about \d+ min +the packages", r"n3 +9 +power\b"):
        assert any(re.search(row, line) for line in lines)
