"""The LUN that a machine's own firmware boots from, and a driver that may tell it which."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from netboot.bmc.model import BootMode, Secret


@dataclass(frozen=True, slots=True)
class IscsiTarget:
    """A LUN as firmware is told of it; its CHAP secret goes beside it, and is never read back.

    Attributes:
        name: the target's, an iSCSI qualified name (RFC 7143 section 4.2.7).
        address: of its portal, IPv4 or IPv6: not every firmware resolves names.
        port: the portal's, TCP.
        lun: its number.
        initiator: the name the machine shows itself by.
        chap_user: who it is by CHAP; "" without.
    """

    name: str
    address: str
    port: int
    lun: int
    initiator: str
    chap_user: str = ""

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        chap = f", CHAP user {self.chap_user}" if self.chap_user else ""
        return f"{self.name} LUN {self.lun} at {host}:{self.port} as {self.initiator}{chap}"


class BootPlace(StrEnum):
    """Where a LUN stands in a boot order of the firmware that its BMC keeps."""

    FIRST = "first"
    AWAITED = "awaited"  # to be first as soon as a start has found it
    ELSEWHERE = "elsewhere"


@runtime_checkable
class HasIscsi(Protocol):
    """A driver that may set the firmware's iSCSI up; ``macs`` are the machine's, the first first.

    Every method raises as ``Driver``'s do, and where this BMC cannot do it. The secret is in no
    error, whatever the BMC repeats.
    """

    def boot_mode(self) -> BootMode | None:
        """How the firmware boots, also where nothing overrides it; None where nobody says."""

    def iscsi_target(self, macs: Sequence[str]) -> IscsiTarget | None:
        """What the firmware boots from at its next start, None for no LUN."""

    def set_iscsi_boot_target(
        self, target: IscsiTarget, secret: Secret | None, macs: Sequence[str]
    ) -> str | None:
        """Have the firmware boot from ``target``, from its next start on."""

    def iscsi_place(self, target: IscsiTarget) -> BootPlace | None:
        """Where ``target`` stands at the next start; None where a boot override has to be set."""

    def put_iscsi_first(self, target: IscsiTarget, macs: Sequence[str]) -> str | None:
        """Have the firmware try ``target``, which is set, before all else; for a place alone."""

    def put_iscsi_back(self) -> str | None:
        """Have it try all else before what is set; likewise."""

    def clear_iscsi_boot_target(self, macs: Sequence[str]) -> str | None:
        """Have the firmware boot from no LUN, from its next start on."""
