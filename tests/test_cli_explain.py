"""``netboot explain``: the decision and its reasons with no machine present."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netboot.answer.profiles import load_profiles
from netboot.cli.main import main
from netboot.model import Client, Firmware, Mac, Node
from netboot.policy import Rules, decide
from netboot.snapshot import Snapshot

KNOWN, UNKNOWN = Mac("52:54:00:00:00:01"), Mac("52:54:00:00:00:02")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process, as a shell would see it."""
    config = tmp_path / "netboot.toml"
    config.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n')

    def run(*words: str, unknown: str = "ignore") -> tuple[int, str, str]:
        monkeypatch.setenv("NETBOOT_DHCP_UNKNOWN", unknown)
        monkeypatch.setattr(sys, "argv", ["netboot", *words, "--config", str(config)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    assert run("node", "add", "n1", "--mac", KNOWN, "--profile", "debian-12")[0] == 0
    return run


def explained(run: Run, *words: str, unknown: str = "ignore") -> dict[str, Any]:
    code, out, err = run("explain", *words, "--json", unknown=unknown)
    assert (code, err) == (0, "")
    document: dict[str, Any] = json.loads(out)
    return document


@pytest.mark.parametrize(
    ("words", "firmware", "arch"),
    [
        ([], "uefi", 7),
        (["--arch", "7"], "uefi", 7),
        (["--arch", "0"], "bios", 0),
        (["--arch", "0x0b"], "uefi", 11),
        (["--arch", "0x10"], "http", 16),
        (["--arch", "0xffff"], "uefi", 0xFFFF),
        (["--firmware", "ipxe"], "ipxe", 7),
        (["--firmware", "rpi", "--arch", "0"], "rpi", 0),
    ],
)
@pytest.mark.parametrize(
    ("mac", "unknown"), [(KNOWN, "ignore"), (UNKNOWN, "ignore"), (UNKNOWN, "local")]
)
def test_it_says_what_the_one_decision_says(
    run: Run, mac: Mac, unknown: str, words: list[str], firmware: str, arch: int
) -> None:
    client = Client(mac, Firmware(firmware), arch)
    match = Snapshot(1, (Node("n1", (KNOWN,), "debian-12"),)).match(client)
    decision = decide(client, match, Rules(load_profiles(), unknown))
    said = explained(run, mac, *words, unknown=unknown)
    expected = {
        "mac": mac,
        "arch": arch,
        "firmware": firmware,
        "node": match and match.node.name,
        "verdict": decision.verdict.value,
        "profile": decision.profile,
        "loader": decision.loader,
        "shape": decision.shape and decision.shape.value,
        "reasons": list(decision.reasons),
    }
    assert {key: said[key] for key in expected} == expected
    _, text, _ = run("explain", mac, *words, unknown=unknown)
    lines = text.splitlines()
    end = -2 if said["problem"] else -1
    assert [line.removeprefix("  because ") for line in lines[1:end]] == list(decision.reasons)
    assert lines[0].startswith(f"{mac} as {firmware}")


@pytest.mark.parametrize(
    ("words", "unknown", "last"),
    [
        ([KNOWN, "--arch", "7"], "ignore", "→ its loader snponly.efi, then debian-12"),
        ([KNOWN, "--firmware", "ipxe"], "ignore", "→ its iPXE script, then debian-12"),
        ([UNKNOWN], "ignore", "→ no answer"),
        ([UNKNOWN], "menu", "→ its loader snponly.efi, then menu"),
    ],
)
def test_its_last_line_is_the_answer(run: Run, words: list[str], unknown: str, last: str) -> None:
    lines = run("explain", *words, unknown=unknown)[1].splitlines()
    assert [line for line in lines if not line.startswith("  but ")][-1] == last


def test_what_would_keep_the_machine_from_starting_comes_after_it(run: Run) -> None:
    assert run("explain", KNOWN)[1].splitlines()[-1] == (
        "  but node n1: profile debian-12 boots image debian-12, which is not there; "
        "fetch it: netboot image fetch debian-12"
    )


@pytest.mark.parametrize("mac", ["52-54-00-00-00-01", "525400000001", "52:54:00:00:00:01 "])
def test_a_mac_is_read_however_it_is_written(run: Run, mac: str) -> None:
    assert explained(run, mac)["node"] == "n1"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["n2"], 'netboot: command line: no node is called "n2"'),
        (
            ["52:54:00"],
            "command line: NAME_OR_MAC: '52:54:00' is not a MAC address such as 52:54:00:",
        ),
        (["01:00:5e:00:00:01"], "command line: NAME_OR_MAC: '01:00:5e:00:00:01' is a multicast"),
        ([KNOWN, "--arch", "x64"], 'command line: --arch = "x64": must be a number from 0 to'),
        ([KNOWN, "--arch", "-1"], 'command line: --arch = "-1": must be a number from 0 to'),
        ([KNOWN, "--arch", "65536"], 'command line: --arch = "65536": must be a number from 0'),
        ([KNOWN, "--arch", "9" * 5000], "command line: --arch = "),
        (
            [KNOWN, "--firmware", "efi"],
            "'efi' is not one of 'bios', 'uefi', 'http', 'ipxe', 'grub', 'rpi'",
        ),
        ([], "Missing argument 'NAME_OR_MAC'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run: Run, words: list[str], line: str) -> None:
    code, out, err = run("explain", *words)
    assert (code, out) == (2, "")
    assert line in err
    assert "Traceback" not in err


def test_a_rule_that_names_no_profile_is_said(run: Run) -> None:
    said = explained(run, UNKNOWN, unknown="debian-99")
    assert said["verdict"] == "ignore"
    assert 'dhcp.unknown = "debian-99"' in said["reasons"][-1]
    assert "is no known profile (chain, debian-12, debian-13, " in said["reasons"][-1]
