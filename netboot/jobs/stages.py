"""The stages of a job: what each waits for, how long, and why it usually does not come.

What a boot and an installer wait for is in ``netboot.stages``. A job is more patient than those
rows: a machine that stalled is told at once in its timeline, but it often starts over, by itself or
by hand, and is then offered another way. Only when nothing comes of that has its job failed.
"""

from dataclasses import dataclass

from netboot.bmc.goal import BOOT_WITHIN
from netboot.stages import WAITS, Boot, Stage
from netboot.stages.boot import wait_of

FLIP = "flip"
"""The boot override is set and read back."""
POWER_QUEUE = "power-queue"
"""Too many machines start; this one's turn has not come."""
POWER_ON = "power-on"
"""The machine was switched on or restarted, and was not heard yet."""
BIOS = "bios"
"""BIOS attributes are set."""
EJECT = "eject"
"""All is done, but for the virtual CD in its BMC."""
INSPECT = "inspect"
POWER = "power"

FLIP_WITHIN = 900.0
"""Seconds until a BMC must have taken the override: one that restarts is away for minutes."""
BY_HAND = 86_400.0
"""Seconds a person is given to switch a machine on."""
STARTING_OVER = 600.0
"""Seconds a stalled boot is waited for beyond what its stage takes."""
BOOTS_WITHIN = 3_600.0
"""Seconds from the first sign of a machine to its answer file, however often it starts over."""
SILENT_INSTALLER = 14_400.0
"""Seconds an installer that tells nothing of itself may take."""
ALL_WITHIN = 43_200.0
"""Seconds from a machine's first sign to its call home, however often it starts over."""
INSPECT_WITHIN = 600.0
"""Seconds until a BMC must have said what its machine is."""


@dataclass(frozen=True, slots=True)
class Patience:
    """One row.

    Attributes:
        stage: its name.
        waits_for: one clause.
        seconds: how long.
        missing: what was seen and what was not, one clause.
        cause: the usual causes.
        cure: what to do about them.
    """

    stage: str
    waits_for: str
    seconds: float
    missing: str
    cause: str
    cure: str

    def expired(self, last: str) -> str:
        """What to say when it did not come, for a person.

        Args:
            last: what was seen last, "" for nothing.
        """
        seen = f"; seen last: {last}" if last else ""
        return f"{self.missing}{seen}. Usual cause: {self.cause}. Cure: {self.cure}"


STARTS = Patience(
    POWER_ON,
    "a sign of the machine",
    BOOT_WITHIN,
    "the machine was never heard",
    "network boot is switched off for this NIC, the cable or VLAN is another one, or the machine "
    "does not get through POST",
    "look at the machine's screen; see that it boots from the network first",
)
BY_A_PERSON = Patience(
    POWER_ON,
    "somebody to switch it on and have it boot from the network",
    BY_HAND,
    "the machine was never heard",
    "nobody switched it on, or it does not boot from the network",
    "switch it on and have it boot from the network, then netboot job retry",
)
SETS = Patience(
    FLIP,
    "its BMC to take the boot override",
    FLIP_WITHIN,
    "its BMC did not take the boot override",
    "the BMC is busy or cannot be reached, or its password is not to be had",
    "see its timeline; netboot node power NAME status asks the BMC",
)
NOT_ANSWERED = Patience(
    "ignored",
    "a question of the machine that is answered",
    STARTING_OVER,
    "the machine asks, and nothing it asks for is answered",
    "its profile is unknown, its template is broken, or it boots by a way we do not serve",
    "netboot explain MAC says why",
)

_WAITS_FOR = {
    Stage.OFFER: "our OFFER",
    Stage.REQUEST_4011: "its request on port 4011",
    Stage.ACK_4011: "our answer on port 4011",
    Stage.TRANSFER: "its first TFTP request",
    Stage.LOADER: "the whole loader to be sent",
    Stage.IPXE: "iPXE to ask for an address",
    Stage.SCRIPT: "iPXE to fetch its script",
    Stage.KERNEL: "the kernel to be fetched",
    Stage.INITRD: "the initrd to be fetched",
    Stage.PRESEED: "the installer to fetch its answer file",
    Stage.PARTITIONING: "the installer to come to the disk",
    Stage.BASE_SYSTEM: "the base system to be begun",
    Stage.PACKAGES: "the base system to be there",
    Stage.BOOT_LOADER: "the packages to be there",
    Stage.WRITING: "the disk image to be begun",
    Stage.VERIFYING: "the disk image to be written",
    Stage.GROWING: "the disk image to be verified",
    Stage.LATE: "the boot loader to be there",
    Stage.CALL_HOME: "the installer's call home",
}
_SILENT = Patience(
    "installer",
    "the installer's call home",
    SILENT_INSTALLER,
    "the installer never called home",
    "it asks a question on its screen, or its answer file does not call home",
    "read netboot timeline --log and the screen",
)


def patience(boot: Boot) -> Patience:
    """How long the stage a boot is in may take; the machine was heard."""
    if boot.stage is Stage.NOTHING:
        return NOT_ANSWERED
    if boot.stage not in WAITS:
        return _SILENT
    wait = wait_of(boot)
    late = f"; it is late: {wait.missing}; usually {wait.cause}" if boot.told else ""
    return Patience(
        boot.stage.slug,
        _WAITS_FOR.get(boot.stage, wait.missing) + late,
        wait.seconds + STARTING_OVER,
        wait.missing,
        wait.cause,
        wait.cure,
    )
