"""The lab file: what it leaves open is filled in, and what is wrong is said in one line."""

from pathlib import Path

import pytest

from netboot.errors import ConfigError
from netboot.lab.bmc.faults import Fault
from netboot.lab.up.faults import of_requests
from netboot.lab.up.file import LabFile, quirk_of, read

FULL = """
name: rack1
networks:
  boot: {subnet: 10.10.0.0/16}
  storage: {subnet: 10.20.0.0/24, dhcp: no}
  bmc: {subnet: 10.30.0.0/24, dhcp: no}
nodes:
  n1:
    firmware: secureboot
    memory: 2048
    disks: [4G, 500M, ./system.img]
    nics: [{network: boot}, {network: storage, mac: 52-54-00-AA-BB-CC}]
    boot: [network, disk]
    bmc: {protocols: [redfish], personality: hpe-ilo5, address: 10.30.0.50, tls: no}
  n2: {disks: [], nics: []}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "system.img").touch()
    return tmp_path / "lab.yaml"


def written(file: Path, text: str) -> LabFile:
    file.write_text(text, "utf-8")
    return read(file)


def test_no_file_is_one_machine_with_both_bmcs() -> None:
    lab = read(None)
    assert list(lab.nodes) == ["n1"]
    node = lab.nodes["n1"]
    assert (node.firmware, node.bmc.protocols) == ("uefi", ("redfish", "ipmi"))
    assert (node.nics[0].mac, node.bmc.address) == ("52:54:00:77:00:00", "10.78.0.11")


def test_an_empty_file_is_the_same(file: Path) -> None:
    assert written(file, "") == read(None)


def test_everything_that_can_be_said(file: Path) -> None:
    lab = written(file, FULL)
    first, second = lab.nodes.values()
    assert [nic.mac for nic in first.nics] == ["52:54:00:77:00:00", "52:54:00:aa:bb:cc"]
    assert first.disks == ("4G", "500M", str(file.parent / "system.img"))
    assert (first.bmc.address, second.bmc.address) == ("10.30.0.50", "10.30.0.12")
    assert (second.nics, second.disks) == ((), ())


FAULTS = """
nodes:
  n1:
    bmc:
      faults:
        - {kind: drop, method: POST, path: Reset}
        - {kind: busy, times: 5, retry_after: 3}
        - {kind: slow, seconds: 2.5}
        - {kind: expire-sessions}
        - {kind: ignore-once}
        - {kind: stale-inserted}
"""


def test_faults_are_of_requests_or_habits(file: Path) -> None:
    bmc = written(file, FAULTS).nodes["n1"].bmc
    assert of_requests(bmc.faults) == [
        Fault("drop", "POST", "Reset"),
        Fault("busy", times=5, retry_after="3"),
        Fault("slow", seconds=2.5),
        Fault("expire-sessions"),
    ]
    quirk = quirk_of(bmc)
    assert (quirk.once_ignored, quirk.stale_inserted) == (True, True)


def test_a_personality_may_have_more_quirks(file: Path) -> None:
    lab = written(
        file, "nodes: {n1: {bmc: {personality: huawei, quirks: {boot_patch: noop, sessions: no}}}}"
    )
    quirk = quirk_of(lab.nodes["n1"].bmc)
    assert (quirk.name, quirk.boot_patch, quirk.sessions) == ("huawei", "noop", False)
    assert quirk.if_match == "required"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("node: {}", "node: is no known key; allowed here: name, networks"),
        ("nodes: {n1: {firmware: efi}}", 'nodes.n1.firmware = "efi": must be "bios" or'),
        ("nodes: {n1: {memory: lots}}", 'nodes.n1.memory = "lots": must be MiB of memory'),
        ("nodes: {n1: {disks: [8T]}}", r"nodes.n1.disks[0] = "),
        ("nodes: {n1: {disks: [./no.img]}}", 'nodes.n1.disks = "./no.img": is no file'),
        (
            "nodes: {n1: {nics: [{network: lan}]}}",
            'nodes.n1.nics[0].network = "lan": must be a network; there are boot, bmc',
        ),
        ("nodes: {n1: {nics: [{network: boot, mac: x}]}}", "nodes.n1.nics[0].mac: "),
        ("nodes: {N1: {}}", "a name of letters, digits and hyphens"),
        ("bmc_network: oob", 'bmc_network = "oob": must be a network'),
        (
            "nodes: {n1: {bmc: {personality: acme}}}",
            'personality = "acme": must be one of generic',
        ),
        ("nodes: {n1: {bmc: {quirks: {boots: no}}}}", "nodes.n1.bmc.quirks.boots: is no known key"),
        ("nodes: {n1: {bmc: {quirks: {boot_patch: no}}}}", 'quirks.boot_patch = "no": must be'),
        ("nodes: {n1: {bmc: {quirks: {once_ignored: x}}}}", 'quirks.once_ignored = "x": must be'),
        (
            "nodes: {n1: {bmc: {address: 10.78.0.200}}}",
            'bmc.address = "10.78.0.200": must be an address from 10.78.0.11 to 10.78.0.99',
        ),
        (
            "nodes: {n1: {bmc: {address: 10.78.0.12}}, n2: {}}",
            "nodes.n2: has 10.78.0.12, which another one has",
        ),
        ("networks: {bmc: {subnet: 10.0.0.0/28}}", "= 10.0.0.0/28: must be a /24 or wider"),
        ("networks: {bmc: {subnet: here}}", "must be an IPv4 network"),
        (
            "networks: {boot: {subnet: 10.0.0.0/8}, bmc: {subnet: 10.1.0.0/16}}",
            "networks.bmc.subnet = 10.1.0.0/16: overlaps that of boot",
        ),
        ("nodes: {n1: {bmc: {password: aaaaaaaaaaaaaaaaaaaaa}}}", "nodes.n1.bmc.password = "),
        ("nodes: {n1: {bmc: {faults: [{kind: on-fire}]}}}", 'faults[0].kind = "on-fire": must be'),
        ("nodes: {n1: {bmc: {faults: [{kind: busy, times: 0}]}}}", "must be a count from 1 to"),
        ("nodes: {n1: {bmc: {faults: [{kind: drop, path: '('}]}}}", "must be a regular expression"),
        ("nodes: {n1: {bmc: {faults: [{kind: slow}]}}}", "faults[0].seconds: is missing: how late"),
        (
            "nodes: {n1: {bmc: {faults: [{kind: drop}, {kind: drop, seconds: 3}]}}}",
            "nodes.n1.bmc.faults[1].seconds: goes with slow alone",
        ),
        (
            "nodes: {n1: {bmc: {faults: [{kind: ignore-once, times: 2}]}}}",
            "faults[0].times: goes with no ignore-once, which it does always",
        ),
        (
            "nodes: {n1: {bmc: {protocols: [ipmi], faults: [{kind: drop}]}}}",
            "nodes.n1.bmc.faults: are Redfish's, which it does not speak",
        ),
    ],
)
def test_what_is_wrong_is_one_line(file: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as refused:
        written(file, text)
    assert line in str(refused.value)
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


def test_more_machines_than_run_are_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="are 65; at most 64 run"):
        written(file, "nodes:\n" + "".join(f"  n{number}: {{}}\n" for number in range(65)))


def test_the_file_in_the_documentation(file: Path) -> None:
    page = Path(__file__).parent.parent / "docs" / "lab.md"
    shown = page.read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    lab = written(file, shown)
    assert lab.nodes["n1"].bmc.personality == "dell-idrac9"
