"""Where machines boot from next, set through their BMCs by the first way that works."""

import contextlib
from dataclasses import replace

from netboot.bmc.goal import Failed, Goal, Sign
from netboot.bmc.history import model_of, worked_first
from netboot.bmc.iscsi import HasIscsi
from netboot.bmc.model import BootMode, BootOverride, BootTarget, Rung
from netboot.bmc.volume_boot import By, volume_boot
from netboot.control.acting import Acting
from netboot.control.bmc_shapes import Answer, BootAsked, said_override
from netboot.control.bmc_steps import loop, nothing, patiently
from netboot.errors import BmcError, NotBootable, OperationError
from netboot.jobs.bmc_turn import Turn


class BootActions(Acting):
    """Boot overrides; with a CD, also the one that leads to us."""

    def boot(self, name: str, asked: BootAsked, asker: str, source: str) -> Answer:
        """Set where it boots from, by the first way that works, and read it back."""
        wanted = asked.override(source)
        return self._act(
            *(name, f"boot {said_override(wanted)}", asker, source),
            lambda turn: self._set_boot(turn, wanted),
        )

    def _set_boot(self, turn: Turn, wanted: BootOverride) -> Answer:
        found = self._store.inspected(turn.node.name)
        model = model_of(found.hardware) if found else ""
        worked = self._store.rungs(model).get(wanted.target) if model else None
        ways = patiently(turn, lambda: turn.hands.rungs(wanted))
        goal = Goal(turn.mac, wanted, worked_first(ways, worked), reset=None, sign=Sign.NONE)
        if wanted.target is BootTarget.CD:
            goal = self._with_cd(turn, goal)
        if wanted.target is BootTarget.HTTP and wanted.url is None:
            goal = replace(
                goal, wanted=replace(wanted, url=self.loader(self._in_effect(turn.node)))
            )
        if not goal.usable():
            problem = "has no boot override: the machine boots in its own order, and is given what"
            raise BmcError(f"{turn.hands.name} {problem} its profile says when that is the network")
        end = loop(turn, goal, nothing, model=model).run().end
        if isinstance(end, Failed):
            raise BmcError(end.why)
        if not model and end.rung is not goal.usable()[0]:
            self._learn(turn, wanted.target, end.rung)
        there = goal.override(end.rung)
        note = f"; {end.note}" if end.note else ""
        words = f"boots {said_override(there)}, set by {end.rung}{note}"
        return Answer(turn.node.name, words, boot=there, rung=end.rung)

    def _with_cd(self, turn: Turn, goal: Goal) -> Goal:
        """A goal to start from a CD: where none is inserted, the one that leads to us."""
        media = patiently(turn, turn.hands.observe).media
        bmc = self._store.bmc(turn.node.name)
        if bmc is None or not media or any(medium.inserted for medium in media):
            return goal
        self._refuse_volume_by_cd(turn, goal.wanted.mode)
        node = self._in_effect(turn.node)
        try:
            url = patiently(turn, lambda: self.springboard(node, bmc, turn.hands))
        except NotBootable as problem:
            raise BmcError(str(problem)) from None
        return replace(goal, iso_url=url, begins=Rung.VIRTUAL_MEDIA) if url else goal

    def _refuse_volume_by_cd(self, turn: Turn, mode: BootMode | None) -> None:
        """The springboard leads to what the profile says, which must not be a volume in BIOS mode.

        Raises:
            BmcError: it is.
        """
        node = self._in_effect(turn.node)
        profile = self.profiles().get(node.profile or "")
        if profile is None or not profile.volume:
            return
        hands = turn.hands
        if mode is None and isinstance(hands, HasIscsi):
            mode = patiently(turn, hands.boot_mode)
        way = volume_boot(mode, iscsi_boot=None, by_virtual_media=True)
        if way.by is By.NOBODY:
            raise BmcError(way.why)

    def _learn(self, turn: Turn, target: BootTarget, rung: Rung) -> None:
        """The plain way did not work: learn the model, so that the next one is spared it."""
        with contextlib.suppress(BmcError, OperationError):
            hardware = turn.hands.inspect()
            self._store.keep_hardware(turn.node.name, hardware)
            if model := model_of(hardware):
                self._store.remember_rung(model, target, rung)
