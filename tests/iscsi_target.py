"""An iSCSI target on a host of a LAN: tgt, in user space, with one LUN."""

import os
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

from netboot.lab.namespaces import Lan
from tests.waiting import await_

IQN = "iqn.2026-01.com.example:disk1"
LUN = 1
"""tgt keeps 0 for itself."""


class Chap(NamedTuple):
    """Who logs in."""

    user: str
    secret: str


class Target:
    """Serves ``image`` until the LAN ends, to whoever knows ``chap`` where that is given.

    Attributes:
        portal: its host's address.
    """

    def __init__(self, lan: Lan, image: Path, chap: Chap | None = None) -> None:
        self._host = lan.host("san")
        self.portal = str(self._host.address)
        self._environment = os.environ | {"TGT_IPC_SOCKET": str(lan.directory / "tgt")}
        command = ["tgtd", "-f", "--iscsi", f"portal={self.portal}:3260"]
        log = lan.directory / "tgtd.log"
        program = self._host.start(command, log, env=self._environment)
        lan.on_close(program.end, 0.0)  # with a target it heeds no SIGTERM
        await_(lambda: self._asked("sys", "show").returncode == 0, "tgtd listens")
        self._tell("target", "new", "--tid=1", f"--targetname={IQN}")
        self._tell("logicalunit", "new", "--tid=1", f"--lun={LUN}", f"--backing-store={image}")
        if chap is not None:
            self._tell("account", "new", f"--user={chap.user}", f"--password={chap.secret}")
            self._tell("account", "bind", "--tid=1", f"--user={chap.user}")
        self._tell("target", "bind", "--tid=1", "--initiator-address=ALL")

    def initiators(self) -> str:
        """Who is logged in, in tgt's own words."""
        return self._asked("target", "show").stdout

    def _tell(self, mode: str, operation: str, *options: str) -> None:
        done = self._asked(mode, operation, *options)
        assert done.returncode == 0, done.stderr

    def _asked(self, mode: str, operation: str, *options: str) -> CompletedProcess[str]:
        words = ["tgtadm", "--lld=iscsi", f"--mode={mode}", f"--op={operation}", *options]
        return self._host.run(words, check=False, env=self._environment)
