"""DMTF's own validator has nothing against the facade.

What passed and what is not tested is recorded in ``golden/redfish``, as for the virtual BMCs.
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from netboot.model import BootSource
from tests.facade_site import PASSWORD, USER, running
from tests.test_lab_bmc_validators import HERE, RECORDS, TIMEOUT, csdl, passed, summary


def test_the_service_validator_finds_no_fault(tmp_path: Path) -> None:
    with running(tmp_path) as site:
        site.store.arm("n1", BootSource.CD, once=True)
        site.store.load("n1", "http://192.0.2.9/ipa.iso?node=n1")
        config, logs = tmp_path / "validator.ini", tmp_path / "logs"
        login = f"[Authentication]\nuser = {USER}\npassword = {PASSWORD}\n"
        config.write_text(f"{login}[Connection]\nrhost = {site.url}\n")
        tool = Path(sys.executable).with_name("rf_service_validator")
        options = ("--schema_directory", csdl(), "--skipschema", "--logdir", logs)
        done = subprocess.run(
            [sys.executable, HERE / "loopback_only.py", tool, "--config", config, *options],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "REQUESTS_CA_BUNDLE": str(site.facade.certificate)},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        (log,) = logs.glob("*/*.log")
        reader: Any = site
        found = summary(log, reader)
    record = tomllib.loads((RECORDS / "facade-service-validator.toml").read_text())
    assert found["FAIL"] == {}
    assert passed(done.stdout) >= record["passed"]
    assert found["WARN"] == record["warned"]
    assert found["SKIP"] == record["untested"]
