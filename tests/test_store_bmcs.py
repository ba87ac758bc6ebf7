"""A node's BMC in the store: as people write it, sealed, beside its node and in no snapshot."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot.bmc.address import parse_address
from netboot.bmc.credentials import KEY_FILE
from netboot.bmc.model import BootTarget, Hardware, Nic, Rung, Tls
from netboot.control.entries import add, import_all, safe_in, update
from netboot.errors import ConfigError, OperationError
from netboot.model import Profile
from netboot.store import bmcs
from netboot.store.bmc_shapes import BmcShown, bmc_shown, parse_tls, written_tls
from netboot.store.shapes import Unknown
from netboot.store.store import Store

SECRET = "calvin-5ecret"  # noqa: S105 -- looked for where it must not be
LOCAL = {"local": Profile("local", "local.ipxe")}
SOURCE = "test"
FINGERPRINT = "ab" * 32
BMC = {"address": "redfish://bmc1", "user": "root", "password": f"plain:{SECRET}"}


class Site:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.safe = safe_in(folder)
        self.store = Store(url)

    def add(self, name: str = "n1", bmc: Any = None, last: int = 1) -> None:
        add(self.store, entry(name, bmc, last), SOURCE, LOCAL, self.safe)

    def set(self, **bmc: Any) -> None:
        update(self.store, "n1", {"bmc": bmc}, SOURCE, LOCAL, self.safe)

    def import_(self, *entries: Any) -> Any:
        return import_all(self.store, list(entries), SOURCE, LOCAL, self.safe)

    def shown(self) -> BmcShown:
        bmc = self.store.bmc("n1")
        assert bmc
        return bmc_shown(bmc)

    def password(self) -> str:
        bmc = self.store.bmc("n1")
        assert bmc
        assert bmc.sealed
        return self.safe().open("n1", bmc.sealed).reveal()


def entry(name: str = "n1", bmc: Any = None, last: int = 1) -> dict[str, Any]:
    raw: dict[str, Any] = {"name": name, "macs": [f"52:54:00:00:00:0{last}"], "profile": "local"}
    return raw if bmc is None else raw | {"bmc": bmc}


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    found = Site(tmp_path / "data", database_url)
    yield found
    found.store.close()


class TestKept:
    def test_a_password_is_sealed_and_its_key_is_no_part_of_the_database(self, site: Site) -> None:
        site.add(bmc=BMC)
        assert site.password() == SECRET
        site.store.close()
        files = [path for path in site.folder.iterdir() if path.name.startswith("netboot.db")]
        assert all(SECRET.encode() not in path.read_bytes() for path in files)
        key = site.folder / KEY_FILE
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert all(key.read_bytes() not in path.read_bytes() for path in files)

    def test_nothing_that_is_shown_has_it(self, site: Site) -> None:
        site.add(bmc=BMC)
        assert site.shown() == BmcShown(
            address="redfish://bmc1", user="root", password=None, kept=True, tls="verify"
        )
        assert SECRET not in repr(site.store.bmc("n1"))

    def test_another_key_does_not_open_it(self, site: Site) -> None:
        site.add(bmc=BMC)
        (site.folder / KEY_FILE).write_bytes(os.urandom(32))
        with pytest.raises(OperationError, match="say the password again"):
            site.password()

    def test_a_key_others_may_read_is_refused(self, site: Site) -> None:
        site.add(bmc=BMC)
        (site.folder / KEY_FILE).chmod(0o640)
        with pytest.raises(ConfigError, match="must be 0600"):
            site.set(password="plain:x")  # noqa: S106 -- no secret

    def test_no_key_is_made_while_nothing_is_sealed(self, site: Site) -> None:
        site.add(bmc=BMC | {"password": "env:BMC_PASSWORD"})
        assert not (site.folder / KEY_FILE).exists()

    def test_no_snapshot_has_it_and_no_version_counts_it(self, site: Site) -> None:
        site.add()
        before = site.store.snapshot()
        site.set(**BMC)
        assert site.store.snapshot() == before

    def test_it_goes_with_its_node(self, site: Site) -> None:
        site.add(bmc=BMC)
        site.store.keep_hardware("n1", Hardware(model="R650"))
        site.store.remove("n1")
        site.add()
        assert site.store.bmc("n1") is None
        assert site.store.inspected("n1") is None


class TestChanged:
    def test_what_is_not_said_stays(self, site: Site) -> None:
        site.add(bmc=BMC | {"tls": "insecure"})
        site.set(address="redfish://bmc1:8443")
        assert (site.shown().address, site.shown().tls) == ("redfish://bmc1:8443", "insecure")
        assert site.password() == SECRET

    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"user": "root"},
            {"password": "plain:other"},
            {"tls": "verify"},
        ],
    )
    @pytest.mark.parametrize("kept", [f"plain:{SECRET}", "env:BMC_PASSWORD"])
    def test_a_login_does_not_go_to_another_host_by_itself(
        self, site: Site, said: dict[str, str], kept: str
    ) -> None:
        site.add(bmc=BMC | {"password": kept})
        before = site.shown()
        for address in ("redfish://bmc2", "ipmi://bmc2", "redfish+http://bmc2"):
            with pytest.raises(ConfigError, match="are those of redfish://bmc1; say both again"):
                site.set(address=address, **said)
        assert site.shown() == before

    def test_a_login_said_again_goes_to_another_host(self, site: Site) -> None:
        site.add(bmc=BMC)
        site.set(address="redfish://bmc2", user="root", password="plain:other")  # noqa: S106 -- likewise
        assert (site.shown().address, site.password()) == ("redfish://bmc2", "other")
        site.set(address="redfish://bmc3", user="")
        assert (site.shown().address, site.shown().user) == ("redfish://bmc3", None)
        assert not site.shown().kept

    def test_a_file_s_login_does_not_go_to_another_host_by_itself(self, site: Site) -> None:
        site.add(bmc=BMC)
        moved = {"address": "redfish://bmc2", "user": "root"}
        with pytest.raises(ConfigError, match=r"\[0\]\.bmc\.address = .*say both again"):
            site.import_(entry(bmc=moved))
        site.import_(entry(bmc=moved | {"password": "plain:other"}))
        assert site.password() == "other"

    def test_a_source_takes_the_kept_password_s_place(self, site: Site) -> None:
        site.add(bmc=BMC)
        site.set(password="command:vault kv get -field=p bmc/n1")  # noqa: S106 -- says where
        assert (site.shown().kept, site.shown().password) == (False, "command:vault …")

    def test_without_an_address_there_is_none_any_longer(self, site: Site) -> None:
        site.add(bmc=BMC)
        site.set(address="")
        assert site.store.bmc("n1") is None

    def test_a_password_goes_when_nobody_logs_in_any_longer(self, site: Site) -> None:
        site.add(bmc=BMC)
        site.set(address="wol:")
        assert site.shown() == BmcShown(
            address="wol:", user=None, password=None, kept=False, tls="verify"
        )

    @pytest.mark.parametrize(
        ("change", "key", "problem"),
        [
            ({"address": f"redfish://root:{SECRET}@bmc1"}, "bmc.address", "user or password"),
            ({"address": "telnet://bmc1"}, "bmc.address", "must be redfish://HOST"),
            ({"password": SECRET}, "bmc.password", "must be file:/PATH"),
            ({"password": f"plain:{SECRET}\n{SECRET}"}, "bmc.password", "more than one line"),
            ({"password": 7}, "bmc.password", "must be file:/PATH"),
            ({"tls": "perhaps"}, "bmc.tls", "must be verify, insecure"),
            ({"tls": "sha256:ab"}, "bmc.tls", "must be verify, insecure"),
            ({"user": "a\nb"}, "bmc.user", "printable"),
            ({"pass": SECRET}, "bmc.pass", "no known key"),
            ({"address": "wol:", "user": "root"}, "bmc.user", "nobody logs in"),
            ({"address": "ipmi://bmc1", "tls": "insecure"}, "bmc.tls", "no TLS"),
            ({"address": "", "user": "root"}, "bmc", "taken away"),
            ({"user": "", "password": "env:P"}, "bmc.user", "a password is of a user"),
        ],
    )
    def test_what_is_wrong_is_named_without_a_secret_and_changes_nothing(
        self, site: Site, change: dict[str, Any], key: str, problem: str
    ) -> None:
        site.add(bmc=BMC)
        before = site.store.bmc("n1")
        with pytest.raises(ConfigError) as refused:
            site.set(**change)
        assert refused.value.key == key
        assert problem in str(refused.value)
        assert SECRET not in str(refused.value)
        assert site.store.bmc("n1") == before

    def test_a_node_without_a_bmc_gets_one_only_with_an_address(self, site: Site) -> None:
        site.add()
        with pytest.raises(ConfigError, match="node n1 has no BMC yet"):
            site.set(user="root")

    def test_nobody_s_bmc_is_not_there(self, site: Site) -> None:
        with pytest.raises(Unknown):
            site.store.bmc("n9")


class TestImported:
    def test_it_comes_with_its_node_and_all_or_none_are_kept(self, site: Site) -> None:
        wrong = entry("n2", {"address": "bmc2"}, 2)
        with pytest.raises(ConfigError) as refused:
            site.import_(entry("n1", BMC), wrong)
        assert refused.value.key == "[1].bmc.address"
        assert site.store.list() == []
        site.import_(entry("n1", BMC), entry("n2", None, 2))
        assert list(site.store.bmcs()) == ["n1"]

    def test_a_file_that_does_not_say_it_leaves_it(self, site: Site) -> None:
        site.import_(entry("n1", BMC))
        assert site.import_(entry("n1")).unchanged == ("n1",)
        assert site.import_(entry("n1", {"address": "redfish://bmc1", "user": "root"})).unchanged
        assert site.password() == SECRET

    def test_another_bmc_is_a_change(self, site: Site) -> None:
        site.import_(entry("n1", BMC))
        assert site.import_(entry("n1", {"address": "manual:"})).changed == ("n1",)

    def test_one_without_an_address_is_refused(self, site: Site) -> None:
        with pytest.raises(ConfigError, match=r"\[0\]\.bmc\.address: is missing"):
            site.import_(entry("n1", {"user": "root"}))


@pytest.mark.parametrize(
    ("text", "tls"),
    [
        ("verify", Tls()),
        ("insecure", Tls(verify=False)),
        ("ca:/etc/ssl/bmc.pem", Tls(ca_file=Path("/etc/ssl/bmc.pem"))),
        (f"sha256:{FINGERPRINT}", Tls(fingerprint=FINGERPRINT)),
    ],
)
def test_how_a_certificate_is_checked_is_written_as_it_is_read(text: str, tls: Tls) -> None:
    assert parse_tls(text) == tls
    assert written_tls(tls) == text


def test_a_fingerprint_may_be_pasted_with_colons() -> None:
    assert parse_tls("sha256:" + "AB:" * 31 + "AB").fingerprint == FINGERPRINT


class TestRemembered:
    def test_the_hardware_comes_back_as_it_was(self, site: Site) -> None:
        site.add()
        hardware = Hardware(
            model="R650", nics=(Nic("52:54:00:00:00:01"),), capabilities=frozenset({"ipmi"})
        )
        site.store.keep_hardware("n1", Hardware(model="before"))
        site.store.keep_hardware("n1", hardware)
        found = site.store.inspected("n1")
        assert found
        assert found.hardware == hardware

    def test_what_worked_last_is_known_by_model_and_target(self, site: Site) -> None:
        site.store.remember_rung("R650", BootTarget.PXE, Rung.FULL_BODY)
        site.store.remember_rung("R650", BootTarget.PXE, Rung.SETTINGS)
        site.store.remember_rung("R650", BootTarget.CD, Rung.IF_MATCH)
        assert site.store.rungs("R650") == {
            BootTarget.PXE: Rung.SETTINGS,
            BootTarget.CD: Rung.IF_MATCH,
        }
        assert site.store.rungs("R750") == {}

    def test_the_oldest_model_goes_when_there_are_too_many(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bmcs, "MAX_MODELS", 2)
        for model in ("a", "b", "c"):
            site.store.remember_rung(model, BootTarget.PXE, Rung.FULL_BODY)
        assert [bool(site.store.rungs(model)) for model in ("a", "b", "c")] == [False, True, True]


def test_an_address_is_kept_as_it_was_said(site: Site) -> None:
    said = "idrac-virtualmedia://bmc1:8443/redfish/v1/Systems/System.Embedded.1"
    site.add(bmc={"address": said})
    bmc = site.store.bmc("n1")
    assert bmc
    assert bmc.address == parse_address(said)
