"""A machine boots from a real ``netboot serve``: what is counted, and known of its network."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from netboot.lab.namespaces import Host
from netboot.lab.site import Site
from tests.test_control_process import await_
from tests.test_simulate_network import (  # noqa: F401 -- fixtures
    IMAGES,
    clients,
    dhcp,
    simulate,
    site,
)

pytestmark = pytest.mark.root


def number(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} ([0-9.e+]+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.usefixtures("dhcp")
def test_a_boot_is_counted_by_the_program_that_served_it(site: Site, clients: Host) -> None:  # noqa: F811
    site.serve()
    simulate(clients, "edk2")
    transport = httpx.HTTPTransport(uds=str(site.data / "run" / "control.sock"))
    with httpx.Client(transport=transport, base_url="http://control", timeout=60) as client:

        def scraped(name: str) -> Callable[[], float]:
            return lambda: number(client.get("/metrics").text, name)

        offered = 'netboot_dhcp_requests_total{arch="x64",result="offered"}'
        await_(scraped(offered), offered)
        await_(scraped('netboot_boot_stage_seconds_count{stage="loader"}'), "the loader's time")
        loader = IMAGES["ipxe"]["snponly.efi"]
        await_(lambda: scraped("netboot_tftp_bytes_total")() >= loader, "the loader's bytes")
        network: Any = client.get("/api/v1/network").json()
    assert network["boot_programs"] == 1
    assert list(network["interfaces"].values()) == [site.host.address]
    assert [one["role"] for one in network["surveyed"]] == ["dhcp"]
