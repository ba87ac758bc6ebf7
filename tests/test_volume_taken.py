"""Two operators at one machine: one sets its firmware's volume, the other takes the volume away."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from netboot.bmc.iscsi import IscsiTarget
from netboot.bmc.model import Secret
from netboot.control.bmc_shapes import IscsiAsked
from netboot.errors import BmcError, ConfigError
from netboot.model import Mac, Node
from netboot.store.store import Store
from netboot.store.volume_shapes import NewVolume
from netboot.volume import Volume
from tests.fake_bmc import MACHINE
from tests.job_site import JobSite, job_site
from tests.test_volume_left import TARGET, IscsiBmc

SETS = IscsiAsked(action="set")


@dataclass
class Slow(IscsiBmc):
    """One that takes its time to take a target."""

    target: IscsiTarget | None = None
    sets: Callable[[], object] = lambda: None

    def set_iscsi_boot_target(
        self, target: IscsiTarget, secret: Secret | None, macs: Sequence[str]
    ) -> str | None:
        self.sets()
        return super().set_iscsi_boot_target(target, secret, macs)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSite]:
    with job_site(tmp_path, monkeypatch) as made:
        made.add("n1")
        made.bmcs["n1"] = Slow()
        made.store.add_volume(NewVolume(Volume("disk1", TARGET.name, TARGET.address), None))
        made.store.attach_volume("disk1", "n1")
        made.store.keep_hardware("n1", replace(MACHINE, iscsi_boot=True))
        yield made


def detaches(store: Store) -> None:
    store.attach_volume("disk1", None)


def gives_it_away(store: Store) -> None:
    store.add(Node("n2", (Mac("52:54:00:00:00:09"),), "local"))
    store.attach_volume("disk1", None)
    store.attach_volume("disk1", "n2")


@pytest.mark.parametrize("takes", [detaches, gives_it_away])
def test_a_volume_that_is_taken_while_it_is_set_is_cleared_again(
    site: JobSite, takes: Callable[[Store], None]
) -> None:
    bmc = site.bmcs["n1"]
    assert isinstance(bmc, Slow)
    bmc.sets = lambda: takes(site.store)
    with pytest.raises(BmcError, match="was taken from it meanwhile, so it boots from none"):
        site.actions.iscsi("n1", SETS, "alice", "test")
    assert bmc.asked[0] == "set the target"
    assert bmc.target is None


def test_what_was_attached_when_it_was_asked_for_does_not_count(
    site: JobSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    bmc, hold = site.bmcs["n1"], site.locks.hold
    monkeypatch.setattr(
        site.locks, "hold", lambda *given: (detaches(site.store), hold(*given))[1]
    )  # as while it waits for the turn of a job
    with pytest.raises(ConfigError, match="node n1 has no volume"):
        site.actions.iscsi("n1", SETS, "alice", "test")
    assert bmc.asked == []


def test_a_volume_that_stays_is_in_force(site: JobSite) -> None:
    done = site.actions.iscsi("n1", SETS, "alice", "test")
    bmc = site.bmcs["n1"]
    assert isinstance(bmc, Slow)
    assert done.iscsi == bmc.target == TARGET
