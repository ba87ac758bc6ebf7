"""The dashboard's files: what a browser is given, how it asks again, and what it is forbidden."""

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from netboot.control.dashboard.files import PREFIX, STATIC, add_dashboard, assets

MODULES = sorted(path.name for path in STATIC.glob("*.js"))


def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    app = FastAPI()
    add_dashboard(app)

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://control"
        ) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


def test_the_page_is_at_the_root() -> None:
    answer = ask("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.content == (STATIC / "index.html").read_bytes()


@pytest.mark.parametrize("path", ["/", "/ui/main.js", "/ui/base.css", "/ui/icon.svg"])
def test_a_file_the_browser_has_is_not_sent_again(path: str) -> None:
    first = ask(path)
    assert first.headers["cache-control"] == "no-cache"
    again = ask(path, **{"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert ask(path, **{"If-None-Match": '"other"'}).status_code == 200


def test_head_says_what_get_would() -> None:
    got, head = ask("/ui/main.js"), ask("/ui/main.js", "HEAD")
    assert head.content == b""
    for name in ("content-type", "content-length", "etag", "content-security-policy"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    "path",
    [
        "/ui/",
        "/ui/nothing.js",
        "/ui/..%2ffiles.py",
        "/ui/%2e%2e/files.py",
        "/ui/../files.py",
        "/ui//etc/passwd",
        "/ui/main.js%00",
    ],
)
def test_a_name_is_looked_up_and_never_joined_onto_a_path(path: str) -> None:
    assert ask(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/ui/main.js", "/ui/base.css"])
def test_a_page_may_load_these_files_and_run_nothing_else(path: str) -> None:
    headers = ask(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for kind in ("script-src", "style-src", "connect-src", "img-src"):
        assert policy[kind] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


class Page(HTMLParser):
    """What a page loads, and what it has inline."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link", "img"):
            self.loads.append(str(given.get("src") or given.get("href")))
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if (tag == "script" and "src" not in given) or tag == "style":
            self.inline.append(tag)


def test_the_page_has_nothing_inline_and_loads_what_is_there() -> None:
    page = Page((STATIC / "index.html").read_text())
    assert page.inline == []
    known = {PREFIX + name for name in assets()}
    assert page.loads
    assert set(page.loads) <= known


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_is_there(name: str) -> None:
    text = (STATIC / name).read_text()
    imported = re.findall(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""", text)
    assert all(one.startswith("./") and one[2:] in MODULES for one in imported)
    assert not re.search(r"https?://(?!ADDRESS)", text), "an address of some other server"


@pytest.mark.parametrize("name", MODULES)
def test_no_module_parses_text_as_markup(name: str) -> None:
    text = (STATIC / name).read_text()
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "srcdoc",
    ):
        assert way not in text


def test_every_kind_of_file_there_is_has_a_type() -> None:
    assert {path.name for path in STATIC.iterdir()} == set(assets())


def test_the_wheel_has_them(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder  # noqa: PLC0415 -- only here

    builder: Any = WheelBuilder(str(Path(__file__).parent.parent))
    inside = {file.distribution_path for file in builder.recurse_included_files()}
    for name in assets():
        assert f"netboot/control/dashboard/static/{name}" in inside
    assert not any(tmp_path.iterdir())
