"""``netboot timeline`` and the line each event gets."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.cli.main import main
from netboot.event_text import LONGEST_TEXT, Marks, event_line
from netboot.events import Event, Kind
from netboot.model import Mac, Node
from netboot.store.store import Store

M1 = Mac("52:54:00:00:00:01")


class TestLine:
    @pytest.fixture(autouse=True)
    def utc(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("TZ", "Etc/GMT-2")
        time.tzset()
        yield
        monkeypatch.undo()
        time.tzset()

    @pytest.mark.parametrize(
        ("event", "text"),
        [
            (
                Event(Kind.OFFER, M1, "n1", "snponly.efi for arch 7", {}, 1_700_000_000),
                f"2023-11-15 00:13:20 n1 {M1}  OFFER ✓ snponly.efi for arch 7",
            ),
            (
                Event(Kind.STALLED, M1, None, "no 4011 request", {}, 0),
                f"1970-01-01 02:00:00 {M1}  stalled ✗ no 4011 request",
            ),
            (
                Event(Kind.IGNORED, None, None, "", {}, 0.9),
                "1970-01-01 02:00:00 -  ignored ·",
            ),
            (
                Event(Kind.FAILED, M1, "n1", "a\x1b[2J\r\n\u202eb\x07\x9b\udc80\u2028", {}, 0),
                rf"1970-01-01 02:00:00 n1 {M1}  failed ✗ a\x1b[2J\r\n\u202eb\x07\x9b\udc80\u2028",
            ),
            (
                Event(Kind.OFFER, M1, "n1", "", {}, 1e300),
                f"at no known time n1 {M1}  OFFER ✓",
            ),
        ],
    )
    def test_it_says_when_who_how_what(self, event: Event, text: str) -> None:
        assert event_line(event, Marks(), dated=True) == text

    @given(st.builds(Event, st.sampled_from(Kind), st.none(), st.text(), st.text()))
    def test_it_is_one_printable_line_whatever_a_machine_sent(self, event: Event) -> None:
        found = event_line(event, Marks(), dated=True)
        assert found.isprintable()
        found.encode()
        assert len(found) < 2 * LONGEST_TEXT + 100


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "netboot.toml"
    found.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n')
    with Store(f"sqlite:///{tmp_path}/data/netboot.db") as store:
        store.add(Node("n1", (M1,), "local"))
        store.append_events([Event(Kind.OFFER, M1, "n1", f"number {n}") for n in range(5)])
    return found


def run(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *words: str,
) -> tuple[int, list[str], str]:
    monkeypatch.setattr(sys, "argv", ["netboot", "timeline", *words, "--config", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out.splitlines(), err


@pytest.mark.parametrize("who", ["n1", M1, "52-54-00-00-00-01", "525400000001"])
def test_a_name_or_a_mac(
    who: str, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, lines, err = run(file, capsys, monkeypatch, who, "--limit", "2")
    assert (code, err) == (0, "")
    assert [text.partition("OFFER ✓ ")[2] for text in lines] == ["number 3", "number 4"]


def test_json_is_an_object_a_line(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, lines, _ = run(file, capsys, monkeypatch, "n1", "--json")
    registered, *found = [json.loads(text) for text in lines]
    assert registered["data"] == {"from": "discovered", "to": "enrolled", "cause": "registered"}
    assert [record["detail"] for record in found] == [f"number {n}" for n in range(5)]
    assert set(found[0]) == {"time", "node", "mac", "kind", "detail", "data"}


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], ["number 4", "hot"]),
        (["--log"], ["number 4", "hot", "chatter"]),
        (["--no-log"], ["number 4"]),
    ],
)
def test_of_the_installers_log_what_warns_or_what_is_asked_for(
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    shown: list[str],
) -> None:
    with Store(f"sqlite:///{tmp_path}/data/netboot.db") as store:
        for severity, detail in (("warning", "hot"), ("info", "chatter")):
            data = {"severity": severity, "program": "kernel"}
            store.append_events([Event(Kind.SYSLOG, M1, "n1", detail, data)])
    _, lines, _ = run(file, capsys, monkeypatch, "n1", "--json", *options)
    found = [json.loads(text)["detail"] for text in lines]
    assert found[found.index("number 4") :] == shown


def test_log_and_no_log_contradict_each_other(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run(file, capsys, monkeypatch, "n1", "--log", "--no-log")
    assert (code, err) == (2, "netboot: command line: --log: and --no-log contradict each other\n")


def test_nobody_of_that_name(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, lines, err = run(file, capsys, monkeypatch, "n9")
    assert (code, lines) == (2, [])
    assert err == 'netboot: command line: no node is called "n9"\n'


def test_following_shows_what_comes_after(file: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", "from netboot.cli import main; main()"]
    words = ["timeline", "n1", "--follow", "--limit", "1", "--config", file]
    url = f"sqlite:///{tmp_path}/data/netboot.db"
    with subprocess.Popen(
        command + words, stdout=subprocess.PIPE, text=True, env=environment
    ) as follower:
        try:
            assert follower.stdout is not None
            assert follower.stdout.readline().endswith("number 4\n")
            with Store(url) as store:
                store.append_events([Event(Kind.LOADER, M1, "n1", "number 5")])
            assert follower.stdout.readline().endswith("loader ✓ number 5\n")
        finally:
            follower.terminate()
