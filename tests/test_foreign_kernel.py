"""A kernel for another processor than the machine's is told before it is tried."""

from pathlib import Path

import pytest

from netboot.answer.profiles import load_profiles
from netboot.doctor import Severity, images
from netboot.doctor.records import Records
from netboot.events import Event, Kind
from netboot.media.foreign import foreign
from netboot.model import Image, ImageFile, Mac, Node
from netboot.policy import Rules
from netboot.snapshot import Snapshot
from netboot.store.store import Store
from tests.cli_here import Cli
from tests.doctor_site import SIZE, make_images
from tests.uefi_program import headers

X64, ARM64 = 0x8664, 0xAA64
M1 = Mac("52:54:00:00:00:01")
HEARD = Event(Kind.DISCOVER, M1, "n1", "", {"arch": 7, "firmware": "uefi"}, 1_795_000_000.0)


def image(folder: Path, *made_for: int) -> Image:
    files = {"initrd.gz": b"\x1f\x8b"}
    files |= {f"linux{number}": headers(kind) for number, kind in enumerate(made_for)}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    held = {name: ImageFile(name, folder / name, len(files[name]), "0" * 64) for name in files}
    return Image("debian-13-arm64", "1", held)


@pytest.mark.parametrize(
    ("made_for", "arch", "said"),
    [
        ([ARM64], 7, "arm64"),
        ([ARM64], 9, "arm64"),
        ([ARM64], 16, "arm64"),
        ([ARM64], 0, "arm64"),
        ([X64], 11, "x64"),
        ([0x5032], 7, "another processor"),
        ([ARM64], 11, ""),
        ([X64], 7, ""),
        ([X64], 0, ""),
        ([X64, ARM64], 11, ""),
        ([], 11, ""),
        ([X64], 0x99, ""),
    ],
)
def test_an_image_is_for_the_processors_its_programs_are_made_for(
    tmp_path: Path, made_for: list[int], arch: int, said: str
) -> None:
    assert foreign(image(tmp_path, *made_for), arch) == said


def test_what_cannot_be_read_is_nothing_strange(tmp_path: Path) -> None:
    held = image(tmp_path, ARM64)
    (tmp_path / "linux0").write_bytes(b"MZ")
    assert foreign(held, 7) == ""
    (tmp_path / "linux0").unlink()
    assert foreign(held, 7) == ""
    assert foreign(None, 7) == ""


def test_doctor_names_the_machine_and_both_processors(tmp_path: Path) -> None:
    records = Records(Snapshot(1, (Node("n1", (M1,), "debian-13-arm64"),)), (HEARD,))
    [found] = images.strange(records, Rules(load_profiles()), [image(tmp_path, ARM64)])
    assert found.severity is Severity.PROBLEM
    assert found.what == "n1: image debian-13-arm64 is for arm64, and cannot start on UEFI x64"
    assert found.cure == "netboot node set n1 --profile …"
    assert not list(images.strange(records, Rules(load_profiles()), [image(tmp_path, X64)]))


def test_explain_says_so_of_a_machine_whose_kind_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "netboot.toml"
    file.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n')
    held = make_images(tmp_path / "data" / "images")
    (held / "debian-12" / "current" / "linux").write_bytes(headers(ARM64).ljust(SIZE, b"\0"))
    with Store(f"sqlite:///{tmp_path}/data/netboot.db") as store:
        store.add(Node("n1", (M1,), "debian-12"))
        store.add(Node("n2", (Mac("52:54:00:00:00:02"),), "debian-12"))
        store.append_events([HEARD])
    cli = Cli(file, monkeypatch, capsys)
    told = "  but image debian-12 is for arm64, and cannot start on UEFI x64\n"
    assert cli("explain", "n1")[1].endswith(told)
    assert cli("explain", "n2", "--arch", "7")[1].endswith(told)
    assert told not in cli("explain", "n2")[1]
    assert told not in cli("explain", "n1", "--arch", "11")[1]
