"""What the doctor, ``image fetch`` and ``explain`` say of chains for Secure Boot, of files here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from netboot.answer.profiles import load_profiles
from netboot.config import Server, Settings
from netboot.control.explained import Explained, Explainer
from netboot.doctor import Context, Severity, images, secure_boot
from netboot.doctor.records import Records
from netboot.events import Event, Kind
from netboot.media import own
from netboot.media.progress import silent
from netboot.model import Arch, Client, Firmware, Mac, Node
from netboot.snapshot import Snapshot
from tests.test_secure_boot import GRUB, SHIM, Site
from tests.uefi_program import grub, program

MAC = Mac("52:54:00:00:00:01")
N1 = Node("n1", (MAC,), "debian-13", secure_boot=True)
CLIENT = Client(MAC, Firmware.UEFI, Arch.X64)
ASKED = Event(Kind.DISCOVER, MAC, "n1", "asks", {"arch": 7, "firmware": "uefi"})
RECORDS = Records(Snapshot(1, (N1,)), (ASKED,))


@pytest.fixture
def chain(tmp_path: Path) -> Site:
    return Site(tmp_path / "files")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(server=Server(data_dir=str(tmp_path / "data")))


def put(chain: Site, settings: Settings) -> None:
    """The chain's files as images of the site, and the kernel as that of ``debian-13``."""
    initrd = chain.folder / "initrd.gz"
    initrd.write_bytes(b"initrd")
    loaders = {name: path for name, path in chain.files.items() if name != "linux"}
    installer = {"linux": chain.files["linux"], "initrd.gz": initrd}
    for image, files in (("secure-boot", loaders), ("debian-13", installer)):
        given = own.files_of([f"{path}={name}" for name, path in files.items()])
        own.add(image, given, settings.images_dir, silent, None)


def findings(settings: Settings, records: Records = RECORDS) -> list[tuple[Severity, str]]:
    context = Context(settings=settings, records=records, profiles=load_profiles())
    return [(one.severity, one.what) for one in secure_boot.check(context)]


def explained(settings: Settings) -> Explained:
    explainer = Explainer(settings, load_profiles, lambda: "192.0.2.1")
    return explainer.explain(CLIENT, RECORDS.snapshot)


def test_a_good_chain_is_well_everywhere(chain: Site, settings: Settings) -> None:
    put(chain, settings)
    good = f"{SHIM} and what is beside it are signed, and not revoked"
    assert findings(settings) == [(Severity.OK, good)]
    context = Context(settings=settings, records=RECORDS, profiles=load_profiles())
    loaders = [one for one in images.check(context) if one.check == "loaders"]
    assert [one.severity for one in loaders] == [Severity.OK]
    said = explained(settings)
    assert (said.verdict, said.loader, said.problem) == ("loader", SHIM, "")
    assert "linux (http,192.0.2.1:8080)/images/debian-13/linux auto=true" in str(said.script)


def _old_grub(chain: Site) -> None:
    chain.put(GRUB, grub(1), chain.vendor)


def _unsigned_kernel(chain: Site) -> None:
    chain.put("linux", program({}))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_old_grub, "its grub is of generation 1, and 5 is needed"),
        (_unsigned_kernel, "images/debian-13/linux is not signed, and shim starts what Vendor or"),
    ],
)
def test_a_broken_one_is_said_to_be_by_doctor_and_by_explain(
    harm: Callable[[Site], None], said: str, chain: Site, settings: Settings
) -> None:
    harm(chain)
    put(chain, settings)
    assert [what for severity, what in findings(settings) if severity is Severity.PROBLEM]
    assert said in findings(settings)[-1][1]
    told = explained(settings)
    assert said in f"{told.reasons[-1]} {told.problem}"
    assert told.script is None


def test_who_has_no_machine_with_secure_boot_is_told_nothing(settings: Settings) -> None:
    assert findings(settings, Records(Snapshot(1, (Node("n2", (MAC,), "debian-13"),)))) == []


def _marked(profile: str) -> Records:
    return Records(Snapshot(1, (Node("n1", (MAC,), profile, secure_boot=True),)), ())


def test_what_only_ipxe_starts_is_a_finding_and_no_surprise(settings: Settings) -> None:
    [(severity, what)] = findings(settings, _marked("sanboot"))
    assert severity is Severity.PROBLEM
    assert what.startswith("node n1 is marked secure_boot, and profile sanboot is for iPXE alone")
    [(severity, what)] = findings(settings, _marked("volume"))
    assert severity is Severity.NOTICE
    assert what.endswith("only its firmware can log in to its volume")
