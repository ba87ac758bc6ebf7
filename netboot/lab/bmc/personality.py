"""What a virtual BMC is made of: the resources of each personality, joined in one place."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc import pikvm, placemat
from netboot.lab.bmc.accounts import Accounts
from netboot.lab.bmc.adapter import NetworkAdapter
from netboot.lab.bmc.boot import BootSettings
from netboot.lab.bmc.chassis import add_chassis
from netboot.lab.bmc.firmware import Bios, PostLock, SecureBoot
from netboot.lab.bmc.hpe_boot import HpeBoot
from netboot.lab.bmc.hpe_iscsi import HpeIscsi
from netboot.lab.bmc.machine import BootDevice, VirtualMachine
from netboot.lab.bmc.manager import MANAGERS, Manager
from netboot.lab.bmc.media import Media
from netboot.lab.bmc.power import Power
from netboot.lab.bmc.protocol import Service
from netboot.lab.bmc.resource import Tree
from netboot.lab.bmc.root import add_root
from netboot.lab.bmc.system import SYSTEMS, System, add_interfaces
from netboot.lab.bmc.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Setup:
    """What a virtual BMC is given.

    Attributes:
        machine: under its hands.
        quirk: its personality.
        user: who may log in.
        password: likewise.
        secure_boot: whether the machine starts with Secure Boot.
        ipmi_port: where the BMC speaks IPMI, None where it does not.
        restart: restarts the BMC.
    """

    machine: VirtualMachine
    quirk: Quirk
    user: str
    password: str
    secure_boot: bool
    ipmi_port: int | None
    restart: Callable[[], None]

    def __repr__(self) -> str:
        return f"Setup(quirk={self.quirk.name})"


def build(setup: Setup) -> tuple[Service, Accounts]:
    """The service of one BMC, and who may use it."""
    quirk, tree = setup.quirk, Tree()
    limit = quirk.session_limit if quirk.sessions else 0
    accounts = Accounts(tree, setup.user, setup.password, limit)
    power = Power(setup.machine, same_power_refused=quirk.same_power_refused)
    if quirk.name == placemat.NAME:
        placemat.add(tree, quirk, power)
        return Service(tree, accounts, quirk), accounts
    if quirk.name == pikvm.NAME:
        pikvm.add(tree, setup.machine, quirk, power)
        return Service(tree, accounts, quirk), accounts
    _standard(tree, setup, power)
    return Service(tree, accounts, quirk, Tasks(tree)), accounts


def _standard(tree: Tree, setup: Setup, power: Power) -> None:
    """What DSP0266 and DSP0268 describe, with the differences that are data."""
    machine, quirk = setup.machine, setup.quirk
    if BootDevice.ISCSI not in machine.boot_devices:
        quirk = structs.replace(quirk, iscsi="none")
    system = f"{SYSTEMS}/{quirk.identity.system}"
    manager = f"{MANAGERS}/{quirk.identity.manager}"
    lock = PostLock(machine, locks=quirk.locked_during_post)
    add_root(tree, machine.uuid, quirk)

    bios = Bios(tree, system, machine, quirk, lock)
    boot = BootSettings(machine, quirk, lambda: bios.http_url, lock)
    bios.changed = boot.renew
    secure_boot = SecureBoot(tree, system, machine, enabled=setup.secure_boot)
    parts = {
        "Bios": bios.path,
        "SecureBoot": secure_boot.path,
        "EthernetInterfaces": add_interfaces(tree, system, machine.macs),
    }
    chassis = add_chassis(tree, quirk, power, machine.name)
    if quirk.iscsi == "network-device-functions":
        adapter = NetworkAdapter(tree, chassis, system, machine, pending=quirk.iscsi_pending)
        parts["NetworkInterfaces"] = adapter.interfaces
    elif quirk.iscsi == "hpe-oem":
        HpeBoot(tree, bios, machine, HpeIscsi(tree, bios, machine, lock), lock)

    media = ""
    if quirk.media_at != "none":
        owner = system if quirk.media_at == "Systems" else manager
        media = Media(tree, owner, machine, quirk).path
    if quirk.media_at == "Systems":
        parts["VirtualMedia"] = media
    System(tree, machine, quirk, power, boot, parts)
    listed = media if quirk.media_at == "Managers" else ""
    Manager(tree, machine.uuid, quirk, listed, setup.ipmi_port, setup.restart)
