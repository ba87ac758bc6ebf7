"""Fixtures of the lab: a LAN of network namespaces for the tests that need one."""

import fcntl
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import sushy  # type: ignore[import-untyped]  # noqa: F401 -- before zope marks the abstract classes it builds on
from hypothesis import settings as hypothesis_settings

from netboot import model
from netboot.config import Server, Settings
from netboot.lab.dhcp import PlainDhcp
from netboot.lab.mirror import Mirror
from netboot.lab.namespaces import Lan
from netboot.lab.site import Site
from netboot.media import mirror as debian_mirror
from netboot.media.build import build
from netboot.media.definition import fetched
from netboot.media.fetch import fetch
from netboot.media.progress import silent
from tests.new_stores import new_stores_share_an_upgrade  # noqa: F401 -- a fixture for all
from tests.postgres import cluster, database_url, postgresql_url  # noqa: F401 -- fixtures

# a busy machine is slow; the rest is as Hypothesis has it, in CI the same examples each time
hypothesis_settings.register_profile("unhurried", hypothesis_settings.default, deadline=None)
hypothesis_settings.load_profile("unhurried")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)

CACHE = Path(os.environ.get("NETBOOT_CACHE") or Path(__file__).parent.parent / ".cache").absolute()
NEEDS_ROOT = ("root", "firmware")
SLOW = frozenset(
    {
        "test_access_process",
        "test_api_events",
        "test_api_explain",
        "test_api_jobs",
        "test_api_network",
        "test_api_nodes",
        "test_api_once",
        "test_api_schema",
        "test_api_timelines",
        "test_backup",
        "test_bench_smoke",
        "test_bmc_ipmi_rung",
        "test_bmc_matrix",
        "test_bmc_sushy_tools",
        "test_cli_bmc",
        "test_cli_explain",
        "test_cli_iscsi",
        "test_cli_job",
        "test_cli_node",
        "test_cli_timeline",
        "test_console_sol",
        "test_control_bmc",
        "test_control_process",
        "test_dashboard_access",
        "test_dashboard_live",
        "test_deploy_script",
        "test_doctor_secure_boot",
        "test_facade_redfish",
        "test_facade_validator",
        "test_http_hostile",
        "test_http_serve",
        "test_jobs_deploy",
        "test_jobs_install",
        "test_jobs_killed",
        "test_jobs_kinds",
        "test_jobs_media",
        "test_lab_bmc_validators",
        "test_lab_ipmi",
        "test_media_build",
        "test_media_drift",
        "test_media_fetch",
        "test_media_firmware",
        "test_media_ramdisk",
        "test_migrate_hostile",
        "test_node_console",
        "test_postgresql",
        "test_preseed_commands",
        "test_replica_installs",
        "test_replica_jobs",
        "test_replicas",
        "test_secure_boot",
        "test_secure_boot_refused",
        "test_store_jobs",
        "test_store_jobs_property",
        "test_store_nodes",
        "test_supervisor",
        "test_survey",
        "test_tftp_lossy",
        "test_tftp_server",
        "test_volume_command",
        "test_volume_left",
    }
)
"""Files that ``make check``, which takes less than a minute, leaves to ``make test``."""
LAST_SAID = 4000
"""Bytes of each log that a failed test shows."""
HEAVIEST_FIRST = ("firmware", "mirror", "root", "slow")


def pytest_configure() -> None:
    """Let Ctrl-C end what tests start, also where a shell runs us in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: processes that share a run end together then.

    While the first of all fetches the images, the others have files that need none and mostly wait.
    """
    weights: dict[Path, int] = {}
    fetching: set[Path] = set()
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)
        weights[item.path] = min(_weight(item), weights.get(item.path, len(HEAVIEST_FIRST)))
        if "images" in getattr(item, "fixturenames", ()):
            fetching.add(item.path)
    items.sort(key=lambda item: weights[item.path])
    first = next((item.path for item in items if item.path in fetching), None)
    of_root = HEAVIEST_FIRST.index("root")

    def turn(path: Path) -> int:
        if path == first:
            return 0
        return 1 if weights[path] <= of_root and path not in fetching else 2

    items.sort(key=lambda item: turn(item.path))


def _weight(item: pytest.Item) -> int:
    marked = (item.get_closest_marker(name) for name in HEAVIEST_FIRST)
    return next((at for at, mark in enumerate(marked) if mark), len(HEAVIEST_FIRST))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that needs root says so instead of being skipped: a green run proves something."""
    marked = [name for name in NEEDS_ROOT if item.get_closest_marker(name)]
    if marked and os.geteuid() != 0:
        pytest.fail(
            f"marked {marked[0]!r}: it makes network namespaces, so it needs root;"
            " run pytest with sudo, or deselect with -m 'not root and not firmware'",
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of a test that failed on a LAN what its machines and servers said last."""
    report = yield
    made = getattr(item, "funcargs", {}).get("lan")
    if report.failed and isinstance(made, Lan):
        logs = (*made.directory.glob("machine-*/serial.log"), *made.directory.glob("serve-*.log"))
        for log in logs:
            said = log.read_bytes()[-LAST_SAID:].decode("utf-8", "replace")
            report.sections.append((str(log.relative_to(made.directory)), said))
    return report


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan("test") as made:
        yield made


@contextmanager
def _cache_locked() -> Iterator[IO[str]]:
    """Keep the other processes of the run from fetching; a file that they all can write."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "current-for").open("a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file


@pytest.fixture(scope="session")
def images(testrun_uid: str) -> Path:
    """Every image that ships, fetched or found current once in a run, however many share it."""
    settings = Settings(server=Server(data_dir=str(CACHE)))
    with _cache_locked() as run:
        if run.read() != testrun_uid:
            fetch(list(fetched()), settings, silent)
            run.truncate(0)
            run.write(testrun_uid)
    return settings.images_dir


@pytest.fixture
def alone_in_cache(images: Path) -> Iterator[None]:
    """For what fetches by itself: two cannot fetch into one folder at once."""
    assert images.is_dir()
    with _cache_locked():
        yield


@pytest.fixture(scope="session")
def built() -> Callable[[str], model.Image]:
    """Build an image by its name, a minute or two, unless the cache has it."""

    def build_one(name: str) -> model.Image:
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "building").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # of the other processes of the run
            return build(name, Settings(server=Server(data_dir=str(CACHE))), silent).image

    return build_one


@pytest.fixture
def lan_with_dhcp(lan: Lan) -> Lan:
    """A LAN with a plain DHCP server nobody touched."""
    PlainDhcp(lan)
    return lan


@pytest.fixture
def mirror(lan: Lan) -> Mirror:
    return Mirror(lan.host("mirror"), debian_mirror.find(Settings()).url)


@pytest.fixture
def site(lan_with_dhcp: Lan, images: Path, mirror: Mirror) -> Site:
    return Site(lan_with_dhcp, images, mirror.url)
