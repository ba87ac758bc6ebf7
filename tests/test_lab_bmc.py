"""A virtual BMC does to its machine what it says, as DSP0266 and DSP0268 have it."""

import base64
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from netboot.lab.bmc.certificate import self_signed
from netboot.lab.bmc.http import Server
from netboot.lab.bmc.machine import BootDevice, FakeMachine, Refused
from netboot.lab.bmc.virtual import VirtualBmc
from tests.redfish_peer import ROOT, TRUST, Peer

MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
ISO = "http://192.0.2.1/x.iso"


@pytest.fixture
def bmc() -> Iterator[VirtualBmc]:
    with VirtualBmc(FakeMachine(MACS)) as running:
        yield running


@pytest.fixture
def peer(bmc: VirtualBmc) -> Iterator[Peer]:
    with Peer(bmc) as client:
        yield client


def boots(bmc: VirtualBmc) -> list[str]:
    assert isinstance(bmc.machine, FakeMachine)
    return list(bmc.machine.boots)


def test_once_is_for_one_start_and_then_disabled(bmc: VirtualBmc, peer: Peer) -> None:
    assert peer.override("Pxe") == 204
    assert peer.boot == {"Enabled": "Once", "Target": "Pxe", "Mode": "UEFI", "HttpBootUri": None}
    assert peer.reset("On") == 204
    assert peer.boot["Enabled"] == "Disabled"
    assert peer.reset("ForceRestart") == 204
    assert boots(bmc) == ["network", "disk"]


def test_continuous_is_for_every_start(bmc: VirtualBmc, peer: Peer) -> None:
    peer.override("Pxe", "Continuous")
    for kind in ("On", "ForceRestart", "PowerCycle"):
        peer.reset(kind)
    assert peer.boot["Enabled"] == "Continuous"
    peer.override("None", "Disabled")
    peer.reset("ForceRestart")
    assert boots(bmc) == ["network", "network", "network", "disk"]


def test_a_reboot_by_the_system_itself_uses_the_once_up(bmc: VirtualBmc, peer: Peer) -> None:
    peer.reset("On")
    before = peer.get(peer.system)["LastResetTime"]
    peer.override("Pxe")
    bmc.machine.reset()
    assert peer.boot["Enabled"] == "Disabled"
    assert peer.get(peer.system)["LastResetTime"] > before


@pytest.mark.parametrize(
    ("target", "device"),
    [("Hdd", "disk"), ("Usb", "usb"), ("BiosSetup", "setup"), ("Cd", f"cd {ISO}")],
)
def test_each_target_is_what_starts(bmc: VirtualBmc, peer: Peer, target: str, device: str) -> None:
    peer.insert({"Image": ISO})
    peer.override(target)
    peer.reset("On")
    assert boots(bmc) == [device]


def test_uefi_http_boots_from_its_uri_or_from_what_dhcp_says(bmc: VirtualBmc, peer: Peer) -> None:
    uri = "http://192.0.2.1/boot.efi"
    assert peer.override("UefiHttp", HttpBootUri=uri) == 204
    peer.reset("On")
    peer.override("UefiHttp", HttpBootUri=None)
    peer.reset("ForceRestart")
    assert boots(bmc) == [f"http {uri}", "http"]


@pytest.mark.parametrize(
    ("boot", "status"),
    [
        ({"BootSourceOverrideTarget": "Floppy"}, 400),
        ({"BootSourceOverrideEnabled": "Twice"}, 400),
        ({"BootSourceOverrideMode": "Both"}, 400),
        ({"HttpBootUri": 7}, 400),
        ({"Unheard": "Of"}, 400),
        ("Pxe", 400),
        ({"BootSourceOverrideMode": "Legacy"}, 204),
    ],
)
def test_a_boot_that_cannot_be_is_refused_whole(peer: Peer, boot: object, status: int) -> None:
    before = peer.boot
    assert peer.patch(peer.system, {"Boot": boot}) == status
    assert (peer.boot == before) is (status == 400)


def test_a_machine_offers_only_what_it_can_start_from() -> None:
    machine = FakeMachine()
    machine.boot_devices = frozenset({BootDevice.NETWORK, BootDevice.DISK})
    with VirtualBmc(machine) as bmc, Peer(bmc) as peer:
        allowed = "BootSourceOverrideTarget@Redfish.AllowableValues"
        assert peer.get(peer.system)["Boot"][allowed] == ["None", "Pxe", "Hdd"]
        assert peer.override("Cd") == 400


@pytest.mark.parametrize(
    ("kind", "was_on", "is_on", "starts"),
    [
        ("On", False, True, 1),
        ("On", True, True, 0),
        ("ForceOn", False, True, 1),
        ("ForceOff", True, False, 0),
        ("GracefulShutdown", True, False, 0),
        ("GracefulRestart", True, True, 1),
        ("ForceRestart", True, True, 1),
        ("ForceRestart", False, True, 1),
        ("PowerCycle", True, True, 1),
        ("PushPowerButton", False, True, 1),
        ("PushPowerButton", True, False, 0),
        ("Nmi", True, True, 0),
    ],
)
def test_what_each_reset_type_does(
    bmc: VirtualBmc, peer: Peer, kind: str, was_on: bool, is_on: bool, starts: int
) -> None:
    if was_on:
        bmc.machine.power_on()
    before = bmc.machine.starts
    assert peer.reset(kind) == 204
    assert peer.get(peer.system)["PowerState"] == ("On" if is_on else "Off")
    assert bmc.machine.starts - before == starts
    assert bmc.resets == 1


def test_other_reset_types_are_refused(bmc: VirtualBmc, peer: Peer) -> None:
    assert peer.reset("Explode") == 400
    action = f"{peer.chassis}/Actions/Chassis.Reset"
    assert peer.post(action, {"ResetType": "GracefulShutdown"}) == 400
    assert peer.post(action, {"ResetType": "On"}) == 204
    assert bmc.machine.is_on


def test_a_medium_goes_in_and_out(bmc: VirtualBmc, peer: Peer) -> None:
    assert isinstance(bmc.machine, FakeMachine)
    assert peer.insert({"Image": ISO, "Inserted": True, "WriteProtected": True}) == 204
    slot = peer.get(peer.slot())
    assert (slot["Image"], slot["ImageName"], slot["Inserted"]) == (ISO, "x.iso", True)
    assert bmc.machine.media == {"Cd": ISO}
    assert peer.insert({"Image": ISO}) == 409
    assert peer.eject() == 204
    assert (peer.get(peer.slot())["Image"], bmc.machine.media) == (None, {})


def test_an_image_the_machine_cannot_read_is_refused() -> None:
    class Blind(FakeMachine):
        def insert(self, slot: str, image: str) -> None:
            raise Refused(f"{slot}: {image}: 404")

    with VirtualBmc(Blind()) as bmc, Peer(bmc) as peer:
        assert peer.insert({"Image": ISO}) == 400
        assert peer.get(peer.slot())["Inserted"] is False


def test_bios_settings_wait_for_the_next_start(peer: Peer) -> None:
    bios = f"{peer.system}/Bios"
    pending = peer.get(bios)["@Redfish.Settings"]["SettingsObject"]["@odata.id"]
    assert peer.patch(pending, {"Attributes": {"NumLock": False}}) == 204
    assert peer.get(pending)["Attributes"]["NumLock"] is False
    assert peer.get(bios)["Attributes"]["NumLock"] is True
    peer.reset("On")
    assert peer.get(bios)["Attributes"]["NumLock"] is False
    assert peer.post(f"{bios}/Actions/Bios.ResetBios") == 204
    peer.reset("ForceRestart")
    assert peer.get(bios)["Attributes"]["NumLock"] is True


@pytest.mark.parametrize("attributes", [{"NumLock": "Off"}, {"Unheard": 1}, []])
def test_bios_settings_that_cannot_be_are_refused(peer: Peer, attributes: object) -> None:
    assert peer.patch(f"{peer.system}/Bios/Settings", {"Attributes": attributes}) == 400


def test_secure_boot_is_in_force_from_the_next_start(peer: Peer) -> None:
    path = f"{peer.system}/SecureBoot"
    assert peer.patch(path, {"SecureBootEnable": True}) == 204
    assert peer.get(path)["SecureBootCurrentBoot"] == "Disabled"
    peer.reset("On")
    assert peer.get(path)["SecureBootCurrentBoot"] == "Enabled"
    assert peer.post(f"{path}/Actions/SecureBoot.ResetKeys", {"ResetKeysType": "DeletePK"}) == 204
    peer.reset("ForceRestart")
    assert peer.get(path)["SecureBootMode"] == "SetupMode"
    assert peer.post(f"{path}/Actions/SecureBoot.ResetKeys", {}) == 400


def test_firmware_iscsi_is_set_on_a_device_function_and_keeps_its_secret(peer: Peer) -> None:
    functions = f"{peer.chassis}/NetworkAdapters/NIC/NetworkDeviceFunctions"
    members = [each["@odata.id"] for each in peer.get(functions)["Members"]]
    macs = [peer.get(each)["Ethernet"]["MACAddress"] for each in members]
    assert macs == [mac.upper() for mac in MACS]
    wanted = {
        "PrimaryTargetName": "iqn.2020-01.example:n1",
        "PrimaryTargetIPAddress": "192.0.2.9",
        "PrimaryLUN": 1,
        "AuthenticationMethod": "CHAP",
        "CHAPUsername": "n1",
        "CHAPSecret": "kept-to-itself",
    }
    assert peer.patch(members[1], {"BootMode": "iSCSI", "iSCSIBoot": wanted}) == 204
    said = peer.get(members[1])
    assert "kept-to-itself" not in str(said)
    assert said["BootMode"] == "iSCSI"
    assert said["iSCSIBoot"].items() >= (wanted | {"CHAPSecret": None}).items()
    assert peer.get(members[0])["iSCSIBoot"]["PrimaryTargetName"] == ""
    assert peer.patch(members[1], {"iSCSIBoot": {"PrimaryTargetName": None}}) == 204
    assert peer.get(members[1])["iSCSIBoot"]["PrimaryTargetName"] == ""
    assert peer.patch(members[1], {"iSCSIBoot": {"PrimaryLUN": "one"}}) == 400


def test_inventory_has_what_the_machine_is(bmc: VirtualBmc, peer: Peer) -> None:
    system = peer.get(peer.system)
    assert system["UUID"] == str(bmc.machine.uuid)
    assert system["MemorySummary"] == {"TotalSystemMemoryGiB": 4.0}
    members = peer.get(system["EthernetInterfaces"]["@odata.id"])["Members"]
    assert [peer.get(each["@odata.id"])["MACAddress"].lower() for each in members] == list(MACS)
    assert peer.get(peer.manager)["ManagerType"] == "BMC"


def test_a_change_of_what_was_not_seen_is_refused(peer: Peer) -> None:
    etag = peer.http.get(peer.system).headers["ETag"]
    assert peer.get(peer.system)["@odata.etag"] == etag
    assert peer.http.get(peer.system, headers={"If-None-Match": etag}).status_code == 304
    assert peer.patch(peer.system, {"AssetTag": "a"}, etag) == 204
    assert peer.patch(peer.system, {"AssetTag": "b"}, etag) == 412
    assert peer.get(peer.system)["AssetTag"] == "a"


def test_a_patch_says_what_of_it_could_not_be_written(peer: Peer) -> None:
    reply = peer.http.patch(peer.system, json={"AssetTag": "a", "Model": "x"})
    assert reply.status_code == 200
    (message,) = reply.json()["@Message.ExtendedInfo"]
    assert message["MessageId"].endswith("PropertyNotWritable")
    assert reply.json()["AssetTag"] == "a"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{ROOT}/Nowhere", 404),
        ("POST", f"{ROOT}/Systems/1", 405),
        ("BREW", ROOT, 501),
        ("GET", f"{ROOT}?$expand=.", 501),
        ("PATCH", f"{ROOT}/Systems/1", 400),
        ("GET", f"{ROOT}/Systems/1/", 200),
    ],
)
def test_what_cannot_be_answered(peer: Peer, method: str, path: str, status: int) -> None:
    reply = peer.http.request(method, path, content=b"{" if method == "PATCH" else b"")
    assert reply.status_code == status
    assert (reply.status_code == 200) is ("error" not in reply.json())


def test_only_the_root_is_for_everybody(bmc: VirtualBmc) -> None:
    with httpx.Client(base_url=bmc.url, verify=TRUST, trust_env=False) as nobody:
        assert nobody.get("/redfish").json() == {"v1": "/redfish/v1/"}
        assert nobody.get("/redfish/v1/").status_code == 200
        refused = nobody.get(f"{ROOT}/Systems")
        assert (refused.status_code, refused.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        wrong = base64.b64encode(b"admin:wrong").decode()
        headers = {"Authorization": f"Basic {wrong}"}
        assert nobody.get(f"{ROOT}/Systems", headers=headers).status_code == 401


def test_a_session_is_good_until_its_logout(bmc: VirtualBmc) -> None:
    sessions = f"{ROOT}/SessionService/Sessions"
    with httpx.Client(base_url=bmc.url, verify=TRUST, trust_env=False) as client:
        login = client.post(sessions, json={"UserName": "admin", "Password": "password"})
        assert login.status_code == 201
        token = {"X-Auth-Token": login.headers["X-Auth-Token"]}
        assert client.get(f"{ROOT}/Systems", headers=token).status_code == 200
        assert bmc.sessions == 1
        assert client.delete(login.headers["Location"], headers=token).status_code == 204
        assert client.get(f"{ROOT}/Systems", headers=token).status_code == 401
        assert bmc.sessions == 0


def test_a_read_only_account_changes_nothing(bmc: VirtualBmc, peer: Peer) -> None:
    account = {"UserName": "watcher", "Password": "watcher-password", "RoleId": "ReadOnly"}
    assert peer.post(f"{ROOT}/AccountService/Accounts", account) == 201
    login = ("watcher", "watcher-password")
    with httpx.Client(base_url=bmc.url, auth=login, verify=TRUST, trust_env=False) as watcher:
        assert watcher.get(peer.system).status_code == 200
        reset = f"{peer.system}/Actions/ComputerSystem.Reset"
        assert watcher.post(reset, json={"ResetType": "On"}).status_code == 403
    assert not bmc.machine.is_on


def test_https_has_a_certificate_whose_fingerprint_can_be_pinned(tmp_path: Path) -> None:
    certificate = self_signed("127.0.0.1")
    (tmp_path / "ca.pem").write_text(certificate.pem)
    trust = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with VirtualBmc(FakeMachine(), certificate=certificate) as bmc:
        reply = httpx.get(f"{bmc.url}/redfish", verify=trust, trust_env=False)
        assert reply.json() == {"v1": "/redfish/v1/"}
        found = ssl.get_server_certificate(("127.0.0.1", bmc.port))
    assert found.strip() == certificate.pem.strip()
    assert "key" not in repr(certificate)


def test_many_bmcs_share_a_thread_and_stop_one_by_one() -> None:
    with Server() as server:
        bmcs = [VirtualBmc(FakeMachine(), server=server) for _ in range(3)]
        for bmc in bmcs:
            bmc.start()
        bmcs[0].stop()
        bmcs[0].stop()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{bmcs[0].url}/redfish", verify=TRUST, trust_env=False)
        for bmc in bmcs[1:]:
            assert httpx.get(f"{bmc.url}/redfish", verify=TRUST, trust_env=False).status_code == 200


def test_a_login_shows_in_no_repr_and_no_log(bmc: VirtualBmc, peer: Peer) -> None:
    peer.get(peer.system)
    assert "password" not in f"{bmc!r} {bmc.__dict__} {bmc.log.entries}"


def test_an_override_the_machine_refuses_is_not_set() -> None:
    class Stubborn(FakeMachine):
        def set_boot(self, device: BootDevice | None, *, once: bool, url: str = "") -> None:
            raise Refused(f"{device} {once} {url}")

    with VirtualBmc(Stubborn()) as bmc, Peer(bmc) as peer:
        assert peer.override("Pxe") == 400
        assert peer.boot["Enabled"] == "Disabled"
