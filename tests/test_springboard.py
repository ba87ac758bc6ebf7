"""Springboards: one image for all machines, and each reads its own script in it."""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.answer.script import MAX_SERVERS, springboard_script
from netboot.answer.springboard import (
    CHAIN,
    PLAIN,
    SCRIPTS,
    SECURE,
    DoesNotFit,
    Patched,
    Springboard,
    filled,
    patched,
)
from netboot.boot.http import SentFile
from netboot.boot.springboards import READ_AGAIN
from netboot.errors import ConfigError, NotServed
from netboot.events import Kind
from netboot.media import springboard as media
from netboot.media.springboard_layout import LAYOUT, MEDIUM, read
from netboot.model import Image, ImageFile, Mac, Server
from netboot.snapshot import Snapshot
from tests.http_peer import FakePlane, Served, curl, serving
from tests.test_http_serve import fields
from tests.test_plane import KNOWN, LOCAL, PEER, SECOND, UNKNOWN, Desk

SERVER = Server("192.0.2.1", "192.0.2.1", 8080)
MAC = Mac("52:54:00:12:34:56")
SIZE, ROOM, OFFSETS = 1 << 20, 4096, (70_000, 700_001)


def medium(path: Path) -> Springboard:
    content = random.Random(3).randbytes(SIZE)  # noqa: S311 -- the same bytes each time
    path.write_bytes(content)
    file = ImageFile(MEDIUM, path, SIZE, hashlib.sha256(content).hexdigest())
    return Springboard(file, OFFSETS, ROOM)


def whole(found: Patched) -> bytes:
    """What a machine must read, made the slow way."""
    content = bytearray(found.springboard.file.path.read_bytes())
    for offset in found.springboard.offsets:
        content[offset : offset + len(found.script)] = found.script
    return bytes(content)


class TestPatching:
    @given(st.data())
    def test_any_range_of_any_image_reads_as_the_whole_patched_file_does(
        self, data: st.DataObject
    ) -> None:
        room = data.draw(st.integers(1, 9))
        gaps = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=4))
        offsets, at = [], 0
        for gap in gaps:
            offsets.append(at + gap)
            at += gap + room
        own = bytes(range(at + data.draw(st.integers(0, 12))))
        script = b"#" * room
        file = ImageFile(MEDIUM, Path("unused"), len(own), "0" * 64)
        found = Patched(Springboard(file, tuple(offsets), room), script)
        whole = bytearray(own)
        for offset in offsets:
            whole[offset : offset + room] = script
        start = data.draw(st.integers(0, len(own)))
        stop = data.draw(st.integers(start, len(own)))
        pieces = [
            piece if isinstance(piece, bytes) else own[piece.start : piece.stop]
            for piece in found.pieces(start, stop)
        ]
        assert b"".join(pieces) == whole[start:stop]
        assert all(pieces)

    def test_a_script_is_filled_up_with_a_comment(self) -> None:
        assert filled("#!ipxe", 16) == b"#!ipxe\n#       \n"
        assert filled("#!ipxe\n", 8) == b"#!ipxe\n\n"
        assert filled("#!ipxe\n", 7) == b"#!ipxe\n"

    @pytest.mark.parametrize(
        ("script", "problem"),
        [
            ("x" * 4096, "a start script has 4097 bytes; 4096 are all there is room for"),
            ("echo grün\n", r"a start script is ASCII; character 7 is '\xfc'"),
        ],
    )
    def test_what_does_not_fit_is_named(self, script: str, problem: str) -> None:
        with pytest.raises(DoesNotFit, match=re.escape(problem)):
            filled(script, media.ROOM)

    def test_another_script_and_another_image_are_other_bytes(self, tmp_path: Path) -> None:
        one = medium(tmp_path / "a")
        other = replace(one, file=replace(one.file, sha256="0" * 64))
        made = [patched(one, "a"), patched(one, "a"), patched(one, "b"), patched(other, "a")]
        assert len({found.sha256 for found in made}) == 3


class TestScript:
    def test_it_asks_for_this_machine_s_script_by_address_over_whichever_nic_works(self) -> None:
        script = springboard_script(SCRIPTS[PLAIN], MAC, [SERVER])
        assert script.startswith("#!ipxe\n")
        assert f"http://192.0.2.1:8080/ipxe/{MAC}?" in script
        assert "dhcp net${nic}" in script
        assert "goto begin" in script
        assert script.rstrip().endswith("reboot")
        assert "/node/" not in script
        assert filled(script, ROOM)


@pytest.fixture
def found(tmp_path: Path) -> Patched:
    return patched(medium(tmp_path / MEDIUM), springboard_script(SCRIPTS[PLAIN], MAC, [SERVER]))


@pytest.fixture
def served(found: Patched) -> Iterator[Served]:
    plane = FakePlane()
    plane.patched[MAC, MEDIUM] = found
    with serving(plane) as running:
        yield running


class TestHttp:
    URL = f"/media/{MAC.replace(':', '-')}/{MEDIUM}"

    def test_get_and_head_and_every_form_of_the_mac(self, served: Served, found: Patched) -> None:
        got = curl("-D", "/dev/stderr", served.url + self.URL)
        assert got.stdout == whole(found)
        head = fields(got.stderr)
        assert (head["content-length"], head["accept-ranges"]) == (str(SIZE), "bytes")
        assert head["etag"] == f'"{found.sha256}"'
        head.pop("date")
        for written in (MAC, MAC.upper(), MAC.replace(":", "")):
            again = fields(curl("-I", f"{served.url}/media/{written}/{MEDIUM}").stdout)
            again.pop("date")
            assert again == head

    def test_thousands_of_small_ranges_over_one_connection(
        self, served: Served, found: Patched
    ) -> None:
        client = served.client()
        step, content = 331, b""
        for start in range(OFFSETS[0] - 9_000, OFFSETS[0] + 9_000, step):
            client.request("GET", self.URL, headers={"Range": f"bytes={start}-{start + step - 1}"})
            reply = client.getresponse()
            assert (reply.status, reply.will_close) == (206, False)
            content += reply.read()
        client.close()
        assert content == whole(found)[OFFSETS[0] - 9_000 :][: len(content)]

    def test_several_ranges_across_the_script(self, served: Served, found: Patched) -> None:
        last = OFFSETS[1] + 10
        got = curl("-r", f"0-3,{OFFSETS[0] - 5}-{last}", served.url + self.URL).stdout
        parts = got.split(b"\r\n\r\n", 2)
        assert parts[1].startswith(whole(found)[:4])
        assert parts[2].startswith(whole(found)[OFFSETS[0] - 5 : last + 1] + b"\r\n--")

    def test_conditions_hold_for_this_machine_s_bytes(self, served: Served, found: Patched) -> None:
        def status(*conditions: str) -> bytes:
            given = [word for condition in conditions for word in ("-H", condition)]
            url = served.url + self.URL
            return curl(*given, "-o", "/dev/null", "-w", "%{http_code}", url).stdout

        assert status(f'If-None-Match: "{found.sha256}"') == b"304"
        assert status("Range: bytes=0-1", f'If-Range: "{found.sha256}"') == b"206"
        image = found.springboard.file.sha256
        assert status("Range: bytes=0-1", f'If-Range: "{image}"') == b"200"

    def test_what_is_not_there_and_what_changed_on_disk(
        self, served: Served, found: Patched
    ) -> None:
        def status(path: str) -> bytes:
            return curl("-o", "/dev/null", "-w", "%{http_code}", served.url + path).stdout

        assert status(f"/media/52-54-00-00-00-09/{MEDIUM}") == b"404"
        assert status(f"/media/nobody/{MEDIUM}") == b"400"
        assert status("/media/../etc/passwd") == b"404"
        found.springboard.file.path.write_bytes(b"another")
        assert status(self.URL) == b"500"


def image(folder: Path, layout: object) -> Image:
    """An image such as a fetch leaves it."""
    found = medium(folder / MEDIUM)
    raw = msgspec.json.encode(layout)
    (folder / LAYOUT).write_bytes(raw)
    file = ImageFile(LAYOUT, folder / LAYOUT, len(raw), "0" * 64)
    return Image("springboard", "1", {MEDIUM: found.file, LAYOUT: file})


GOOD = {"room": ROOM, "offsets": OFFSETS}


class TestLayout:
    def test_it_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        found = read(image(tmp_path, GOOD))
        assert found == medium(tmp_path / MEDIUM)

    @pytest.mark.parametrize(
        ("layout", "problem"),
        [
            ([], "layout.json: "),
            ({"room": 0, "offsets": [1]}, "room = "),
            ({"room": 9, "offsets": []}, "offsets = "),
            ({"room": 9, "offsets": [5, 9]}, "offsets: are not rising"),
            ({"room": 9, "offsets": [SIZE - 8]}, "or beyond the medium's end"),
        ],
    )
    def test_a_wrong_one_is_an_error(self, tmp_path: Path, layout: object, problem: str) -> None:
        with pytest.raises(ConfigError, match=re.escape(problem)):
            read(image(tmp_path, layout))

    def test_an_image_that_is_cut_short_says_how_to_mend_it(self, tmp_path: Path) -> None:
        broken = replace(image(tmp_path, GOOD), files={})
        with pytest.raises(ConfigError, match="netboot image fetch springboard"):
            read(broken)


class TestPlane:
    @pytest.fixture
    def desk(self, tmp_path: Path) -> Desk:
        desk = Desk(tmp_path)
        desk.plane.stock([image(tmp_path, GOOD)])
        return desk

    def reads(self, desk: Desk, *, sent: int = 2048, mac: str = KNOWN, status: int = 206) -> None:
        name = f"media/{mac}/{MEDIUM}"
        complete = status < 400
        desk.plane.sent(SentFile(PEER, name, SIZE, sent, status, complete, 0.01))

    @pytest.mark.parametrize("name", ["netboot.iso", "netboot.img"])
    @pytest.mark.parametrize("mac", [KNOWN, SECOND])
    def test_a_registered_machine_s_has_its_own_script_in_it(
        self, desk: Desk, mac: Mac, name: str
    ) -> None:
        found = desk.plane.media(mac, name, LOCAL)
        assert f"http://{LOCAL}:8080/ipxe/{mac}?".encode() in found.script
        assert desk.said() == []

    def test_where_its_bmc_is_on_another_network_it_tries_the_machines_own_first(
        self, desk: Desk
    ) -> None:
        def asked(local: str) -> list[bytes]:
            return re.findall(
                rb"http://([0-9.]+):8080/ipxe/", desk.plane.media(KNOWN, MEDIUM, local).script
            )

        desk.machines.own_addresses = frozenset({"10.0.0.2", "10.0.1.2"})
        assert asked("192.0.2.9") == [b"10.0.0.2", b"10.0.1.2", b"192.0.2.9"]
        assert asked("10.0.1.2") == [b"10.0.1.2", b"10.0.0.2"]
        many = desk.machines.own_addresses = frozenset(f"10.0.0.{n}" for n in range(100, 200))
        assert len(asked(min(many))) == MAX_SERVERS

    def test_where_machines_are_told_another_address_it_stands_there(self, tmp_path: Path) -> None:
        desk = Desk(tmp_path, advertise="198.51.100.9")
        desk.plane.stock([image(tmp_path, GOOD)])
        script = desk.plane.media(KNOWN, MEDIUM, LOCAL).script
        assert b"http://198.51.100.9:8080/" in script
        assert LOCAL.encode() not in script

    def test_nobody_else_has_one(self, desk: Desk) -> None:
        with pytest.raises(NotServed):
            desk.plane.media(UNKNOWN, MEDIUM, LOCAL)
        with pytest.raises(NotServed):
            desk.plane.media(KNOWN, "other.iso", LOCAL)

    def test_without_the_image_there_is_none_and_a_broken_one_is_left_out(
        self, desk: Desk, tmp_path: Path
    ) -> None:
        for images in ([], [image(tmp_path, [])]):
            desk.plane.stock(images)
            with pytest.raises(NotServed, match="netboot image fetch springboard"):
                desk.plane.media(KNOWN, MEDIUM, LOCAL)
        said = "image springboard is not there: netboot image fetch springboard"
        assert desk.said()[0] == (Kind.FAILED, f"{MEDIUM}: {said}")

    def test_one_that_firmware_would_refuse_is_not_served_and_its_timeline_says_so(
        self, desk: Desk, tmp_path: Path
    ) -> None:
        secure = replace(image(tmp_path, GOOD), name=SECURE)
        desk.plane.stock([image(tmp_path, GOOD), secure])
        assert desk.plane.media(KNOWN, "netboot-secure.iso", LOCAL).script
        desk.machines.rules = replace(desk.machines.rules, signed={CHAIN: "is revoked"})
        with pytest.raises(NotServed, match="its shim is revoked"):
            desk.plane.media(KNOWN, "netboot-secure.iso", LOCAL)
        [(kind, line)] = desk.said()
        assert kind is Kind.FAILED
        assert line.startswith("netboot-secure.iso: image springboard-secure: its shim is revoked")
        assert desk.plane.media(KNOWN, MEDIUM, LOCAL).script
        assert desk.plane.discs_of(KNOWN) == [MEDIUM]
        marked = replace(desk.machines.snapshot.nodes[0], secure_boot=True)
        desk.machines.follow(Snapshot(2, (marked,)))
        with pytest.raises(NotServed, match="its shim is revoked"):
            desk.plane.discs_of(KNOWN)

    def test_an_arm64_machine_has_none(self, desk: Desk) -> None:
        arm64 = replace(desk.machines.snapshot.nodes[0], profile="debian-13-arm64")
        desk.machines.follow(Snapshot(2, (arm64,)))
        for ask in (
            lambda: desk.plane.media(KNOWN, MEDIUM, LOCAL),
            lambda: desk.plane.discs_of(KNOWN),
        ):
            with pytest.raises(NotServed, match="is for arm64, and a CD starts x64 alone"):
                ask()

    def test_one_that_was_fetched_just_now_is_there_for_the_bmc_that_asks(
        self, desk: Desk, tmp_path: Path
    ) -> None:
        desk.plane.stock([])
        desk.restock = lambda: desk.plane.stock([image(tmp_path, GOOD)])
        assert desk.plane.media(KNOWN, MEDIUM, LOCAL).script

    def test_a_boot_is_one_line_however_many_reads_it_takes(self, desk: Desk) -> None:
        for _ in range(3000):
            self.reads(desk)
            desk.now += READ_AGAIN / 100
        (event,) = desk.events
        assert (event.kind, event.mac, event.node) == (Kind.MEDIA, KNOWN, "n1")
        assert event.data == {"file": MEDIUM, "peer": PEER}
        desk.now += READ_AGAIN
        self.reads(desk)
        self.reads(desk, mac=SECOND)
        assert [event.mac for event in desk.events] == [KNOWN, KNOWN, SECOND]

    def test_grub_from_it_gets_secrets_only_after_it_asked_for_an_address(self, desk: Desk) -> None:
        def may_have_token(mac: Mac) -> bool:
            return desk.machines.attempts.may_have_token(mac, desk.now)

        assert not may_have_token(KNOWN)
        for mac in (KNOWN, UNKNOWN):
            desk.machines.begins(mac)
        assert (may_have_token(KNOWN), may_have_token(UNKNOWN)) == (True, False)

    def test_asking_how_large_it_is_starts_nothing(self, desk: Desk) -> None:
        self.reads(desk, sent=0, status=200)
        assert desk.said() == []

    def test_one_that_is_away_is_told(self, desk: Desk) -> None:
        self.reads(desk, sent=0, status=404)
        assert [kind for kind, _ in desk.said()] == [Kind.FAILED]
