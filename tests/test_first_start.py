"""The first start on a host that has fetched nothing yet."""

import pytest

from netboot.lab.mirror import Mirror
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from tests.pxe_peer import ASK_AGAIN, PxeClient, tftp_blocks
from tests.waiting import await_

pytestmark = [pytest.mark.root, pytest.mark.mirror]

MAC = "52:54:00:00:00:01"


def test_serve_looks_round_fetches_what_is_missing_and_answers(
    lan_with_dhcp: Lan, mirror: Mirror
) -> None:
    images = lan_with_dhcp.directory / "images"
    images.mkdir()
    site = Site(lan_with_dhcp, images, mirror.url)
    site.netboot("node", "add", "n1", "--mac", MAC, "--profile", "local")
    serving = site.serve()
    said = [line[9:] for line in serving.text.splitlines() if line[2:3] == ":"]
    assert [line.split(":")[0] for line in said[:4]] == [
        "interface",
        "DHCP server",
        "other boot servers",
        "ports",
    ]
    assert "image ipxe is fetched" in said
    assert said[-1].startswith("ready in ")
    assert not (images / "debian-12").exists()  # nobody needs it
    machine = lan_with_dhcp.host("machine")
    client = PxeClient(machine, site.host)
    # once control has said who is who
    await_(lambda: client.offer(MAC, seconds=ASK_AGAIN), "an OFFER")
    loader = client.boot_file(MAC).encode("ascii")
    first = next(tftp_blocks(machine, str(site.host.address), loader))
    assert first.startswith(b"MZ")  # a PE image, as UEFI wants it
