"""The Redfish facade as a client sees it, and what becomes of what it says."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sushy
from sushy import auth
from sushy.resources import constants as words

from netboot.bmc.address import parse_address
from netboot.bmc.model import (
    BootOverride,
    BootTarget,
    Login,
    PowerAction,
    PowerState,
    Rung,
    Secret,
    Tls,
)
from netboot.bmc.open import open_driver
from netboot.config import Settings
from netboot.control.facade import app, fleet
from netboot.control.facade.accounts import MAX_SESSIONS, SESSION_SECONDS, Accounts
from netboot.control.facade.opened import facade_of
from netboot.control.facade.tls import FILE, certificate_of, fingerprint
from netboot.errors import BmcError, ConfigError, OperationError
from netboot.events import Event, Kind
from netboot.jobs import bmc_turn
from netboot.model import BootSource
from netboot.redfish.messages import Problem
from tests.facade_site import CD, M1, M2, PASSWORD, ROOT, SYSTEM, USER, Site, running, settings_in

ISO = "http://192.0.2.9/ipa.iso"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("facade")) as site:
        yield site


@pytest.fixture
def site(served: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """As it was at first; for who waits for a BMC time passes at once."""
    now = [1_000_000.0]

    def sleep(_turn: bmc_turn.Turn, seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(bmc_turn.Turn, "clock", staticmethod(lambda: now[0]))
    monkeypatch.setattr(bmc_turn.Turn, "sleep", sleep)
    monkeypatch.setattr(app, "REFUSED_PAUSE", 0.0)
    served.store.arm("n1", BootSource.NONE, once=False)
    served.store.load("n1", None)
    served.store.keep_power("n1", PowerState.UNKNOWN)
    bmc = served.bmc
    bmc.power_state, bmc.refuses, bmc.on_power = PowerState.ON, {}, lambda _action: None
    bmc.asked.clear()
    return served


def obey(site: Site) -> None:
    """The machine boots, and the boot program says so."""
    number = site.store.override("n1")[0].number
    site.store.append_events([Event(Kind.OVERRIDE, M1, "n1", "obeyed", {"override": number})])


class TestBoot:
    def test_nothing_is_said_at_first(self, site: Site) -> None:
        assert site.boot() == ("Disabled", "None")

    @pytest.mark.parametrize(
        ("said", "is_set", "source", "once"),
        [
            ({"Enabled": "Once", "Target": "Pxe"}, ("Once", "Pxe"), BootSource.PXE, True),
            (
                {"Enabled": "Continuous", "Target": "Hdd"},
                ("Continuous", "Hdd"),
                BootSource.DISK,
                False,
            ),
            ({"Enabled": "Once", "Target": "Cd"}, ("Once", "Cd"), BootSource.CD, True),
            ({"Target": "Pxe"}, ("Once", "Pxe"), BootSource.PXE, True),
            (
                {"Enabled": "Disabled", "Target": "Pxe"},
                ("Disabled", "None"),
                BootSource.NONE,
                False,
            ),
            ({"Enabled": "Once", "Target": "None"}, ("Disabled", "None"), BootSource.NONE, False),
        ],
    )
    def test_what_is_said_is_read_back_and_is_what_machines_obey(
        self,
        site: Site,
        said: dict[str, str],
        is_set: tuple[str, str],
        source: BootSource,
        once: bool,
    ) -> None:
        changes = site.changes
        assert site.set_boot(**said).status_code == 204
        assert site.boot() == is_set
        [node] = [node for node in site.store.snapshot().nodes if node.name == "n1"]
        assert node.override is not None
        assert (node.override.source, node.override.once) == (source, once)
        assert site.changes == changes + 1

    def test_once_is_over_when_a_boot_obeyed_it(self, site: Site) -> None:
        site.set_boot(Enabled="Once", Target="Pxe")
        obey(site)
        assert site.boot() == ("Disabled", "None")

    def test_it_stands_in_the_timeline_with_who_said_it(self, site: Site) -> None:
        site.set_boot(Enabled="Once", Target="Pxe")
        assert site.told()[-1] == "ironic over Redfish asked: boot pxe once"

    @pytest.mark.parametrize(
        "body",
        [
            {"Boot": {"BootSourceOverrideTarget": "BiosSetup"}},
            {"Boot": {"BootSourceOverrideEnabled": "Never"}},
            {"Boot": {"BootSourceOverrideTarget": ["Pxe"]}},
            {"Boot": {"BootSourceOverrideMode": "Legacy"}},
            {"Boot": "Pxe"},
            {"PowerState": "On"},
            {"Colour": "red"},
            {"Boot": {"BootSourceOverrideTarget": "Pxe"}, "Colour": "red"},
            {},
            [],
        ],
    )
    def test_what_it_cannot_be_is_refused_and_changes_nothing(self, site: Site, body: Any) -> None:
        reply = site.http.patch(SYSTEM, json=body)
        assert reply.status_code == 400
        assert reply.json()["error"]["@Message.ExtendedInfo"][0]["MessageId"].startswith("Base.1.")
        assert site.boot() == ("Disabled", "None")

    def test_a_change_of_what_was_not_seen_is_refused(self, site: Site) -> None:
        etag = site.http.get(SYSTEM).headers["etag"]
        site.set_boot(Enabled="Once", Target="Pxe")
        body = {"Boot": {"BootSourceOverrideEnabled": "Disabled"}}
        late = site.http.patch(SYSTEM, json=body, headers={"If-Match": etag})
        assert late.status_code == 412
        assert site.boot() == ("Once", "Pxe")
        etag = site.http.get(SYSTEM).headers["etag"]
        assert site.http.patch(SYSTEM, json=body, headers={"If-Match": etag}).status_code == 204


class TestMedia:
    def test_an_image_goes_in_and_out(self, site: Site) -> None:
        assert site.insert(ISO).status_code == 204
        medium = site.get(CD)
        assert (medium["Image"], medium["ImageName"], medium["Inserted"]) == (ISO, "ipa.iso", True)
        assert site.store.override("n1")[0].image == ISO
        assert site.eject().status_code == 204
        assert site.get(CD)["Inserted"] is False

    def test_a_signature_in_the_url_is_not_in_the_timeline(self, site: Site) -> None:
        site.insert(f"{ISO}?sig=5ecret")
        assert site.told()[-1] == f"ironic over Redfish asked: insert {ISO}"

    @pytest.mark.parametrize(
        "image",
        [
            "nfs://192.0.2.9/x.iso",
            "http://user:secret@192.0.2.9/x.iso",
            "http://192.0.2.9/x y.iso",
            "http://192.0.2.9/${boom}.iso",
            "http://192.0.2.9/" + "x" * 3000,
            "x.iso",
            "",
        ],
    )
    def test_what_ipxe_cannot_start_is_refused(self, site: Site, image: str) -> None:
        assert site.insert(image).status_code == 400
        assert site.get(CD)["Inserted"] is False

    @pytest.mark.parametrize("image", [None, 7, ["x"]])
    def test_what_is_no_url_at_all_is_refused(self, site: Site, image: object) -> None:
        assert site.insert(image).status_code == 400

    @pytest.mark.parametrize(
        "more",
        [
            {"Inserted": False},
            {"WriteProtected": False},
            {"UserName": "u"},
            {"TransferMethod": "Upload"},
            {"TransferProtocolType": "NFS"},
            {"Colour": "red"},
        ],
    )
    def test_parameters_it_cannot_honour_are_refused(self, site: Site, more: Any) -> None:
        assert site.insert(ISO, **more).status_code == 400

    def test_an_image_stays_in_when_a_boot_obeyed_cd_once(self, site: Site) -> None:
        site.insert(ISO)
        site.set_boot(Enabled="Once", Target="Cd")
        obey(site)
        assert site.boot() == ("Disabled", "None")
        assert site.get(CD)["Image"] == ISO


class TestPower:
    @pytest.mark.parametrize(
        ("kind", "asked"),
        [
            ("ForceOff", "power off"),
            ("ForceRestart", "power reset"),
            ("PowerCycle", "power cycle"),
        ],
    )
    def test_a_reset_goes_to_the_nodes_own_bmc(self, site: Site, kind: str, asked: str) -> None:
        assert site.reset(kind).status_code == 204
        assert asked in site.bmc.asked
        assert f"ironic over Redfish asked: {asked}" in site.told()

    def test_the_power_is_what_its_bmc_says(self, site: Site) -> None:
        assert site.get(SYSTEM)["PowerState"] == "On"
        site.bmc.power_state = PowerState.OFF
        assert site.get(SYSTEM)["PowerState"] == "Off"

    def test_where_nothing_tells_it_it_is_what_it_was_changed_to_last(self, site: Site) -> None:
        site.bmc.power_state = PowerState.UNKNOWN
        assert site.get(SYSTEM)["PowerState"] is None
        site.store.keep_power("n1", PowerState.ON)
        assert site.get(SYSTEM)["PowerState"] == "On"

    def test_a_switch_on_that_nothing_confirms_is_remembered(self, site: Site) -> None:
        def unconfirmed(_action: PowerAction) -> None:
            site.bmc.power_state = PowerState.UNKNOWN

        site.bmc.power_state, site.bmc.on_power = PowerState.UNKNOWN, unconfirmed
        assert site.reset("On").status_code == 204
        assert site.get(SYSTEM)["PowerState"] == "On"

    def test_a_bmc_that_fails_does_not_hide_the_node(self, site: Site) -> None:
        site.bmc.refuses = {"observe": BmcError("no route to host")}
        system = site.get(SYSTEM)
        assert (system["PowerState"], system["Status"]["Health"]) == (None, "Warning")

    def test_a_reset_that_fails_is_no_error_that_clients_repeat(self, site: Site) -> None:
        site.bmc.refuses = {"power": BmcError("Fan 2 is missing")}
        reply = site.reset("PowerCycle")
        assert reply.status_code == 409
        assert "Fan 2 is missing" in reply.json()["error"]["message"]

    def test_a_fault_of_ours_is_no_success_and_not_repeated_either(self, site: Site) -> None:
        def broken(_action: PowerAction) -> None:
            raise ZeroDivisionError

        site.bmc.on_power = broken
        reply = site.reset("PowerCycle")
        assert reply.status_code == 409
        assert "netboot's own fault" in reply.json()["error"]["message"]

    def test_what_lasts_longer_is_taken_and_meanwhile_another_is_told_to_wait(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fleet, "REPLY_WITHIN", 0.05)
        go, done = threading.Event(), threading.Event()

        def slow(_action: PowerAction) -> None:
            assert go.wait(10)
            done.set()

        site.bmc.on_power = slow
        assert site.reset("PowerCycle").status_code == 204
        monkeypatch.setattr(fleet, "REPLY_WITHIN", 10.0)
        second = site.reset("ForceOff")
        assert (second.status_code, second.headers["retry-after"]) == (503, "5")
        go.set()
        assert done.wait(10)

    @pytest.mark.parametrize("kind", ["Nmi", "", None, ["On"]])
    def test_what_it_cannot_do_is_refused(self, site: Site, kind: Any) -> None:
        assert site.reset(kind).status_code == 400
        assert site.bmc.asked == []

    def test_wake_on_lan_can_only_switch_on(self, site: Site) -> None:
        name = "wol-only"
        site.add(name, "wol:", macs=["52:54:00:00:00:09"], labels={"redfish": "facade"})
        try:
            action = site.get(f"{ROOT}/Systems/{name}")["Actions"]["#ComputerSystem.Reset"]
            assert action["ResetType@Redfish.AllowableValues"] == ["On"]
            assert site.reset("ForceOff", f"{ROOT}/Systems/{name}").status_code == 400
        finally:
            site.store.remove(name)

    def test_a_node_without_a_bmc_has_no_reset(self, site: Site) -> None:
        name = "bare"
        site.add(name, None, macs=["52:54:00:00:00:08"], labels={"redfish": "facade"})
        try:
            system = site.get(f"{ROOT}/Systems/{name}")
            assert ("Actions" in system, system["PowerState"]) == (False, None)
            assert site.reset("On", f"{ROOT}/Systems/{name}").status_code == 400
        finally:
            site.store.remove(name)


class TestTree:
    def test_only_nodes_with_the_label_are_there(self, site: Site) -> None:
        for name in ("Systems", "Managers", "Chassis"):
            members = site.get(f"{ROOT}/{name}")["Members"]
            assert members == [{"@odata.id": f"{ROOT}/{name}/n1"}]
            assert site.http.get(f"{ROOT}/{name}/n2").status_code == 404
        for path in ("Systems/n3", "Systems/N1", "Systems/n1/Bios", "Managers/n1/VirtualMedia/Usb"):
            assert site.http.get(f"{ROOT}/{path}").status_code == 404

    def test_its_nics_are_those_that_are_registered(self, site: Site) -> None:
        nics = site.get(f"{SYSTEM}/EthernetInterfaces")["Members"]
        macs = [site.get(nic["@odata.id"])["MACAddress"] for nic in nics]
        assert macs == [M1.upper(), M2.upper()]
        assert site.http.get(f"{SYSTEM}/EthernetInterfaces/3").status_code == 404

    def test_every_link_leads_somewhere(self, site: Site) -> None:
        seen, left = set(), [f"{ROOT}/"]
        while left:
            path = left.pop()
            seen.add(path)
            left += [link for link in links(site.get(path)) if link not in {*seen, *left}]
        assert {SYSTEM, CD, f"{ROOT}/Chassis/n1", f"{ROOT}/SessionService/Sessions"} <= seen

    def test_a_method_it_has_not_is_refused_with_those_it_has(self, site: Site) -> None:
        reply = site.http.put(SYSTEM, json={})
        assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, PATCH")
        assert site.http.head(SYSTEM).status_code == 200

    def test_what_was_not_changed_is_not_sent_again(self, site: Site) -> None:
        first = site.http.get(SYSTEM)
        assert first.json()["@odata.etag"] == first.headers["etag"]
        again = site.http.get(SYSTEM, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize(
        ("request_of", "status"),
        [
            (lambda http: http.get(f"{ROOT}?$expand=*"), 501),
            (lambda http: http.get(ROOT, headers={"OData-Version": "3.0"}), 412),
            (lambda http: http.patch(SYSTEM, content=b"{"), 400),
            (lambda http: http.patch(SYSTEM, content=b"[" * 60_000), 400),
            (lambda http: http.patch(SYSTEM, content=b" " * 70_000), 413),
        ],
    )
    def test_what_it_does_not_understand_is_refused(
        self, site: Site, request_of: Any, status: int
    ) -> None:
        assert request_of(site.http).status_code == status


def links(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (link for key, link in value.items() if key == "@odata.id")
        for below in value.values():
            yield from links(below)
    elif isinstance(value, list):
        for below in value:
            yield from links(below)


class TestLogin:
    def test_nothing_but_the_way_in_is_open(self, site: Site) -> None:
        with site.client() as stranger:
            for path in ("/redfish", f"{ROOT}/", f"{ROOT}/odata", f"{ROOT}/$metadata"):
                assert stranger.get(path).status_code == 200
            for path in (f"{ROOT}/Systems", SYSTEM, f"{ROOT}/nothing", "/"):
                reply = stranger.get(path)
                assert reply.status_code == 401
                assert reply.headers["www-authenticate"].startswith("Basic")
            assert stranger.get(SYSTEM, auth=(USER, "wrong")).status_code == 401

    def test_a_session_opens_until_it_is_ended(self, site: Site) -> None:
        with site.client() as client:
            login = {"UserName": USER, "Password": PASSWORD}
            made = client.post(f"{ROOT}/SessionService/Sessions", json=login)
            assert made.status_code == 201
            assert PASSWORD not in made.text
            client.headers["X-Auth-Token"] = made.headers["x-auth-token"]
            assert client.get(SYSTEM).status_code == 200
            assert client.delete(made.headers["location"]).status_code == 204
            assert client.get(SYSTEM).status_code == 401

    def test_a_session_nobody_uses_ends(self) -> None:
        now = [0.0]
        accounts = Accounts({USER: Secret(PASSWORD)}, lambda: now[0])
        session = accounts.log_in(USER, PASSWORD)
        token = {"x-auth-token": session.token.reveal()}
        now[0] = SESSION_SECONDS
        assert accounts.user_of(token) == USER
        now[0] += SESSION_SECONDS + 1
        with pytest.raises(Problem):
            accounts.user_of(token)

    def test_there_are_so_many_sessions(self) -> None:
        accounts = Accounts({USER: Secret(PASSWORD)})
        for _ in range(MAX_SESSIONS):
            accounts.log_in(USER, PASSWORD)
        with pytest.raises(Problem) as caught:
            accounts.log_in(USER, PASSWORD)
        assert caught.value.status == 503

    @pytest.mark.parametrize(
        "field", ["", "Basic", "Basic !", "Basic /w==", "Bearer x", "Basic OnBhNTU="]
    )
    def test_no_other_header_logs_in(self, field: str) -> None:
        with pytest.raises(Problem):
            Accounts({USER: Secret(PASSWORD)}).user_of({"authorization": field})

    def test_who_is_not_known_does_not_log_in_with_no_password(self) -> None:
        with pytest.raises(Problem):
            Accounts({USER: Secret(PASSWORD)}).log_in("nobody", "")


class TestAudit:
    def test_every_write_of_a_user_is_in_the_audit_log(self, site: Site) -> None:
        site.set_boot(Target="Pxe", Enabled="Once")
        site.set_boot(Target="Nowhere")
        with site.client() as stranger:
            assert stranger.patch(SYSTEM, json={}).status_code == 401
        site.get(SYSTEM)
        found = [
            (one.who, one.origin, one.method, one.route, one.status) for one in site.store.audit(2)
        ]
        assert found == [
            (USER, "127.0.0.1", "PATCH", SYSTEM, 400),
            (USER, "127.0.0.1", "PATCH", SYSTEM, 204),
        ]


class TestSushy:
    """The client of Ironic, and so of Metal3 and OKD."""

    @pytest.fixture
    def system(self, site: Site) -> Iterator[Any]:
        login = auth.SessionOrBasicAuth(USER, PASSWORD)
        root = sushy.Sushy(
            f"{site.url}/redfish/v1", auth=login, verify=str(site.facade.certificate)
        )
        yield root.get_system(SYSTEM)
        login.close()

    def test_pxe_once(self, site: Site, system: Any) -> None:
        system.set_system_boot_options(sushy.BOOT_SOURCE_TARGET_PXE, sushy.BOOT_SOURCE_ENABLED_ONCE)
        system.refresh()
        assert system.boot["target"] == sushy.BOOT_SOURCE_TARGET_PXE
        assert system.boot["enabled"] == sushy.BOOT_SOURCE_ENABLED_ONCE
        assert system.boot["mode"] is None
        assert site.store.override("n1")[0].source is BootSource.PXE

    def test_a_boot_mode_is_refused_as_ironic_goes_on_from(self, system: Any) -> None:
        with pytest.raises(sushy.exceptions.BadRequestError):
            system.set_system_boot_options(mode=sushy.BOOT_SOURCE_MODE_UEFI)
        system.refresh()
        assert system.boot.get("mode") is None

    def test_a_virtual_cd_once(self, site: Site, system: Any) -> None:
        [manager] = system.managers
        [drive] = manager.virtual_media.get_members()
        assert sushy.VIRTUAL_MEDIA_CD in drive.media_types
        drive.insert_media(ISO, inserted=True, write_protected=True)
        system.set_system_boot_options(sushy.BOOT_SOURCE_TARGET_CD, sushy.BOOT_SOURCE_ENABLED_ONCE)
        override = site.store.override("n1")[0]
        assert (override.source, override.once, override.image) == (BootSource.CD, True, ISO)
        drive.refresh()
        assert drive.inserted
        drive.eject_media()
        assert site.store.override("n1")[0].image is None

    def test_power(self, site: Site, system: Any) -> None:
        assert system.power_state == words.PowerState.ON
        system.reset_system(sushy.RESET_FORCE_OFF)
        system.refresh()
        assert system.power_state == words.PowerState.OFF
        assert "power off" in site.bmc.asked

    def test_nics_for_ironics_ports(self, system: Any) -> None:
        macs = {nic.mac_address for nic in system.ethernet_interfaces.get_members()}
        assert macs == {M1.upper(), M2.upper()}


class TestOurOwnDriver:
    def test_it_finds_the_override_taken(self, site: Site) -> None:
        address = parse_address(f"redfish://{site.url.removeprefix('https://')}{SYSTEM}")
        tls = Tls(fingerprint=fingerprint(site.facade.certificate))
        driver = open_driver(address, Login(USER, Secret(PASSWORD)), tls)
        try:
            wanted = BootOverride(BootTarget.PXE)
            first = driver.rungs(wanted)[0]
            driver.set_boot(wanted, first)
            seen = driver.observe()
            assert (first, seen.boot, seen.power) == (Rung.FULL_BODY, wanted, PowerState.ON)
            driver.insert(ISO)
            [medium] = driver.observe().media
            assert (medium.image, medium.inserted) == (ISO, True)
            driver.eject()
            driver.power(PowerAction.CYCLE)
            assert any(asked.startswith("power") for asked in site.bmc.asked)
        finally:
            driver.close()


class TestConfiguration:
    def test_it_is_not_served_unless_it_is_said_where(self, site: Site) -> None:
        assert opened(site, Settings()) is None

    def test_without_a_user_it_does_not_begin(self, site: Site, tmp_path: Path) -> None:
        settings = settings_in(tmp_path)
        nobody = changed(settings, users={})
        with pytest.raises(ConfigError, match=r"redfish_facade\.users: is empty"):
            opened(site, nobody)

    def test_a_password_does_not_stand_in_the_configuration(
        self, site: Site, tmp_path: Path
    ) -> None:
        settings = changed(settings_in(tmp_path), users={"ironic": "hunter2"})
        with pytest.raises(ConfigError, match=r"users\.ironic: must be file:") as caught:
            opened(site, settings)
        assert "hunter2" not in str(caught.value)

    def test_a_password_that_is_away_is_said_with_its_place(
        self, site: Site, tmp_path: Path
    ) -> None:
        settings = changed(settings_in(tmp_path), users={"ironic": f"file:{tmp_path}/away"})
        with pytest.raises(OperationError, match="away: cannot be read"):
            opened(site, settings)

    def test_the_certificate_is_made_once_and_for_us_alone(self, tmp_path: Path) -> None:
        settings = settings_in(tmp_path)
        settings.data_dir.mkdir()
        certificate, key = certificate_of(settings)
        assert certificate == key == settings.data_dir / FILE
        assert certificate.stat().st_mode & 0o777 == 0o600
        before = fingerprint(certificate)
        assert fingerprint(certificate_of(settings)[0]) == before

    def test_a_certificate_that_cannot_be_used_is_said(self, tmp_path: Path) -> None:
        settings = settings_in(tmp_path)
        for text in (None, "no PEM"):
            file = tmp_path / "own.pem"
            if text is not None:
                file.write_text(text)
            wrong = changed(settings, certificate=str(file), key=str(file))
            with pytest.raises(ConfigError, match=r"redfish_facade\.certificate = .*own\.pem"):
                certificate_of(wrong)


def changed(settings: Settings, **facade: Any) -> Settings:
    section = msgspec.structs.replace(settings.redfish_facade, **facade)
    return msgspec.structs.replace(settings, redfish_facade=section)


def opened(site: Site, settings: Settings) -> object:
    return facade_of(settings, site.store, site.actions, changed=lambda: None, arrived=lambda: None)
