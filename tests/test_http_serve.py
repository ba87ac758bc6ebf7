"""The boot plane's HTTP as its clients see it; curl is the outside oracle."""

import hashlib
import os
import random
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from netboot.boot.http import BootHttp
from tests.http_peer import FakePlane, Served, curl, eventually, open_fds, read_all, serving

BIG = 3 << 20
MAC = "52:54:00:12:34:56"


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(7).randbytes(BIG)  # noqa: S311 -- the same bytes each time


@pytest.fixture
def served(tmp_path: Path, content: bytes) -> Iterator[Served]:
    plane = FakePlane()
    plane.add("images/debian-12/linux", tmp_path / "linux", content)
    plane.add("snponly.efi", tmp_path / "snponly", b"MZ loader")
    plane.add("sb//grubx64.efi", tmp_path / "grub", b"MZ grub")
    plane.add("empty", tmp_path / "empty", b"")
    plane.nodes["secret", "preseed.cfg"] = b"d-i x string \xff\n"
    with serving(plane) as running:
        yield running


LINUX = "/images/debian-12/linux"


def fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }


# ---- routes


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/healthz", 200, b"ok\n"),
        ("/snponly.efi", 200, b"MZ loader"),
        ("/snponly.efi?x=1", 200, b"MZ loader"),
        ("/%73nponly.efi", 200, b"MZ loader"),
        ("/sb//grubx64.efi", 200, b"MZ grub"),
        ("/empty", 200, b""),
        ("/autoexec.ipxe", 200, b"#!ipxe\n# autoexec\n"),
        ("/node/secret/preseed.cfg", 200, b"d-i x string \xff\n"),
        ("/node/guess/preseed.cfg", 404, b"not served here\n"),
        ("/node/secret", 404, b"not served here\n"),
        ("/", 404, b"not served here\n"),
        ("/images/", 404, b"not served here\n"),
        ("/sb/revocations_sku.efi", 404, b"not served here\n"),  # shim hangs on an empty body
        ("/ipxe/", 400, b"'' is not a MAC address such as 52:54:00:12:34:56\n"),
        ("/ipxe/52:54:00:12:34", 400, None),
        ("/ipxe/01:00:5e:00:00:01", 400, None),
        (f"/ipxe/{MAC}/", 404, b"not served here\n"),
        ("/healthz/", 404, b"not served here\n"),
        ("/%ff", 400, b"the request's target is not UTF-8\n"),
        ("/healthz?%ff=1", 400, b"the request's target is not UTF-8\n"),
    ],
)
def test_routes(served: Served, path: str, status: int, body: bytes | None) -> None:
    got = curl("-w", "%{stderr}%{http_code}", served.url + path)
    assert got.stderr == str(status).encode()
    assert got.stdout == body if body is not None else got.stdout.count(b"\n") == 1


@pytest.mark.parametrize("written", [MAC, MAC.upper(), MAC.replace(":", "-"), "525400123456"])
def test_a_mac_may_be_written_in_every_way(served: Served, written: str) -> None:
    got = curl("-i", f"{served.url}/ipxe/{written}?profile=debian-12&profile=local&x=%26")
    assert b"\r\nContent-Type: text/plain" in got.stdout
    assert got.stdout.endswith(b"\r\n\r\n#!ipxe\n# 52:54:00:12:34:56\n")
    query = {"profile": "local", "x": "&"}
    assert served.plane.asked == [(MAC, "127.0.0.1", "127.0.0.1", query)]


def test_a_machine_we_ignore_gets_404_with_a_body(served: Served) -> None:
    served.plane.ignored.add(MAC)
    got = served.talk(f"GET /ipxe/{MAC} HTTP/1.0\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.0 404 Not Found\r\n")
    assert got.endswith(b"\r\n\r\nnot served here\n")


def test_health_says_why_not(served: Served) -> None:
    served.plane.problem = "no image is fetched"
    got = curl("-i", f"{served.url}/healthz")
    assert got.stdout.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert got.stdout.endswith(b"\r\n\r\nno image is fetched\n")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "BREW", "get"])
def test_other_methods_are_not_allowed(served: Served, method: str) -> None:
    got = curl("-i", "-X", method, served.url + LINUX)
    assert got.stdout.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert b"\r\nAllow: GET, HEAD\r\n" in got.stdout


def test_a_proxys_absolute_form_names_the_same_file(served: Served) -> None:
    got = served.talk(b"GET http://boot.example:80/snponly.efi HTTP/1.0\r\n\r\n")
    assert got.endswith(b"\r\n\r\nMZ loader")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/../../etc/passwd", "../../etc/passwd"),
        ("/images/../../etc/passwd", "images/../../etc/passwd"),
        ("/%2e%2e/%2e%2e/etc/passwd", "../../etc/passwd"),
        ("/%252e%252e/etc/passwd", "%2e%2e/etc/passwd"),  # decoded once
        ("//etc/passwd", "/etc/passwd"),
        ("/%2fetc/passwd", "/etc/passwd"),
        ("/linux%00.efi", "linux\0.efi"),
        ("/..%5c..%5cetc", "..\\..\\etc"),
        ("/" + "a" * 8000, "a" * 8000),
    ],
)
def test_an_escape_is_a_name_the_catalogue_does_not_have(
    served: Served, path: str, name: str
) -> None:
    got = curl("-w", "%{stderr}%{http_code}", "--path-as-is", served.url + path)
    assert (got.stdout, got.stderr) == (b"not served here\n", b"404")
    assert served.plane.names == [name]


def test_an_overlong_path_is_refused_and_the_peer_gets_to_read_it(served: Served) -> None:
    got = curl("-w", "%{stderr}%{http_code}", f"{served.url}/{'a' * 100_000}")
    assert (got.stdout, got.stderr) == (b"malformed or too long request head\n", b"400")
    assert served.plane.names == []


def test_a_fault_of_ours_is_answered_with_500(served: Served) -> None:
    served.plane.broken = RuntimeError("a bug")
    got = curl("-i", served.url + LINUX)
    assert got.stdout.startswith(b"HTTP/1.1 500 ")
    assert got.stdout.endswith(b"\r\n\r\ninternal error; see the log\n")


def test_a_fault_of_ours_is_logged_without_the_token(served: Served) -> None:
    lines: list[dict[str, object]] = []
    globalLogPublisher.addObserver(lines.append)
    try:
        served.plane.broken = RuntimeError("a bug")
        assert served.talk(b"GET /node/unguessable/f HTTP/1.0\r\n\r\n")
        assert served.talk(b"GET /images/x HTTP/1.0\r\n\r\n")
    finally:
        globalLogPublisher.removeObserver(lines.append)
    texts = [formatEvent(line) for line in lines if "below" in line]
    assert len(texts) == 2
    assert "unguessable" not in "".join(texts)


def test_the_banner_names_no_versions(served: Served) -> None:
    for path in ("/healthz", "/none", LINUX):
        assert fields(curl("-I", served.url + path).stdout)["server"] == "netboot"


# ---- files


def test_get_sends_the_file_and_reports_it(served: Served, content: bytes) -> None:
    got = curl("-D", "/dev/stderr", "-A", "UefiHttpBoot/1.0", served.url + LINUX)
    assert got.stdout == content
    head = fields(got.stderr)
    assert head["content-length"] == str(BIG)
    assert head["content-type"] == "application/octet-stream"
    assert head["accept-ranges"] == "bytes"
    assert head["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    report = served.plane.reported()
    assert 0 <= report.seconds < 20
    assert (report.peer, report.name, report.size) == ("127.0.0.1", LINUX[1:], BIG)
    assert (report.sent, report.status, report.complete) == (BIG, 200, True)
    assert served.plane.reports.empty()


def test_head_is_get_without_a_body(served: Served) -> None:
    def head(*arguments: str) -> dict[str, str]:
        found = fields(curl(*arguments, served.url + LINUX).stdout)
        found.pop("date")
        return found

    assert head("-I") == head("-D", "-", "-o", "/dev/null")
    first, second = served.plane.reported(), served.plane.reported()
    assert (first.sent, first.status, first.complete) == (0, 200, True)
    assert (second.sent, second.status, second.complete) == (BIG, 200, True)


def test_head_ignores_range(served: Served) -> None:
    got = curl("-I", "-H", "Range: bytes=0-1", served.url + LINUX)
    assert got.stdout.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [("0-0", 0, 1), ("100-70000", 100, 70001), ("-5", BIG - 5, BIG), ("1000000-", 1_000_000, BIG)],
)
def test_one_range(served: Served, content: bytes, wanted: str, start: int, stop: int) -> None:
    got = curl("-D", "/dev/stderr", "-r", wanted, served.url + LINUX)
    assert got.stdout == content[start:stop]
    assert got.stderr.startswith(b"HTTP/1.1 206 Partial Content\r\n")
    assert fields(got.stderr)["content-range"] == f"bytes {start}-{stop - 1}/{BIG}"
    assert served.plane.reported().sent == stop - start


def test_several_ranges_are_a_multipart(served: Served, content: bytes) -> None:
    got = curl("-D", "/dev/stderr", "-r", "5-9,2000000-2999999,0-1", served.url + LINUX)
    head = fields(got.stderr)
    assert head["content-length"] == str(len(got.stdout))
    boundary = head["content-type"].removeprefix("multipart/byteranges; boundary=").encode()
    empty, *parts, end = got.stdout.split(b"\r\n--" + boundary)
    assert (empty, end) == (b"", b"--\r\n")
    for part, (start, stop) in zip(parts, [(5, 10), (2_000_000, 3_000_000), (0, 2)], strict=True):
        part_head, _, body = part.partition(b"\r\n\r\n")
        assert fields(part_head)["content-range"] == f"bytes {start}-{stop - 1}/{BIG}"
        assert body == content[start:stop]
    assert served.plane.reported().sent == 5 + 1_000_000 + 2


def test_ranges_beyond_the_end_are_416(served: Served) -> None:
    got = curl("-i", "-r", f"{BIG}-", served.url + LINUX)
    assert got.stdout.startswith(b"HTTP/1.1 416 ")
    assert f"\r\nContent-Range: bytes */{BIG}\r\n".encode() in got.stdout
    report = served.plane.reported()
    assert (report.status, report.sent, report.complete) == (416, 0, False)


@pytest.mark.parametrize("field", ["bytes=9-1", "lines=1-2", "bytes=x"])
def test_a_malformed_range_gets_the_whole_file(served: Served, field: str) -> None:
    got = curl("-w", "%{stderr}%{http_code}", "-H", f"Range: {field}", served.url + LINUX)
    assert (len(got.stdout), got.stderr) == (BIG, b"200")


def test_conditions(served: Served) -> None:
    head = fields(curl("-I", served.url + LINUX).stdout)

    def status(*conditions: str) -> int:
        arguments = [word for condition in conditions for word in ("-H", condition)]
        got = curl(*arguments, "-o", "/dev/null", "-w", "%{http_code}", served.url + LINUX)
        return int(got.stdout)

    etag, date = head["etag"], head["last-modified"]
    assert status(f"If-None-Match: {etag}") == 304
    assert status(f"If-None-Match: {etag}", "Range: bytes=0-1") == 304
    assert status('If-None-Match: "other"') == 200
    assert status(f"If-Modified-Since: {date}") == 304
    assert status(f"If-Match: {etag}", f"If-None-Match: {etag}") == 304
    assert status('If-Match: "other"', "Range: bytes=0-1") == 412
    assert status("If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT") == 412
    assert status(f"If-Unmodified-Since: {date}") == 200
    assert status("Range: bytes=0-1", f"If-Range: {etag}") == 206
    assert status("Range: bytes=0-1", f"If-Range: {date}") == 206
    assert status("Range: bytes=0-1", 'If-Range: "other"') == 200
    assert status("Range: bytes=0-1", "Range: bytes=4-5") == 200  # two fields are malformed


def test_304_has_no_body_and_the_connection_goes_on(served: Served) -> None:
    etag = fields(curl("-I", served.url + LINUX).stdout)["etag"]
    with served.connect() as client:
        client.sendall(
            f"GET {LINUX} HTTP/1.1\r\nIf-None-Match: {etag}\r\n\r\n"
            "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n".encode()
        )
        answers = read_all(client)
    assert [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+)", answers)] == [304, 200]
    assert b"\r\n\r\nHTTP/1.1 200 OK\r\n" in answers


def test_a_download_cut_off_half_way_is_resumed(
    served: Served, content: bytes, tmp_path: Path
) -> None:
    target = tmp_path / "half"
    target.write_bytes(content[: BIG // 2])
    assert curl("-C", "-", "-o", str(target), served.url + LINUX).returncode == 0
    assert target.read_bytes() == content
    assert served.plane.reported().sent == BIG - BIG // 2


def test_a_link_is_not_followed(served: Served, tmp_path: Path) -> None:
    target = tmp_path / "secret"
    target.write_bytes(b"secret")
    link = tmp_path / "link"
    link.symlink_to(target)
    served.plane.add("link", link)
    got = curl("-w", "%{stderr}%{http_code}", f"{served.url}/link")
    assert (got.stdout, got.stderr) == (b"this file cannot be opened\n", b"500")


def test_a_file_that_is_away_is_404_and_the_plane_is_told(served: Served, tmp_path: Path) -> None:
    (tmp_path / "linux").unlink()
    got = curl("-w", "%{stderr}%{http_code}", served.url + LINUX)
    assert (got.stdout, got.stderr) == (b"this file is away; fetch its image again\n", b"404")
    report = served.plane.reported()
    assert (report.name, report.status, report.complete) == (LINUX[1:], 404, False)


@pytest.mark.parametrize("replace", ["longer", "folder", "fifo"])
def test_a_file_that_is_not_what_was_verified_is_500(
    served: Served, tmp_path: Path, replace: str
) -> None:
    path = tmp_path / "linux"
    if replace == "longer":
        with path.open("ab") as file:
            file.write(b"x")
    else:
        path.unlink()
        (os.mkdir if replace == "folder" else os.mkfifo)(path)
    got = curl("-w", "%{stderr}%{http_code}", served.url + LINUX)
    assert (got.stdout, got.stderr) == (b"this file is not the one that was verified\n", b"500")
    report = served.plane.reported()
    assert (report.status, report.complete) == (500, False)
    assert open_fds(path) == 0


# ---- connections


def test_curl_fetches_two_files_on_one_connection(served: Served, content: bytes) -> None:
    got = curl("-w", "%{stderr}%{num_connects}", served.url + LINUX, f"{served.url}/snponly.efi")
    assert got.stdout == content + b"MZ loader"
    assert got.stderr == b"10"


@pytest.mark.parametrize(
    ("version", "field", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.1", "Connection: foo, Close\r\n", False),
        ("1.0", "", False),
        ("1.0", "Connection: Keep-Alive\r\n", True),
    ],
)
def test_a_connection_is_kept_as_the_request_asks(
    served: Served, content: bytes, version: str, field: str, *, kept: bool
) -> None:
    request = f"GET {LINUX} HTTP/{version}\r\n{field}\r\n".encode()
    with served.connect() as client:
        client.sendall(request)
        head, body = read_response(client)
        assert body == content
        expected = {("1.1", True): None, ("1.0", True): "keep-alive"}.get((version, kept), "close")
        assert fields(head).get("connection") == expected
        if kept:
            client.sendall(request)
            assert read_response(client)[1] == content
        else:
            assert client.recv(1) == b""


def test_pipelined_requests_are_answered_in_order(served: Served, content: bytes) -> None:
    asked = [f"GET {LINUX}", "GET /snponly.efi", "HEAD /empty", f"GET {LINUX}", "GET /none"] * 20
    with served.connect() as client:
        sender = threading.Thread(
            target=client.sendall, args=("".join(f"{a} HTTP/1.1\r\n\r\n" for a in asked).encode(),)
        )
        sender.start()
        for line in asked:
            _, body = read_response(client, has_body=line.startswith("GET"))
            assert (
                body
                == {
                    f"GET {LINUX}": content,
                    "GET /snponly.efi": b"MZ loader",
                    "HEAD /empty": b"",
                    "GET /none": b"not served here\n",
                }[line]
            )
        sender.join()


def read_response(client: socket.socket, *, has_body: bool = True) -> tuple[bytes, bytes]:
    """One response, byte by byte at its head so that nothing of the next one is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        assert byte, f"ended within a head: {head!r}"
        head += byte
    body = bytearray()
    length = int(fields(head)["content-length"]) if has_body else 0
    while len(body) < length:
        piece = client.recv(length - len(body))
        assert piece, "ended within a body"
        body += piece
    return head, bytes(body)


def test_3000_random_ranges_on_one_connection_as_a_bmc_does(served: Served, content: bytes) -> None:
    chance = random.Random(3)  # noqa: S311 -- the same ranges each time
    client = served.client()
    for _ in range(3000):
        start = chance.randrange(BIG)
        stop = min(BIG, start + chance.randrange(1, 4096))
        client.request("GET", LINUX, headers={"Range": f"bytes={start}-{stop - 1}"})
        answer = client.getresponse()
        assert answer.status == 206
        assert answer.read() == content[start:stop]
    client.close()
    assert all(served.plane.reported().status == 206 for _ in range(3000))


def test_200_machines_at_once(served: Served, tmp_path: Path, content: bytes) -> None:
    config = tmp_path / "urls"
    config.write_text(
        "".join(f'url = "{served.url}{LINUX}"\noutput = "{tmp_path}/out{n}"\n' for n in range(200))
    )
    got = curl("--parallel", "--parallel-immediate", "--parallel-max", "200", "-K", str(config))
    assert got.returncode == 0
    digest = hashlib.sha256(content).digest()
    for number in range(200):
        assert hashlib.sha256((tmp_path / f"out{number}").read_bytes()).digest() == digest
    eventually(lambda: open_fds(tmp_path / "linux") == 0)


def test_a_gibibyte_is_sent_by_ranges_of_it(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "sparse.iso"
    size = (1 << 30) + 1
    marks = {0: b"first", 1 << 29: b"middle", size - 4: b"last"}
    with path.open("wb") as file:
        for offset, mark in marks.items():
            file.seek(offset)
            file.write(mark)
    served.plane.add("x.iso", path)
    for offset, mark in marks.items():
        got = curl("-r", f"{offset}-{offset + len(mark) - 1}", f"{served.url}/x.iso")
        assert got.stdout == mark
    middle = f"{1 << 29}-{(1 << 29) + (1 << 27) - 1}"
    fetch = ["curl", "--silent", "--noproxy", "*", "--range", middle, f"{served.url}/x.iso"]
    with subprocess.Popen(fetch, stdout=subprocess.PIPE) as source:
        summed = subprocess.run(["sha256sum"], stdin=source.stdout, capture_output=True, check=True)
    expected = hashlib.sha256(b"middle" + bytes((1 << 27) - 6)).hexdigest()
    assert summed.stdout.split()[0].decode() == expected


def test_clients_that_go_away_leave_no_file_open(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "sparse.iso"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    served.plane.add("x.iso", path)
    for number in range(30):
        with served.connect(receive_buffer=4096) as client:
            client.sendall(b"GET /x.iso HTTP/1.1\r\n\r\n")
            assert client.recv(1000)
            if number % 2:
                client.shutdown(socket.SHUT_RDWR)  # a FIN with data unread; else a reset
    for _ in range(30):
        report = served.plane.reported()
        assert not report.complete
        assert 0 < report.sent < report.size
    assert open_fds(path) == 0
    eventually(lambda: served.open_connections() == 0)


def test_a_file_cut_short_under_way_breaks_the_connection(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "shrinking"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    served.plane.add("shrinking", path)
    with served.connect(receive_buffer=4096) as client:
        client.sendall(b"GET /shrinking HTTP/1.1\r\n\r\n")
        assert client.recv(1000)
        with path.open("r+b") as file:
            file.truncate(1 << 20)
        got = read_all(client)
    assert len(got) < 64 << 20
    assert not served.plane.reported().complete
    assert open_fds(path) == 0


# ---- the server itself


def test_a_held_port_is_an_os_error(served: Served) -> None:
    second = BootHttp(served.reactor, served.plane, address="127.0.0.1", port=served.server.port)
    with pytest.raises(OSError, match="Address already in use"):
        served.call(second.start)


def test_stop_closes_idle_connections_at_once_and_ends_transfers(
    served: Served, tmp_path: Path
) -> None:
    path = tmp_path / "sparse.iso"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    served.plane.add("x.iso", path)
    with served.connect() as idle, served.connect(receive_buffer=4096) as slow:
        idle.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert read_response(idle)[1] == b"ok\n"
        slow.sendall(b"GET /x.iso HTTP/1.1\r\n\r\n")
        assert slow.recv(10)
        served.call(served.server.stop)
        assert idle.recv(1) == b""
    assert open_fds(path) == 0
    assert served.open_connections() == 0
    with pytest.raises(ConnectionRefusedError):
        served.connect()
