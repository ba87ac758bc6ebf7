"""Nodes and groups over REST: pages, filters, versions, and what the document says of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from netboot.model import Mac, Node, State
from netboot.store.access_shapes import Role, Written
from netboot.store.group_shapes import GroupChange
from tests.api_site import N1, Api, api_in


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with api_in(tmp_path) as found:
        yield found


def many(api: Api, count: int) -> None:
    for number in range(count):
        rack = {"rack": str(number % 2), "room": "r1"}
        state = State.INSTALLED if number == 3 else State.ENROLLED
        mac = Mac(f"52:54:00:00:01:{number:02x}")
        api.store.add(Node(f"m{number}", (mac,), "local", rack, state=state))


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [node["name"] for node in answer.json()["nodes"]]


class TestPages:
    def test_every_node_is_on_exactly_one_page(self, api: Api) -> None:
        many(api, 5)
        seen, path = [], "nodes?limit=2"
        while path:
            page = api.ask("GET", path)
            seen.append(names(page))
            after = page.json().get("next")
            assert (after is None) == ("link" not in page.headers)
            path = page.links["next"]["url"] if after else ""
        assert seen == [["m0", "m1"], ["m2", "m3"], ["m4"]]

    def test_a_last_page_that_is_full_names_no_next_one(self, api: Api) -> None:
        many(api, 2)
        page = api.ask("GET", "nodes", params={"limit": 2})
        assert page.json().keys() == {"nodes"}

    def test_the_next_page_keeps_the_question(self, api: Api) -> None:
        many(api, 5)
        first = api.ask("GET", "nodes?limit=1&label=rack=0&label=room=r1&state=enrolled")
        assert names(first) == ["m0"]
        second = api.ask("GET", first.links["next"]["url"])
        assert names(second) == ["m2"]

    def test_all_labels_and_one_of_the_states(self, api: Api) -> None:
        many(api, 4)
        assert names(api.ask("GET", "nodes?label=rack=1&label=room=r1")) == ["m1", "m3"]
        assert names(api.ask("GET", "nodes?label=rack=1&state=installed")) == ["m3"]
        assert names(api.ask("GET", "nodes?state=installed&state=enrolled")) == [
            *("m0", "m1", "m2", "m3")
        ]
        assert names(api.ask("GET", "nodes?label=rack=9")) == []

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=10001", "limit=x", "label=rack", "state=asleep", "label="]
    )
    def test_a_wrong_question_is_told_so(self, api: Api, query: str) -> None:
        answer = api.ask("GET", f"nodes?{query}")
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"

    def test_groups_have_pages_too(self, api: Api) -> None:
        for name in ("a", "b", "c"):
            api.ask("PATCH", f"groups/{name}", json={"labels": {"k": name}})
        page = api.ask("GET", "groups?limit=2")
        assert [one["name"] for one in page.json()["groups"]] == ["a", "b"]
        rest = api.ask("GET", page.links["next"]["url"])
        assert [one["name"] for one in rest.json()["groups"]] == ["c"]


class TestVersions:
    def test_the_second_of_two_editors_is_told_what_is_there_now(self, api: Api) -> None:
        tag = api.ask("POST", "nodes", json=N1).headers["etag"]
        first = api.ask("PATCH", "nodes/n1", json={"vars": {"k": "1"}}, headers={"If-Match": tag})
        second = api.ask("PATCH", "nodes/n1", json={"vars": {"k": "2"}}, headers={"If-Match": tag})
        assert (first.status_code, second.status_code) == (200, 412)
        told = second.json()
        assert told["now"] == first.json()
        assert told["etag"] == first.headers["etag"] != tag
        assert api.ask("GET", "nodes/n1").json()["vars"] == {"k": "1"}
        again = {"If-Match": told["etag"]}
        assert api.ask("PATCH", "nodes/n1", json={}, headers=again).status_code == 200

    def test_who_wrote_it_last_is_said_where_the_audit_log_knows(self, api: Api) -> None:
        tag = api.ask("POST", "nodes", json=N1).headers["etag"]
        written = Written("ann", "here", "PATCH", "/api/v1/nodes/{name}", "n1", "r1")
        api.ask("PATCH", "nodes/n1", json={"vars": {"k": "1"}})
        api.store.audit_ended(api.store.audit_begun(written), 200, "n1")
        refused = replace(written, who="ben")
        api.store.audit_ended(api.store.audit_begun(refused), 422, "n1")
        told = api.ask("PATCH", "nodes/n1", json={}, headers={"If-Match": tag}).json()
        assert told["by"] == "ann"
        assert told["detail"] == "n1 was changed since you read it; ann wrote it last"

    def test_a_node_that_was_changed_is_not_removed(self, api: Api) -> None:
        tag = api.ask("POST", "nodes", json=N1).headers["etag"]
        now = api.ask("PATCH", "nodes/n1", json={"vars": {"k": "1"}}).headers["etag"]
        assert api.ask("DELETE", "nodes/n1", headers={"If-Match": tag}).status_code == 412
        assert api.ask("DELETE", "nodes/n1", headers={"If-Match": now}).status_code == 204

    def test_a_version_does_not_depend_on_the_order_of_keys(self, api: Api) -> None:
        one = N1 | {"labels": {"a": "1", "b": "2"}, "vars": {"y": "1", "x": "2"}}
        made = api.ask("POST", "nodes", json=one)
        read = api.ask("GET", "nodes/n1")
        assert made.headers["etag"] == read.headers["etag"]
        assert made.content == read.content

    def test_what_is_known_is_not_sent_again(self, api: Api) -> None:
        tag = api.ask("POST", "nodes", json=N1).headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = api.ask("GET", "nodes/n1", headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == tag
        other = api.ask("GET", "nodes/n1", headers={"If-None-Match": '"other"'})
        assert other.status_code == 200

    @pytest.mark.parametrize(
        ("given", "status"), [("", 422), ("junk", 422), ('"other"', 412), ("W/{tag}", 412)]
    )
    def test_only_the_very_version_may_be_changed(self, api: Api, given: str, status: int) -> None:
        tag = api.ask("POST", "nodes", json=N1).headers["etag"]
        header = {"If-Match": given.format(tag=tag)}
        assert api.ask("PATCH", "nodes/n1", json={}, headers=header).status_code == status
        several = {"If-Match": f'"other", {tag}'}
        assert api.ask("PATCH", "nodes/n1", json={}, headers=several).status_code == 200
        assert api.ask("PATCH", "nodes/n1", json={}, headers={"If-Match": "*"}).is_success

    def test_a_group_has_versions_too(self, api: Api) -> None:
        made = api.ask("PATCH", "groups/web", json={"labels": {"a": "b"}})
        tag = made.headers["etag"]
        assert api.ask("GET", "groups/web").headers["etag"] == tag
        assert api.ask("GET", "groups/web", headers={"If-None-Match": tag}).status_code == 304
        api.ask("PATCH", "groups/web", json={"priority": 1})
        for method, more in (("PATCH", {"json": {"priority": 2}}), ("DELETE", {})):
            answer = api.ask(method, "groups/web", headers={"If-Match": tag}, **more)
            assert answer.status_code == 412
            assert answer.json()["now"]["priority"] == 1

    def test_a_group_that_is_not_there_is_no_version_of_itself(self, api: Api) -> None:
        more = {"json": {"labels": {"a": "b"}}, "headers": {"If-Match": "*"}}
        assert api.ask("PATCH", "groups/web", **more).status_code == 412
        assert api.ask("GET", "groups").json() == {"groups": []}


class TestMethods:
    @pytest.mark.parametrize(
        ("path", "allowed"),
        [
            ("nodes", "GET, POST"),
            ("nodes/n1", "DELETE, GET, PATCH"),
            ("nodes/n1/power", "GET, POST"),
            ("nodes/n1/bmc", "GET"),
            ("nodes:import", "POST"),
        ],
    )
    def test_a_path_says_what_it_can_be_asked(self, api: Api, path: str, allowed: str) -> None:
        answer = api.ask("PUT", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert answer.headers["content-type"] == "application/problem+json"


class TestDocument:
    def test_every_operation_has_a_name_of_its_own_and_says_its_problems(self, api: Api) -> None:
        paths = api.ask("GET", "/openapi.json").json()["paths"]
        found = [operation for path in paths.values() for operation in path.values()]
        ids = [operation["operationId"] for operation in found]
        assert len(ids) == len(set(ids))
        for operation in found:
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"]
                    schema = response["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}

    def test_every_reference_leads_somewhere(self, api: Api) -> None:
        document = api.ask("GET", "/openapi.json").json()
        there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert set(references(document)) <= there

    def test_a_request_is_what_is_checked(self, api: Api) -> None:
        document = api.ask("GET", "/openapi.json").json()
        body = document["paths"]["/api/v1/nodes"]["post"]["requestBody"]
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
        assert schema["required"] == ["name"]
        assert schema["additionalProperties"] is False
        assert "bmc" in schema["properties"]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


class TestSecrets:
    """Who may only look on sees no secret; who may change a node sees what it has."""

    VARS: ClassVar = {
        "password_crypted": "$6$salt$" + "h" * 86,
        "luks_passphrase": "open",
        "disk": "vda",
    }

    @pytest.mark.parametrize("role", list(Role))
    def test_of_nodes_and_groups(self, api: Api, role: Role) -> None:
        api.store.add(Node("n1", (Mac("52:54:00:00:01:01"),), "local", vars=self.VARS))
        api.store.set_group("g", GroupChange(labels={"a": "b"}, vars=self.VARS))
        api.role = role
        for path in ("nodes", "nodes/n1", "groups", "groups/g"):
            text = api.ask("GET", path).text
            assert '"vda"' in text
            seen = [secret in text for secret in ("hhhh", '"open"')]
            assert seen == [role is not Role.READ] * 2, path
