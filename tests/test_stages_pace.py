"""How long an installation takes: as the machine's last one did, else as usual."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.events import Event, Kind
from netboot.model import Mac
from netboot.stages.pace import BEFORE, USUAL, pace
from netboot.stages.stage import Stage

MAC = Mac("52:54:00:00:00:01")
BOOT = [
    (Kind.DISCOVER, 0, {"firmware": "uefi"}),
    (Kind.OFFER, 0, {}),
    (Kind.REQUEST_4011, 3, {}),
    (Kind.ACK_4011, 3, {}),
    (Kind.LOADER, 5, {}),
    (Kind.DISCOVER, 10, {"firmware": "ipxe"}),
    (Kind.SCRIPT, 12, {}),
    (Kind.KERNEL, 15, {}),
    (Kind.INITRD, 30, {}),
    (Kind.PRESEED, 70, {}),
    (Kind.PROGRESS, 71, {"stage": "early"}),
    (Kind.PROGRESS, 100, {"stage": "partition"}),
    (Kind.PROGRESS, 700, {"stage": "late"}),
    (Kind.INSTALLED, 710, {}),
]


def boot(at: float = 0.0, last: int | None = None) -> list[Event]:
    return [Event(kind, MAC, "n1", "", data, at + when) for kind, when, data in BOOT[:last]]


def test_without_an_earlier_one_it_is_as_usual() -> None:
    found = pace([])
    assert not found.known
    assert found.seconds == BEFORE | {stage.slug: USUAL[stage] for stage in USUAL}


def test_the_last_installation_says_how_long_each_stage_takes() -> None:
    found = pace(boot())
    assert found.known
    assert found.seconds["preseed"] == 40
    assert found.seconds["base-system"] == 600, "until the next that was told of"
    assert found.seconds["packages"] == 0, "nothing told of it"
    assert found.seconds["call-home"] == 10


def test_a_boot_that_installed_nothing_says_nothing() -> None:
    assert pace([*boot(), *boot(10_000, last=-1)]) == pace(boot())
    assert not pace(boot(last=-1)).known


def test_every_stage_that_is_awaited_has_a_usual_time() -> None:
    assert list(USUAL) == [stage for stage in Stage if Stage.NOTHING < stage < Stage.DONE]


@pytest.mark.parametrize(
    ("stage", "elapsed", "left"),
    [("call-home", 0, 20), ("call-home", 15, 5), ("call-home", 900, 0), ("late", 10, 40)],
)
def test_what_is_left(stage: str, elapsed: float, left: float) -> None:
    assert pace([]).left(stage, elapsed) == left


@given(st.sampled_from(["", "nonsense", *BEFORE, *(stage.slug for stage in USUAL)]), st.floats(0))
def test_a_share_is_a_share(stage: str, elapsed: float) -> None:
    for found in (pace([]), pace(boot())):
        assert 0.0 <= found.share(stage, elapsed) <= 1.0


def test_it_only_goes_forward() -> None:
    shares = [pace([]).share(stage, 0) for stage in pace([]).seconds]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
