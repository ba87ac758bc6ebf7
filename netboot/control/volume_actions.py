"""Machines' volumes in their firmware: set, shown, and cleared before a volume or a node goes."""

from collections.abc import Iterable

from netboot.control.bmc_shapes import Answer, IscsiAsked
from netboot.control.bmc_steps import patiently
from netboot.control.boot_actions import BootActions
from netboot.control.iscsi_steps import boot_from, clear_target, show_target
from netboot.errors import BmcError, ConfigError
from netboot.job import JobState
from netboot.jobs.bmc_turn import Turn
from netboot.lifecycle import TRANSITIONS, Cause
from netboot.store.volume_shapes import Kept
from netboot.volume import INITIATOR_VAR, initiator


class VolumeActions(BootActions):
    """Firmware that boots from an iSCSI volume."""

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

    def _volume(self, name: str, source: str) -> Kept:
        if (kept := self._store.volume_of(name, source)) is None:
            problem = f"node {name} has no volume; netboot volume attach VOLUME {name}"
            raise ConfigError(source, "volume", problem)
        return kept

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
        node = self._in_effect(self._store.get(name, source))
        try:
            return initiator(name, node.vars)
        except ValueError as error:
            raise ConfigError(source, f"vars.{INITIATOR_VAR}", str(error)) from None
