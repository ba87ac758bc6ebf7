"""What an operator has done to machines through their BMCs, each action verified.

Every method blocks, belongs into a thread, and raises BmcError with the BMC's own words. Two
actions never meet on one BMC: the second is refused at once, in words that name the first; the turn
of a job is waited for. Its status may always be read.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from netboot.bmc.credentials import Safe
from netboot.bmc.driver import Driver
from netboot.bmc.goal import Failed, Goal, Sign
from netboot.bmc.history import model_of, worked_first
from netboot.bmc.iscsi import HasIscsi
from netboot.bmc.model import BootMode, BootOverride, BootTarget, PowerAction, Rung
from netboot.bmc.volume_boot import By, volume_boot
from netboot.control.bmc_shapes import (
    Answer,
    BootAsked,
    IscsiAsked,
    Known,
    MediaAsked,
    Overview,
    PowerAsked,
    said_hardware,
    said_override,
    said_url,
)
from netboot.control.bmc_steps import (
    answer,
    eject,
    insert,
    loop,
    nothing,
    patiently,
    start,
    stop,
)
from netboot.control.consoles import Consoles
from netboot.control.iscsi_steps import boot_from, clear_target, show_target
from netboot.errors import BmcError, ConfigError, NetbootError, OperationError
from netboot.groups import Groups, in_effect
from netboot.job import JobState
from netboot.jobs.bmc_locks import BmcLocks
from netboot.jobs.bmc_turn import Opener, Turn, no_bmc, open_for, opened
from netboot.jobs.screens import Screens
from netboot.jobs.tools import SpringboardUrl
from netboot.lifecycle import TRANSITIONS, Cause
from netboot.model import Node, Profile
from netboot.store.bmc_shapes import Bmc, bmc_shown
from netboot.store.store import Store
from netboot.store.volume_shapes import Kept
from netboot.volume import INITIATOR_VAR, initiator

T = TypeVar("T")

MOST_AT_ONCE = 256
"""BMCs that are spoken to at a time: a room of machines flips in the time of one."""


class Actions:
    """Acts on the BMCs a store knows.

    Args:
        store: nodes, BMCs and timelines.
        safe: opens kept passwords; asked for when one is needed.
        arrived: called when events were kept.
        hears: whether machines' packets reach this store, so that one can be waited for.
        screens: keeps what machines showed when they missed a deadline; None: nobody does.
        opener: opens a driver.
        locks: who speaks to which BMC; with jobs in the same process, theirs.

    Attributes:
        consoles: the machines' serial lines.
        profiles: reads the profiles there are now; none, until it is set.
        springboard: where BMCs read a machine's springboard; nowhere, until it is set.
        loader: what HTTP Boot of a machine loads; None: what DHCP says.
        readable: an image's URL as a BMC reads it; the same, until it is set.
    """

    def __init__(
        self,
        store: Store,
        safe: Callable[[], Safe],
        *,
        arrived: Callable[[], None] = lambda: None,
        hears: bool = False,
        screens: Screens | None = None,
        opener: Opener = open_for,
        locks: BmcLocks | None = None,
    ) -> None:
        self._store = store
        self._safe = safe
        self._arrived = arrived
        self._hears = hears
        self._opener = opener
        self._leaving = threading.Event()
        self._locks = locks or BmcLocks(store, f"command {os.getpid()}")
        self._screens = screens
        self.springboard: SpringboardUrl = lambda _node, _bmc, _hands: None
        self.loader: Callable[[Node], str | None] = lambda _node: None
        self.readable: Callable[[str, Driver], str] = lambda url, _hands: url
        self.profiles: Callable[[], Mapping[str, Profile]] = dict
        self.consoles = Consoles(store, safe, opener, arrived, self._leaving)

    def leave(self) -> None:
        """End all waiting; what was asked of a BMC is in the timelines."""
        self._leaving.set()

    def known(self, name: str, source: str) -> Known:
        """What is kept of a node's BMC and machine; asks nobody."""
        bmc, found = self._store.bmc(name, source), self._store.inspected(name, source)
        shown = bmc_shown(bmc) if bmc else None
        return Known(shown, found.hardware, found.seen) if found else Known(shown)

    def overview(self) -> Overview:
        """Every BMC, and what is being done right now."""
        bmcs = {name: bmc_shown(bmc) for name, bmc in self._store.bmcs().items()}
        return Overview(bmcs, dict(self.under_way()))

    def under_way(self) -> Mapping[str, str]:
        """What happened last in each action that runs, by node."""
        return self._locks.under_way()

    def status(self, name: str, asker: str, source: str) -> Answer:
        """Read power, boot override and virtual media; nothing is written down."""

        def work(turn: Turn) -> Answer:
            seen = patiently(turn, turn.hands.observe)
            boot = "" if seen.boot is None else f", {said_override(seen.boot)}"
            return answer(turn, f"{seen.power}{boot}", seen)

        turn, bmc = self._turn(name, "status", asker, source)
        return self._with_driver(turn, bmc, work)

    def inspect(self, name: str, asker: str, source: str) -> Answer:
        """Read what the machine is, and keep it."""

        def work(turn: Turn) -> Answer:
            hardware = patiently(turn, turn.hands.inspect)
            self._store.keep_hardware(name, hardware, source)
            return Answer(name, said_hardware(hardware), hardware=hardware)

        return self._act(name, "inspect", asker, source, work)

    def power(self, name: str, asked: PowerAsked, asker: str, source: str) -> Answer:
        """Change the power, and see that it changed."""
        stops = asked.action in (PowerAction.OFF, PowerAction.SHUTDOWN)
        if asked.wait and not stops and not self._hears:
            problem = "hears the machine through `netboot serve`, which does not run"
            raise ConfigError(source, "wait", problem)

        def work(turn: Turn) -> Answer:
            return stop(turn, asked) if stops else start(turn, asked)

        return self._act(name, f"power {asked.action}", asker, source, work)

    def boot(self, name: str, asked: BootAsked, asker: str, source: str) -> Answer:
        """Set where it boots from, by the first way that works, and read it back."""
        wanted = asked.override(source)
        return self._act(
            *(name, f"boot {said_override(wanted)}", asker, source),
            lambda turn: self._set_boot(turn, wanted),
        )

    def media(self, name: str, asked: MediaAsked, asker: str, source: str) -> Answer:
        """Insert or eject an image, and see that it is in or out."""
        url = asked.image(source)

        def work(turn: Turn) -> Answer:
            if url is None:
                return eject(turn, asked.slot)
            image = patiently(turn, lambda: self.readable(url, turn.hands))
            return insert(turn, image, asked.slot)

        said = f"insert {said_url(url)}" if url else "eject"
        return self._act(name, f"media {said}", asker, source, work)

    def iscsi_status(self, name: str, asker: str, source: str) -> Answer:
        """Read what the firmware logs in to; nothing is written down."""
        turn, bmc = self._turn(name, "iscsi status", asker, source)
        return self._with_driver(turn, bmc, show_target)

    def iscsi(self, name: str, asked: IscsiAsked, asker: str, source: str) -> Answer:
        """Have the node boot from its volume, or its firmware from none, and see that it took."""
        said = f"iscsi {asked.action}"
        if asked.action == "clear":
            return self._act(
                name, said, asker, source, lambda turn: clear_target(turn, self._set_boot)
            )
        self._volume(name, source)

        def work(turn: Turn) -> Answer:
            kept = self._volume(name, source)  # nobody else asks this BMC now
            volume, own = kept.opened(self._safe()), self._initiator(name, source)
            can = self._iscsi_boot(turn)
            done = boot_from(turn, volume, own, iscsi_boot=can, set_boot=self._set_boot)
            if done.iscsi is not None and self._store.volume_of(name, source) != kept:
                clear_target(turn, self._set_boot)  # else two machines may write to one volume
                raise BmcError("its volume was taken from it meanwhile, so it boots from none")
            return done

        return self._act(name, said, asker, source, work)

    def _volume(self, name: str, source: str) -> Kept:
        if (kept := self._store.volume_of(name, source)) is None:
            problem = f"node {name} has no volume; netboot volume attach VOLUME {name}"
            raise ConfigError(source, "volume", problem)
        return kept

    def leave_volume(self, name: str, asker: str, source: str) -> None:
        """Have the firmware boot from no volume, where it may have been told of one.

        Raises:
            BmcError: its BMC does not do it.
        """
        found = self._store.inspected(name, source)
        if self._store.bmc(name, source) is None or not found or not found.hardware.iscsi_boot:
            return
        try:
            self.iscsi(name, IscsiAsked(action="clear"), asker, source)
        except BmcError as error:
            hint = f'`netboot node set {name} --bmc ""` has nobody ask its BMC'
            raise BmcError(f"its firmware keeps its volume: {error}; {hint}") from None

    def leave_volumes(self, names: Iterable[str], asker: str, source: str) -> None:
        """``leave_volume`` for each of these nodes that has one, before it is removed.

        Raises:
            Unknown: there is no such node.
            BmcError: a BMC does not do it; the text names the node.
        """
        for name in dict.fromkeys(names):
            if self._store.volume_of(name, source) is None:
                continue
            try:
                self.leave_volume(name, asker, source)
            except BmcError as error:
                raise BmcError(f"node {name}: {error}") from None

    def retire_volumes(self, names: Iterable[str], asker: str, source: str) -> None:
        """``leave_volumes`` before these nodes are retired, for those that may be."""
        store, live = self._store, (JobState.QUEUED, JobState.ACTIVE)
        may = [
            name
            for name in names
            if (store.get(name, source).state, Cause.RETIRE) in TRANSITIONS
            and not store.jobs(node=name, states=live, limit=1)
        ]
        self.leave_volumes(may, asker, source)

    def _iscsi_boot(self, turn: Turn) -> bool | None:
        """Whether the node's BMC sets firmware iSCSI up; it is asked where that is not known."""
        name = turn.node.name
        found = self._store.inspected(name)
        if found is not None and found.hardware.iscsi_boot is not None:
            return found.hardware.iscsi_boot
        hardware = patiently(turn, turn.hands.inspect)
        self._store.keep_hardware(name, hardware)
        return hardware.iscsi_boot

    def _initiator(self, name: str, source: str) -> str:
        """The name a node logs in by: the one iPXE would be told."""
        node = self._store.get(name, source)
        node = in_effect(node, Groups(self._store.groups()).of(node))
        try:
            return initiator(name, node.vars)
        except ValueError as error:
            raise ConfigError(source, f"vars.{INITIATOR_VAR}", str(error)) from None

    def _set_boot(self, turn: Turn, wanted: BootOverride) -> Answer:
        found = self._store.inspected(turn.node.name)
        model = model_of(found.hardware) if found else ""
        worked = self._store.rungs(model).get(wanted.target) if model else None
        ways = patiently(turn, lambda: turn.hands.rungs(wanted))
        goal = Goal(turn.mac, wanted, worked_first(ways, worked), reset=None, sign=Sign.NONE)
        if wanted.target is BootTarget.CD:
            goal = self._with_cd(turn, goal)
        if wanted.target is BootTarget.HTTP and wanted.url is None:
            goal = replace(goal, wanted=replace(wanted, url=self.loader(turn.node)))
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
        url = patiently(turn, lambda: self.springboard(turn.node, bmc, turn.hands))
        return replace(goal, iso_url=url, begins=Rung.VIRTUAL_MEDIA) if url else goal

    def _refuse_volume_by_cd(self, turn: Turn, mode: BootMode | None) -> None:
        """The springboard leads to what the profile says, which must not be a volume in BIOS mode.

        Raises:
            BmcError: it is.
        """
        node = in_effect(turn.node, Groups(self._store.groups()).of(turn.node))
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
        name = turn.node.name
        with contextlib.suppress(BmcError, OperationError):
            if (bmc := self._store.bmc(name)) is None:
                return
            hardware = self._with_driver(turn, bmc, lambda turn: turn.hands.inspect())
            self._store.keep_hardware(name, hardware)
            if model := model_of(hardware):
                self._store.remember_rung(model, target, rung)

    def _turn(self, name: str, asked: str, asker: str, source: str) -> tuple[Turn, Bmc]:
        node, bmc = self._store.get(name, source), self._store.bmc(name, source)
        if bmc is None:
            raise no_bmc(name, source)
        where = (self._store, self._arrived, self._leaving, self._screens)
        return Turn(node, asked, asker, *where), bmc

    def _act(
        self, name: str, asked: str, asker: str, source: str, work: Callable[[Turn], Answer]
    ) -> Answer:
        """Do ``work``, alone with the BMC, its beginning and its end in the timeline."""
        turn, bmc = self._turn(name, asked, asker, source)
        with self._locks.hold(bmc, turn):
            turn.tell(f"{asker} asked: {asked}", "asked")
            try:
                done = self._with_driver(turn, bmc, work)
            except NetbootError as error:
                turn.tell(f"{asked} failed: {error}", "failed")
                raise
            turn.tell(f"{asked}: {done.words}", "done")
            return done

    def _with_driver(self, turn: Turn, bmc: Bmc, work: Callable[[Turn], T]) -> T:
        """Do ``work`` while a driver is open."""
        with opened(turn, bmc, self._safe, self._opener):
            return work(turn)
