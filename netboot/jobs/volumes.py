"""A machine that is installed boots from its own disk: its firmware forgets the node's volume."""

from netboot.bmc.history import Came
from netboot.bmc.iscsi import BootPlace, HasIscsi
from netboot.errors import BmcError
from netboot.jobs.bmc_turn import Turn


def leave_volume(turn: Turn) -> None:
    """Have the firmware log in to no volume where one is attached to the node; read it back.

    A node whose BMC is not known to set firmware iSCSI up is left alone, and so is its BMC.

    Raises:
        BmcError: it was not taken, or does not show yet.
    """
    store, name, hands = turn.store, turn.node.name, turn.hands
    if store.volume_of(name) is None or not isinstance(hands, HasIscsi):
        return
    found = store.inspected(name)
    if found is None or not found.hardware.iscsi_boot:
        return
    macs = turn.node.macs
    if (target := hands.iscsi_target(macs)) is None:
        return
    if hands.iscsi_place(target) in (BootPlace.FIRST, BootPlace.AWAITED):
        hands.put_iscsi_back()
    request = hands.clear_iscsi_boot_target(macs)
    if (left := hands.iscsi_target(macs)) is not None:
        raise BmcError(f"accepted, but its firmware still boots from {left}", retryable=True)
    words = "its firmware boots from no volume any more: it is installed to a disk of its own"
    turn.tell(words, Came.OK.value, request=request or "")
