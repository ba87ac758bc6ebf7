"""Strangers, the network, profiles and images over REST."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot.control.freshness import Freshness
from netboot.control.surveyed import FILE, Surveyed, keep
from netboot.events import Event, Kind
from netboot.frames import Counts
from netboot.media.drift import Fit, Judgement
from netboot.model import Mac, Node
from tests.api_site import Api, api_in
from tests.test_control_process import await_

MACS = [Mac(f"52:54:00:00:00:0{number}") for number in range(6)]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        yield found


def got(api: Api, path: str) -> Any:
    answer = api.ask("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestDiscovered:
    def test_who_asks_and_is_nobody_s_node_is_listed_once(self, api: Api) -> None:
        api.store.append_events(
            [
                Event(Kind.DISCOVER, MACS[1], None, "asks", {"arch": 7}, 10.0),
                Event(Kind.IGNORED, MACS[1], None, "nobody's", {}, 11.0),
                Event(Kind.NOT_SERVED, MACS[2], None, "nothing there", {}, 12.0),
            ]
        )
        first, second = got(api, "discovered")["discovered"]
        assert (first["mac"], first["count"], first["asked"]) == (MACS[2], 1, None)
        assert (second["mac"], second["count"], second["first"]) == (MACS[1], 2, 10.0)
        assert second["last"]["event"]["detail"] == "nobody's"
        assert second["asked"]["event"]["data"] == {"arch": 7}

    def test_who_is_registered_later_is_no_stranger_any_more(self, api: Api) -> None:
        api.store.append_events([Event(Kind.DISCOVER, mac, None) for mac in MACS[:2]])
        api.store.add(Node("n1", (MACS[0],), "local"))
        assert [one["mac"] for one in got(api, "discovered")["discovered"]] == [MACS[1]]

    def test_every_stranger_is_on_exactly_one_page(self, api: Api) -> None:
        api.store.append_events([Event(Kind.DISCOVER, mac, None) for mac in MACS])
        seen, path = [], "discovered?limit=4"
        while path:
            answer = api.ask("GET", path)
            seen.append([one["mac"] for one in answer.json()["discovered"]])
            path = answer.links["next"]["url"] if "next" in answer.json() else ""
        assert seen == [MACS[:1:-1], MACS[1::-1]]


class TestNetwork:
    def test_it_says_where_we_serve_who_else_does_and_what_was_dropped(self, api: Api) -> None:
        counts = Counts(
            {"dhcp: cut off": 3}, interfaces={"eth0": "192.0.2.1"}, servers={"192.0.2.9": (2, 5.0)}
        )
        api.desk.planes.came("run")
        api.desk.planes.told("run", counts)
        server = Surveyed("eth0", "192.0.2.8", MACS[0], "pxe", "rival.efi", 4.0)
        keep(api.settings.run_dir, [server])
        assert got(api, "network") == {
            "boot_programs": 1,
            "interfaces": {"eth0": "192.0.2.1"},
            "dropped": {"dhcp: cut off": 3},
            "dhcp_servers": [{"address": "192.0.2.9", "times": 2, "last": 5.0}],
            "surveyed": [
                {
                    "interface": "eth0",
                    "address": "192.0.2.8",
                    "mac": MACS[0],
                    "role": "pxe",
                    "bootfile": "rival.efi",
                    "at": 4.0,
                }
            ],
        }

    def test_who_is_gone_serves_nowhere_but_its_counts_stay(self, api: Api) -> None:
        planes = api.desk.planes
        planes.came("run")
        planes.told("run", Counts({"x": 1}, interfaces={"eth0": "192.0.2.1"}))
        planes.went("run")
        found = got(api, "network")
        assert (found["boot_programs"], found["interfaces"]) == (0, {})
        assert found["dropped"] == {"x": 1}

    @pytest.mark.parametrize("raw", [b"", b"{", b"[1]"])
    def test_a_survey_that_cannot_be_read_is_none(self, api: Api, raw: bytes) -> None:
        api.settings.run_dir.mkdir(parents=True)
        (api.settings.run_dir / FILE).write_bytes(raw)
        assert got(api, "network")["surveyed"] == []


class TestCatalogue:
    def test_profiles(self, api: Api) -> None:
        profiles = {one["name"]: one for one in got(api, "profiles")["profiles"]}
        assert profiles["debian-12"] == got(api, "profiles/debian-12")
        assert profiles["debian-12"]["installs"] is True
        assert profiles["wipe"]["installs"] is False
        assert profiles["wipe"]["erases"] is True
        assert profiles["debian-12"]["answer"] == "preseed"
        assert profiles["local"]["image"] is None
        missing = api.ask("GET", "profiles/none")
        assert (missing.status_code, missing.json()["detail"]) == (
            *(404, 'no profile is called "none"'),
        )

    def test_images_that_are_there_and_that_could_be(self, api: Api) -> None:
        folder = api.settings.images_dir / "mine" / "1"
        folder.mkdir(parents=True)
        digest = "0" * 64
        files = {"linux": {"sha256": digest, "size": 7, "member": "/boot/linux"}}
        manifest = {"image": "mine", "version": "1", "fetched_at": "2026-01-01T00:00:00Z"}
        (folder / "manifest.json").write_text(json.dumps(manifest | {"files": files}))
        (folder.parent / "current").symlink_to("1")
        images = {one["name"]: one for one in got(api, "images")["images"]}
        assert images["mine"] == {
            "name": "mine",
            "title": "your own files",
            "own": True,
            "version": "1",
            "fetched_at": "2026-01-01T00:00:00Z",
            "size": 7,
            "disk": False,
            "files": [{"name": "linux", "size": 7, "sha256": digest}],
            "judged": None,
        }
        assert images["debian-12"]["version"] is None

    def test_whoever_looks_has_the_mirror_asked_and_waits_for_nothing(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        judged = [Judgement("debian-12", Fit.OUTDATED, "no modules", "fetch it again")]
        monkeypatch.setattr("netboot.media.drift.judge", lambda *_: iter(judged))
        freshness = Freshness(api.settings)
        assert freshness.known() == {}
        found = await_(freshness.known, "the judgement")["debian-12"]
        assert (found.fit, found.cure) == (Fit.OUTDATED, "fetch it again")
