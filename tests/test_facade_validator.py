"""What DMTF's own validators have against the facade.

What passed and what is not tested is recorded in ``golden/redfish``, as for the virtual BMCs.
"""

from pathlib import Path

from netboot.model import BootSource
from tests.facade_site import PASSWORD, USER, Site, running
from tests.test_lab_bmc_validators import Judged, hold_protocol, hold_resources


def judged(site: Site) -> Judged:
    return Judged(site.url, site.facade.certificate, USER, PASSWORD)


def test_the_service_validator_finds_no_fault(tmp_path: Path) -> None:
    with running(tmp_path) as site:
        site.store.arm("n1", BootSource.CD, once=True)
        site.store.load("n1", "http://192.0.2.9/ipa.iso?node=n1")
        hold_resources(judged(site), site, tmp_path, "facade-service-validator.toml")


def test_the_protocol_validator_finds_that_it_has_no_roles_and_nothing_else(tmp_path: Path) -> None:
    with running(tmp_path) as site:
        hold_protocol(judged(site), tmp_path, "facade-protocol-validator.toml")
