"""Each personality differs from the standard in what the quirk data says, and in nothing else."""

from typing import Any

import pytest

from netboot.bmc import quirks
from netboot.lab.bmc.machine import FakeMachine
from tests.redfish_peer import ROOT, running

ISO = "http://192.0.2.1/x.iso"
FULL = {
    "BootSourceOverrideEnabled": "Once",
    "BootSourceOverrideTarget": "Pxe",
    "BootSourceOverrideMode": "UEFI",
}
STANDARD = [name for name in quirks.known() if name not in ("pikvm", "placemat")]


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


@pytest.mark.parametrize("name", quirks.known())
def test_a_bmc_says_of_itself_what_it_is_told_by(name: str) -> None:
    with running(name) as (_, peer):
        root, system = peer.get("/redfish/v1/"), peer.get(peer.system)
        members = peer.get(f"{ROOT}/Systems")["Members"]
        managed = "Managers" in root and name != "placemat"
        bmc_model = peer.get(peer.manager).get("Model") if managed else None
    found = quirks.of(
        system.get("Manufacturer"),
        system.get("Model"),
        bmc_model,
        root.get("Vendor"),
        members[0]["@odata.id"].rpartition("/")[2],
    )
    assert found.name == name


@pytest.mark.parametrize("name", STANDARD)
def test_with_its_quirks_heeded_a_bmc_boots_what_it_is_told(name: str) -> None:
    quirk = quirks.known()[name]
    with running(name) as (bmc, peer):
        path = peer.system
        if quirk.settings_uri:
            path += "/SD" if quirk.settings_uri == "/SD" else "/Settings"
        etag = peer.get(path).get("@odata.etag") or peer.http.get(path).headers["ETag"]
        boot = FULL if quirk.boot_has_mode else without(FULL, "BootSourceOverrideMode")
        assert peer.patch(path, {"Boot": boot}, etag) == 204
        assert peer.boot["Target"] == "Pxe"
        assert peer.reset("On") == 204
        assert peer.boot["Enabled"] == "Disabled"
        assert isinstance(bmc.machine, FakeMachine)
        assert list(bmc.machine.boots) == ["disk" if quirk.once_ignored else "network"]


@pytest.mark.parametrize(
    ("name", "boot", "etagged", "status"),
    [
        ("supermicro-x11+", without(FULL, "BootSourceOverrideMode"), False, 400),
        ("supermicro-x10", FULL, False, 400),
        ("hpe-ilo5", without(FULL, "BootSourceOverrideTarget"), False, 400),
        ("lenovo-xcc", FULL, False, 428),
        ("huawei", FULL, True, 400),
        ("ami", FULL, True, 400),
        ("inspur", FULL, False, 428),
        ("generic", without(FULL, "BootSourceOverrideMode"), False, 204),
    ],
)
def test_with_a_quirk_ignored_an_override_is_refused(
    name: str, boot: dict[str, Any], etagged: bool, status: int
) -> None:
    with running(name) as (_, peer):
        etag = peer.get(peer.system)["@odata.etag"] if etagged else None
        assert peer.patch(peer.system, {"Boot": boot}, etag) == status


@pytest.mark.parametrize(
    ("name", "in_header", "in_body"),
    [("generic", True, True), ("inspur", True, False), ("ami", False, True)],
)
def test_where_the_etag_is(name: str, in_header: bool, in_body: bool) -> None:
    with running(name) as (_, peer):
        reply = peer.http.get(peer.system)
        assert ("ETag" in reply.headers, "@odata.etag" in reply.json()) == (in_header, in_body)


@pytest.mark.parametrize(("name", "pattern"), [("generic", '"'), ("ami", 'W/"'), ("huawei", '""')])
def test_how_an_etag_is_written(name: str, pattern: str) -> None:
    with running(name) as (_, peer):
        etag = peer.get(peer.system)["@odata.etag"]
        assert etag.startswith(pattern)
        assert etag[len(pattern)] != '"'


DUMMY = {"UserName": "x", "Password": "x"}


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("generic", {}, 400),
        ("generic", {"Image": ISO, "Inserted": True, "WriteProtected": True}, 204),
        ("generic", {"Image": "nfs://192.0.2.1/x.iso"}, 400),
        ("supermicro-x11+", {"Image": ISO, "Inserted": True}, 400),
        ("supermicro-x11+", {"Image": f"{ISO}?a=b"}, 400),
        ("supermicro-x11+", {"Image": ISO}, 204),
        ("h3c", {"Image": ISO}, 400),
        ("h3c", {"Image": "nfs://192.0.2.1/x.iso"}, 204),
        ("nettrix", {"Image": ISO}, 400),
        ("nettrix", {"Image": "http://192.0.2.1/iso/"}, 204),
        ("nokia", {"Image": ISO}, 400),
        ("nokia", {"Image": ISO, "TransferProtocolType": "HTTP"}, 204),
        ("dgx", {"Image": ISO}, 400),
        ("dgx", {"Image": ISO} | DUMMY, 204),
        ("lenovo-xcc", {"Image": ISO}, 404),
    ],
)
def test_what_insert_media_needs(name: str, body: dict[str, Any], status: int) -> None:
    with running(name) as (_, peer):
        assert peer.insert(body) == status
        assert peer.get(peer.slot())["Inserted"] is (status == 204)


def test_lenovo_takes_media_by_patch_with_an_etag() -> None:
    with running("lenovo-xcc") as (bmc, peer):
        assert isinstance(bmc.machine, FakeMachine)
        etag = peer.get(peer.slot())["@odata.etag"]
        assert peer.patch(peer.slot(), {"Image": ISO, "Inserted": True}) == 428
        assert peer.patch(peer.slot(), {"Image": ISO, "Inserted": True}, '"wrong"') == 412
        assert peer.patch(peer.slot(), {"Image": ISO, "Inserted": True}, etag) == 204
        assert bmc.machine.media == {"Cd": ISO}
        etag = peer.get(peer.slot())["@odata.etag"]
        assert peer.patch(peer.slot(), {"Image": None, "Inserted": False}, etag) == 204
        assert bmc.machine.media == {}


def test_dell_is_slow_to_eject() -> None:
    with running("dell-idrac9") as (_, peer):
        peer.insert({"Image": ISO})
        assert peer.eject() == 204
        slot = peer.slot()
        assert peer.http.get(slot).status_code == 500
        assert peer.insert({"Image": ISO}) == 409
        assert [peer.get(slot)["Inserted"] for _ in range(2)] == [True, False]
        assert peer.insert({"Image": ISO}) == 204


def test_supermicro_shows_the_old_image_after_an_eject() -> None:
    with running("supermicro-x11+") as (_, peer):
        peer.insert({"Image": ISO})
        peer.eject()
        slot = peer.get(peer.slot())
        assert (slot["Image"], slot["Inserted"]) == (ISO, False)


def test_hpe_ejects_only_with_a_body() -> None:
    with running("hpe-ilo5") as (_, peer):
        peer.insert({"Image": ISO})
        assert peer.eject() == 400
        assert peer.eject(body={}) == 204


def test_hpe_is_locked_during_post() -> None:
    with running("hpe-ilo6") as (_, peer):
        peer.reset("On")
        assert [peer.override("Pxe") for _ in range(3)] == [400, 400, 204]
        reply = peer.http.patch(f"{peer.system}/Bios/Settings", json={"Attributes": {}})
        assert reply.status_code == 204


def test_hpe_sets_firmware_iscsi_in_its_own_resource() -> None:
    with running("hpe-ilo5") as (_, peer):
        links = peer.get(f"{peer.system}/Bios")["Oem"]["Hpe"]["Links"]
        iscsi = peer.get(links["iScsi"]["@odata.id"])
        settings = iscsi["@Redfish.Settings"]["SettingsObject"]["@odata.id"]
        source = {
            "iSCSIAttemptInstance": 1,
            "iSCSINicSource": iscsi["iSCSINicSources"][0],
            "iSCSITargetName": "iqn.2020-01.example:n1",
            "iSCSIChapSecret": "kept-to-itself",
        }
        assert peer.patch(settings, {"iSCSISources": [{}, source]}) == 204
        before = peer.get(iscsi["@odata.id"])["iSCSISources"]
        assert {each["iSCSIAttemptInstance"] for each in before} == {0}
        peer.reset("On")
        first, found, *_ = peer.get(iscsi["@odata.id"])["iSCSISources"]
        assert first["iSCSIAttemptInstance"] == 0
        assert found["iSCSITargetName"] == source["iSCSITargetName"]
        assert found["iSCSIChapSecret"] == ""
        assert peer.patch(settings, {"iSCSISources": [source | {"iSCSINicSource": "x"}]}) == 400


def test_hpe_lists_an_iscsi_source_once_a_start_has_found_it() -> None:
    with running("hpe-ilo5") as (bmc, peer):
        links = peer.get(f"{peer.system}/Bios")["Oem"]["Hpe"]["Links"]
        boot, iscsi = links["Boot"]["@odata.id"], links["iScsi"]["@odata.id"]
        source = {
            "iSCSIAttemptInstance": 1,
            "iSCSINicSource": "NicBoot1",
            "iSCSIConnection": "Enabled",
            "iSCSITargetName": "iqn.2020-01.example:n1",
        }
        assert peer.patch(f"{iscsi}/settings", {"iSCSISources": [source]}) == 204
        own = peer.get(boot)["PersistentBootConfigOrder"]
        order = {"PersistentBootConfigOrder": ["NIC.LOM.1.1.iSCSI", *own]}
        assert peer.patch(f"{boot}/settings", order) == 400
        peer.reset("On")
        assert bmc.machine.boots[-1] == "disk"
        assert peer.get(boot)["PersistentBootConfigOrder"] == [*own, "NIC.LOM.1.1.iSCSI"]
        *_, found = peer.get(boot)["BootSources"]
        assert source["iSCSITargetName"] in found["UEFIDevicePath"]
        assert peer.get(iscsi)["iSCSISources"][0]["UEFIDevicePath"] == found["UEFIDevicePath"]
        changes = {"iSCSISources": [{"UEFIDevicePath": ""}]}
        assert peer.patch(f"{iscsi}/settings", changes) == 400
        replies = [peer.patch(f"{boot}/settings", order) for _ in range(3)]
        assert replies == [400, 400, 204]  # locked in POST
        assert peer.get(boot)["PersistentBootConfigOrder"] == [*own, "NIC.LOM.1.1.iSCSI"]
        peer.reset("ForceRestart")
        assert bmc.machine.boots[-1] == "iscsi iqn.2020-01.example:n1/0"


@pytest.mark.parametrize(
    "wanted",
    [
        {"DesiredBootDevices": [{"Lun": "1"}]},
        {"DesiredBootDevices": [{"Lun": 1}]},
        {"DesiredBootDevices": [{"Name": ""}]},
        {"DesiredBootDevices": [{}, {}, {}]},
        {"PersistentBootConfigOrder": "HD.Emb.1.1"},
    ],
)
def test_hpe_refuses_a_boot_order_that_it_cannot_have(wanted: dict[str, object]) -> None:
    with running("hpe-ilo5") as (_, peer):
        boot = peer.get(f"{peer.system}/Bios")["Oem"]["Hpe"]["Links"]["Boot"]["@odata.id"]
        assert peer.patch(f"{boot}/settings", wanted) == 400


def test_cisco_lists_a_slot_that_takes_nothing() -> None:
    with running("cisco") as (_, peer):
        members = peer.get(f"{peer.manager}/VirtualMedia")["Members"]
        assert all("Actions" in peer.get(each["@odata.id"]) for each in members)
        slots = [each["@odata.id"].rpartition("/")[2] for each in members]
        assert [peer.insert({"Image": ISO}, slot) for slot in slots] == [400, 204]


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("dell-idrac9", "HttpDev1Uri"),
        ("hpe-ilo6", "UrlBootFile"),
        ("hpe-ilo5", "UrlBootFile"),
    ],
)
def test_the_url_of_http_boot_may_be_a_bios_attribute(name: str, attribute: str) -> None:
    uri = "http://192.0.2.1/boot.efi"
    with running(name) as (bmc, peer):
        assert "HttpBootUri" not in peer.boot
        settings = f"{peer.system}/Bios/Settings"
        assert peer.patch(settings, {"Attributes": {attribute: uri}}) == 204
        assert peer.override("UefiHttp") == 204
        peer.reset("On")
        assert isinstance(bmc.machine, FakeMachine)
        assert list(bmc.machine.boots) == [f"http {uri}"]


def test_idrac10_refuses_on_when_it_is_on() -> None:
    with running("dell-idrac10") as (bmc, peer):
        assert [peer.reset("On"), peer.reset("On"), peer.reset("ForceOff")] == [204, 409, 204]
        assert [peer.reset("ForceOff"), peer.reset("ForceRestart")] == [409, 409]
        assert bmc.machine.starts == 1


def test_sessions_run_out_and_come_back_by_logout() -> None:
    sessions = f"{ROOT}/SessionService/Sessions"
    login = {"UserName": "admin", "Password": "password"}
    with running("dell-idrac9") as (bmc, peer):
        replies = [peer.http.post(sessions, json=login) for _ in range(9)]
        assert [reply.status_code for reply in replies] == [201] * 8 + [503]
        peer.http.delete(replies[0].headers["Location"])
        assert peer.post(sessions, login) == 201
        assert bmc.sessions == 8
