"""Redfish by our client, against a BMC with bad days: what is survived, and what is said of it."""

import email.utils
import json
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from netboot.bmc.address import Address
from netboot.bmc.model import (
    BootMode,
    BootOverride,
    BootTarget,
    Login,
    Nic,
    PowerAction,
    PowerState,
    Rung,
    Secret,
    Tls,
)
from netboot.bmc.open import open_driver
from netboot.bmc.redfish import RedfishDriver
from netboot.bmc.redfish_words import unsigned
from netboot.errors import BmcError
from tests.fakes import (
    LOGIN,
    PASSWORD,
    RESET,
    SESSIONS,
    SYSTEM,
    Clock,
    FakeBmc,
    Fault,
    driving,
    served,
)
from tests.self_signed import self_signed

PXE = BootOverride(BootTarget.PXE)


def test_what_is_set_is_read_back() -> None:
    bmc = FakeBmc()
    with driving(bmc) as driver:
        assert driver.observe().boot == BootOverride(BootTarget.NONE)
        driver.set_boot(BootOverride(BootTarget.PXE, mode=BootMode.UEFI), Rung.FULL_BODY)
        seen = driver.observe()
    assert seen.boot == BootOverride(BootTarget.PXE, mode=BootMode.UEFI)
    assert seen.power is PowerState.ON


def test_a_reading_is_never_an_old_one() -> None:
    bmc = FakeBmc()
    with driving(bmc) as driver:
        before = driver.observe()
        bmc.power, bmc.resets = "Off", 7
        after = driver.observe()
    assert (before.power, after.power) == (PowerState.ON, PowerState.OFF)
    assert before.last_reset is not None
    assert after.last_reset == before.last_reset + 7


def test_we_log_in_once_and_always_log_out() -> None:
    bmc = FakeBmc()
    with driving(bmc) as driver:
        driver.observe()
        driver.observe()
        assert len(bmc.tokens) == 1
    assert bmc.count("POST", SESSIONS) == 1
    assert not bmc.tokens


def test_an_expired_session_is_opened_once_more_in_mid_job() -> None:
    bmc = FakeBmc()
    with driving(bmc) as driver:
        driver.observe()
        bmc.tokens.clear()
        driver.power(PowerAction.RESET)
    assert bmc.resets == 1
    assert bmc.count("POST", SESSIONS) == 2
    assert not bmc.tokens


def test_a_session_that_expired_before_the_log_out_opens_no_other() -> None:
    bmc = FakeBmc()
    with driving(bmc) as driver:
        driver.observe()
        bmc.tokens.clear()
    assert bmc.count("POST", SESSIONS) == 1


def test_a_wrong_password_is_said_and_not_repeated() -> None:
    bmc = FakeBmc()
    wrong = Login("admin", Secret("not-this-one"))
    with driving(bmc, login=wrong) as driver, pytest.raises(BmcError, match="401") as caught:
        driver.observe()
    assert not caught.value.retryable
    assert "not-this-one" not in repr(caught.value) + caught.value.request


def test_a_bmc_without_a_free_session_is_asked_by_basic_authentication() -> None:
    bmc = FakeBmc(session_limit=0)
    with driving(bmc) as driver:
        assert driver.observe().power is PowerState.ON


def test_a_refusal_opens_no_second_session() -> None:
    bmc = FakeBmc(faults=[Fault("status", "PATCH", SYSTEM, status=403)])
    with driving(bmc) as driver, pytest.raises(BmcError, match="403"):
        driver.set_boot(PXE, Rung.FULL_BODY)
    assert bmc.count("POST", SESSIONS) == 1
    assert not bmc.tokens


def test_428_is_told_apart_and_the_etag_of_the_body_is_taken() -> None:
    bmc = FakeBmc(if_match=True)
    with driving(bmc) as driver:
        with pytest.raises(BmcError, match="428") as caught:
            driver.set_boot(PXE, Rung.FULL_BODY)
        assert not caught.value.retryable
        request = driver.set_boot(PXE, Rung.IF_MATCH)
        assert driver.observe().boot == BootOverride(BootTarget.PXE, mode=BootMode.UEFI)
    assert request is not None
    assert f"PATCH {SYSTEM} If-Match: " in request


def test_412_over_every_etag_is_a_refusal_after_a_few_tries() -> None:
    bmc = FakeBmc(faults=[Fault("status", "PATCH", SYSTEM, times=99, status=412)])
    with driving(bmc) as driver, pytest.raises(BmcError, match="412"):
        driver.set_boot(PXE, Rung.IF_MATCH)
    assert 1 < bmc.count("PATCH", SYSTEM) <= 5


def _in_seconds(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 1.0),  # never in a tight loop
        ({"Retry-After": _in_seconds(605), "Date": _in_seconds(600)}, 5.0),  # its clock is ahead
    ],
    ids=["a number", "at once", "a date"],
)
def test_503_is_waited_for_as_long_as_it_says(headers: dict[str, str], waited: float) -> None:
    clock = Clock()
    bmc = FakeBmc(faults=[Fault("status", "PATCH", SYSTEM, headers=headers)])
    with driving(bmc, clock=clock) as driver:
        driver.set_boot(PXE, Rung.FULL_BODY)
    assert bmc.boot["BootSourceOverrideTarget"] == "Pxe"
    assert sum(clock.slept) == pytest.approx(waited, abs=1.0)


def test_503_for_longer_than_we_wait_is_for_later() -> None:
    clock = Clock()
    bmc = FakeBmc(
        faults=[Fault("status", "PATCH", SYSTEM, times=99, headers={"Retry-After": "3600"})]
    )
    with driving(bmc, clock=clock) as driver, pytest.raises(BmcError, match="503") as caught:
        driver.set_boot(PXE, Rung.FULL_BODY)
    assert caught.value.retryable
    assert not clock.slept


def test_503_without_end_is_given_up() -> None:
    clock = Clock()
    bmc = FakeBmc(faults=[Fault("status", "GET", SYSTEM, times=999, headers={"Retry-After": "5"})])
    with driving(bmc, clock=clock, system=SYSTEM) as driver, pytest.raises(BmcError) as caught:
        driver.observe()
    assert caught.value.retryable
    assert sum(clock.slept) <= 60


def test_a_reset_is_not_repeated_while_the_bmc_is_busy() -> None:
    bmc = FakeBmc(faults=[Fault("status", "POST", RESET, headers={"Retry-After": "1"})])
    with driving(bmc) as driver, pytest.raises(BmcError) as caught:
        driver.power(PowerAction.RESET)
    assert (caught.value.retryable, caught.value.effect_unknown) == (True, False)
    assert bmc.count("POST", RESET) == 1


@pytest.mark.parametrize(("kind", "resets"), [("drop", 1), ("unheard", 0)])
def test_a_lost_reply_to_a_reset_is_one_post_and_an_open_question(kind: str, resets: int) -> None:
    bmc = FakeBmc(faults=[Fault(kind, "POST", RESET)])
    with driving(bmc) as driver:
        with pytest.raises(BmcError) as caught:
            driver.power(PowerAction.RESET)
        assert caught.value.effect_unknown
        assert bmc.count("POST", RESET) == 1
        assert driver.observe().power is PowerState.ON
    assert bmc.resets == resets


def test_500_to_a_reset_leaves_the_question_open() -> None:
    bmc = FakeBmc(faults=[Fault("status", "POST", RESET, status=500)])
    with driving(bmc) as driver, pytest.raises(BmcError) as caught:
        driver.power(PowerAction.RESET)
    assert caught.value.effect_unknown


def test_a_slow_answer_is_waited_for() -> None:
    bmc = FakeBmc(faults=[Fault("slow", "GET", SYSTEM, seconds=0.3)])
    with driving(bmc, read=5.0) as driver:
        assert driver.observe().power is PowerState.ON


def test_an_answer_slower_than_the_timeout_is_for_later_and_of_a_reset_unknown() -> None:
    bmc = FakeBmc(
        faults=[
            Fault("slow", "GET", SYSTEM, seconds=30),
            Fault("slow", "POST", RESET, seconds=30),
        ]
    )
    with driving(bmc, read=0.2) as driver:
        with pytest.raises(BmcError, match="no reply in time") as reading:
            driver.observe()
        with pytest.raises(BmcError, match="no reply in time") as resetting:
            driver.power(PowerAction.RESET)
    assert (reading.value.retryable, reading.value.effect_unknown) == (True, False)
    assert resetting.value.effect_unknown


HTML = b"<html><body>starting...</body></html>"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", "GET", SYSTEM, status=200, body=HTML),
        Fault("status", "GET", SYSTEM, status=200, body=b"[]"),
        Fault("status", "GET", SYSTEM, status=200, body=b"\xff\x00"),
        Fault("status", "GET", SYSTEM, status=502, body=HTML),
        Fault("status", "GET", SYSTEM, status=500, body=b"[1]"),
        Fault("status", "GET", SYSTEM, status=500, body=b'{"error": "no"}'),
        Fault("status", "GET", SYSTEM, status=500, body=b'{"error":{"@Message.ExtendedInfo":7}}'),
        Fault("half", "GET", SYSTEM),
        Fault("unheard", "GET", SYSTEM),
        Fault("status", "GET", "/redfish/v1/", status=200, body=HTML),
        Fault("status", "GET", "/redfish/v1/", times=2, status=500, body=HTML),
        Fault("half", "GET", "/redfish/v1/"),
        Fault("unheard", "POST", SESSIONS),
    ],
    ids=lambda fault: f"{fault.method} {fault.path[-8:]} {fault.kind} {fault.status}",
)
def test_nonsense_is_for_later_and_the_next_reading_is_well(fault: Fault) -> None:
    with driving(FakeBmc(faults=[fault])) as driver:
        with pytest.raises(BmcError) as caught:
            driver.observe()
        assert caught.value.retryable
        assert driver.observe().power is PowerState.ON


def test_a_bmc_that_restarts_has_forgotten_us_and_is_asked_again() -> None:
    bmc = FakeBmc()
    with driving(bmc) as driver:
        driver.observe()
        bmc.tokens.clear()
        bmc.faults += [
            Fault("unheard", "GET", SYSTEM),
            Fault("status", "GET", SYSTEM, body=HTML),
        ]
        for _ in range(2):
            with pytest.raises(BmcError) as caught:
                driver.observe()
            assert caught.value.retryable
        assert driver.observe().power is PowerState.ON
    assert not bmc.tokens


def test_a_reply_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netboot.bmc.redfish_transport.LARGEST_REPLY", 10_000)
    bmc = FakeBmc(more={SYSTEM: {"Padding": "x" * 20_000}})
    with driving(bmc) as driver, pytest.raises(BmcError, match="more than 10000 bytes"):
        driver.observe()


def test_a_link_to_another_host_is_not_followed() -> None:
    other = FakeBmc()
    with served(other) as elsewhere:
        bmc = FakeBmc(systems=(f"http://{elsewhere.host}:{elsewhere.port}{SYSTEM}",))
        with driving(bmc) as driver, pytest.raises(BmcError, match="another host") as caught:
            driver.observe()
    assert not caught.value.retryable
    assert not other.log


def test_a_redirect_to_another_host_is_not_followed() -> None:
    other = FakeBmc()
    with served(other) as elsewhere:
        location = f"http://{elsewhere.host}:{elsewhere.port}{SYSTEM}"
        fault = Fault("status", "GET", SYSTEM, status=302, headers={"Location": location})
        bmc = FakeBmc(faults=[fault])
        with driving(bmc) as driver, pytest.raises(BmcError, match="another host"):
            driver.observe()
    assert not other.log


def test_nobody_there_is_for_later() -> None:
    with served(FakeBmc()) as address:
        pass
    driver = RedfishDriver(address, LOGIN, Tls())
    with pytest.raises(BmcError, match="refused") as caught:
        driver.power(PowerAction.RESET)
    assert (caught.value.retryable, caught.value.effect_unknown) == (True, False)
    driver.close()


def test_several_systems_are_an_error_that_lists_them() -> None:
    bmc = FakeBmc(systems=(SYSTEM, "/redfish/v1/Systems/2"))
    listed = f"{SYSTEM}, /redfish/v1/Systems/2"
    with driving(bmc) as driver, pytest.raises(BmcError, match=listed):
        driver.observe()
    with driving(bmc, system=SYSTEM) as driver:
        assert driver.observe().power is PowerState.ON


def _certificate_error(address: Address, tls: Tls) -> str:
    driver = RedfishDriver(address, LOGIN, tls)
    try:
        with pytest.raises(BmcError, match="certificate") as caught:
            driver.observe()
        assert not caught.value.retryable
        return str(caught.value)
    finally:
        driver.close()


def test_a_self_signed_certificate_is_taken_by_ca_file_or_fingerprint_or_on_request(
    tmp_path: Path,
) -> None:
    context, pem, fingerprint = self_signed(tmp_path)
    bmc = FakeBmc()
    with served(bmc, context) as address:
        refused = _certificate_error(address, Tls())
        assert (
            "its certificate is not trusted: self-signed certificate; netboot node set" in refused
        )
        assert "--bmc-fingerprint HEX, --bmc-ca FILE or --bmc-insecure" in refused
        assert "pinned" in _certificate_error(address, Tls(fingerprint="ab" * 32))
        assert bmc.log == []  # and so the password was not said
        colons = ":".join(fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
        for tls in (
            Tls(ca_file=pem),
            Tls(fingerprint=fingerprint),
            Tls(fingerprint=colons),
            Tls(verify=False),
        ):
            driver = RedfishDriver(address, LOGIN, tls)
            assert driver.observe().power is PowerState.ON
            driver.close()


def test_a_ca_file_that_is_none_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        (tmp_path / "empty.pem").touch()
        with pytest.raises(BmcError, match=str(path)):
            RedfishDriver(Address("redfish", "bmc", 443, tls=True), LOGIN, Tls(ca_file=path))


def test_neither_proxies_nor_netrc_come_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with driving(FakeBmc()) as driver:
        assert driver.observe().power is PowerState.ON


@pytest.mark.parametrize(
    ("before", "action", "types", "sent"),
    [
        ("On", PowerAction.ON, ("On",), []),
        ("Off", PowerAction.OFF, ("ForceOff",), []),
        ("Off", PowerAction.ON, ("PushPowerButton",), ["PushPowerButton"]),
        ("Off", PowerAction.RESET, ("On", "ForceRestart"), ["On"]),
        ("On", PowerAction.RESET, ("On", "ForceRestart"), ["ForceRestart"]),
        ("On", PowerAction.CYCLE, ("On", "ForceOff", "PowerCycle"), ["PowerCycle"]),
        ("On", PowerAction.CYCLE, ("On", "ForceOff"), ["ForceOff", "On"]),
        ("On", PowerAction.SHUTDOWN, ("On", "GracefulShutdown"), ["GracefulShutdown"]),
    ],
)
def test_power_by_the_reset_types_there_are(
    before: str, action: PowerAction, types: tuple[str, ...], sent: list[str]
) -> None:
    bmc = FakeBmc(power=before, reset_types=types)
    with driving(bmc) as driver:
        driver.power(action)
    assert [body["ResetType"] for body in bmc.bodies if "ResetType" in body] == sent


def test_a_power_action_the_bmc_does_not_have_is_said_with_those_it_has() -> None:
    bmc = FakeBmc(reset_types=("On", "Nmi"))
    with driving(bmc) as driver, pytest.raises(BmcError, match="cannot off; it has On, Nmi"):
        driver.power(PowerAction.OFF)


def _cd(**said: object) -> dict[str, dict[str, object]]:
    return {"Cd1": {"MediaTypes": ["CD", "DVD"], "Inserted": False, "Image": None} | said}


def test_an_image_is_inserted_in_place_of_the_one_before() -> None:
    bmc = FakeBmc(slots=_cd(Inserted=True, Image="http://boot/old.iso"))
    with driving(bmc) as driver:
        driver.insert("http://boot/new.iso")
        (medium,) = driver.observe().media
        assert (medium.slot, medium.kind, medium.image) == ("Cd1", "cd", "http://boot/new.iso")
        driver.eject()
        driver.eject()
        assert not driver.observe().media[0].inserted
    assert len([line for line in bmc.log if line.endswith("EjectMedia")]) == 2


def test_a_slot_that_is_not_there_is_named_with_those_that_are() -> None:
    with driving(FakeBmc(slots=_cd())) as driver, pytest.raises(BmcError, match="it has Cd1"):
        driver.insert("http://boot/x.iso", "Cd2")


@pytest.mark.parametrize(
    ("maker", "said", "schemes"),
    [
        ("Contoso", None, ("http", "https")),
        ("Contoso", ["CIFS"], ("cifs",)),
        ("Contoso", ["OEM", "CIFS", "NFS", "HTTPS"], ("https", "nfs", "cifs")),
        ("Contoso", ["OEM"], ("http", "https")),
        ("H3C", None, ("nfs", "cifs")),
        ("H3C", ["HTTP", "HTTPS", "CIFS"], ("cifs",)),
        ("H3C", ["HTTP"], ("nfs", "cifs")),
    ],
)
def test_images_are_read_as_the_slot_says_but_for_http_where_it_is_known_not_to_work(
    maker: str, said: list[str] | None, schemes: tuple[str, ...]
) -> None:
    insert: dict[str, object] = {"target": "/insert"}
    if said is not None:
        insert["TransferProtocolType@Redfish.AllowableValues"] = said
    slot = _cd()["Cd1"] | {"Actions": {"#VirtualMedia.InsertMedia": insert}}
    more = {"/redfish/v1/Managers/1/VirtualMedia/Cd1": slot}
    bmc = FakeBmc(slots=_cd(), more=more, identity={"Manufacturer": maker})
    with driving(bmc) as driver:
        assert driver.image_schemes() == schemes
        with pytest.raises(BmcError, match=f"reads images by {' or '.join(schemes)}, not by ftp"):
            driver.insert("ftp://boot/x.iso")


SIGNED = "http://boot/x.iso?X-Signature=5ecret&X-Expires=9"


def test_what_an_images_url_is_signed_by_is_sent_and_never_shown() -> None:
    target = "/redfish/v1/Managers/1/VirtualMedia/Cd1/Actions/VirtualMedia.InsertMedia"
    words = {"error": {"message": f"{SIGNED} is not there"}}
    refusal = Fault("status", "POST", target, status=400, body=json.dumps(words).encode())
    bmc = FakeBmc(slots=_cd(), faults=[refusal])
    with driving(bmc) as driver:
        with pytest.raises(BmcError, match=r"http://boot/x\.iso\?… is not there") as refused:
            driver.insert(SIGNED)
        request = driver.insert(SIGNED)
        assert driver.observe().media[0].image == SIGNED
    body = '{"Image": "http://boot/x.iso?…", "Inserted": true, "WriteProtected": true}'
    assert request == f"POST {target} {body}"
    assert refused.value.request == request
    assert "5ecret" not in unsigned(
        f"POST /api/msd/write_remote?url={quote(SIGNED, safe='')}&image=x"
    )


def test_an_insertion_that_fails_as_a_task_is_an_error_in_its_words() -> None:
    target = "/redfish/v1/Managers/1/VirtualMedia/Cd1/Actions/VirtualMedia.InsertMedia"
    task = {"TaskState": "Exception", "Messages": []}
    bmc = FakeBmc(
        slots=_cd(),
        more={"/tasks/1": task},
        faults=[Fault("status", "POST", target, status=202, headers={"Location": "/tasks/1"})],
    )
    with driving(bmc) as driver, pytest.raises(BmcError, match="Exception"):
        driver.insert("http://boot/x.iso")


def test_the_ladder_of_a_bmc_that_nobody_knows() -> None:
    boot = FakeBmc().boot | {
        "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "UefiHttp"]
    }
    with driving(FakeBmc(boot=boot, slots=_cd())) as driver:
        assert driver.rungs(PXE) == (
            Rung.FULL_BODY,
            Rung.IF_MATCH,
            Rung.UEFI_HTTP,
            Rung.VIRTUAL_MEDIA,
            Rung.CYCLE_ONLY,
        )
        assert driver.rungs(BootOverride(BootTarget.BIOS)) == (Rung.FULL_BODY, Rung.IF_MATCH)


def test_a_springboard_by_virtual_media_inserts_and_boots_the_cd() -> None:
    bmc = FakeBmc(slots=_cd(), if_match=True)
    with driving(bmc) as driver:
        driver.set_boot(BootOverride(BootTarget.CD, url="http://boot/s.iso"), Rung.VIRTUAL_MEDIA)
        seen = driver.observe()
    assert seen.boot == BootOverride(BootTarget.CD, mode=BootMode.UEFI)
    assert seen.media[0].image == "http://boot/s.iso"


def test_a_bmc_that_ignores_once_is_told_continuous_when_the_machine_is_restarted() -> None:
    identity = {"Manufacturer": "Supermicro", "Model": "X10DRT-P"}
    bmc = FakeBmc(identity=identity)
    with driving(bmc) as driver:
        driver.set_boot(PXE, Rung.FULL_BODY)
        assert bmc.boot["BootSourceOverrideEnabled"] == "Once"
        driver.power(PowerAction.CYCLE)
        assert bmc.boot["BootSourceOverrideEnabled"] == "Continuous"
        driver.set_boot(BootOverride(BootTarget.NONE), Rung.FULL_BODY)
        driver.power(PowerAction.CYCLE)
    assert bmc.boot["BootSourceOverrideEnabled"] == "Disabled"


def test_a_refusal_has_the_request_and_the_words_of_the_bmc() -> None:
    said = (
        b'{"error": {"message": "See the details", "@Message.ExtendedInfo": ['
        b'{"MessageId": "Base.1.8.PropertyNotWritable", "Message": "Boot is read-only."},'
        b'{"MessageId": "Base.1.8.GeneralError", "Message": "Not now."}]}}'
    )
    bmc = FakeBmc(faults=[Fault("status", "PATCH", SYSTEM, status=400, body=said)])
    with driving(bmc) as driver, pytest.raises(BmcError) as caught:
        driver.set_boot(PXE, Rung.FULL_BODY)
    assert str(caught.value) == (f"PATCH {SYSTEM}: 400 Bad Request: Boot is read-only. Not now.")
    assert '"BootSourceOverrideTarget": "Pxe"' in caught.value.request


def test_inspection() -> None:
    with driving(FakeBmc(slots=_cd())) as driver:
        found = driver.inspect()
    assert (found.manufacturer, found.model, found.serial) == ("Fakes", "Box", "S1")
    assert (found.cpus, found.cpu_model, found.memory_mib) == (2, "Abacus", 65536)
    assert (found.bmc_model, found.bmc_version) == ("Fake 1", "1.2")
    assert found.nics == (Nic("52:54:00:aa:bb:01", "1", 1000),)
    assert found.capabilities == {"redfish", "boot-override", "virtual-media"}


def test_the_password_is_in_no_error_no_request_and_no_repr(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    bmc = FakeBmc(faults=[Fault("status", "POST", RESET, status=400)])
    with driving(bmc) as driver:
        with pytest.raises(BmcError) as caught:
            driver.power(PowerAction.RESET)
        told = f"{caught.value!r} {caught.value.request} {vars(driver)!r} {LOGIN!r}"
    assert PASSWORD not in told + caplog.text


def test_many_drivers_do_not_wait_for_one_another() -> None:
    slow = FakeBmc(faults=[Fault("slow", "GET", SYSTEM, seconds=30)])
    with driving(slow) as waiting, driving(FakeBmc()) as driver:
        thread = threading.Thread(target=waiting.observe)
        thread.start()
        assert driver.observe().power is PowerState.ON
        slow.released.set()
        thread.join()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (Address("redfish", "bmc", 443, tls=True), "redfish"),
        (Address("ipmi", "bmc", 623), "ipmi"),
        (Address("wol", port=9, mac="52:54:00:00:00:01"), "wol"),
        (Address("manual"), "manual"),
    ],
)
def test_the_driver_of_an_address(address: Address, name: str) -> None:
    driver = open_driver(address, LOGIN, Tls())
    assert driver.name == name
    driver.close()
