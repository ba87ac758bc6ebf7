"""The doctor's judgement of what a site holds: images, nodes, timeline, files, programs, mirror."""

import contextlib
import http.server
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from netboot.answer.catalogue import Catalogue
from netboot.answer.profiles import load_profiles
from netboot.config import Server, Settings
from netboot.control.lock import lock_to_serve
from netboot.control.sockets import listen_unix
from netboot.doctor import (
    Context,
    Finding,
    Severity,
    images,
    mirror,
    nodes,
    programs,
    records,
    running,
    served,
)
from netboot.doctor.context import DAY
from netboot.doctor.mirror import Release
from netboot.doctor.peers import Read
from netboot.doctor.records import Records
from netboot.doctor.running import Running
from netboot.errors import NotServed, OperationError
from netboot.events import Event, Kind
from netboot.media import library
from netboot.media.mirror import Mirror
from netboot.model import Group, ImageFile, Mac, Node, Profile
from netboot.policy import Rules
from netboot.snapshot import Snapshot
from netboot.stages.table import ASKS_AGAIN
from netboot.store.store import Store
from tests.doctor_site import make_images, make_mirror

OK, NOTICE, WARNING, PROBLEM = Severity
FIRST, SECOND = Mac("52:54:00:00:00:01"), Mac("52:54:00:00:00:02")
N1 = Node("n1", (FIRST,), "debian-12")
NOW = 1_795_000_000.0
Told = list[tuple[Severity, str]]


def told(findings: Iterable[Finding]) -> Told:
    return [(finding.severity, finding.what) for finding in findings]


def severities(findings: Iterable[Finding]) -> list[Severity]:
    return [finding.severity for finding in findings]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(server=Server(data_dir=str(tmp_path / "data")))


@pytest.fixture
def profiles() -> Mapping[str, Profile]:
    return load_profiles()


# --- images

KNOWN = Records(Snapshot(1, (N1,)))


def about_images(settings: Settings, held: Records = KNOWN, **more: bool) -> Told:
    context = Context(settings=settings, records=held, profiles=load_profiles(), **more)
    return told(one for one in images.check(context) if one.check == "images")


def test_whole_images_are_well(settings: Settings) -> None:
    make_images(settings.images_dir)
    assert about_images(settings) == [
        (OK, "image debian-12 1, 0 days old, 2 files, every size is right"),
        (OK, "image ipxe 1, 0 days old, 3 files, every size is right"),
    ]


def test_an_image_that_a_node_needs_and_is_not_there(settings: Settings) -> None:
    assert about_images(settings) == [
        (PROBLEM, "image ipxe is not fetched, and every machine begins with it"),
        (PROBLEM, "image debian-12 is not fetched, and node n1 boots it"),
    ]


def test_what_a_group_gives_is_needed_too(settings: Settings) -> None:
    bare = Node("n2", (SECOND,), None, {"role": "web"})
    group = Group("web", {"role": "web"}, "debian-13")
    held = Records(Snapshot(1, (bare,), (group,)))
    assert (PROBLEM, "image debian-13 is not fetched, and node n2 boots it") in about_images(
        settings, held
    )


def test_a_file_cut_short_is_seen_at_once_and_a_changed_one_in_full(settings: Settings) -> None:
    folder = make_images(settings.images_dir)
    path = folder / "ipxe/current/snponly.efi"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert severities_of(about_images(settings)) == [OK, OK]
    (_, (severity, what)) = about_images(settings, full=True)
    assert severity is PROBLEM
    assert "snponly.efi: bad" in what
    path.write_bytes(b"short")
    assert "has 5 bytes, not 200000" in about_images(settings)[1][1]


def severities_of(findings: Told) -> list[Severity]:
    return [severity for severity, _ in findings]


def test_an_old_image_and_a_broken_manifest(settings: Settings) -> None:
    folder = make_images(settings.images_dir, datetime.now(UTC) - timedelta(days=100))
    (folder / "ipxe/current/manifest.json").write_text("{")
    old, broken = about_images(settings)
    assert old[0] is NOTICE
    assert "100 days old" in old[1]
    assert broken[0] is PROBLEM
    assert "image ipxe is broken" in broken[1]


@pytest.mark.parametrize(("free", "expected"), [(10**12, OK), (10**6, WARNING)])
def test_room_for_the_next_fetch(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, expected: Severity
) -> None:
    usage = type("usage", (), {"free": free})
    monkeypatch.setattr(images.shutil, "disk_usage", lambda _path: usage)
    assert images._room(settings.images_dir).severity is expected


def discover(mac: Mac, arch: int, firmware: str = "uefi", at: float = NOW) -> Event:
    node = "n1" if mac == FIRST else None
    return Event(Kind.DISCOVER, mac, node, "", {"arch": arch, "firmware": firmware}, at)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], [OK]),
        ([discover(FIRST, 7), discover(FIRST, 7, "ipxe")], [OK]),
        ([discover(FIRST, 0, "bios")], [OK]),
        ([discover(FIRST, 0x1B)], [PROBLEM]),  # riscv64: its loader is not among the files
        ([discover(FIRST, 0x77)], [PROBLEM]),  # no loader is known
        ([discover(SECOND, 0x77)], [OK]),  # a stranger we ignore
    ],
)
def test_every_architecture_in_use_has_its_loader(
    settings: Settings,
    profiles: Mapping[str, Profile],
    events: list[Event],
    expected: list[Severity],
) -> None:
    catalogue = Catalogue(library.installed(make_images(settings.images_dir)))
    held = Records(Snapshot(1, (N1,)), tuple(events))
    assert severities(images.loaders(held, Rules(profiles), catalogue)) == expected


def test_no_loader_at_all_is_a_problem_before_any_machine_came() -> None:
    assert severities(images.loaders(Records(), Rules({}), Catalogue(()))) == [PROBLEM]


# --- nodes


@pytest.mark.parametrize(
    ("mac", "odd"),
    [
        ("52:54:00:00:00:01", ""),
        ("00:25:90:ab:cd:ef", ""),
        ("02:42:ac:11:00:02", ""),
        ("02:00:00:00:00:01", "locally administered"),
        ("00:11:22:33:44:55", "placeholder"),
        ("88:88:88:88:87:88", "placeholder"),
        ("00:00:00:00:00:00", "placeholder"),
        ("00:13:74:00:00:00", "placeholder"),
        ("de:ad:be:ef:00:01", "placeholder"),
    ],
)
def test_which_addresses_are_doubtful(mac: str, odd: str) -> None:
    assert odd in nodes.doubtful(Mac(mac))
    assert bool(nodes.doubtful(Mac(mac))) == bool(odd)


def test_a_node_without_a_profile_that_exists_is_a_problem() -> None:
    gone, none = Node("n2", (SECOND,), "gone"), Node("n3", (SECOND,), None)
    assert told(nodes.registered([N1, gone, none], {"debian-12"})) == [
        (PROBLEM, "node n2 boots profile gone, which does not exist"),
        (PROBLEM, "node n3 has no profile"),
    ]
    assert severities(nodes.registered([N1], {"debian-12"})) == [OK]
    assert severities(nodes.registered([], {"debian-12"})) == [NOTICE]


def stalled(stage: str, node: str = "n1", at: float = NOW) -> Event:
    return Event(Kind.STALLED, FIRST, node, "", {"stage": stage}, at)


def test_stalls_are_told_by_cause_with_the_table_s_cure() -> None:
    found = list(
        nodes.stalls([stalled("transfer"), stalled("transfer", "n2"), stalled("ipxe", "n3")])
    )
    assert severities(found) == [WARNING, WARNING]
    assert "n1 at " in found[0].what
    assert "n2 at " in found[0].what
    assert "UDP 69 is blocked" in found[0].what
    assert "open UDP 69" in found[0].cure


def test_a_machine_that_asks_again_and_again_is_told_as_its_timeline_tells_it() -> None:
    asks = Event(Kind.STALLED, FIRST, "n1", ASKS_AGAIN.missing, {"stage": "request-4011"}, NOW)
    [first, other] = nodes.stalls([asks, stalled("request-4011", "n2")])
    assert "n1 at " in first.what
    assert ASKS_AGAIN.cause in first.what
    assert first.cure == ASKS_AGAIN.cure
    assert ASKS_AGAIN.cause not in other.what


def test_a_machine_that_went_on_stands_still_no_more() -> None:
    kernel = Event(Kind.KERNEL, FIRST, "n1")
    local = Event(Kind.SCRIPT, FIRST, "n1", "", {"image": ""})
    for later in (kernel, local):
        assert severities(nodes.stalls([stalled("transfer"), later])) == [OK]
        assert severities(nodes.stalls([later, stalled("transfer")])) == [WARNING]


def test_strangers_come_with_the_command_that_registers_them_the_newest_first() -> None:
    many = [discover(Mac(f"52:54:00:00:01:{n:02x}"), 7, at=NOW + n) for n in range(12)]
    found = list(nodes.strangers([discover(FIRST, 7), *many], {FIRST}))
    assert len(found) == nodes.MAX_SHOWN + 1
    assert found[0].cure == "netboot node add NAME --mac 52:54:00:00:01:0b --profile debian-12"
    assert found[-1].what == "and 2 more"
    assert severities(nodes.strangers([discover(FIRST, 7)], {FIRST})) == [OK]


# --- the store, read from beside


def test_nodes_and_the_last_day_are_read_while_the_owner_works(settings: Settings) -> None:
    with Store(settings.database) as store:
        store.add(N1)
        store.append_events(
            [stalled("ipxe", at=NOW - 2 * DAY), stalled("kernel"), discover(SECOND, 7)]
        )
        held = records.read(settings.database, NOW - DAY)
    assert held.nodes == [N1]
    kinds = [event.kind for event in held.events if event.kind is not Kind.STATE]
    assert kinds == [Kind.STALLED, Kind.DISCOVER]


def test_a_store_that_was_never_made_is_not_made_by_looking(settings: Settings) -> None:
    assert records.read(settings.database, 0) == Records()
    assert not settings.data_dir.exists()


def test_a_file_that_is_no_store_is_said(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "netboot.db").write_bytes(b"no database" * 100)
    with pytest.raises(OperationError, match=r"netboot\.db"):
        records.read(settings.database, 0)


# --- programs and files


def test_who_has_the_data_folder_and_who_answers(settings: Settings) -> None:
    nowhere = "127.0.0.2"
    assert running.look(settings, nowhere) == Running()
    with lock_to_serve(settings.run_dir):
        assert running.look(settings, nowhere) == Running(pid=os.getpid())
        with listen_unix(settings.run_dir / "control.sock", 0o660):
            assert running.look(settings, nowhere) == Running(control=True, pid=os.getpid())
    assert running.look(settings, nowhere) == Running()


@pytest.mark.parametrize(
    ("state", "severity", "what"),
    [
        (Running(control=True, boot=True), OK, "boot and control run"),
        (Running(control=True), PROBLEM, "boot does not answer"),
        (Running(boot=True), WARNING, "control does not"),
        (Running(), NOTICE, "is not running"),
        (Running(control=None, boot=True), NOTICE, "control is not ours to see"),
    ],
)
def test_which_programs_run(state: Running, severity: Severity, what: str) -> None:
    ((found, said),) = told(programs.programs(state))
    assert found is severity
    assert what in said


def test_a_program_older_than_what_is_installed_is_to_be_started_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = Running(control=True, boot=True, pid=os.getpid())
    fresh = tmp_path / "resources.py"
    fresh.touch()
    os.utime(fresh, (time.time() + 60, time.time() + 60))
    monkeypatch.setattr(programs.resources, "__file__", str(fresh))
    assert severities(programs.programs(state)) == [OK, NOTICE]
    os.utime(fresh, (0, 0))
    assert severities(programs.programs(state)) == [OK]


@pytest.mark.parametrize(
    ("name", "mode", "cure"),
    [
        ("run/token.key", 0o600, None),
        ("run/token.key", 0o640, "chmod 600 "),
        ("run/control.sock", 0o660, None),
        ("run/control.sock", 0o666, "chmod 660 "),
        ("run/boot.sock", 0o660, "chmod 600 "),
        ("netboot.db", 0o644, "chmod 600 "),
        ("run", 0o755, "chmod 750 "),
        ("run", 0o710, None),
    ],
)
def test_what_is_open_to_others_comes_with_its_chmod(
    settings: Settings, name: str, mode: int, cure: str | None
) -> None:
    settings.run_dir.mkdir(mode=0o710, parents=True)
    path = settings.data_dir / name
    if name != "run":
        path.touch()
    path.chmod(mode)
    (found,) = programs.files(settings)
    assert found.severity is (OK if cure is None else WARNING)
    assert found.cure == ("" if cure is None else f"{cure}{path}")


def test_the_size_of_the_store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(settings.database):
        path = settings.data_dir / "netboot.db"
        assert programs.store(path).severity is OK
        monkeypatch.setattr(programs, "LARGE_DATABASE", 10)
        assert programs.store(path).severity is WARNING


# --- the mirror and the clock


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/debian"
        finally:
            server.shutdown()
            thread.join()


def test_the_mirror_says_when_each_suite_was_signed(tmp_path: Path) -> None:
    made = datetime(2026, 1, 10, 9, 8, 7, tzinfo=UTC)
    make_mirror(tmp_path, made, made + timedelta(days=7))
    with serving(tmp_path) as url:
        found = list(mirror.ask(Mirror(url), ["bookworm", "sid"]))
    here, gone = found
    assert (here.status, here.made) == (200, made.timestamp())
    assert here.valid_until == (made + timedelta(days=7)).timestamp()
    assert here.served is not None
    assert abs(here.served - time.time()) < 60
    assert (gone.suite, gone.status) == ("sid", 404)


def test_a_silent_mirror_is_asked_once() -> None:
    silent = Mirror("http://127.0.0.1:9/debian")
    assert list(mirror.ask(silent, ["bookworm", "trixie"])) == [Release("bookworm", 0)]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (Release("bookworm", 200), [(OK, "http://m answers for bookworm")]),
        (Release("bookworm", 404), [(WARNING, "http://m has no bookworm: HTTP status 404")]),
        (Release("bookworm", 0), [(WARNING, "http://m does not answer within 4 s")]),
    ],
)
def test_what_the_mirror_s_answer_means(release: Release, expected: Told) -> None:
    assert told(mirror.reachable("http://m", [release])) == expected


@pytest.mark.parametrize(
    ("releases", "fetched", "severity", "what"),
    [
        ([Release("s", 200, NOW, NOW - DAY)], None, OK, "agrees with the mirror"),
        ([Release("s", 200, NOW + 60)], NOW - DAY, OK, "agrees"),
        ([Release("s", 200, NOW + DAY)], None, WARNING, "the mirror's says"),
        ([Release("s", 200, NOW - DAY)], None, WARNING, "TLS and signatures will fail"),
        ([Release("s", 200, None, NOW + DAY)], None, WARNING, "in its future"),
        ([Release("s", 200, NOW, NOW - DAY, NOW - 60)], None, WARNING, "is valid until"),
        ([], NOW + 2 * DAY, WARNING, "images were fetched 2 days in its future"),
        ([Release("s", 0)], None, NOTICE, "not compared: no mirror answered"),
    ],
)
def test_what_is_known_of_our_clock(
    releases: list[Release], fetched: float | None, severity: Severity, what: str
) -> None:
    ((found, said),) = told(mirror.clock(NOW, releases, fetched))
    assert found is severity
    assert what in said


# --- what is served

CONTENT = bytes(range(256)) * 600


@pytest.fixture
def file(tmp_path: Path) -> ImageFile:
    path = tmp_path / "linux"
    path.write_bytes(CONTENT)
    return ImageFile("linux", path, len(CONTENT), library.digest(path))


def by_http(file: ImageFile, content: bytes, status: int = 206) -> str:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "HEAD":
            return httpx.Response(200, headers={"Content-Length": str(len(content))})
        first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
        return httpx.Response(status, content=content[int(first) : int(last) + 1])

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        return served.same_by_http(client, "http://us", "linux", file)


def test_http_is_compared_with_the_file_on_disk(file: ImageFile) -> None:
    assert by_http(file, CONTENT) == ""
    assert "length 5" in by_http(file, b"short")
    assert "bytes 0 to 65535 are not those on disk" in by_http(file, b"!" + CONTENT[1:])
    assert "are not those on disk" in by_http(file, CONTENT[:-1] + b"!")
    assert "are not those on disk" in by_http(file, CONTENT, status=200)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (None, ""),
        (Read(5, "0" * 64), "5 bytes came"),
        (NotServed("is not served"), "linux by TFTP: is not served"),
        (OperationError("no answer"), "linux by TFTP: no answer"),
    ],
)
def test_tftp_is_compared_with_the_catalogue(
    file: ImageFile, answer: Read | Exception | None, wrong: str
) -> None:
    def ask(_name: str) -> Read:
        if isinstance(answer, Exception):
            raise answer
        return answer or Read(file.size, file.sha256)

    assert wrong in served.same_by_tftp(ask, "linux", file)
    assert bool(served.same_by_tftp(ask, "linux", file)) == bool(wrong)


def test_what_is_wrong_with_many_files_alike_is_said_once() -> None:
    silent = [f"{name} by TFTP: no answer" for name in ("ipxe.efi", "ipxe.pxe", "snponly.efi")]
    assert list(served.said_once([*silent, "sb/x by TFTP: 5 bytes came"])) == [
        "ipxe.efi by TFTP: no answer; so of 2 more",
        "sb/x by TFTP: 5 bytes came",
    ]


def test_what_must_be_refused_is_sent_as_it_is() -> None:
    targets = []

    def answer(request: httpx.Request) -> httpx.Response:
        targets.append(request.extensions["target"])
        return httpx.Response(200 if len(targets) == 1 else 404)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        ask = partial(served.refused_by_http, client, "http://us")
        assert ask("/../etc/passwd") == "/../etc/passwd by HTTP is served"
        assert ask("/%2e%2e/x") == ""
    assert targets == [b"/../etc/passwd", b"/%2e%2e/x"]


def test_a_refusal_by_tftp_is_well_and_silence_is_not() -> None:
    def refuses(_name: str) -> Read:
        raise NotServed("no")

    def silent(_name: str) -> Read:
        raise OperationError("no answer")

    assert served.refused_by_tftp(refuses, "x") == ""
    assert "no answer, where a refusal should come" in served.refused_by_tftp(silent, "x")
    assert served.refused_by_tftp(lambda _name: Read(1, ""), "x") == "x by TFTP is served"


def test_without_a_server_nothing_is_asked(settings: Settings) -> None:
    assert told(served.check(Context(settings=settings))) == [
        (NOTICE, "not tried: netboot serve does not run")
    ]
