"""What a boot waits for, and one row of how long and why not."""

from dataclasses import dataclass
from enum import IntEnum


class Stage(IntEnum):
    """What a boot waits for, in the order it goes through."""

    NOTHING = 0
    """Not begun, or ignored."""
    OFFER = 1
    REQUEST_4011 = 2
    ACK_4011 = 3
    TRANSFER = 4
    """The first TFTP request."""
    LOADER = 5
    """The end of the network boot program."""
    IPXE = 6
    """The loader's own DISCOVER."""
    SCRIPT = 7
    KERNEL = 8
    INITRD = 9
    PRESEED = 10
    """The answer file is fetched: the installer's network is up."""
    INSTALLER = 11
    """The installer's own first word. Not every installer tells; those that do are awaited on."""
    PARTITIONING = 12
    BASE_SYSTEM = 13
    PACKAGES = 14
    BOOT_LOADER = 15
    WRITING = 16
    """Of a disk image, straight to the disk; no installer that has the stages before has these."""
    VERIFYING = 17
    GROWING = 18
    LATE = 19
    """Its last commands."""
    CALL_HOME = 20
    DONE = 21

    @property
    def slug(self) -> str:
        """Its name for programs, such as ``request-4011``."""
        return self.name.lower().replace("_", "-")

    @property
    def title(self) -> str:
        """Its name for people, such as ``base system``."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Wait:
    """One row: how long a stage may take, and what to say when it does not come.

    Attributes:
        seconds: patience.
        missing: what was seen and what was not, one clause.
        cause: the usual causes, most usual first.
        cure: what to do about them.
    """

    seconds: float
    missing: str
    cause: str
    cure: str
