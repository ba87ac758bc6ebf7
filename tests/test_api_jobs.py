"""Jobs over REST: asked for, looked at, ended; and what people say of nodes' states."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot.job import JobKind, JobState
from netboot.media import own
from netboot.media.progress import silent
from netboot.model import Mac, Node, State
from tests.api_site import Api, api_in


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        for number in (1, 2, 3):
            mac, rack = Mac(f"52:54:00:00:00:0{number}"), {"rack": str(number % 2)}
            found.store.add(Node(f"n{number}", (mac,), "debian-12", rack))
        found.store.add(Node("idle", (Mac("52:54:00:00:00:09"),), "local"))
        yield found


def wants(api: Api, kind: str, *nodes: str, key: str | None = None, **more: Any) -> Any:
    headers = {} if key is None else {"idempotency-key": key}
    given = {"nodes": list(nodes)} if nodes else {}
    return api.ask("POST", "jobs", json={"kind": kind, **given, **more}, headers=headers)


def made(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 202, answer.text
    found: list[dict[str, Any]] = answer.json()["jobs"]
    return found


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    detail: str = answer.json()["key"] + " " + answer.json()["detail"]
    return detail.strip()


class TestAsking:
    def test_each_node_gets_a_job_and_the_node_is_taken_on(self, api: Api) -> None:
        jobs = made(wants(api, "install", "n1", "n2"))
        assert [(job["node"], job["state"], job["by"]) for job in jobs] == [
            ("n1", "queued", "tester"),
            ("n2", "queued", "tester"),
        ]
        assert api.store.get("n1").state is State.INSTALLING

    def test_a_label_names_nodes_too(self, api: Api) -> None:
        assert [job["node"] for job in made(wants(api, "install", label={"rack": "1"}))] == [
            "n1",
            "n3",
        ]

    def test_a_disk_image_must_be_there_and_so_must_what_writes_it(
        self, api: Api, tmp_path: Path
    ) -> None:
        (tmp_path / "disk.raw").write_bytes(b"a disk")
        (tmp_path / "linux").write_bytes(b"a kernel")
        folder, asked = tmp_path / "data/images", {"image": "own"}
        own.add("other", {"linux": tmp_path / "linux"}, folder, silent)
        assert "none is there" in refused(wants(api, "install", "n1", asked=asked), 422)
        own.add("own", {"disk.raw": tmp_path / "disk.raw"}, folder, silent)
        said = refused(wants(api, "install", "n1", asked=asked), 422)
        assert "netboot image fetch deploy" in said
        own.add("deploy", {"linux": tmp_path / "linux"}, folder, silent)
        [job] = made(wants(api, "install", "n1", asked=asked))
        assert job["asked"] == {"image": "own"}
        assert api.store.get("n1").profile == "deploy"
        assert "fetch" not in refused(wants(api, "install", "n2", asked={"image": "other"}), 422)

    def test_all_or_none(self, api: Api) -> None:
        assert "idle" in refused(wants(api, "install", "n1", "idle"), 422)
        assert api.ask("GET", "jobs").json() == {"jobs": []}
        assert api.store.get("n1").state is State.ENROLLED

    def test_what_is_as_usual_is_not_written(self, api: Api) -> None:
        asked = {"reinstall": False, "via": "pxe", "power": False}
        [job] = made(wants(api, "install", "n1", asked=asked))
        assert job["asked"] == {"power": False}

    def test_asked_again_with_the_same_key_it_is_the_same_job(self, api: Api) -> None:
        first, again = (made(wants(api, "install", "n1", key="k" * 255)) for _ in range(2))
        assert first == again

    @pytest.mark.parametrize(
        ("request_", "status", "said"),
        [
            ({"kind": "install"}, 422, "nodes say either which nodes, by name, or label"),
            ({"kind": "install", "nodes": ["n1"], "label": {"a": "b"}}, 422, "nodes say either"),
            ({"kind": "install", "label": {"rack": "9"}}, 422, "label no node is labelled rack=9"),
            ({"kind": "install", "nodes": ["n9"]}, 404, 'no node is called "n9"'),
            ({"kind": "dance", "nodes": ["n1"]}, 422, "kind"),
            ({"kind": "install", "nodes": ["n1"], "asked": {"via": "fax"}}, 422, "asked.via"),
            ({"kind": "install", "nodes": ["n1"], "asked": {"speed": 9}}, 422, "asked.speed"),
            ({"kind": "power", "nodes": ["n1"]}, 422, "asked"),
            ({"kind": "power", "nodes": ["n1"], "asked": {"action": "fly"}}, 422, "asked.action"),
            ({"kind": "wipe", "nodes": ["n1"]}, 422, "confirm must name the nodes of a wipe"),
            ({"kind": "wipe", "nodes": ["n1"], "confirm": ["n2"]}, 422, "confirm"),
            ({"kind": "wipe", "label": {"rack": "1"}}, 422, "confirm"),
            ({"kind": "install", "nodes": ["n1"], "more": 1}, 422, "more"),
            ([], 422, ""),
        ],
    )
    def test_what_is_wrong_is_said(
        self, api: Api, request_: object, status: int, said: str
    ) -> None:
        assert said in refused(api.ask("POST", "jobs", json=request_), status)

    def test_a_wipe_is_confirmed_by_name(self, api: Api) -> None:
        [job] = made(wants(api, "wipe", "n1", confirm=["n1"]))
        assert job["kind"] == "wipe"

    def test_one_job_at_a_time_but_for_what_leaves_the_disk_alone(self, api: Api) -> None:
        made(wants(api, "install", "n1"))
        assert "netboot job cancel 1" in refused(wants(api, "rescue", "n1"), 409)
        made(wants(api, "power", "n1", asked={"action": "off"}))


class TestLooking:
    def test_one_and_many(self, api: Api) -> None:
        [job] = made(wants(api, "install", "n1"))
        assert api.ask("GET", f"jobs/{job['id']}").json() == job
        assert "9" in refused(api.ask("GET", "jobs/9"), 404)
        assert api.ask("GET", "jobs/0").status_code == 422

    def test_the_newest_first_page_by_page(self, api: Api) -> None:
        made(wants(api, "install", "n1", "n2", "n3"))
        seen, path = [], "jobs?limit=2"
        while path:
            page = api.ask("GET", path)
            seen.append([job["id"] for job in page.json()["jobs"]])
            path = page.links["next"]["url"] if "next" in page.json() else ""
        assert seen == [[3, 2], [1]]

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            ("node=n1", [3, 1]),
            ("kind=power", [3]),
            ("state=cancelled", [2]),
            ("state=queued&state=cancelled", [3, 2, 1]),
            ("state=done", []),
            ("node=n9", []),
        ],
    )
    def test_only_some(self, api: Api, query: str, ids: list[int]) -> None:
        made(wants(api, "install", "n1", "n2"))
        made(wants(api, "power", "n1", asked={"action": "off"}))
        api.ask("POST", "jobs/2/cancel")
        assert [job["id"] for job in api.ask("GET", f"jobs?{query}").json()["jobs"]] == ids


class TestEnding:
    def test_cancelled_and_begun_again(self, api: Api) -> None:
        made(wants(api, "install", "n1"))
        ended = api.ask("POST", "jobs/1/cancel").json()
        assert (ended["state"], ended["outcome"]) == ("cancelled", "cancelled by tester")
        assert "already" in refused(api.ask("POST", "jobs/1/cancel"), 409)
        again = api.ask("POST", "jobs/1/retry").json()
        assert (again["state"], again["attempt"]) == ("queued", 2)
        assert "only a failed" in refused(api.ask("POST", "jobs/1/retry"), 409)

    @pytest.mark.parametrize("verb", ["cancel", "retry"])
    def test_nobody_of_that_number(self, api: Api, verb: str) -> None:
        assert api.ask("POST", f"jobs/7/{verb}").status_code == 404

    def test_while_a_turn_runs_a_job_is_being_cancelled(self, api: Api) -> None:
        made(wants(api, "install", "n1"))
        claimed = api.store.claim("somebody", 60, api.store.job(1).created)
        assert claimed is not None
        job = api.ask("POST", "jobs/1/cancel").json()
        assert (job["state"], job["cancelling"]) == ("active", True)


class TestStates:
    def test_maintenance_and_back(self, api: Api) -> None:
        for cause, state in (("maintain", "maintenance"), ("resume", "enrolled")):
            given = {"names": ["n1", "n2"], "cause": cause}
            answer = api.ask("POST", "nodes:state", json=given)
            assert [node["state"] for node in answer.json()["nodes"]] == [state] * 2

    @pytest.mark.parametrize(
        ("given", "status", "said"),
        [
            ({"names": ["n1"], "cause": "resume"}, 409, "resume is refused; allowed: "),
            ({"names": ["n1"], "cause": "called-home"}, 422, "cause"),
            ({"names": ["n9"], "cause": "retire"}, 404, "n9"),
            ({"names": ["n1"]}, 422, "cause"),
        ],
    )
    def test_what_is_not_possible_is_said(
        self, api: Api, given: dict[str, Any], status: int, said: str
    ) -> None:
        assert said in refused(api.ask("POST", "nodes:state", json=given), status)

    def test_not_under_a_job(self, api: Api) -> None:
        api.store.submit("n1", JobKind.INSTALL, "tester")
        answer = api.ask("POST", "nodes:state", json={"names": ["n1"], "cause": "maintain"})
        assert "has not ended" in refused(answer, 409)
        assert api.store.job(1).state is JobState.QUEUED
