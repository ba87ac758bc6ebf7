"""What the in-LAN mirror passes through; the real one is a small server on the host's loopback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from netboot.errors import OperationError
from netboot.lab.mirror import Mirror, _passed_on
from netboot.lab.namespaces import Host, Lan

BODY = bytes(range(256)) * 1000
WHOLE = "http://10.77.0.3/debian"


class Upstream(BaseHTTPRequestHandler):
    """Knows one file, with and without a range, and a redirection."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str, dict[str, str]]]

    def do_GET(self) -> None:
        type(self).asked.append((self.command, self.path, dict(self.headers.items())))
        if self.path == "/debian/moved":
            self.answer(302, b"", Location="/elsewhere")
        elif self.path != "/debian/dists/Release":
            self.answer(404, b"no such file")
        elif self.headers["Range"]:
            self.answer(206, BODY[10:20], **{"Content-Range": f"bytes 10-19/{len(BODY)}"})
        else:
            self.answer(
                200, BODY, ETag='"v1"', **{"Last-Modified": "Sat, 09 Aug 2025 08:00:00 GMT"}
            )

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes, **fields: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **fields}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[str]:
    Upstream.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield f"http://127.0.0.1:{server.server_port}/debian"
        server.shutdown()


@pytest.fixture
def mirror(lan: Lan, upstream: str) -> Mirror:
    return Mirror(lan.host("mirror"), upstream)


def curl(host: Host, *arguments: str) -> str:
    return host.run(["curl", "--silent", "--show-error", "--max-time", "10", *arguments]).stdout


@pytest.mark.root
def test_a_file_comes_through_unchanged(lan: Lan, mirror: Mirror, tmp_path: Path) -> None:
    assert mirror.url == WHOLE
    got = tmp_path / "got"
    headers = curl(lan.server, "-D", "-", "-o", str(got), f"{WHOLE}/dists/Release?x=1").lower()
    assert "http/1.1 404" in headers  # the query was passed on too
    headers = curl(lan.server, "-D", "-", "-o", str(got), f"{WHOLE}/dists/Release").lower()
    assert got.read_bytes() == BODY
    assert f"content-length: {len(BODY)}" in headers
    assert 'etag: "v1"' in headers
    assert "last-modified: sat, 09 aug 2025 08:00:00 gmt" in headers


@pytest.mark.root
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(["-I", f"{WHOLE}/dists/Release"], "200", id="HEAD"),
        pytest.param(["-r", "10-19", f"{WHOLE}/dists/Release"], "206", id="a range"),
        pytest.param([f"{WHOLE}/pool/absent.deb"], "404", id="a file that is not there"),
        pytest.param([f"{WHOLE}/moved"], "302", id="a redirection is the client's business"),
        pytest.param(["-X", "DELETE", f"{WHOLE}/dists/Release"], "501", id="nothing but reads"),
    ],
)
def test_the_status_is_the_real_mirrors(
    lan: Lan, mirror: Mirror, arguments: list[str], status: str
) -> None:
    said = curl(lan.server, "-o", "/dev/null", "-w", "%{http_code}", *arguments)
    assert said[-3:] == status
    assert [method for method, _, _ in Upstream.asked] in ([], ["GET"], ["HEAD"])
    assert mirror.requests == [path for _, path, _ in Upstream.asked]


@pytest.mark.root
def test_a_mirror_that_is_away_is_a_502_not_a_made_up_answer(lan: Lan) -> None:
    mirror = Mirror(lan.host("mirror"), "http://127.0.0.1:9/debian")
    assert curl(lan.server, "-o", "/dev/null", "-w", "%{http_code}", mirror.url) == "502"


@pytest.mark.root
def test_a_request_can_be_awaited(lan: Lan, mirror: Mirror) -> None:
    asking = lan.server.popen(["curl", "--silent", f"{WHOLE}/dists/Release"])
    assert mirror.wait_for(r"/Release$", 60) == "/debian/dists/Release"
    assert asking.wait(60) == 0
    with pytest.raises(OperationError, match=r"not asked for 'Packages'.*last: .*Release"):
        mirror.wait_for("Packages", 0.05)


@pytest.mark.root
def test_the_lan_has_no_other_way_out(lan: Lan, upstream: str) -> None:
    direct = lan.server.run(["curl", "--silent", "--max-time", "2", upstream], check=False)
    assert direct.returncode != 0


@pytest.mark.parametrize("url", ["ftp://mirror.example/debian", "mirror.example/debian", ""])
def test_an_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(OperationError, match="http://HOST/PATH"):
        Mirror(None, url)  # type: ignore[arg-type]  # it is refused before the host is looked at


@pytest.mark.parametrize(
    ("fields", "passed"),
    [
        ([("Range", "bytes=0-1")], ["Range"]),
        ([("Host", "10.77.0.3"), ("User-Agent", "wget")], ["User-Agent"]),
        ([("Connection", "X-Hop, close"), ("X-Hop", "1"), ("X-End", "2")], ["X-End"]),
        ([("Transfer-Encoding", "chunked"), ("Via", "a"), ("Via", "b")], ["Via", "Via"]),
    ],
)
def test_hop_by_hop_fields_stay_behind(fields: list[tuple[str, str]], passed: list[str]) -> None:
    assert [name for name, _ in _passed_on(fields)] == passed
