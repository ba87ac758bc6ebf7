"""A LUN that a virtual machine has as a disk: QEMU is the initiator, as iSCSI firmware would be.

It hangs on the machine's own SCSI controller, so that it comes and goes while QEMU runs. The CHAP
secret goes over the monitor and is in no argument list.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from netboot.errors import OperationError
from netboot.lab.bmc.machine import IscsiDrive
from netboot.lab.qmp import Qmp

DEVICE, CONTROLLER = "iscsi0", "scsi0"
LOGIN_TIMEOUT = 10
"""Seconds QEMU's initiator waits for a portal."""
_DELETE_TIMEOUT = 20.0
_SECRET = "iscsi-secret"  # noqa: S105 -- the name of QEMU's object


class Lun:
    """The one LUN of a machine.

    Args:
        qmp: its monitor; used by one thread at a time.

    Attributes:
        wanted: what is to be plugged in.
        problem: why that could not be, "" where it could.
    """

    def __init__(self, qmp: Qmp) -> None:
        self._qmp = qmp
        self._plugged: IscsiDrive | None = None
        self.wanted: IscsiDrive | None = None
        self.problem = ""

    def __str__(self) -> str:
        """``problem``, or what is plugged in; "" for nothing."""
        there = f"{self._plugged.target} LUN {self._plugged.lun}" if self._plugged else ""
        return self.problem or there

    @property
    def is_plugged(self) -> bool:
        """Whether the machine has it."""
        return self._plugged is not None

    @property
    def is_stale(self) -> bool:
        """Whether the machine has another than is wanted."""
        return self._plugged != self.wanted

    def settle(self) -> None:
        """Plug in what is wanted and nothing else; a target that is away is said in ``problem``."""
        if not self.is_stale:
            return
        if self._plugged is not None:
            self._unplug()
        self.problem = ""
        if self.wanted is not None:
            try:
                self._plug(self.wanted)
            except OperationError as error:
                self.problem = str(error)

    def _plug(self, drive: IscsiDrive) -> None:
        host = f"[{drive.portal}]" if ":" in drive.portal else drive.portal
        file: dict[str, object] = {
            "driver": "iscsi",
            "transport": "tcp",
            "portal": f"{host}:{drive.port}",
            "target": drive.target,
            "lun": drive.lun,
            "timeout": LOGIN_TIMEOUT,
        }
        file |= {"initiator-name": drive.initiator} if drive.initiator else {}
        with contextlib.ExitStack() as undo:
            if drive.user:
                secret = {"qom-type": "secret", "id": _SECRET, "data": drive.secret}
                self._ask("object-add", secret)
                undo.callback(self._ask, "object-del", {"id": _SECRET})
                file |= {"user": drive.user, "password-secret": _SECRET}
            self._ask("blockdev-add", {"driver": "raw", "node-name": DEVICE, "file": file})
            disk = {"driver": "scsi-hd", "id": DEVICE, "bus": f"{CONTROLLER}.0", "drive": DEVICE}
            try:
                self._ask("device_add", disk)
            except OperationError:
                self._ask("blockdev-del", {"node-name": DEVICE})
                raise
        self._plugged = drive

    def _unplug(self) -> None:
        self._ask("device_del", {"id": DEVICE})
        while self._qmp.wait_for_event("DEVICE_DELETED", _DELETE_TIMEOUT).get("device") != DEVICE:
            pass
        self._ask("blockdev-del", {"node-name": DEVICE})
        self._plugged = None

    def _ask(self, command: str, arguments: Mapping[str, object]) -> Any:  # noqa: ANN401 -- as ``Qmp.command``
        return self._qmp.command(command, arguments)
