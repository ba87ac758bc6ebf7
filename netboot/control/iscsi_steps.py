"""A machine's boot from its volume, set and cleared by its BMC: each step is read back.

Where its firmware logs in: the target first, then the boot device, which stays (a machine without a
disk of its own boots from its volume every time). Clearing it goes the other way round.
"""

import ipaddress
import socket
from collections.abc import Callable

from netboot.bmc.iscsi import BootPlace, HasIscsi, IscsiTarget
from netboot.bmc.model import BootMode, BootOverride, BootTarget, Secret
from netboot.bmc.volume_boot import By, volume_boot
from netboot.control.bmc_shapes import Answer, said_override
from netboot.control.bmc_steps import LOOK_EVERY, attempt, patiently
from netboot.errors import BmcError, OperationError
from netboot.jobs.bmc_turn import Turn
from netboot.volume import FIRMWARE_SECRET, Volume

SHOWS_WITHIN = 60.0
"""Seconds in which a BMC must show a target that it took."""

SetBoot = Callable[[Turn, BootOverride], Answer]
"""Sets a boot override and reads it back."""

_PLACES = {
    BootPlace.FIRST: "first in its boot order",
    BootPlace.AWAITED: "first in its boot order as soon as a start has found it",
    BootPlace.ELSEWHERE: "not first in its boot order",
}

FROM_NETWORK = BootOverride(BootTarget.PXE, once=False)
FROM_VOLUME = BootOverride(BootTarget.ISCSI, once=False, mode=BootMode.UEFI)


def target_of(volume: Volume, initiator: str) -> IscsiTarget:
    """A volume as firmware is told of it. Blocks while a name is resolved.

    Raises:
        OperationError: its portal has no address.
    """
    address = _address(volume.portal)
    return IscsiTarget(volume.target, address, volume.port, volume.lun, initiator, volume.chap_user)


def boot_from(
    turn: Turn, volume: Volume, initiator: str, *, iscsi_boot: bool | None, set_boot: SetBoot
) -> Answer:
    """Have the machine boot from ``volume`` each time: by its firmware, or by iPXE.

    Args:
        turn: whose driver is open.
        volume: with its secret.
        initiator: who the machine is to the target.
        iscsi_boot: whether its BMC sets firmware iSCSI up, as far as that is known.
        set_boot: sets the boot device.

    Raises:
        BmcError: it did not take.
        OperationError: the volume's portal has no address.
    """
    hands = turn.hands
    mode = patiently(turn, hands.boot_mode) if isinstance(hands, HasIscsi) else None
    fits = len(volume.chap_secret) <= FIRMWARE_SECRET
    way = volume_boot(mode, iscsi_boot=iscsi_boot, secret_fits=fits)
    if way.by is By.FIRMWARE:
        secret = Secret(volume.chap_secret) if volume.chap_secret else None
        return _set_target(turn, target_of(volume, initiator), secret, set_boot)
    done = set_boot(turn, FROM_NETWORK)
    words = f"{way.why}, where its profile says so; {done.words}"
    return Answer(turn.node.name, words, boot=done.boot)


def _set_target(
    turn: Turn, target: IscsiTarget, secret: Secret | None, set_boot: SetBoot
) -> Answer:
    """Have the firmware log in to ``target`` and boot from it."""
    hands, macs = _hands(turn), turn.node.macs
    attempt(
        turn, f"iSCSI target {target}", lambda: hands.set_iscsi_boot_target(target, secret, macs)
    )
    _until(turn, hands, target)
    words = f"its firmware boots from {target}"
    if patiently(turn, lambda: hands.iscsi_place(target)) is not None:
        place = _put_first(turn, hands, target, set_boot)
        return Answer(turn.node.name, f"{words}, {_PLACES[place]}", iscsi=target)
    if not patiently(turn, lambda: turn.hands.rungs(FROM_VOLUME)):
        return Answer(turn.node.name, f"{words}, in its own boot order", iscsi=target)
    boot = set_boot(turn, FROM_VOLUME)
    return Answer(turn.node.name, f"{words}; {boot.words}", iscsi=target, boot=boot.boot)


def _put_first(turn: Turn, hands: HasIscsi, target: IscsiTarget, set_boot: SetBoot) -> BootPlace:
    """Have the firmware's boot order begin with ``target``, and nothing override it."""
    seen = patiently(turn, turn.hands.observe)
    if seen.boot is not None and seen.boot.target is not BootTarget.NONE:
        set_boot(turn, BootOverride(BootTarget.NONE))

    def act() -> str | None:
        return hands.put_iscsi_first(target, turn.node.macs)

    if patiently(turn, lambda: hands.iscsi_place(target)) is BootPlace.ELSEWHERE:
        attempt(turn, "its place in the boot order", act)
    return _until_placed(turn, hands, target, is_first=True)


def clear_target(turn: Turn, set_boot: SetBoot) -> Answer:
    """Have the firmware log in to nothing, and take our boot device back.

    Raises:
        BmcError: this BMC cannot, or it did not take.
    """
    hands, macs = _hands(turn), turn.node.macs
    seen = patiently(turn, turn.hands.observe)
    if seen.boot is not None and seen.boot.target is BootTarget.ISCSI:
        set_boot(turn, BootOverride(BootTarget.NONE))
    if (target := patiently(turn, lambda: hands.iscsi_target(macs))) is None:
        return Answer(turn.node.name, "its firmware boots from no volume")
    if patiently(turn, lambda: hands.iscsi_place(target)) in (BootPlace.FIRST, BootPlace.AWAITED):
        attempt(turn, "its place in the boot order, taken back", hands.put_iscsi_back)
        _until_placed(turn, hands, target, is_first=False)
    attempt(turn, "clear the iSCSI target", lambda: hands.clear_iscsi_boot_target(macs))
    _until(turn, hands, None)
    return Answer(turn.node.name, "its firmware boots from no volume any more")


def show_target(turn: Turn) -> Answer:
    """Read what the firmware logs in to at its next start.

    Raises:
        BmcError: this BMC cannot say.
    """
    hands = _hands(turn)
    target = patiently(turn, lambda: hands.iscsi_target(turn.node.macs))
    boot = patiently(turn, turn.hands.observe).boot
    override = f", {said_override(boot)}" if boot is not None else ""
    words = f"boots from {target}" if target else "boots from no volume"
    if target and (place := patiently(turn, lambda: hands.iscsi_place(target))):
        words = f"{words}, {_PLACES[place]}"
    return Answer(turn.node.name, f"its firmware {words}{override}", boot=boot, iscsi=target)


def _hands(turn: Turn) -> HasIscsi:
    if isinstance(turn.hands, HasIscsi):
        return turn.hands
    raise BmcError(f"{turn.hands.name} cannot set the firmware's iSCSI up")


def _until(turn: Turn, hands: HasIscsi, wanted: IscsiTarget | None) -> None:
    """Read until the BMC shows ``wanted``."""
    deadline = turn.clock() + SHOWS_WITHIN
    while (read := patiently(turn, lambda: hands.iscsi_target(turn.node.macs))) != wanted:
        if turn.clock() >= deadline:
            shows = str(read) if read else "no target"
            raise BmcError(f"accepted, but after {SHOWS_WITHIN:.0f} s the BMC shows {shows}")
        turn.sleep(LOOK_EVERY)


def _until_placed(turn: Turn, hands: HasIscsi, target: IscsiTarget, *, is_first: bool) -> BootPlace:
    """Read until the BMC shows ``target`` where it belongs."""
    deadline = turn.clock() + SHOWS_WITHIN
    while True:
        place = patiently(turn, lambda: hands.iscsi_place(target)) or BootPlace.ELSEWHERE
        if is_first is (place is not BootPlace.ELSEWHERE):
            return place
        if turn.clock() >= deadline:
            shows = f"the BMC shows it {_PLACES[place]}"
            raise BmcError(f"accepted, but after {SHOWS_WITHIN:.0f} s {shows}")
        turn.sleep(LOOK_EVERY)


def _address(portal: str) -> str:
    try:
        return str(ipaddress.ip_address(portal))
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(portal, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OperationError(f"portal {portal} has no address: {error.strerror}") from None
    return str(min(found, key=lambda one: one[0] is not socket.AF_INET)[4][0])
