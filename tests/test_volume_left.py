"""A machine's volume in what is done to it besides: an installation, and a boot by virtual CD."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from netboot.bmc.iscsi import BootPlace, IscsiTarget
from netboot.bmc.model import BootMode, BootTarget, Rung, Secret
from netboot.control.bmc_shapes import BootAsked
from netboot.control.inventory import Direct
from netboot.errors import BmcError
from netboot.events import Kind
from netboot.job import JobKind, JobState
from netboot.jobs.inspect import ASK_AGAIN
from netboot.jobs.screens import screens_in
from netboot.model import Profile, State
from netboot.store.shapes import Conflict
from netboot.store.volume_shapes import NewVolume
from netboot.volume import Volume
from tests.fake_bmc import MACHINE, FakeBmc
from tests.job_site import SOURCE, JobSite, job_site

IQN = "iqn.2026-01.com.example:disk1"
TARGET = IscsiTarget(IQN, "192.0.2.9", 3260, 1, "iqn.2026-01.internal.netboot:n1")
CD_FIRST = (Rung.VIRTUAL_MEDIA,)


@dataclass
class IscsiBmc(FakeBmc):
    """One that sets firmware iSCSI up."""

    target: IscsiTarget | None = TARGET
    mode: BootMode = BootMode.UEFI
    place: BootPlace | None = None

    def boot_mode(self) -> BootMode | None:
        return self.mode

    def iscsi_target(self, macs: Sequence[str]) -> IscsiTarget | None:  # noqa: ARG002 -- the protocol's
        return self.target

    def set_iscsi_boot_target(
        self,
        target: IscsiTarget,
        secret: Secret | None,  # noqa: ARG002 -- likewise
        macs: Sequence[str],  # noqa: ARG002 -- likewise
    ) -> str | None:
        self.asked.append("set the target")
        self.target = target
        return None

    def iscsi_place(self, target: IscsiTarget) -> BootPlace | None:  # noqa: ARG002 -- likewise
        return self.place

    def put_iscsi_first(self, target: IscsiTarget, macs: Sequence[str]) -> str | None:  # noqa: ARG002 -- likewise
        self.asked.append("put it first")
        return None

    def put_iscsi_back(self) -> str | None:
        self.asked.append("put it back")
        return None

    def clear_iscsi_boot_target(self, macs: Sequence[str]) -> str | None:  # noqa: ARG002 -- likewise
        self.asked.append("clear the target")
        self._said("clear")
        self.target = None
        return "PATCH iSCSIBoot"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSite]:
    with job_site(tmp_path, monkeypatch) as made:
        made.add("n1")
        made.bmcs["n1"] = IscsiBmc()
        volume = Volume("disk1", TARGET.name, TARGET.address)
        made.store.add_volume(NewVolume(volume, None))
        made.store.attach_volume("disk1", "n1")
        made.store.keep_hardware("n1", replace(MACHINE, iscsi_boot=True))
        yield made


class TestInstall:
    def test_before_the_first_step_the_firmware_forgets_the_volume(self, site: JobSite) -> None:
        site.submit()
        site.turns()
        assert site.bmcs["n1"].asked == [
            *("clear the target", "boot pxe by full-body", "power cycle"),
        ]
        assert any("boots from no volume any more" in line for line in site.told(Kind.BMC))
        site.boots()
        site.calls_home()
        assert site.job().state is JobState.DONE
        assert site.bmcs["n1"].asked.count("clear the target") == 1

    def test_a_volume_that_is_first_in_the_boot_order_is_put_back_before(
        self, site: JobSite
    ) -> None:
        bmc = site.bmcs["n1"]
        assert isinstance(bmc, IscsiBmc)
        bmc.place = BootPlace.AWAITED
        site.submit()
        site.turns()
        assert bmc.asked[:2] == ["put it back", "clear the target"]

    def test_a_bmc_that_has_no_time_is_asked_again_before_anything_else(
        self, site: JobSite
    ) -> None:
        busy = BmcError("503", retryable=True)
        site.bmcs["n1"].refuses = {"clear": [busy, busy]}
        site.submit()
        site.turns()
        assert site.bmcs["n1"].asked == ["clear the target"]
        site.pass_(3 * ASK_AGAIN)
        assert site.bmcs["n1"].asked[2:] == [
            *("clear the target", "boot pxe by full-body", "power cycle"),
        ]

    def test_a_bmc_that_refuses_fails_it_in_its_own_words(self, site: JobSite) -> None:
        site.bmcs["n1"].refuses = {"clear": BmcError("400 Bad Request: not while in use")}
        site.submit()
        site.turns()
        job = site.job()
        assert (job.state, "not while in use" in job.outcome) == (JobState.FAILED, True)
        assert "power cycle" not in site.bmcs["n1"].asked

    def test_a_bmc_that_is_not_known_to_have_it_is_not_asked(self, site: JobSite) -> None:
        site.store.keep_hardware("n1", replace(MACHINE, iscsi_boot=None))
        site.submit()
        site.turns()
        assert site.bmcs["n1"].asked == ["boot pxe by full-body", "power cycle"]


class TestVirtualCd:
    @pytest.fixture
    def cd(self, site: JobSite) -> JobSite:
        """Its profile starts a volume, and a virtual CD would lead to that."""
        volume = Profile("debian-12", "volume.ipxe", volume=True)
        site.actions.profiles = lambda: {"debian-12": volume}
        site.actions.springboard = lambda _node, _bmc, _hands: site.iso
        site.bmcs["n1"].ways = CD_FIRST
        return site

    @staticmethod
    def boot(site: JobSite, mode: BootMode | None = None) -> None:
        asked = BootAsked(target=BootTarget.CD, mode=mode)
        site.actions.boot("n1", asked, "alice", SOURCE)

    @pytest.mark.parametrize("asked", [BootMode.BIOS, None])
    def test_in_bios_mode_it_is_refused_by_these_words(
        self, cd: JobSite, asked: BootMode | None
    ) -> None:
        cd.bmcs["n1"] = IscsiBmc(mode=BootMode.BIOS, ways=CD_FIRST)
        with pytest.raises(BmcError) as caught:
            self.boot(cd, asked)
        assert str(caught.value) == "virtual media cannot boot a volume in BIOS mode"
        assert cd.bmcs["n1"].asked == []

    def test_in_uefi_mode_it_is_not(self, cd: JobSite) -> None:
        self.boot(cd)
        assert cd.bmcs["n1"].asked == ["boot cd by virtual-media"]

    def test_nor_where_the_profile_starts_something_else(self, cd: JobSite) -> None:
        cd.actions.profiles = dict
        self.boot(cd, BootMode.BIOS)
        assert cd.bmcs["n1"].asked == ["boot cd by virtual-media"]


class TestRetiredOrRemoved:
    """Who takes a node out of service, or forgets it, leaves no target behind in its firmware."""

    @pytest.fixture
    def inventory(self, site: JobSite, tmp_path: Path) -> Direct:
        inventory = Direct(site.store, SOURCE, {}, lambda: site.safe, screens_in(tmp_path), {})
        vars(inventory)["_actions"] = site.actions
        return inventory

    @staticmethod
    def retire(inventory: Direct, name: str = "n1") -> None:
        inventory.jobs.change_state({"names": [name], "cause": "retire"})

    def test_a_retired_one_s_firmware_forgets_its_volume_which_stays_attached(
        self, site: JobSite, inventory: Direct
    ) -> None:
        self.retire(inventory)
        assert site.bmcs["n1"].asked == ["clear the target"]
        assert site.store.get("n1").state is State.RETIRED
        assert site.store.volume_of("n1") is not None

    def test_so_does_a_removed_one_s(self, site: JobSite, inventory: Direct) -> None:
        inventory.remove("n1")
        assert site.bmcs["n1"].asked == ["clear the target"]
        assert [node.name for node in site.store.list()] == []

    @pytest.mark.parametrize("way", ["retire", "remove"])
    def test_a_bmc_that_refuses_keeps_all_as_it_is_and_the_way_round_is_said(
        self, site: JobSite, inventory: Direct, way: str
    ) -> None:
        site.bmcs["n1"].refuses = {"clear": BmcError("400 Bad Request: not while in use")}
        act = inventory.remove if way == "remove" else partial(self.retire, inventory)
        with pytest.raises(BmcError) as caught:
            act("n1")
        assert "its firmware keeps its volume: 400 Bad Request" in str(caught.value)
        assert '`netboot node set n1 --bmc ""`' in str(caught.value)
        assert site.store.get("n1").state is State.ENROLLED

    def test_a_node_that_may_not_be_retired_keeps_its_target(
        self, site: JobSite, inventory: Direct
    ) -> None:
        site.submit(kind=JobKind.INSPECT)
        with pytest.raises(Conflict):
            self.retire(inventory)
        assert site.bmcs["n1"].asked == []

    def test_without_a_volume_no_bmc_is_asked(self, site: JobSite, inventory: Direct) -> None:
        site.store.attach_volume("disk1", None)
        self.retire(inventory)
        inventory.remove("n1")
        assert site.bmcs["n1"].asked == []
