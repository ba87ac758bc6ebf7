"""A decision that is remembered is the one that would be made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot.boot import decisions as decisions_module
from netboot.boot.decisions import Decisions
from netboot.decision import Decision, Learned, Verdict
from netboot.model import Client, Firmware, Mac

MACS = [Mac(f"52:54:00:00:00:0{number}") for number in range(3)]


class Mind:
    """Decides by a basis that changes; counts how often it had to."""

    def __init__(self) -> None:
        self.basis: tuple[object, ...] = (0, "")
        self.thought = 0
        self.decisions = Decisions(self.decide)

    def decide(self, client: Client, learned: Learned) -> Decision:
        self.thought += 1
        verdict = Verdict.IGNORE if client.mac == MACS[2] else Verdict.LOADER
        return Decision(verdict, (f"{client} {learned} {self.basis}",))

    def of(self, client: Client, learned: Learned = Learned()) -> Decision:  # noqa: B008 -- frozen
        return self.decisions.of(client, learned, *self.basis)


CLIENTS = st.builds(
    Client, st.sampled_from(MACS), st.sampled_from([Firmware.BIOS, Firmware.UEFI]), st.just(7)
)
STEPS = st.tuples(
    CLIENTS,
    st.builds(Learned, st.integers(0, 1)),
    st.tuples(st.integers(0, 1), st.sampled_from(["", "x"])),
)


@given(st.lists(STEPS))
def test_it_is_always_what_would_be_decided_now(
    steps: list[tuple[Client, Learned, tuple[int, str]]],
) -> None:
    mind = Mind()
    for client, learned, mind.basis in steps:
        assert mind.of(client, learned) == mind.decide(client, learned)


def test_who_asks_again_is_not_thought_about_again() -> None:
    mind = Mind()
    first, second = (Client(mac, Firmware.UEFI, 7) for mac in MACS[:2])
    assert mind.of(first) is mind.of(first)
    mind.of(second)
    assert mind.thought == 2
    mind.basis = (1, "")
    mind.of(first)
    mind.of(second)
    assert mind.thought == 4


def test_nothing_is_kept_of_strangers_and_the_rest_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mind = Mind()
    for _ in range(2):
        mind.of(Client(MACS[2], Firmware.UEFI, 7))
    assert mind.thought == 2
    monkeypatch.setattr(decisions_module, "MAX_DECISIONS", 1)
    for mac in (MACS[0], MACS[1], MACS[0]):
        mind.of(Client(mac, Firmware.UEFI, 7))
    assert mind.thought == 5
