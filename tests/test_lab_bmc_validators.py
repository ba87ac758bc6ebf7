"""DMTF's own validators have nothing against the generic personality.

The schemas are DMTF's CSDL files (DSP8010), in the folder ``NETBOOT_CSDL`` names or else in
``../shared/redfish-csdl`` beside the repository; without them the summary says what was not judged.
What passed and what is not tested is recorded in
``golden/redfish``: a property or assertion that is not tested any more must be put down there, and
one that is tested now be taken out.
"""

import csv
import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from netboot.lab.bmc.certificate import self_signed
from netboot.lab.bmc.faults import Fault
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc
from tests.redfish_peer import Peer

HERE = Path(__file__).parent
RECORDS = HERE / "golden" / "redfish"
CSDL = HERE.parent.parent / "shared" / "redfish-csdl"
TIMEOUT = 100

LINE = re.compile(
    r"INFO - Validating (?P<uri>\S+)\.\.\.|(?P<result>PASS|WARN|FAIL|SKIP) - (?P<path>\S+)"
)


def csdl() -> Path:
    """The folder of CSDL files. Without any the test is skipped, which pytest's summary says.

    They are the DMTF's and not ours to ship, so a clone alone has none.
    """
    named = os.environ.get("NETBOOT_CSDL")
    folder = Path(named) if named else CSDL
    if (folder / "ServiceRoot_v1.xml").is_file():
        return folder
    missing = (
        "NOT JUDGED by the DMTF's service validator: "
        f"no CSDL files (ServiceRoot_v1.xml …) in {folder}: "
        "name a folder that has them in NETBOOT_CSDL, or put them into ../shared/redfish-csdl"
    )
    if named:
        pytest.fail(missing)
    pytest.skip(missing)


@dataclass(frozen=True)
class Judged:
    """A service that a validator judges; ``certificate`` is there where it has TLS."""

    url: str
    certificate: Path
    user: str = "admin"
    password: str = "password"  # noqa: S105 -- of a machine that does not exist


def validate(
    tool: str, judged: Judged, directory: Path, *options: str | Path, status: int = 0
) -> str:
    """Run one of the validators, which ends with ``status``, 1 for a fault; what it printed."""
    config = directory / "validator.ini"
    login = f"[Authentication]\nuser = {judged.user}\npassword = {judged.password}\n"
    config.write_text(f"{login}[Connection]\nrhost = {judged.url}\n")
    script = Path(sys.executable).with_name(tool)
    command = [sys.executable, HERE / "loopback_only.py", script, "--config", config, *options]
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        command,
        cwd=directory,
        env=plain | {"REQUESTS_CA_BUNDLE": str(judged.certificate)},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_service_validator_finds_no_fault(tmp_path: Path) -> None:
    with VirtualBmc(FakeMachine(), ipmi_port=623) as bmc, Peer(bmc) as peer:
        state_of_all_kinds(bmc, peer)
        hold_resources(Judged(bmc.url, tmp_path), peer, tmp_path, "service-validator.toml")


class Reader(Protocol):
    """A client of the service that is judged."""

    def get(self, path: str) -> dict[str, Any]:
        """A resource."""


def hold_resources(judged: Judged, reader: Reader, directory: Path, name: str) -> None:
    """Have the service validator judge it, and hold what it says to the record of that name."""
    options = ("--schema_directory", csdl(), "--skipschema", "--logdir", directory / "logs")
    said = validate("rf_service_validator", judged, directory, *options)
    (log,) = directory.glob("logs/*/*.log")
    found = summary(log, reader)
    record = tomllib.loads((RECORDS / name).read_text())
    assert found["FAIL"] == {}
    assert passed(said) >= record["passed"]
    assert found["WARN"] == record["warned"]
    assert found["SKIP"] == record["untested"]


def state_of_all_kinds(bmc: VirtualBmc, peer: Peer) -> None:
    """A medium, an override, and a task that has ended: more to be judged."""
    peer.insert({"Image": "http://192.0.2.1/x.iso"})
    peer.override("UefiHttp", HttpBootUri="http://192.0.2.1/x.efi")
    bmc.faults.add(Fault("task", "POST"))
    peer.reset("On")


def passed(said: str) -> int:
    """The first number in the service validator's table."""
    table = re.search(r"^\|\s+(\d+)\s+\|", said, re.MULTILINE)
    assert table, said
    return int(table[1])


def summary(log: Path, reader: Reader) -> dict[str, dict[str, list[str]]]:
    """By result and type of resource, the properties that had it; of array elements the first."""
    found: dict[str, defaultdict[str, set[str]]] = {
        result: defaultdict(set) for result in ("PASS", "WARN", "FAIL", "SKIP")
    }
    kind = ""
    for line in filter(None, map(LINE.search, log.read_text().splitlines())):
        if line["uri"]:
            session = "/Sessions/" in line["uri"]  # the validator's own, which is gone by now
            kind = "Session" if session else reader.get(line["uri"])["@odata.type"].split(".")[-1]
        else:
            found[line["result"]][kind].add(re.sub(r"/\d+(?=/|$)", "/0", line["path"]))
    return {
        result: {kind: sorted(paths) for kind, paths in sorted(by_kind.items())}
        for result, by_kind in found.items()
    }


def test_the_protocol_validator_finds_no_fault(tmp_path: Path) -> None:
    certificate = self_signed("127.0.0.1")
    (tmp_path / "ca.pem").write_text(certificate.pem)
    with VirtualBmc(FakeMachine(), certificate=certificate) as bmc:
        hold_protocol(Judged(bmc.url, tmp_path / "ca.pem"), tmp_path, "protocol-validator.toml")


def hold_protocol(judged: Judged, directory: Path, name: str) -> None:
    """Have the protocol validator judge it, and hold what it says to the record of that name."""
    record = tomllib.loads((RECORDS / name).read_text())
    options = ("--report-type", "tsv", "--report-dir", directory, "--avoid-http-redirect")
    status = 1 if record["fails"] else 0
    validate("rf_protocol_validator", judged, directory, *options, status=status)
    (report,) = directory.glob("*.tsv")
    with report.open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert {row["Assertion"] for row in rows if row["Result"] == "FAIL"} == record["fails"].keys()
    warned = {row["Assertion"] for row in rows if row["Result"] == "WARN"}
    assert warned <= record["may_warn"].keys()
    assert sum(row["Result"] == "PASS" for row in rows) + len(warned) >= record["passed"]
    untested = {row["Assertion"] for row in rows if row["Result"] == "NOT_TESTED"}
    assert untested == {name for names in record["untested"].values() for name in names}


def test_the_validators_reach_nothing_but_loopback(tmp_path: Path) -> None:
    script = tmp_path / "out.py"
    script.write_text(
        "import socket\n"
        "udp = socket.socket(type=socket.SOCK_DGRAM)\n"
        "for way in (lambda: socket.create_connection(('192.0.2.1', 80), 1),\n"
        "            lambda: socket.getaddrinfo('dmtf.example', 80),\n"
        "            lambda: udp.sendto(b'', ('239.255.255.250', 1900))):\n"
        "    try:\n        way()\n"
        "    except PermissionError as error:\n        print(error)\n"
    )
    command = [sys.executable, HERE / "loopback_only.py", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT)
    assert done.stdout.splitlines() == [
        "socket.getaddrinfo of 192.0.2.1",
        "socket.getaddrinfo of dmtf.example",
        "socket.sendto to 239.255.255.250",
    ]


def test_no_schemas_is_loud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loud = r"NOT JUDGED.*NETBOOT_CSDL.*\.\./shared/redfish-csdl"
    monkeypatch.setenv("NETBOOT_CSDL", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match=loud):
        csdl()
    monkeypatch.delenv("NETBOOT_CSDL")
    monkeypatch.setitem(globals(), "CSDL", tmp_path)
    with pytest.raises(pytest.skip.Exception, match=loud):
        csdl()
