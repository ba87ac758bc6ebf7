"""``netboot serve`` hears installers' logs beside whoever has the port already."""

import socket

import pytest

from netboot.events import Kind
from netboot.lab.namespaces import Host, Lan
from netboot.lab.site import Site
from tests.pxe_peer import PxeClient
from tests.waiting import PATIENCE, await_

pytestmark = pytest.mark.root

MIRROR = "http://127.0.0.1:9/debian"
MAC = "52:54:00:00:00:01"
ANSWERED = """
description = "asks for nothing but an answer file"
script = "ipxe/own.ipxe"

[answer]
kind = "preseed"
file = "own.cfg"
"""
SELECTED = b"<30>Nov 21 18:05:09 main-menu[147]: INFO: Menu item 'partman-base' selected\n"


@pytest.fixture
def site(lan: Lan) -> Site:
    """A site with one machine, whose profile has an answer file and no image."""
    (lan.directory / "images").mkdir()
    templates = lan.directory / "templates"
    for name, text in (
        ("profiles/own.toml", ANSWERED),
        ("ipxe/own.ipxe", "#!ipxe\necho {{ boot.url }} {{ server.syslog | default('none') }}\n"),
        ("own.cfg", "# nothing\n"),
    ):
        (templates / name).parent.mkdir(parents=True, exist_ok=True)
        (templates / name).write_text(text)
    settings = {"server": {"templates": [str(templates)]}}
    made = Site(lan, lan.directory / "images", MIRROR, settings=settings)
    made.netboot("node", "add", "n1", "--mac", MAC, "--profile", "own")
    return made


def socket_on(host: Host, port: int = 0) -> socket.socket:
    def opened() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((str(host.address), port))
        return made

    made = host.inside(opened)
    host.lan.on_close(made.close)
    return made


def boot(client: PxeClient) -> str:
    """A machine asks by DHCP and fetches its script; the script."""
    await_(lambda: client.offer(MAC), "an offer")
    url = f"http://{client.server}:8080/ipxe/{MAC}"
    return client.host.run(["curl", "--silent", "--fail", url]).stdout


def test_a_booting_machines_log_is_in_its_timeline_and_nobody_elses(lan: Lan, site: Site) -> None:
    site.serve()
    client = PxeClient(lan.host("client"), lan.server)
    stranger = lan.host("stranger")
    assert boot(client).strip().endswith(" 514")
    for host, line in ((stranger, b"<28>in: a stranger"), (client.host, SELECTED)):
        socket_on(host).sendto(line, (client.server, 514))
    told = site.wait_for_event("n1", Kind.SYSLOG, PATIENCE)
    assert told.detail == "main-menu: INFO: Menu item 'partman-base' selected"
    assert told.data == {"program": "main-menu", "severity": "info", "stage": "partitioning"}


def test_a_log_server_on_this_host_keeps_its_port_and_machines_boot_all_the_same(
    lan: Lan, site: Site
) -> None:
    socket_on(site.host, 514)
    program = site.serve()
    program.wait_for("installers' own logs will not be in the timeline", PATIENCE)
    assert program.tail(1000).count("UDP port 514 is held by ") == 1
    assert boot(PxeClient(lan.host("client"), lan.server)).strip().endswith(" none")


def test_it_can_be_turned_off(lan: Lan, site: Site) -> None:
    site.config.write_text(site.config.read_text() + "[syslog]\nlisten = false\n")
    site.serve()
    assert boot(PxeClient(lan.host("client"), lan.server)).strip().endswith(" none")
    socket_on(site.host, 514)
