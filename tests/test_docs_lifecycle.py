"""The page on the life of a node says all of it, and says of Ironic's states what is so."""

import re

import pytest

from netboot.lifecycle import BACK, TRANSITIONS, Cause
from netboot.model import State
from tests.test_docs import ROOT, section, text

PAGE = "docs/lifecycle.md"
ROW = re.compile(r"^\| (?P<theirs>.+?) \| (?P<ours>.+?) \| (?P<why>.+?) \|$", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")

STATES = """
    enroll verifying manageable available active deleting error
    deploying wait+call-back deploy+failed deploy+hold cleaning clean+wait clean+failed clean+hold
    inspecting inspect+wait inspect+failed adopting adopt+failed
    rescuing rescue+wait rescue rescue+failed unrescuing unrescue+failed
    servicing service+wait service+failed service+hold
"""
IRONIC = {name.replace("+", " ") for name in STATES.split()}
"""Ironic's provision states: its documentation, "Bare Metal State Machine"."""


@pytest.mark.parametrize("cause", Cause)
def test_the_picture_has_an_arrow_for_every_cause_and_none_that_is_not_so(cause: Cause) -> None:
    inside = set(re.findall(r"^ {8}(\w+)$", text(ROOT / PAGE), re.MULTILINE))
    drawn = set()
    for of, to, causes in re.findall(
        r"^ {4}(\w+) --> (\w+): (.+)$", text(ROOT / PAGE), re.MULTILINE
    ):
        if cause in causes.split(", "):
            drawn |= {(one, to) for one in (inside if of == "rest" else {of}) if one != to}
    so: set[tuple[str, str]] = {
        (of, to) for (of, why), to in TRANSITIONS.items() if why is cause and of is not to
    }
    so |= {(of, "back") for of, why in BACK if why is cause}
    assert drawn == (set() if cause is Cause.REMOVED else so)


def test_each_state_of_ironic_is_one_of_ours_and_it_says_why() -> None:
    rows = [
        row for row in ROW.finditer(section(PAGE, "Compared with Ironic")) if row["ours"] != "here"
    ]
    named = [name for row in rows for name in QUOTED.findall(row["theirs"])]
    assert set(named) >= IRONIC
    ours = {name for row in rows for name in QUOTED.findall(row["ours"])}
    assert ours == set(State)
    assert all(row["why"].endswith(".") for row in rows if set(row["why"]) != {"-"})
