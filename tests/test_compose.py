"""``docker compose up`` with a real engine: a machine with real firmware boots through it."""

import json
import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from netboot.bmc import quirks
from netboot.config import Settings
from netboot.events import Kind
from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc
from netboot.lab.capture import Capture
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.machine import Machine
from netboot.lab.mirror import Mirror
from netboot.lab.namespaces import Lan
from netboot.lab.packets import http_target
from netboot.media import mirror as debian_mirror
from tests.conftest import CACHE
from tests.container_site import BRIDGE_ADDRESS, Composed
from tests.share_site import Client, Nfs, Smb
from tests.waiting import await_

pytestmark = [pytest.mark.root, pytest.mark.mirror]

MAC = "52:54:00:00:00:01"
MACVLAN_ADDRESS = "10.77.0.60"
REFUSAL = f"""\
netboot: eth0 {BRIDGE_ADDRESS[0]} is on a bridge of docker's behind {BRIDGE_ADDRESS[1]}: machines' \
broadcasts do not come in, and TFTP breaks at its NAT
Give netboot the host's network. In compose.yaml:
    services:
      netboot:
        network_mode: host
or on the command line:
    docker run --network host
A macvlan network on the machines' LAN will do as well.
"""


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    with Lan("compose") as made:
        PlainDhcp(made)
        yield made


@pytest.fixture(scope="module")
def mirror(lan: Lan) -> Mirror:
    return Mirror(lan.host("mirror"), debian_mirror.find(Settings()).url)


@pytest.fixture(scope="module")
def composed(lan: Lan, mirror: Mirror) -> Composed:
    made = Composed(lan, CACHE, mirror.url)
    made.up("netboot")
    return made


class TestConfinement:
    def test_it_is_not_root_and_has_the_two_capabilities_alone(self, composed: Composed) -> None:
        status = composed.shell("cat /proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        assert fields["Uid"].split() == ["4011"] * 4
        raw_and_ports = 1 << 13 | 1 << 10  # CAP_NET_RAW, CAP_NET_BIND_SERVICE: capabilities(7)
        assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {raw_and_ports}

    def test_nothing_but_its_volume_and_tmp_can_be_written(self, composed: Composed) -> None:
        places = "data tmp config etc opt/netboot var/lib run ."
        tried = composed.shell(
            f"for each in {places}; do touch /$each/mark 2>/dev/null && echo $each; done; true"
        )
        assert tried.split() == ["data", "tmp"]

    def test_no_program_of_the_image_changes_who_runs_it(self, composed: Composed) -> None:
        found = composed.shell("find / -xdev -type f -perm /6000 2>/dev/null; true")
        assert found == ""


class TestNetworks:
    def test_on_a_bridge_network_it_refuses_with_the_lines_that_mend_it(
        self, composed: Composed
    ) -> None:
        refused = composed.run("--rm", check=False)
        assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", REFUSAL)

    def test_what_is_named_as_on_the_host_is_refused_for_the_same_reason(
        self, composed: Composed
    ) -> None:
        refused = composed.run("--rm", "--env", "NETBOOT_SERVER_INTERFACES=enp3s0", check=False)
        assert (refused.returncode, refused.stderr) == (2, REFUSAL)

    def test_on_a_macvlan_network_it_serves(self, composed: Composed, lan: Lan) -> None:
        network = ("--driver", "macvlan", "--opt", "parent=eth0", "--subnet", str(lan.subnet))
        composed.engine.docker(
            "network", "create", *network, "--gateway", str(lan.dhcp.address), "lan"
        )
        joined = ("--network", "lan", "--ip", MACVLAN_ADDRESS)
        # it serves nobody it knows: what it needs is in the image, and nothing is fetched
        composed.run("--detach", "--name", "macvlan", *joined, command=("serve", "--role", "boot"))
        said = f" on eth0 {MACVLAN_ADDRESS}"
        await_(lambda: said in composed.logs("macvlan"), "ready on the macvlan")
        composed.engine.docker("rm", "--force", "macvlan")


@pytest.mark.firmware
def test_a_machine_boots_through_it_and_a_restart_in_mid_boot_costs_it_one_retry(
    composed: Composed, lan: Lan
) -> None:
    composed.netboot("node", "add", "n1", "--mac", MAC, "--profile", "debian-12")
    machine = Machine(lan, "n1", [MAC])
    wire = Capture(lan.switch, machine.taps[0], (8080,))
    machine.power_on()
    wire.wait_for(lambda packet: (http_target(packet) or "").endswith("/linux"), 300)
    composed.engine.docker("restart", "netboot")
    machine.wait_for_serial(r"Asking again in \d+ seconds", 200)
    machine.wait_for_serial(r"Linux version|EFI stub", 300)
    told = composed.netboot("timeline", "n1", "--json").splitlines()
    kinds = [json.loads(line)["kind"] for line in told]
    assert kinds.count(Kind.SCRIPT) >= 2
    assert {Kind.KERNEL, Kind.INITRD} <= set(kinds[kinds.index(Kind.SCRIPT) :])
    composed.wait_until_healthy()


def test_the_proxy_of_its_profile_fetches_a_file_once_and_has_no_capability(
    composed: Composed, lan: Lan, mirror: Mirror
) -> None:
    composed.up("proxy")
    machine = lan.host("machine")
    path = mirror.wait_for(r"\.deb$", 10)  # one that netboot has fetched
    through = f"http://{lan.server.address}:3142/{mirror.url.split('/')[2]}{path}"
    fetch = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", through]
    first = await_(lambda: (said := machine.run(fetch, check=False).stdout) > "200" and said, "it")
    asked = mirror.requests.count(path)
    assert machine.run(fetch).stdout == first
    assert mirror.requests.count(path) == asked
    status = composed.shell("cat /proc/1/status", "netboot-proxy")
    sets = [line.split()[1] for line in status.splitlines() if line.startswith("Cap")]
    assert {int(each, 16) for each in sets} == {0}


VERSION = "1+2"
OUTSIDE = ("out", f"rescue/{VERSION}/out", "root/etc/passwd", "../../../etc/passwd")
REFUSED = ("Read-only file system", "Permission denied", "NT_STATUS_ACCESS_DENIED")


@pytest.fixture(scope="module")
def shared(composed: Composed) -> None:
    """Both shares are up; what leads out of them is in the images."""
    version = composed.images / "rescue" / VERSION
    version.mkdir(parents=True)
    (version / "live.iso").write_bytes(bytes(range(256)) * 4096)
    (version / "out").symlink_to("../../../../etc/passwd")
    (composed.images / "out").symlink_to("/etc/passwd")
    (composed.images / "root").symlink_to("/")
    composed.netboot("image", "fetch", "springboard")
    composed.up("nfs", "smb")


@pytest.fixture(scope="module", params=[Nfs, Smb])
def client(request: pytest.FixtureRequest, lan: Lan) -> Client:
    kind: type[Client] = request.param
    return kind(lan.host("bmc"), lan.directory)


@pytest.fixture(scope="module")
def share(client: Client, lan: Lan) -> str:
    """Its URL, as the configuration has it."""
    return f"{client.scheme}://{lan.server.address}/netboot"


@pytest.mark.usefixtures("shared")
class TestShares:
    def test_a_file_is_what_http_serves(
        self, composed: Composed, lan: Lan, client: Client, share: str
    ) -> None:
        folder = (composed.images / "springboard/current").resolve()
        url = f"http://{lan.server.address}:8080/images/springboard/"
        bmc = lan.host("bmc")
        listed = await_(lambda: bmc.run(["curl", "-sf", url], check=False).stdout, "the image")
        there = client.names(f"{share}/images/springboard/{folder.name}")
        discs = {name for name in there if name.endswith(".iso")}
        assert discs == set(re.findall(r'href="([^"]+\.iso)"', listed))
        for name in discs:
            fetched = lan.directory / "by-http"
            bmc.run(["curl", "-sf", "-o", fetched, url + name])
            shared = client.read(f"{share}/images/springboard/{folder.name}/{name}")
            assert shared == fetched.read_bytes()
        assert discs

    def test_nobody_changes_what_is_there(
        self, composed: Composed, client: Client, share: str
    ) -> None:
        before = sorted(composed.images.glob("*/*"))
        tried = client.changes(f"{share}/images/rescue/{VERSION}", "live.iso")
        allowed = [how for how, said in tried.items() if not any(no in said for no in REFUSED)]
        assert not allowed
        assert sorted(composed.images.glob("*/*")) == before
        content = client.read(f"{share}/images/rescue/{VERSION}/live.iso")
        assert content == bytes(range(256)) * 4096

    @pytest.mark.parametrize("way", OUTSIDE)
    def test_no_way_leads_out(self, client: Client, share: str, way: str) -> None:
        assert client.read(f"{share}/images/{way}") is None

    def test_nothing_else_is_shared(self, lan: Lan) -> None:
        address = str(lan.server.address)
        nfs, smb = Nfs(lan.host("bmc"), lan.directory), Smb(lan.host("bmc"), lan.directory)
        assert smb.shares(address) == {"netboot", "IPC$"}
        tried = ("/", "/srv/netboot", "/etc", "/netboot/images/..", "/netboot/images/root/etc")
        assert [path for path in tried if nfs.mounts(f"nfs://{address}{path}")] == []
        assert nfs.mounts(f"nfs://{address}/netboot/images")

    def test_a_bmc_that_reads_by_it_alone_is_sent_there(
        self, composed: Composed, lan: Lan, client: Client
    ) -> None:
        host, name = lan.host("bmc"), client.scheme
        mac = {"nfs": "52:54:00:00:00:0a", "cifs": "52:54:00:00:00:0b"}[name]
        known = quirks.known()
        cifs = replace(known["generic"], media_schemes=("cifs",))  # which it says
        personality = {"nfs": known["h3c"], "cifs": cifs}[name]
        machine = FakeMachine([mac])
        with VirtualBmc(machine, personality, listener=host.listen(0)) as bmc:
            composed.netboot("node", "add", name, "--mac", mac, "--profile", "debian-12")
            login = ("--bmc-user", "admin", "--bmc-password-from", "file:/config/bmc.password")
            composed.netboot("node", "set", name, "--bmc", f"redfish+{bmc.url}", *login)
            composed.netboot("media", "build", name, "-o", "/data/cd.iso")
            cd = composed.media / mac.replace(":", "-") / "netboot.iso"
            cd.parent.mkdir()
            composed.engine.docker("cp", "netboot:/data/cd.iso", cd)
            composed.netboot("node", "boot", name, "cd")
            told = machine.media["Cd"]
        assert told.startswith(f"{name}://")
        assert client.read(told) == cd.read_bytes()

    def test_after_a_restart_it_is_there_again(
        self, composed: Composed, client: Client, share: str
    ) -> None:
        url = f"{share}/images/rescue/{VERSION}/live.iso"
        assert client.read(url)
        composed.compose("restart", {"nfs": "nfs", "cifs": "smb"}[client.scheme])
        assert await_(lambda: client.read(url), "the same file")
