"""Every kind of BMC boots its machine in every way it has, and what its quirk entry is worth there.

The rows are run by `netboot.lab.bmc_matrix`, once; `docs/bmc-matrix.md` is written from them.
"""

import pytest

from netboot.bmc import quirks
from netboot.bmc.model import Rung
from netboot.lab.bmc_matrix import Row, Way, rows

NETWORK, HTTP, CD = Way.NETWORK, Way.HTTP, Way.CD
FULL, MATCH, SETTINGS = Rung.FULL_BODY, Rung.IF_MATCH, Rung.SETTINGS
UEFI, MEDIA, CYCLE = Rung.UEFI_HTTP, Rung.VIRTUAL_MEDIA, Rung.CYCLE_ONLY

CASES = [
    # with its entry the machine boots by …; without it, … are given up, and then it boots by …
    ("generic", NETWORK, FULL, (), FULL),
    ("generic", HTTP, UEFI, (), UEFI),
    ("generic", CD, MEDIA, (), MEDIA),
    ("dell-idrac10", NETWORK, FULL, (), FULL),
    ("dell-idrac10", HTTP, UEFI, (UEFI,), None),
    ("dell-idrac10", CD, MEDIA, (), MEDIA),
    ("dell-idrac9", NETWORK, FULL, (), FULL),
    ("dell-idrac9", HTTP, UEFI, (UEFI,), None),
    ("dell-idrac9", CD, MEDIA, (), MEDIA),
    ("hpe-ilo6", NETWORK, FULL, (), FULL),
    ("hpe-ilo6", HTTP, UEFI, (UEFI,), None),
    ("hpe-ilo6", CD, MEDIA, (), MEDIA),
    ("hpe-ilo5", NETWORK, FULL, (), FULL),
    ("hpe-ilo5", HTTP, UEFI, (UEFI,), None),
    ("hpe-ilo5", CD, MEDIA, (), MEDIA),
    ("supermicro-x10", NETWORK, FULL, (FULL, MATCH, MEDIA, CYCLE), None),
    ("supermicro-x10", CD, MEDIA, (MEDIA,), None),
    ("supermicro-x11+", NETWORK, FULL, (), FULL),
    ("supermicro-x11+", HTTP, UEFI, (), UEFI),
    ("supermicro-x11+", CD, MEDIA, (MEDIA,), None),
    ("lenovo-xcc", NETWORK, MATCH, (FULL,), MATCH),
    ("lenovo-xcc", HTTP, UEFI, (), UEFI),
    ("lenovo-xcc", CD, MEDIA, (MEDIA,), None),
    ("dgx", NETWORK, MATCH, (FULL,), MATCH),
    ("dgx", HTTP, UEFI, (), UEFI),
    ("dgx", CD, MEDIA, (MEDIA,), None),
    ("nokia", NETWORK, MATCH, (FULL,), MATCH),
    ("nokia", HTTP, UEFI, (), UEFI),
    ("nokia", CD, MEDIA, (MEDIA,), None),
    ("nettrix", NETWORK, MATCH, (FULL,), MATCH),
    ("nettrix", HTTP, UEFI, (), UEFI),
    ("nettrix", CD, MEDIA, (MEDIA,), None),
    ("inspur", NETWORK, SETTINGS, (FULL, MATCH, UEFI, MEDIA, CYCLE), None),
    ("inspur", HTTP, UEFI, (UEFI,), None),
    ("inspur", CD, MEDIA, (MEDIA,), None),
    ("ami", NETWORK, SETTINGS, (FULL, MATCH, UEFI, MEDIA, CYCLE), None),
    ("ami", HTTP, UEFI, (UEFI,), None),
    ("ami", CD, MEDIA, (MEDIA,), None),
    ("huawei", NETWORK, SETTINGS, (FULL, MATCH), SETTINGS),
    ("huawei", HTTP, UEFI, (), UEFI),
    ("huawei", CD, MEDIA, (), MEDIA),
    ("h3c", NETWORK, FULL, (), FULL),
    ("h3c", HTTP, UEFI, (), UEFI),
    ("h3c", CD, MEDIA, (MEDIA,), None),
    ("cisco", NETWORK, FULL, (), FULL),
    ("cisco", HTTP, UEFI, (), UEFI),
    ("cisco", CD, MEDIA, (MEDIA,), None),
    ("placemat", NETWORK, CYCLE, (FULL, MATCH, UEFI), CYCLE),
    ("pikvm", NETWORK, MEDIA, (FULL, MATCH, MEDIA), CYCLE),
    ("pikvm", CD, MEDIA, (MEDIA,), None),
]
each_row = pytest.mark.parametrize(("name", "way"), [case[:2] for case in CASES])


@pytest.fixture(scope="module")
def matrix() -> dict[tuple[str, Way], Row]:
    return {(row.quirk.name, row.way): row for row in rows()}


def test_every_kind_of_bmc_has_its_rows(matrix: dict[tuple[str, Way], Row]) -> None:
    assert [case[:2] for case in CASES] == list(matrix)
    assert {name for name, _ in matrix} == set(quirks.known())


@pytest.mark.parametrize(("name", "way", "rung"), [case[:3] for case in CASES])
def test_with_its_entry_a_bmc_boots_its_machine_at_the_first_try(
    matrix: dict[tuple[str, Way], Row], name: str, way: Way, rung: Rung
) -> None:
    ending = matrix[name, way].known
    assert (ending.given_up, ending.rung) == ((), rung)
    assert ending.accepted


@pytest.mark.parametrize(("name", "way", "given_up", "rung"), [(*c[:2], *c[3:]) for c in CASES])
def test_without_its_entry(
    matrix: dict[tuple[str, Way], Row],
    name: str,
    way: Way,
    given_up: tuple[Rung, ...],
    rung: Rung | None,
) -> None:
    ending = matrix[name, way].unknown
    assert (tuple(given.rung for given in ending.given_up), ending.rung) == (given_up, rung)
    assert all(given.words for given in ending.given_up)


@each_row
def test_once_was_once_and_we_logged_out(
    matrix: dict[tuple[str, Way], Row], name: str, way: Way
) -> None:
    row = matrix[name, way]
    own_order = "disk" if row.quirk.boot_patch == "works" else "network"
    assert row.known.next_boot == own_order
    assert (row.known.sessions, row.unknown.sessions) == (0, 0)


def test_every_entry_matters(matrix: dict[tuple[str, Way], Row]) -> None:
    matter = {name for (name, _), row in matrix.items() if row.entry_matters}
    assert set(quirks.known()) - matter == {"generic"}


@pytest.mark.parametrize(
    ("name", "way", "request_", "words"),
    [
        ("lenovo-xcc", NETWORK, "PATCH /redfish/v1/Systems/1 {", "428 Precondition Required"),
        ("ami", NETWORK, "PATCH /redfish/v1/Systems/Self {", "428 Precondition Required"),
        ("dell-idrac9", HTTP, '"HttpBootUri"', "400 Bad Request: The property HttpBootUri"),
        ("supermicro-x11+", CD, '"Inserted": true', "400 Bad Request: The parameter Inserted"),
        ("supermicro-x10", NETWORK, '"Once"', "no DISCOVER"),
        ("nettrix", CD, 'springboard.iso"', "400 Bad Request: The image must be a directory"),
        ("cisco", CD, "springboard.iso", "400 Bad Request: Applet is for"),
        ("hpe-ilo5", HTTP, '"HttpBootUri"', "400 Bad Request: The property HttpBootUri"),
        ("pikvm", NETWORK, "PATCH /redfish/v1/Systems/0 {", "accepted, but the BMC reports no ov"),
    ],
)
def test_the_first_refusal_in_the_bmcs_own_words(
    matrix: dict[tuple[str, Way], Row], name: str, way: Way, request_: str, words: str
) -> None:
    given = matrix[name, way].unknown.given_up[0]
    assert request_ in " ".join(given.requests)
    assert given.words.startswith(words)
