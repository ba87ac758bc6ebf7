"""What each state of a node boots, and why, case by case."""

from dataclasses import replace

import pytest

from netboot.answer.profiles import load_profiles
from netboot.decision import Decision, Verdict
from netboot.matching import Match
from netboot.model import Arch, BootSource, Client, Firmware, Mac, Node, Override, Profile, State
from netboot.policy import Rules, decide, installing

MAC = Mac("52:54:00:00:00:01")
IPXE = Client(MAC, Firmware.IPXE, Arch.X64)
NAMES = ("local", "memtest", "rescue", "sanboot")
PROFILES = {name: Profile(name, f"ipxe/{name}.ipxe") for name in NAMES} | {
    "debian-12": Profile("debian-12", "ipxe/debian.ipxe", installs=True),
    "wipe": Profile("wipe", "ipxe/debian.ipxe", wipes=True),
}
INSTALLING = "netboot node install n1"


def boots(
    state: State,
    profile: str = "debian-12",
    rules: Rules | None = None,
    *,
    installed: bool = False,
    override: Override | None = None,
    because: str = "",
) -> Decision:
    facade = ("group", "metal3")
    rules = rules or Rules(PROFILES, facade=facade if override else None)
    labels = dict([facade])
    node = Node("n1", (MAC,), profile, labels, state=state, override=override, because=because)
    match = Match(node, f"it is n1, whose profile is {profile}")
    return decide(IPXE, match, rules, installed=installed)


CASES = [
    (State.ENROLLED, "debian-12", "whose profile is debian-12"),
    (State.INSPECTING, "local", f"until somebody asks; `{INSTALLING}` installs it"),
    (State.AVAILABLE, "local", "it is available, so it starts from its disk"),
    (State.INSTALLING, "debian-12", "whose profile is debian-12"),
    (State.REINSTALLING, "debian-12", "whose profile is debian-12"),
    (State.INSTALLED, "local", f"`{INSTALLING} --reinstall` installs it again"),
    (State.RESCUE, "rescue", "it is in rescue, whatever its profile; `netboot node rescue n1 -"),
    (State.WIPING, "wipe", "it is being wiped, whatever its profile"),
    (State.FAILED, "local", f"`{INSTALLING}` tries again"),
    (State.MAINTENANCE, "local", "; `netboot node maintenance n1 --off` ends that"),
    (State.RETIRED, None, "it is retired, so it is not answered; `netboot node retire n1 --off`"),
]


@pytest.mark.parametrize(("state", "profile", "why"), CASES)
def test_each_state_boots_this_and_says_why(state: State, profile: str | None, why: str) -> None:
    decision = boots(state)
    assert decision.profile == profile
    assert decision.verdict is (Verdict.SCRIPT if profile else Verdict.IGNORE)
    assert why in decision.reasons[0]


def test_every_state_of_a_registered_machine_is_above() -> None:
    assert {state for state, _, _ in CASES} == set(State) - {State.DISCOVERED}


@pytest.mark.parametrize("state", [state for state, _, _ in CASES])
def test_a_profile_that_installs_nothing_goes_on_unless_the_state_says_what_boots(
    state: State,
) -> None:
    by_state = {
        State.RESCUE: "rescue",
        State.WIPING: "wipe",
        State.MAINTENANCE: "local",
        State.RETIRED: None,
    }
    assert boots(state, "memtest").profile == by_state.get(state, "memtest")


@pytest.mark.parametrize("state", [state for state, _, _ in CASES])
def test_who_called_home_is_not_erased_in_any_state(state: State) -> None:
    decision = boots(state, installed=True)
    assert decision.profile is None or not PROFILES[decision.profile].erases


@pytest.mark.parametrize("source", [BootSource.PXE, BootSource.CD, BootSource.NONE])
@pytest.mark.parametrize("state", [State.RESCUE, State.WIPING, State.MAINTENANCE, State.RETIRED])
def test_what_is_said_over_redfish_does_not_reach_it_then_and_is_not_used_up(
    state: State, source: BootSource
) -> None:
    override = Override(source, once=True, image="http://cd.example/a.iso", number=7)
    decision = boots(state, override=override)
    assert decision == replace(boots(state), override=None)


def test_a_boot_override_installs_nothing_that_nobody_asked_for() -> None:
    pxe = Override(BootSource.PXE, once=True)
    assert boots(State.AVAILABLE, override=pxe).profile == "local"
    assert boots(State.INSTALLING, override=pxe).profile == "debian-12"


class TestFailed:
    def test_the_machine_s_own_screen_says_why_and_what_tries_again(self) -> None:
        decision = boots(State.FAILED, because="no DISCOVER in 300 s; is the NIC plugged in?")
        assert decision.notice == (
            "n1: what was done to it last failed (no DISCOVER in 300 s; is the NIC plugged in?). "
            "It starts from its disk; to try again: netboot node install n1"
        )

    def test_no_other_state_has_anything_to_say_there(self) -> None:
        others = [state for state, _, _ in CASES if state is not State.FAILED]
        assert {boots(state, because="of before").notice for state in others} == {""}

    def test_nor_has_one_that_got_there_after_all(self) -> None:
        decision = boots(State.FAILED, installed=True)
        assert (decision.profile, decision.notice) == ("local", "")


@pytest.mark.parametrize(("state", "missing"), [(State.RESCUE, "rescue"), (State.WIPING, "wipe")])
def test_a_profile_that_is_not_there_is_named_and_the_disk_is_started(
    state: State, missing: str
) -> None:
    left = {name: profile for name, profile in PROFILES.items() if name != missing}
    decision = boots(state, rules=Rules(left))
    assert decision.profile == "local"
    assert f"there is no profile {missing}, so it starts from its disk" in decision.reasons[0]
    assert boots(state, rules=Rules({})).verdict is Verdict.IGNORE


def test_the_profiles_that_states_boot_are_shipped() -> None:
    shipped = load_profiles()
    wanted = {profile for _, profile, _ in CASES if profile}
    assert wanted <= shipped.keys()
    assert not shipped["rescue"].installs
    assert shipped["wipe"].erases


def test_who_asks_for_an_installation_means_no_profile_that_only_erases() -> None:
    scrub = Profile("scrub", "ipxe/linux.ipxe", wipes=True)
    assert installing({**PROFILES, "scrub": scrub}) == {"debian-12"}


@pytest.mark.parametrize("state", [State.ENROLLED, State.AVAILABLE, State.INSTALLED])
def test_a_profile_that_only_erases_is_given_to_nobody_who_did_not_ask_by_name(
    state: State,
) -> None:
    """Nobody said twice that this machine's disks are to be erased."""
    decision = boots(state, profile="wipe")
    assert decision.profile == "local"
    assert "profile wipe erases disks, and nobody asked for that" in decision.reasons[0]
    assert "`netboot node wipe n1 --confirm n1` does" in decision.reasons[0]


def test_nor_to_machines_that_nobody_registered() -> None:
    stranger = decide(IPXE, None, Rules(PROFILES, unknown="wipe"))
    assert stranger.profile == "local"
    assert "profile wipe erases disks, and nobody asked for that" in stranger.reasons[0]
