"""The clients people have: tftpy's, atftp, tftp-hpa and curl read from us, byte for byte."""

import logging
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tftpy

from netboot.boot.source import FileSource, Source
from netboot.boot.tftp import Outcome, Result, TftpLimits
from netboot.errors import NotServed
from tests.tftp_peer import ServerThread, pattern, serving

SIZES = {"empty": 0, "one": 1, "full": 1024, "loader": 300_123}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tftp")
    for name, size in SIZES.items():
        (folder / name).write_bytes(pattern(0, size))
    (folder / "text").write_bytes(b"#!ipxe\necho \r and\n\n" * 100)
    return folder


@pytest.fixture(scope="module", params=[False, True], ids=["own ports", "single port"])
def server(request: pytest.FixtureRequest, files: Path) -> Iterator[ServerThread]:
    def find(name: str, _peer: str, _local: str) -> Source:
        if not (files / name).is_file():
            raise NotServed(f"{name} is not in the catalogue")
        return FileSource(files / name)

    with serving(find, TftpLimits(single_port=request.param)) as made:
        yield made


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    program = str(command[0])
    assert shutil.which(program), f"{program} is not installed"
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def fetched(server: ServerThread, got: Path, files: Path, name: str) -> Outcome:
    """The client has the file, and the server knows it."""
    outcome = server.outcome()
    assert got.read_bytes() == (files / name).read_bytes()
    assert (outcome.name, outcome.result) == (name, Result.DONE)
    return outcome


@pytest.mark.parametrize(
    ("name", "blksize"),
    [  # not "empty": curl takes an OACK that says tsize 0 for an error
        ("one", 8),
        ("full", 8),
        ("full", None),
        ("loader", None),
        ("loader", 1468),
        ("loader", 65464),
    ],
)
def test_curl(
    server: ServerThread, files: Path, tmp_path: Path, name: str, blksize: int | None
) -> None:
    options = [] if blksize is None else ["--tftp-blksize", str(blksize)]
    got = tmp_path / "got"
    done = run("curl", "-sS", "-o", got, *options, f"tftp://127.0.0.1:{server.port}/{name}")
    assert done.returncode == 0, done.stderr
    fetched(server, got, files, name)


@pytest.mark.parametrize("name", SIZES)
def test_curl_without_options(server: ServerThread, files: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "got").touch()  # curl makes no file where there is nothing to write
    url = f"tftp://127.0.0.1:{server.port}/{name}"
    run("curl", "-sS", "--tftp-no-options", "-o", tmp_path / "got", url)
    fetched(server, tmp_path / "got", files, name)


def test_curl_is_told_what_is_not_there(server: ServerThread, tmp_path: Path) -> None:
    done = run("curl", "-sS", "-o", tmp_path / "got", f"tftp://127.0.0.1:{server.port}/absent")
    assert done.returncode == 68  # CURLE_TFTP_NOTFOUND
    assert server.outcome().result is Result.NOT_SERVED


@pytest.mark.parametrize("name", [name for name in SIZES if name != "empty"])
@pytest.mark.parametrize(
    "options",
    [(), ("blksize 1400",), ("windowsize 8",), ("windowsize 16", "blksize 1468", "tsize 0")],
    ids=" ".join,
)
def test_atftp(
    server: ServerThread, files: Path, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    asked = [part for option in options for part in ("--option", option)]
    done = run(
        "atftp", "-g", "-r", name, "-l", tmp_path / "got", *asked, "127.0.0.1", str(server.port)
    )
    assert done.returncode == 0, done.stderr
    fetched(server, tmp_path / "got", files, name)


@pytest.mark.parametrize("name", SIZES)
def test_tftp_hpa(server: ServerThread, files: Path, tmp_path: Path, name: str) -> None:
    port = str(server.port)
    done = run("tftp", "-m", "binary", "127.0.0.1", port, "-c", "get", name, tmp_path / "got")
    assert done.returncode == 0, done.stderr
    fetched(server, tmp_path / "got", files, name)


def test_tftp_hpa_reads_a_text_as_netascii(
    server: ServerThread, files: Path, tmp_path: Path
) -> None:
    port = str(server.port)
    run("tftp", "-m", "ascii", "127.0.0.1", port, "-c", "get", "text", tmp_path / "got")
    outcome = fetched(server, tmp_path / "got", files, "text")
    assert outcome.sent == outcome.size + (files / "text").read_bytes().count(b"\n") + 100


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("options", [{}, {"blksize": 1468, "tsize": 0}], ids=["plain", "options"])
def test_tftpy(
    server: ServerThread, files: Path, tmp_path: Path, name: str, options: dict[str, int]
) -> None:
    logging.getLogger("tftpy").setLevel(logging.CRITICAL)
    client = tftpy.TftpClient("127.0.0.1", server.port, options)
    client.download(name, str(tmp_path / "got"), timeout=5)
    fetched(server, tmp_path / "got", files, name)


def test_tftpy_is_refused_an_upload(server: ServerThread, files: Path) -> None:
    client = tftpy.TftpClient("127.0.0.1", server.port)
    with pytest.raises(tftpy.TftpShared.TftpException, match="errorcode = 2"):
        client.upload("mine", str(files / "one"), timeout=2)
