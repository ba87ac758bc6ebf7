"""Who may ask what of the control plane, and what is written down of it.

The routes are those of the application itself, so one that is added is tried here too.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from netboot.control.access import guard
from netboot.control.access.attempts import FAILURE_SECONDS, MAX_ADDRESSES, MAX_FAILURES, Attempts
from netboot.control.access.doors import PeerDoor
from netboot.control.access.guard import Guard
from netboot.control.access.hosts import Hosts
from netboot.control.access.roles import SAFE_METHODS, about, needs
from netboot.errors import OperationError
from netboot.store.access_shapes import MAX_TARGET, Role, Written
from tests.access_site import ELSEWHERE, LISTEN, Clock, InProcess, Site, done, site_in

ANYBODY = "anybody"
UNLIKE_THEIR_METHOD = {
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/metrics"): ANYBODY,
    ("POST", "/api/v1/session"): ANYBODY,
    ("DELETE", "/api/v1/session"): Role.READ,
    ("GET", "/api/v1/nodes/{name}/console"): Role.OPERATE,
}
"""Where it is not *read* for GET and *operate* for the rest, nor the admins'."""
ADMINS = ("token", "audit", "backup", "restore")
"""Words in paths that are the admins' alone."""
WRITTEN_DOWN = ("/console", "/backup")
"""Ends of paths whose GET is in the audit log."""
WRITES_NOTHING = {("POST", "/api/v1/nodes/{name}/console/{number}")}
"""Requests other than GET that nobody wants to read about."""
LOGS_ITSELF = ("POST", "/api/v1/session")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_in(tmp_path_factory.mktemp("access")) as made:
        yield made


@pytest.fixture
def fresh(site: Site) -> Site:
    """The same, and nothing has happened yet."""
    site.begin()
    return site


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """Every method of every route, by the path's template."""
    found = []
    for route in app.routes:
        assert isinstance(route, Route), f"{route!r}: nobody could say what it needs"
        found += [(method, route.path_format) for method in sorted(route.methods or {"GET"})]
    return found


def needed(method: str, path: str) -> str:
    if path == "/" or path.startswith("/ui/"):  # the dashboard's files
        return ANYBODY
    if any(word in path for word in ADMINS):
        return Role.ADMIN
    usual = Role.READ if method in SAFE_METHODS else Role.OPERATE
    return UNLIKE_THEIR_METHOD.get((method, path), usual)


def filled(path: str) -> str:
    """A path of that template."""
    return path.replace("{", "").replace("}", "")


class TestRoles:
    def test_every_exception_is_of_a_route_there_is(self, site: Site) -> None:
        assert set(UNLIKE_THEIR_METHOD) | WRITES_NOTHING <= set(operations(site.app))

    def test_each_role_may_use_what_it_may_and_nothing_else(self, site: Site) -> None:
        clients: list[tuple[Role | None, Any]] = [(None, site.client(app=done))]
        clients += [(role, site.client(site.tokens[role], app=done)) for role in Role]
        for method, path in operations(site.app):
            least = needed(method, path)
            for role, client in clients:
                answer = client.request(method, filled(path))
                if least == ANYBODY or (role and role.covers(Role(least))):
                    expected = 204
                else:
                    expected = 403 if role else 401
                assert answer.status_code == expected, (method, path, role)

    def test_a_user_of_this_host_may_do_everything(self, site: Site) -> None:
        client = site.peer(app=done)
        for method, path in operations(site.app):
            assert client.request(method, filled(path)).status_code == 204

    @pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/docs"])
    def test_a_stranger_is_not_told_what_there_is_not(self, site: Site, path: str) -> None:
        assert site.client().get(path).status_code == 401
        assert site.client().put(path).status_code == 401
        known = site.client(site.tokens[Role.READ]).put(path)
        assert known.status_code in (404, 405)

    def test_metrics_need_a_token_where_that_is_said(self, site: Site) -> None:
        said = {"/metrics": Role.READ}
        assert site.client(app=done, instead=said).get("/metrics").status_code == 401
        token = site.tokens[Role.READ]
        assert site.client(token, app=done, instead=said).get("/metrics").status_code == 204

    def test_a_route_that_cannot_say_what_it_needs_is_refused_at_once(self, site: Site) -> None:
        with pytest.raises(TypeError, match="add it to the app itself"):
            Guard(done, [Mount("/files", done)], site.door, site.store)


class TestRefusals:
    def test_who_shows_nothing_is_told_how(self, site: Site) -> None:
        answer = site.client().get("/api/v1/nodes")
        assert answer.headers["www-authenticate"] == 'Bearer realm="netboot"'
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Authorization: Bearer" in answer.json()["detail"]

    def test_who_may_not_is_told_which_role_is_needed(self, site: Site) -> None:
        answer = site.client(site.tokens[Role.READ]).post("/api/v1/nodes", json={})
        assert answer.status_code == 403
        assert answer.json()["detail"] == "needs the role operate; yours is read"
        assert 'error="insufficient_scope", scope="operate"' in answer.headers["www-authenticate"]

    @pytest.mark.parametrize(
        "field", ["Basic YTpi", "Bearer", "Bearer netboot_x", "netboot_x", "Bearer \u00e4"]
    )
    def test_what_is_no_token_of_ours_is_401(self, fresh: Site, field: str) -> None:
        headers = {"Authorization": field.encode("latin-1")}
        answer = fresh.client().get("/api/v1/nodes", headers=headers)
        assert answer.status_code == 401

    def test_a_token_that_has_expired_is_401(self, fresh: Site) -> None:
        client = fresh.client(fresh.add_token("short", Role.ADMIN, days=1))
        assert client.get("/api/v1/session").status_code == 200
        fresh.clock.now += 24 * 3600
        assert client.get("/api/v1/session").status_code == 401

    def test_a_token_in_the_url_is_refused_even_a_good_one(self, site: Site) -> None:
        token = site.tokens[Role.ADMIN]
        for query in ("access_token=x", "token=x", f"label={token}"):
            answer = site.client(token).get(f"/api/v1/nodes?{query}")
            assert answer.status_code == 400
            assert "Authorization: Bearer" in answer.json()["detail"]

    def test_a_label_may_be_called_like_us(self, site: Site) -> None:
        client = site.client(site.tokens[Role.READ])
        assert client.get("/api/v1/nodes?label=netboot_role=web").status_code == 200

    def test_no_answer_and_no_log_repeats_a_token(
        self, fresh: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        shown = "netboot_" + "x" * 43
        good = fresh.tokens[Role.READ]
        answers = [
            fresh.client(shown).get("/api/v1/nodes"),
            fresh.client().get(f"/api/v1/nodes?token={shown}"),
            fresh.client().post("/api/v1/session", json={"token": shown}),
            fresh.client().post("/api/v1/session", json={"token": shown, "more": 1}),
            fresh.client().post("/api/v1/session", json={"token": {"deep": shown}}),
            fresh.client(good).post("/api/v1/tokens", json={"name": "x", "role": "admin"}),
            fresh.client(fresh.tokens[Role.ADMIN]).get("/api/v1/tokens"),
            fresh.client(fresh.tokens[Role.ADMIN]).get("/api/v1/audit"),
        ]
        for answer in answers:
            told = answer.text + str(answer.headers)
            assert not any(secret in told for secret in (shown, *fresh.tokens.values()))
        ours = [one for one in caplog.records if one.name.startswith(("netboot", "uvicorn"))]
        assert not any("netboot_" in one.getMessage() for one in ours)

    def test_a_store_that_cannot_say_is_503(self, site: Site) -> None:
        class Broken:
            def whose_token(self, *_: object) -> None:
                raise OperationError("the database is locked")

            whose_login = whose_token

        site_door, site.door._known = site.door._known, Broken()
        try:
            answer = site.client("netboot_x").get("/api/v1/nodes")
        finally:
            site.door._known = site_door
        assert answer.status_code == 503
        assert answer.json()["detail"] == "the database is locked"


def test_a_stream_goes_on_while_others_at_its_address_fail(
    fresh: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LOOK_AGAIN", 0.0)

    async def stream(scope: Scope, _receive: Receive, send: Send) -> None:
        scope["state"]["hang_up"] = pytest.fail
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(MAX_FAILURES):
            fresh.attempts.failed(ELSEWHERE)
        await send({"type": "http.response.body", "body": b".", "more_body": True})
        await send({"type": "http.response.body"})

    answer = fresh.client(fresh.tokens[Role.READ], app=stream).get("/api/v1/events")
    assert answer.content == b"."


def test_a_stream_ends_soon_after_its_token_was_removed(
    fresh: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LOOK_AGAIN", 0.0)
    sent: list[int] = []

    async def stream(scope: Scope, _receive: Receive, send: Send) -> None:
        hung_up = asyncio.Event()
        scope["state"]["hang_up"] = hung_up.set
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not hung_up.is_set():
            sent.append(len(sent))
            await send({"type": "http.response.body", "body": b".", "more_body": True})
            if len(sent) == 3:
                fresh.store.remove_token("read")
        await send({"type": "http.response.body"})

    answer = fresh.client(fresh.tokens[Role.READ], app=stream).get("/api/v1/events")
    assert answer.content == b"..."
    assert len(sent) == 4


class TestAttempts:
    def test_after_so_many_wrong_tokens_an_address_waits(self, fresh: Site) -> None:
        good = fresh.client(fresh.tokens[Role.READ])
        for _ in range(MAX_FAILURES):
            assert fresh.client("netboot_x").get("/api/v1/nodes").status_code == 401
        waiting = good.get("/api/v1/session")
        assert waiting.status_code == 429
        assert waiting.headers["retry-after"] == str(int(FAILURE_SECONDS))
        body = {"token": fresh.tokens[Role.READ]}
        assert fresh.client().post("/api/v1/session", json=body).status_code == 429
        elsewhere = fresh.client(fresh.tokens[Role.READ], peer="198.51.100.8")
        assert elsewhere.get("/api/v1/session").status_code == 200
        fresh.clock.now += FAILURE_SECONDS
        assert good.get("/api/v1/session").status_code == 200

    def test_a_browser_that_is_logged_in_does_not_wait(self, fresh: Site) -> None:
        browser = fresh.client()
        browser.post("/api/v1/session", json={"token": fresh.tokens[Role.READ]})
        for _ in range(MAX_FAILURES):
            fresh.client("netboot_x").get("/api/v1/nodes")
        assert browser.get("/api/v1/session").status_code == 200

    def test_showing_nothing_is_no_failure(self, fresh: Site) -> None:
        for _ in range(MAX_FAILURES + 1):
            assert fresh.client().get("/api/v1/nodes").status_code == 401

    def test_failures_of_long_ago_do_not_count(self) -> None:
        clock = Clock()
        attempts = Attempts(clock)
        for _ in range(MAX_FAILURES - 1):
            attempts.failed(ELSEWHERE)
        clock.now += FAILURE_SECONDS
        attempts.failed(ELSEWHERE)
        assert attempts.wait(ELSEWHERE) == 0

    def test_an_ipv6_site_is_one_address(self) -> None:
        attempts = Attempts(Clock())
        for number in range(MAX_FAILURES):
            attempts.failed(f"2001:db8::{number:x}")
        assert attempts.wait("2001:db8::ffff") > 0
        assert attempts.wait("2001:db8:0:1::") == 0

    def test_memory_is_bounded(self) -> None:
        attempts = Attempts(Clock())
        for number in range(MAX_ADDRESSES + 50):
            attempts.failed(f"10.0.{number >> 8}.{number & 255}")
        assert len(attempts._failures) == MAX_ADDRESSES


class TestHost:
    @pytest.mark.parametrize(
        "host",
        [
            *("localhost", "localhost:8443", "LOCALHOST.", "127.0.0.1:1", "[::1]:8443"),
            *("192.0.2.1", "192.0.2.1:8443", "netboot.example:8443", "NetBoot.Example"),
        ],
    )
    def test_our_own_names_are_served(self, site: Site, host: str) -> None:
        client = site.client(site.tokens[Role.READ], app=done)
        assert client.get("/api/v1/nodes", headers={"Host": host}).status_code == 204

    @pytest.mark.parametrize(
        "host", ["", "evil.example", "192.0.2.2", "localhost.evil.example", "netboot", "[::2]", "["]
    )
    def test_another_site_s_name_is_not(self, site: Site, host: str) -> None:
        client = site.client(site.tokens[Role.READ], app=done)
        answer = client.get("/api/v1/nodes", headers={"Host": host})
        assert answer.status_code == 421
        assert "api.hosts" in answer.json()["detail"]
        login = client.post("/api/v1/session", headers={"Host": host})
        assert login.status_code == 421
        assert client.get("/healthz", headers={"Host": host}).status_code == 204

    @pytest.mark.parametrize(
        ("host", "ours"),
        [("192.0.2.9", True), ("[2001:db8::1]:8443", True), ("evil.example", False), ("", False)],
    )
    def test_on_every_address_any_address_is_ours_but_no_name(self, host: str, ours: bool) -> None:
        assert Hosts("0.0.0.0:8443").ours(host) is ours
        assert Hosts("[::]:8443").ours(host) is ours


SAME = {"Sec-Fetch-Site": "same-origin"}


class TestBrowsers:
    def test_one_shows_its_token_once(self, fresh: Site) -> None:
        browser = fresh.client()
        answer = browser.post("/api/v1/session", json={"token": fresh.tokens[Role.OPERATE]})
        assert answer.status_code == 201
        assert answer.json()["name"] == "operate"
        assert answer.json()["role"] == "operate"
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("netboot=netboot_")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert fresh.tokens[Role.OPERATE] not in cookie
        assert browser.get("/api/v1/session").json() == {"name": "operate", "role": "operate"}

    def test_over_tls_its_cookie_is_for_tls_and_for_us_alone(self, fresh: Site) -> None:
        browser = fresh.client(scheme="https")
        answer = browser.post("/api/v1/session", json={"token": fresh.tokens[Role.READ]})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-netboot=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "domain" not in cookie.lower()
        assert browser.get("/api/v1/session").status_code == 200

    def test_one_that_logs_out_is_out_also_with_its_old_cookie(self, fresh: Site) -> None:
        browser = fresh.client()
        browser.post("/api/v1/session", json={"token": fresh.tokens[Role.READ]})
        cookie = browser.cookies["netboot"]
        assert browser.delete("/api/v1/session", headers=SAME).status_code == 204
        assert "netboot" not in browser.cookies
        old = fresh.client().get("/api/v1/session", headers={"Cookie": f"netboot={cookie}"})
        assert old.status_code == 401

    def test_a_login_ends(self, fresh: Site) -> None:
        browser = fresh.client()
        ends = browser.post("/api/v1/session", json={"token": fresh.tokens[Role.READ]}).json()
        fresh.clock.now = ends["expires"]
        assert browser.get("/api/v1/session").status_code == 401

    @pytest.mark.parametrize(
        ("headers", "allowed"),
        [
            (SAME, True),
            ({"Sec-Fetch-Site": "cross-site"}, False),
            ({"Sec-Fetch-Site": "same-site"}, False),
            ({"Sec-Fetch-Site": "none"}, False),
            ({"Sec-Fetch-Site": "cross-site", "Origin": f"http://{LISTEN}"}, False),
            ({"Origin": f"http://{LISTEN}"}, True),
            ({"Origin": "http://192.0.2.1:3000"}, False),
            ({"Origin": "https://evil.example"}, False),
            ({"Origin": "null"}, False),
            ({}, False),
        ],
    )
    def test_only_our_own_page_may_have_it_write(
        self, site: Site, headers: dict[str, str], allowed: bool
    ) -> None:
        site.client()
        browser = site.client()
        browser.post("/api/v1/session", json={"token": site.tokens[Role.ADMIN]})
        writing = site.client(app=done)
        writing.cookies = browser.cookies
        for method, path in (("POST", "/api/v1/nodes"), ("DELETE", "/api/v1/session")):
            answer = writing.request(method, path, headers=headers)
            assert answer.status_code == (204 if allowed else 403)

    @pytest.mark.parametrize(
        ("site_said", "status"),
        [("same-origin", 204), ("none", 204), ("same-site", 403), ("cross-site", 403)],
    )
    def test_another_page_may_not_even_have_it_read(
        self, site: Site, site_said: str, status: int
    ) -> None:
        browser = site.client()
        browser.post("/api/v1/session", json={"token": site.tokens[Role.ADMIN]})
        reading = site.client(app=done)
        reading.cookies = browser.cookies
        answer = reading.get("/api/v1/nodes", headers={"Sec-Fetch-Site": site_said})
        assert answer.status_code == status

    def test_another_page_may_not_log_it_in(self, site: Site) -> None:
        body = {"token": site.tokens[Role.READ]}
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            answer = site.client().post("/api/v1/session", json=body, headers=headers)
            assert answer.status_code == 403

    def test_a_bearer_needs_no_page(self, site: Site) -> None:
        client = site.client(site.tokens[Role.OPERATE], app=done)
        answer = client.post("/api/v1/nodes", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 204


def last(site: Site) -> tuple[str, str, str, str, str, int | None]:
    one = site.store.audit(1)[0]
    return one.who, one.origin, one.method, one.route, one.target, one.status


class TestAudit:
    def test_every_write_is_written_down_with_who_and_what(self, fresh: Site) -> None:
        client = fresh.client(fresh.tokens[Role.ADMIN], app=done)
        for method, path in operations(fresh.app):
            count = len(fresh.store.audit(1_000))
            answer = client.request(method, filled(path))
            audited = method not in SAFE_METHODS or path.endswith(WRITTEN_DOWN)
            if (method, path) in WRITES_NOTHING | {LOGS_ITSELF} or not audited:
                assert len(fresh.store.audit(1_000)) == count, (method, path)
                continue
            one = fresh.store.audit(1)[0]
            assert (one.who, one.origin, one.status) == ("admin", ELSEWHERE, 204)
            assert (one.method, one.route) == (method, path)
            assert one.request == answer.headers["x-request-id"]
            parameters = [part[1:-1] for part in path.split("/") if part.startswith("{")]
            assert one.target == " ".join(parameters)

    def test_what_the_path_does_not_name_is_read_off_the_body(self, fresh: Site) -> None:
        client = fresh.peer("alice")
        client.post("/api/v1/tokens", json={"name": "ci", "role": "read"})
        assert last(fresh) == ("alice", "control.sock", "POST", "/api/v1/tokens", "ci", 201)
        client.post("/api/v1/nodes:install", json={"names": ["n1", "n2"]})
        assert last(fresh)[4:] == ("n1, n2", 404)

    def test_a_write_that_fails_is_there_with_its_status(self, fresh: Site) -> None:
        client = fresh.client(fresh.tokens[Role.OPERATE])
        assert client.delete("/api/v1/nodes/n9").status_code == 404
        path = "/api/v1/nodes/{name}"
        assert last(fresh) == ("operate", ELSEWHERE, "DELETE", path, "n9", 404)

    def test_who_is_known_and_may_not_is_written_down_and_a_stranger_is_not(
        self, fresh: Site
    ) -> None:
        fresh.client().delete("/api/v1/nodes/n1")
        assert fresh.store.audit() == []
        fresh.client(fresh.tokens[Role.READ]).delete("/api/v1/nodes/n1")
        assert last(fresh)[0] == "read"
        assert last(fresh)[5] == 403

    def test_a_login_is_written_down(self, fresh: Site) -> None:
        fresh.client().post("/api/v1/session", json={"token": "netboot_x"})
        assert fresh.store.audit() == []
        fresh.client().post("/api/v1/session", json={"token": fresh.tokens[Role.READ]})
        assert last(fresh) == ("read", ELSEWHERE, "POST", "/api/v1/session", "", 201)
        assert len(fresh.store.audit()) == 1
        fresh.peer("alice").post("/api/v1/session", json={"token": fresh.tokens[Role.READ]})
        assert len(fresh.store.audit()) == 2

    def test_no_body_and_no_secret_is_in_it(self, fresh: Site) -> None:
        client = fresh.client(fresh.tokens[Role.ADMIN])
        made = client.post("/api/v1/tokens", json={"name": "ci", "role": "read"}).json()
        client.patch("/api/v1/nodes/n1", json={"bmc": {"password": "plain:hunter2"}})
        text = str(fresh.store.audit())
        assert made["secret"] not in text
        assert "hunter2" not in text

    def test_what_cannot_be_written_down_is_not_done(self, fresh: Site) -> None:
        class Full:
            def audit_begun(self, _written: Written) -> int:
                raise OperationError("database or disk is full")

            def audit_ended(self, *_: object) -> None:
                raise AssertionError

        called: list[str] = []

        async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
            called.append(scope["path"])

        ledger, fresh.store = fresh.store, Full()  # type: ignore[assignment]
        try:
            answer = fresh.client(fresh.tokens[Role.ADMIN], app=app).post("/api/v1/nodes", json={})
        finally:
            fresh.store = ledger
        assert answer.status_code == 503
        assert called == []

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/api/v1/tokens", {"name": "ci", "role": "read"}),
            ("/api/v1/session", {"token": "{token}"}),
        ],
    )
    def test_a_secret_is_not_kept_for_who_asks_again(
        self, fresh: Site, path: str, body: dict[str, str]
    ) -> None:
        token = fresh.tokens[Role.ADMIN]
        asked = {key: value.format(token=token) for key, value in body.items()}
        headers = {"Idempotency-Key": "again"}
        answer = fresh.client(token).post(path, json=asked, headers=headers)
        assert answer.status_code == 201
        cookie = answer.headers.get("set-cookie", "netboot=;").split(";")[0].partition("=")[2]
        secret = cookie or answer.json()["secret"]
        kept = b"".join(file.read_bytes() for file in fresh.folder.glob("netboot.db*"))
        assert secret.encode() not in kept

    def test_a_handler_that_breaks_leaves_its_entry(self, fresh: Site) -> None:
        async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise RuntimeError("boom")

        with pytest.raises(RuntimeError):
            fresh.client(fresh.tokens[Role.ADMIN], app=app).delete("/api/v1/nodes/n1")
        assert last(fresh)[4:] == ("n1", None)

    def test_a_target_cannot_steer_a_terminal_and_has_a_bound(self, fresh: Site) -> None:
        client = fresh.client(fresh.tokens[Role.ADMIN], app=done)
        client.delete("/api/v1/nodes/%1b[2J" + "x" * 500)
        target = last(fresh)[4]
        assert target.isprintable()
        assert len(target) == MAX_TARGET

    def test_its_pages_are_the_admin_s_to_read(self, fresh: Site) -> None:
        client = fresh.client(fresh.tokens[Role.ADMIN])
        for number in range(3):
            client.delete(f"/api/v1/nodes/n{number}")
        page = client.get("/api/v1/audit?limit=2").json()
        assert [one["target"] for one in page["audit"]] == ["n2", "n1"]
        rest = client.get(f"/api/v1/audit?limit=2&after={page['next']}").json()
        assert [one["target"] for one in rest["audit"]] == ["n0"]
        assert "next" not in rest


def test_what_a_handler_says_it_is_about_counts_where_the_path_names_nothing(fresh: Site) -> None:
    async def write(request: Request) -> Response:
        about(request, ["n1", "n2"])
        return Response(status_code=204)

    app = FastAPI()
    app.add_route("/things", needs(Role.OPERATE)(write), methods=["POST"])
    app.add_route("/things/{name}", write, methods=["POST"])
    door = Guard(app, app.routes, PeerDoor(), fresh.store)
    client = httpx.Client(transport=InProcess(door, "alice"), base_url="http://here")
    client.post("/things")
    assert last(fresh)[3:5] == ("/things", "n1, n2")
    client.post("/things/n7")
    assert last(fresh)[3:5] == ("/things/{name}", "n7")
