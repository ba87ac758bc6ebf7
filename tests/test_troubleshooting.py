"""What our lines point to is there, and every entry says what it means, how to tell, the cure."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot import guide, simulate
from netboot.stages.table import WAITS
from tests.test_docs import HEADING, ROOT, anchors, text

PAGE = ROOT / guide.PAGE
ENTRY = re.compile(r"^### ([^\n]+)\n\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
PARTS = re.compile(
    r"\*\*Means\.\*\* \S.*\n\n\*\*Confirm\.\*\* \S.*\n\n\*\*Cure\.\*\* \S.*\n", re.DOTALL
)
CODE = re.compile(r"PXE-E[0-9A-F]{2}")


def entries() -> dict[str, str]:
    return dict(ENTRY.findall(text(PAGE)))


def pointers() -> Iterator[tuple[str, ast.expr]]:
    """Every ``see(…)`` of the code, with where it stands."""
    for path in sorted((ROOT / "netboot").rglob("*.py")):
        if "see(" not in (source := text(path)):
            continue
        for found in ast.walk(ast.parse(source)):
            if isinstance(found, ast.Call) and ast.unparse(found.func) in ("see", "guide.see"):
                yield f"{path.relative_to(ROOT)}:{found.lineno}", found.args[0]


def test_every_line_of_ours_that_points_here_points_to_an_entry() -> None:
    seen = list(pointers())
    assert len(seen) >= 5
    for where, argument in seen:
        if isinstance(argument, ast.JoinedStr):  # a stage's, which the next test looks at
            assert ast.unparse(argument).startswith("f'stalled-{"), where
        else:
            assert ast.literal_eval(argument) in anchors(PAGE), where


def test_every_stage_that_can_be_missed_has_an_entry() -> None:
    missed = {f"stalled-{stage.slug}" for stage in WAITS}
    assert missed == {one for one in anchors(PAGE) if one.startswith("stalled-")}


def test_what_a_line_says_is_where_the_page_is() -> None:
    assert guide.see("full-disk") == "see docs/troubleshooting.md#full-disk"


@pytest.mark.parametrize("title", entries())
def test_an_entry_means_confirms_and_cures(title: str) -> None:
    assert PARTS.fullmatch(entries()[title].rstrip("\n") + "\n")


def test_headings_are_words_that_make_one_anchor_each() -> None:
    titles = HEADING.findall(
        re.sub(r"^```.*?^```$", "", text(PAGE), flags=re.MULTILINE | re.DOTALL)
    )
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 :-]*", title) for title in titles)
    assert len({title.lower().replace(":", "") for title in titles}) == len(titles)
    assert len(entries()) == sum(1 for line in text(PAGE).splitlines() if line.startswith("### "))


def test_what_fake_firmware_says_when_it_fails_is_explained() -> None:
    said = CODE.findall(text(Path(simulate.__file__).parent / "firmware.py"))
    assert {one.lower() for one in said} <= anchors(PAGE)


@pytest.mark.parametrize(("kind", "least"), [("PXE-E", 20), ("iPXE ", 14)])
def test_codes_stand_in_order(kind: str, least: int) -> None:
    codes = [title for title in entries() if title.startswith(kind)]
    assert codes == sorted(codes)
    assert len(codes) >= least
