"""What firmware with Secure Boot would start: said beforehand, of programs signed here."""

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from netboot.errors import OperationError
from netboot.model import Image, ImageFile
from netboot.secure_boot import pe, sbat, signature
from netboot.secure_boot.chain import Judged, judge
from tests.uefi_program import Authority, authority, grub, program, shim, signed

SHIM, GRUB = "sb/bootx64.efi", "sb/grubx64.efi"
KERNEL = "images/own/linux"


class Site:
    """The images of a site whose shim a vendor made and Microsoft signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = ("Microsoft", "Vendor", "Stranger")
        self.microsoft, self.vendor, self.stranger = map(authority, names)
        self.files: dict[str, Path] = {}
        self.put(SHIM, shim(self.vendor.certificate), self.microsoft)
        self.put(GRUB, grub(), self.vendor)
        self.put("linux", program({}), self.vendor)
        self.put("microsoft-uefi-ca.pem", self.microsoft.pem.read_bytes())

    def put(self, name: str, content: bytes, *signers: Authority) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for signer in signers:
            content = signed(content, signer.name)
        path.write_bytes(content)
        self.files[name] = path

    def judged(self) -> dict[str, str]:
        """What is said of shims, kernels, and the loaders of machines without Secure Boot."""
        found = self.judge()
        plain = {"ipxe.efi"} & found.loaders.keys()
        shims = {name: found.loaders[name] for name in found.shims | plain}
        return shims | dict(found.kernels)

    def judge(self) -> Judged:
        held = {name: _held(name, path) for name, path in self.files.items()}
        own = {"linux": held.pop("linux"), "notes": _held("notes", self.vendor.pem)}
        for name in [name for name in held if name.startswith("own/")]:
            own[name.removeprefix("own/")] = held.pop(name)
        loader = {"ipxe.efi": held.pop("ipxe.efi")} if "ipxe.efi" in held else {}
        images = [Image("secure-boot", "1", held), Image("own", "1", own)]
        return judge([*images, Image("ipxe", "1", loader)])


def _held(name: str, path: Path) -> ImageFile:
    content = path.read_bytes()
    return ImageFile(name, path, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_chain_in_which_each_one_signed_for_the_next_is_good(site: Site) -> None:
    assert site.judged() == {SHIM: "", KERNEL: ""}


def _unsigned_shim(site: Site) -> None:
    site.put(SHIM, shim(site.vendor.certificate))


def _strangers_shim(site: Site) -> None:
    site.put(SHIM, shim(site.vendor.certificate), site.stranger)


def _changed_shim(site: Site) -> None:
    content = bytearray(site.files[SHIM].read_bytes())
    content[0x400] ^= 1
    site.put(SHIM, bytes(content))


def _no_shim(site: Site) -> None:
    site.put(SHIM, b"MZ but nothing else")


def _strangers_grub(site: Site) -> None:
    site.put(GRUB, grub(), site.stranger)


def _old_grub(site: Site) -> None:
    site.put(GRUB, grub(4), site.vendor)


def _grub_without_generations(site: Site) -> None:
    site.put(GRUB, program({}), site.vendor)


def _no_grub(site: Site) -> None:
    del site.files[GRUB]


def _no_microsoft(site: Site) -> None:
    del site.files["microsoft-uefi-ca.pem"]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_unsigned_shim, "is not signed, and firmware with Secure Boot starts what Microsoft"),
        (_strangers_shim, "is signed by Stranger, and firmware with Secure Boot starts what Micro"),
        (_changed_shim, "is not as it was when it was signed by Microsoft"),
        (_no_shim, "cannot be checked: bootx64.efi is cut off"),
        (
            _strangers_grub,
            "starts grubx64.efi, which is signed by Stranger, and shim starts what Vendor or",
        ),
        (_old_grub, "which is revoked: its grub is of generation 4, and 5 is needed"),
        (_grub_without_generations, "which says nothing of its generations"),
        (_no_grub, "has nothing beside it that it could start"),
        (_no_microsoft, "has no certificates of Microsoft beside it"),
    ],
)
def test_a_broken_chain_is_said_to_be_and_where(
    harm: Callable[[Site], None], said: str, site: Site
) -> None:
    harm(site)
    assert said in site.judged()[SHIM]


def test_a_kernel_of_another_vendor_and_an_unsigned_loader(site: Site) -> None:
    site.put("linux", program({}), site.stranger)
    site.put("ipxe.efi", program({}))
    judged = site.judged()
    assert judged[KERNEL].startswith("is signed by Stranger, and shim starts what Vendor or Micro")
    assert judged["ipxe.efi"].startswith("is not signed")
    assert judged[SHIM] == ""


def test_where_no_shim_is_good_nothing_is_started_by_one(site: Site) -> None:
    """A kernel that its vendor signed is of no use then."""
    site.put(SHIM, shim(site.vendor.certificate, least="sbat,1,1\nshim,5\n"), site.microsoft)
    revoked = "is revoked: its shim is of generation 4, and 5 is needed"
    assert site.judged() == {SHIM: revoked, KERNEL: f"needs {SHIM}, which {revoked}"}


def test_what_shim_itself_names_as_revoked_is_not_started_whoever_signed_it(site: Site) -> None:
    revoked = "is revoked: shim names it among the programs that it starts no more"
    for name, said in (("linux", {SHIM: "", KERNEL: revoked}), (GRUB, None)):
        refused = (b"\1" * 32, pe.digest(site.files[name]))
        site.put(SHIM, shim(site.vendor.certificate, refused=refused), site.microsoft)
        told = f"starts grubx64.efi, which {revoked}"
        assert site.judged() == (said or {SHIM: told, KERNEL: f"needs {SHIM}, which {told}"})


def test_a_digest_is_what_was_signed(site: Site) -> None:
    """It stands in the signature; signing once more does not change it."""
    path = site.files["linux"]
    digest = pe.digest(path)
    site.stranger.sign(path)
    assert pe.digest(path) == digest
    assert all(digest in signature for signature in pe.signatures(path))
    assert len(pe.signatures(path)) == 2


def test_what_only_shim_starts_is_no_loader(site: Site) -> None:
    """Named as a node's loader, a kernel or GRUB of the vendor's would be refused by firmware."""
    judged = site.judge()
    assert judged.kernels[KERNEL] == ""
    assert judged.loaders[KERNEL] == (
        "is signed by Vendor, and firmware with Secure Boot starts what Microsoft signed"
    )


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("sbat,1\ngrub,4\n", "is revoked: its grub is of generation 4, and 5 is needed"),
        ("sbat,1\nlinux,1\n", ""),
    ],
)
def test_a_kernel_that_says_its_generations_is_held_to_them(
    site: Site, said: str, problem: str
) -> None:
    site.put("linux", program({".sbat": said.encode()}), site.vendor)
    assert site.judged()[KERNEL] == problem


def put_ipxe(site: Site, name: str, second: str) -> Authority:
    """A shim that trusts a vendor of its own, and what that signed."""
    ipxe = authority("iPXE")
    site.put(f"own/{name}", shim(ipxe.certificate), site.microsoft)
    site.put(f"own/{second}", grub(), ipxe)
    return ipxe


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("ipxe-shim.efi", "ipxe.efi"),
        ("snponly-shimx64.efi", "snponly.efi"),
        ("arm64/snponly-shimaa64.efi", "arm64/snponly.efi"),
        ("shimx64.efi", "ipxe.efi"),
        ("shimx64.efi", "grubx64.efi"),
    ],
)
def test_a_shim_of_one_s_own_is_judged_by_what_it_starts(
    site: Site, name: str, second: str
) -> None:
    """iPXE's shim takes the first part of its own name for that of iPXE."""
    put_ipxe(site, name, second)
    assert site.judged() == {SHIM: "", KERNEL: "", f"images/own/{name}": ""}
    site.put(f"own/{second}", grub(), site.vendor)
    assert site.judged()[f"images/own/{name}"].startswith(
        f"starts {Path(second).name}, which is signed by Vendor, and shim starts what iPXE or"
    )
    del site.files[f"own/{second}"]
    assert site.judged()[f"images/own/{name}"] == "has nothing beside it that it could start"


def test_what_ipxes_shim_trusts_is_no_kernel_that_ours_would_start(site: Site) -> None:
    site.put("linux", program({}), put_ipxe(site, "ipxe-shim.efi", "ipxe.efi"))
    assert site.judged()[KERNEL].startswith("is signed by iPXE, and shim starts what Vendor or")


def test_one_good_signature_of_several_is_enough(site: Site) -> None:
    site.put(SHIM, shim(site.vendor.certificate), site.stranger, site.microsoft)
    assert signature.signers(site.files[SHIM]) == ("Stranger", "Microsoft")
    assert site.judged()[SHIM] == ""


def test_without_the_program_that_checks_nothing_is_called_good(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(site.folder))
    assert (
        site.judged()[SHIM]
        == "cannot be checked: sbverify is not installed: apt install sbsigntool"
    )


def test_nothing_is_looked_at_where_there_is_no_shim(site: Site) -> None:
    assert judge([Image("own", "1", {"linux": _held("linux", site.files["linux"])})]) == Judged()


def test_generations_are_lines_of_a_name_and_a_number() -> None:
    assert sbat.generations(b"sbat,1,x\r\ngrub,5,G,2,u\n\nodd\nalso,odd\n\0tail,9\n") == {
        "sbat": 1,
        "grub": 5,
    }
    assert list(sbat.revoked({"grub": 4, "own": 1}, {"grub": 5, "shim": 4})) == [
        "its grub is of generation 4, and 5 is needed"
    ]


@pytest.mark.parametrize("section", [b"", b"\0" * 11, b"\x01" + b"\0" * 40])
def test_revocations_in_a_form_nobody_knows(section: bytes) -> None:
    with pytest.raises(ValueError, match="it is"):
        sbat.levels(section)


NAMES = st.text("abcdefghijklmnop.", min_size=1, max_size=20).map(lambda name: f".{name}")


@given(st.dictionaries(NAMES, st.binary(min_size=1, max_size=2000), max_size=5))
def test_every_section_is_found_by_its_name(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "program.efi"
    path.write_bytes(program(sections))
    for name, content in sections.items():
        assert pe.section(path, name) == content
    assert pe.section(path, ".nobody-has-this") is None
    assert pe.signatures(path) == ()


@given(st.data())
def test_whatever_a_file_holds_it_is_a_program_or_it_is_not(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(program({".sbat": b"sbat,1", ".vendor_cert": b"x" * 16}))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, 0x3FF))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "hostile.efi"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for look in (
        pe.signatures,
        pe.digest,
        lambda file: pe.section(file, ".vendor_cert"),
        signature.signers,
    ):
        try:
            look(path)
        except pe.NotPe as problem:
            assert "\n" not in str(problem)  # noqa: PT017 -- either is right


@given(st.binary(max_size=400))
def test_whatever_stands_in_a_section_it_is_generations(text: bytes) -> None:
    found = sbat.generations(text)
    assert all(name and number >= 0 for name, number in found.items())
    try:
        sbat.levels(text)
    except ValueError as problem:
        assert str(problem).startswith("it ")  # noqa: PT017 -- either is right


def test_a_generation_longer_than_any_number_is_none() -> None:
    """shim reads 16 bits; Python refuses to read thousands of digits."""
    assert sbat.generations(b"grub," + b"9" * 5000 + b"\nshim,4\n") == {"shim": 4}


def test_revocations_that_are_said_to_be_behind_the_end_are_not_no_revocations() -> None:
    beyond = struct.pack("<III", 0, 8, 4096) + b"sbat,1\ngrub,5\n\0"
    with pytest.raises(ValueError, match="it ends before"):
        sbat.levels(beyond)


@pytest.fixture(scope="module")
def signed_shim() -> tuple[Authority, bytes, range]:
    """Who signed, a shim, and where in it whoever trusts and who signed stand."""
    signer = authority("Signer")
    content = signed(shim(signer.certificate), signer.name)
    vendor = content.index(signer.certificate.public_bytes(Encoding.DER))
    return signer, content, range(vendor - 16, len(content))


@given(data=st.data())
def test_whatever_a_signature_holds_it_is_somebody_s_or_nobody_s(
    signed_shim: tuple[Authority, bytes, range],
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    signer, whole, places = signed_shim
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.sampled_from(places))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "signed.efi"
    path.write_bytes(content)
    for look in (
        signature.signers,
        signature.vendor_certificates,
        lambda file: signature.leading_to(file, [signer.certificate]),
    ):
        try:
            look(path)
        except OperationError as problem:
            assert "\n" not in str(problem)  # noqa: PT017 -- either is right


@pytest.mark.parametrize("kind", ["06092a864886f70d010701", "06092a864886f70d010703"])
def test_what_is_signed_in_another_form_is_not_signed(tmp_path: Path, kind: str) -> None:
    """PKCS #7 data and enveloped data, where firmware looks for signed data."""
    content = bytes.fromhex(kind)
    entry = b"\x30" + bytes([len(content)]) + content
    table = struct.pack("<IHH", 8 + len(entry), 0x200, 2) + entry
    whole = bytearray(program({}))
    struct.pack_into("<II", whole, 0x58 + 112 + 4 * 8, len(whole), len(table))
    path = tmp_path / "odd.efi"
    path.write_bytes(bytes(whole) + table)
    assert pe.signatures(path) == (entry,)
    assert signature.signers(path) == ()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x57"), (b"\x0c\x06Signer", b"\x0a\x06Signer")],
    ids=["version", "name"],
)
def test_certificates_that_cannot_be_read_are_nobody_s(
    signed_shim: tuple[Authority, bytes, range], tmp_path: Path, right: bytes, wrong: bytes
) -> None:
    """Some of it is read late, when somebody asks for a name."""
    signer, whole, _ = signed_shim
    assert whole.count(right) >= 2
    path = tmp_path / "shim.efi"
    path.write_bytes(whole.replace(right, wrong))
    assert signature.signers(path) == ()
    assert signature.leading_to(path, [signer.certificate]) == ()
    with pytest.raises(OperationError, match="trusts a certificate that cannot be read"):
        signature.vendor_certificates(path)
