"""The nouns of a boot: who asks, who we know, what there is to boot. Frozen, and free of I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import NewType

Mac = NewType("Mac", str)
"""A 48-bit hardware address as twelve lower-case hexadecimal digits with colons."""

SIGNED_FOLDER = "sb/"
"""Where Debian's shims and what they start are served: loaders for firmware with Secure Boot."""

_CANONICAL = re.compile(r"[0-9a-f][02468ace](?::[0-9a-f]{2}){5}")
_MAC = re.compile(r"([0-9a-f]{2})([:-]?)(?:[0-9a-f]{2}\2){4}[0-9a-f]{2}")


def parse_mac(text: str) -> Mac:
    """Read a MAC in any case with ``:``, ``-`` or no separator.

    Raises:
        ValueError: the text is no unicast hardware address; the message is a sentence.
    """
    if _CANONICAL.fullmatch(text):  # nearly always, and what all the rest comes to
        return Mac(text)
    lowered = text.strip().lower()
    if not _MAC.fullmatch(lowered):
        raise ValueError(f"{text!r} is not a MAC address such as 52:54:00:12:34:56")
    digits = re.sub("[:-]", "", lowered)
    if int(digits[:2], 16) & 1:
        raise ValueError(f"{text!r} is a multicast address; a machine's own address is unicast")
    return Mac(":".join(digits[i : i + 2] for i in range(0, 12, 2)))


class Arch(IntEnum):
    """Client system architecture, DHCP option 93 (RFC 4578 section 2.1, IANA registry)."""

    BIOS = 0x00
    IA32 = 0x06
    X64 = 0x07
    """Named EFI BC by RFC 4578; every x64 firmware sends it."""
    X64_ALT = 0x09
    """Named EFI x86-64 by RFC 4578, whose text has 7 and 9 swapped; also x64."""
    ARM32 = 0x0A
    ARM64 = 0x0B
    IA32_HTTP = 0x0F
    X64_HTTP = 0x10
    ARM32_HTTP = 0x12
    ARM64_HTTP = 0x13
    RISCV32 = 0x19
    RISCV32_HTTP = 0x1A
    RISCV64 = 0x1B
    RISCV64_HTTP = 0x1C
    LOONG64 = 0x27
    LOONG64_HTTP = 0x28


class Firmware(StrEnum):
    """The dialect a client speaks; it picks the reply's shape, not what is booted."""

    BIOS = "bios"
    UEFI = "uefi"
    HTTP = "http"
    IPXE = "ipxe"
    GRUB = "grub"
    """Started by shim; it asks for its configuration by HTTP, never by DHCP."""
    RPI = "rpi"


@dataclass(frozen=True, slots=True)
class Client:
    """A machine as its own packet describes it (RFC 4578).

    Attributes:
        mac: the hardware address it boots from (``chaddr``).
        firmware: its dialect.
        arch: option 93 as sent; a number we have no name for stays a plain ``int``.
        uuid: option 97 as a canonical UUID string, or None where it sent none.
        serial: SMBIOS type 1 serial number; only iPXE says it, when it asks for its script.
        asset_tag: SMBIOS type 3 asset tag, likewise.
    """

    mac: Mac
    firmware: Firmware
    arch: int
    uuid: str | None = None
    serial: str | None = None
    asset_tag: str | None = None


class State(StrEnum):
    """Where a node is in its life (``netboot.lifecycle``); what it boots follows from that."""

    DISCOVERED = "discovered"
    """It was heard on the network and nobody registered it: no node is in this state."""
    ENROLLED = "enrolled"
    """Registered: its profile's installation begins when it boots from the network."""
    INSPECTING = "inspecting"
    """Its BMC is asked what the machine is."""
    AVAILABLE = "available"
    """Inspected, wiped or handed back: nothing is installed on it until somebody asks."""
    INSTALLING = "installing"
    """It was given its installer, or somebody asked for that; it has not called home yet."""
    REINSTALLING = "reinstalling"
    """The same where it was installed before."""
    INSTALLED = "installed"
    """Its installer called home: it starts from its disk until somebody asks again."""
    RESCUE = "rescue"
    """It boots the rescue system, and then goes back to the state it was in."""
    WIPING = "wiping"
    """Its disk is being erased."""
    FAILED = "failed"
    """Its installation or wipe failed or was broken off: it starts from what is on its disk."""
    MAINTENANCE = "maintenance"
    """Somebody works on it: it starts from its disk, and jobs for it are refused."""
    RETIRED = "retired"
    """Out of service: it is never answered."""


class BootSource(StrEnum):
    """What a machine starts from; the targets of a boot override that a boot server can obey."""

    NONE = "none"
    """No override: a machine that boots from the network alone then starts from its disk."""
    DISK = "disk"
    PXE = "pxe"
    """From the network: whatever its profile says."""
    CD = "cd"
    """From the image in its virtual CD drive."""


@dataclass(frozen=True, slots=True)
class Override:
    """What somebody says over Redfish that a machine starts from.

    Attributes:
        once: for the next boot only.
        image: URL of what is in its virtual CD drive, whether or not it starts from that.
        number: drawn with each override, so that one is never taken for another.
    """

    source: BootSource = BootSource.NONE
    once: bool = False
    image: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A machine somebody registered: what has any of these identities is it.

    Attributes:
        profile: what it boots; None where one of its groups says so.
        uuid: canonical, as ``netboot.matching.parse_uuid`` gives it.
        serial: SMBIOS serial number, as ``netboot.matching.parse_text`` gives it.
        asset_tag: SMBIOS asset tag, likewise.
        loader: catalogue name of its network boot program; None for its architecture's own.
        secure_boot: its firmware starts only what is signed; it is given nothing else.
        state: where it is in its life.
        installation: which of the installations asked for that is, from 1 on: an installer that
            was started for an earlier one cannot end a later one.
        override: what was said over Redfish last, None where nothing ever was. It counts for
            nodes of the facade only (``netboot.policy.Rules``).
        because: how what failed ended, one clause; "" in every state but ``FAILED``.
    """

    name: str
    macs: tuple[Mac, ...] = ()
    profile: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    vars: Mapping[str, str] = field(default_factory=dict)
    uuid: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    loader: str | None = None
    state: State = State.ENROLLED
    installation: int = 1
    override: Override | None = None
    because: str = ""
    secure_boot: bool = False

    @property
    def starts_ipxe(self) -> bool:
        """Whether its firmware starts iPXE, not GRUB.

        Marked secure_boot it does only where it names another loader than the shims we serve.
        """
        own = self.loader is not None and not self.loader.startswith(SIGNED_FOLDER)
        return own or not self.secure_boot


@dataclass(frozen=True, slots=True)
class Group:
    """What every node that bears all of ``labels`` is given where it does not say itself.

    Attributes:
        labels: at least one.
        profile: for nodes registered without one; None where the group gives none.
        priority: which of two groups with equally many labels wins: the higher.
    """

    name: str
    labels: Mapping[str, str]
    profile: str | None = None
    vars: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0


class AnswerKind(StrEnum):
    """Whose language an installer's answer file is in; it picks the names it is served under."""

    PRESEED = "preseed"
    """Debian's installer."""
    KICKSTART = "kickstart"
    """Anaconda: Fedora and its kin."""
    NOCLOUD = "nocloud"
    """cloud-init's NoCloud data source; Ubuntu's autoinstall comes this way."""
    IGNITION = "ignition"
    """Flatcar and Fedora CoreOS."""
    DEPLOY = "deploy"
    """The deploy ramdisk's own: a shell script."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer file.

    Attributes:
        template: relative to the templates folder. A name that ends in ``.j2`` is filled in for
            each machine; any other file is served as it is, byte for byte.
    """

    kind: AnswerKind
    template: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What a machine boots: an image, the iPXE script that starts it and its answer file.

    ``kernel``, ``initrds`` and ``args`` are for scripts that start any Linux. They are template
    text with the same names and guards as a script's.

    Attributes:
        script: template of the iPXE script, relative to the templates folder.
        image: name of the image its files come from, None for profiles without files.
        answer: the installer's answer file, None where there is none.
        installs: it puts a system onto the machine's disk.
        wipes: it erases the machine's disk, and installs nothing.
        volume: it starts from the node's iSCSI volume.
        needs_ipxe: there is no form of its script for GRUB, which Secure Boot needs.
        kernel: a file of the image, or a URL.
        initrds: likewise, in the order the kernel reads them.
        args: the kernel's command line.
        vars: defaults; a node's own variables win over them.
    """

    name: str
    script: str
    image: str | None = None
    answer: Answer | None = None
    installs: bool = False
    wipes: bool = False
    volume: bool = False
    needs_ipxe: bool = False
    kernel: str = ""
    initrds: tuple[str, ...] = ()
    args: str = ""
    description: str = ""
    vars: Mapping[str, str] = field(default_factory=dict)

    @property
    def erases(self) -> bool:
        """Whether nothing of what was on the machine's disk is left."""
        return self.installs or self.wipes


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One fetched and verified file.

    Attributes:
        name: what it is served as below its image, for example ``linux``.
        sha256: lower-case hexadecimal digest recorded when it was verified.
    """

    name: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Image:
    """A fetched image: a set of files that belong together, of one version."""

    name: str
    version: str
    files: Mapping[str, ImageFile]


@dataclass(frozen=True, slots=True)
class Server:
    """How the machines on one interface reach us.

    Attributes:
        address: our IPv4 address there: siaddr, option 54, and the source of every reply.
        http_host: the IPv4 address in URLs; another one than ``address`` behind NAT.
        http_port: the port in URLs.
        syslog_port: the UDP port at ``http_host`` where installers may log to, None for nowhere.
    """

    address: str
    http_host: str
    http_port: int
    syslog_port: int | None = None

    @property
    def url(self) -> str:
        """Base of the boot plane's HTTP, by address, without a slash at the end."""
        return f"http://{self.http_host}:{self.http_port}"
