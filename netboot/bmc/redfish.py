"""Redfish (DSP0266, DSP0268): power, boot override, virtual media and inventory of one system.

Every reading is a fresh GET. What vendors do otherwise is asked of ``quirks``, by what the BMC says
of itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from netboot.bmc import redfish_bios, redfish_boot, redfish_inventory, redfish_power, redfish_screen
from netboot.bmc.address import Address
from netboot.bmc.driver import Driver, HasConsole, SerialLine
from netboot.bmc.iscsi import BootPlace, IscsiTarget
from netboot.bmc.model import (
    BootMode,
    BootOverride,
    BootTarget,
    Hardware,
    Login,
    Observed,
    PowerAction,
    Rung,
    Secret,
    Tls,
)
from netboot.bmc.redfish_boot import etags, part
from netboot.bmc.redfish_http import Connection, Reply, Timing
from netboot.bmc.redfish_iscsi import DeviceFunctions
from netboot.bmc.redfish_iscsi_hpe import HpeInitiator
from netboot.bmc.redfish_media import patch
from netboot.bmc.redfish_system import System
from netboot.bmc.redfish_words import Json
from netboot.errors import BmcError

_PATCHES = (Rung.FULL_BODY, Rung.IF_MATCH, Rung.SETTINGS)
_ALONE = frozenset({BootTarget.PXE, BootTarget.HTTP, BootTarget.DISK})
_BY_CD = frozenset({BootTarget.PXE, BootTarget.HTTP, BootTarget.CD})
_NOT_BY_IPMI = frozenset({BootTarget.HTTP, BootTarget.ISCSI})
_STARTS = frozenset({PowerAction.ON, PowerAction.CYCLE, PowerAction.RESET})

OpenIpmi = Callable[[int], Driver]
"""Opens IPMI of the same BMC at a port."""


class RedfishDriver:
    """A conversation with one system's BMC; it logs in at its first request.

    Args:
        address: where; with a system's path, or for the only system it has.
        login: who we are; None for a BMC that asks nobody.
        tls: how the BMC's certificate is checked.
        timing: how long it is waited for.
        open_ipmi: for the rung by IPMI; None leaves it out.
    """

    name = "redfish"

    def __init__(
        self,
        address: Address,
        login: Login | None,
        tls: Tls,
        *,
        timing: Timing | None = None,
        open_ipmi: OpenIpmi | None = None,
    ) -> None:
        self._connection = Connection(address, login, tls, timing)
        self._system = System(self._connection, address.system)
        self._open_ipmi = open_ipmi
        self._ipmi: Driver | None = None
        self._by_ipmi: BootOverride | None = None
        self._ignored_once: tuple[BootOverride, Rung] | None = None

    def observe(self) -> Observed:
        """Read power, boot override and virtual media anew."""
        system = self._system.read().said
        return Observed(
            power=redfish_power.state(system),
            boot=self._boot(system),
            media=self._system.media.read(),
            last_reset=_epoch(system.get("LastResetTime")),
            words=_worth_saying(system),
        )

    def power(self, action: PowerAction) -> str | None:
        """Do ``action`` by the reset types this system has.

        A machine that is as wanted is left alone; one that is off is switched on by a cycle. A BMC
        known to ignore Once is told Continuous just before; who set Once sees it stay, and clears
        it when the machine was heard.
        """
        done = []
        if action in _STARTS and self._ipmi is not None and self._by_ipmi is not None:
            self._ipmi.set_boot(self._by_ipmi, Rung.IPMI)  # its flags expire after 60 seconds
        if action in _STARTS and self._ignored_once is not None:
            wanted, rung = self._ignored_once
            done = self._set_by_patch(replace(wanted, once=False), rung)
        changed = redfish_power.change(self._connection, self._system.path, action)
        return "; ".join([*done, changed] if changed else done) or None

    def rungs(self, wanted: BootOverride) -> tuple[Rung, ...]:
        """The ladder of this BMC: the way its quirks name comes before the other ways to PATCH."""
        system = self._system.read().said
        found: list[Rung] = []
        remote = wanted.target is BootTarget.ISCSI
        if self._system.quirk.boot_patch == "works" and (
            not remote or redfish_boot.boots_remotely(system)
        ):
            found += self._ways(system)
            is_uefi = wanted.mode is not BootMode.BIOS
            if wanted.target is BootTarget.PXE and is_uefi and redfish_boot.boots_http(system):
                found.append(Rung.UEFI_HTTP)
        if wanted.target in _BY_CD and self._system.media.usable:
            found.append(Rung.VIRTUAL_MEDIA)
        if self._open_ipmi and wanted.target not in _NOT_BY_IPMI and self._system.ipmi_port:
            found.append(Rung.IPMI)
        if wanted.target in _ALONE:
            found.append(Rung.CYCLE_ONLY)
        return tuple(found)

    def set_boot(self, wanted: BootOverride, rung: Rung) -> str | None:
        """Set the override by ``rung``; by virtual media, insert the image first."""
        self._by_ipmi = self._ignored_once = None
        if rung is Rung.CYCLE_ONLY:
            return None
        if rung is Rung.IPMI:
            return self._set_by_ipmi(wanted)
        done = []
        if rung is Rung.VIRTUAL_MEDIA and wanted.target is not BootTarget.NONE:
            if wanted.url is None:
                raise BmcError("virtual media needs the URL of an image")
            done = self._system.media.insert(wanted.url)
        quirk = self._system.quirk
        if quirk.boot_patch == "works":  # else its own boot order finds the image
            done += self._set_by_patch(wanted, rung)
        if quirk.once_ignored and wanted.once and wanted.target is not BootTarget.NONE:
            self._ignored_once = wanted, rung
        return "; ".join(done)

    def insert(self, url: str, slot: str | None = None) -> str | None:
        """Insert the image at ``url``, and wait for the BMC's task if it makes one of it."""
        return "; ".join(self._system.media.insert(url, slot)) or None

    def image_schemes(self) -> Sequence[str]:
        """The schemes that this BMC reads images by."""
        return self._system.media.schemes

    def eject(self, slot: str | None = None) -> str | None:
        """Empty the slot, and wait until it shows empty."""
        return "; ".join(self._system.media.eject(slot)) or None

    def boot_mode(self) -> BootMode | None:
        """How the firmware boots."""
        return redfish_boot.mode(self._system.read().said)

    def iscsi_target(self, macs: Sequence[str]) -> IscsiTarget | None:
        """What the firmware boots from at its next start."""
        return self._iscsi.read(macs)

    def set_iscsi_boot_target(
        self, target: IscsiTarget, secret: Secret | None, macs: Sequence[str]
    ) -> str | None:
        """Have the firmware boot from ``target``, by the standard or as its vendor has it."""
        self._connection.hide(secret)
        return "; ".join(self._iscsi.set(target, secret, macs)) or None

    def iscsi_place(self, target: IscsiTarget) -> BootPlace | None:
        """Where ``target`` stands in the boot order, where its vendor has one."""
        return self._iscsi.place(target)

    def put_iscsi_first(self, target: IscsiTarget, macs: Sequence[str]) -> str | None:
        """Put ``target`` first in that order."""
        return "; ".join(self._iscsi.put_first(target, macs)) or None

    def put_iscsi_back(self) -> str | None:
        """Put it last."""
        return "; ".join(self._iscsi.put_back()) or None

    def clear_iscsi_boot_target(self, macs: Sequence[str]) -> str | None:
        """Have the firmware boot from no LUN."""
        return "; ".join(self._iscsi.clear(macs)) or None

    def bios(self) -> Mapping[str, object]:
        """The BIOS attributes in force."""
        return redfish_bios.read(self._connection, self._system.read().said)

    def set_bios(self, attributes: Mapping[str, str | int | bool]) -> str | None:
        """Have these BIOS attributes from the machine's next start on."""
        return self._write_bios(self._system.read().said, attributes).request

    def inspect(self) -> Hardware:
        """Read what the machine is."""
        system = self._system.read().said
        iscsi = self._system.iscsi
        sets_boot = self._system.quirk.boot_patch == "works"
        can = {
            "redfish": True,
            "boot-override": sets_boot,
            "uefi-http": sets_boot and redfish_boot.boots_http(system),
            "virtual-media": self._system.media.usable,
            "ipmi": self._system.ipmi_port is not None,
            "iscsi_boot": iscsi is not None and iscsi.usable,
        }
        return redfish_inventory.hardware(
            self._connection,
            system,
            self._system.manager,
            self._system.quirk,
            frozenset(name for name, has in can.items() if has),
        )

    def console(self, *, force: bool = False) -> SerialLine | None:
        """The serial line by IPMI of the same BMC, where it says that it speaks it."""
        port = self._system.ipmi_port
        if self._open_ipmi is None or port is None:
            return None
        ipmi = self._open_ipmi(port)
        return ipmi.console(force=force) if isinstance(ipmi, HasConsole) else None

    def screenshot(self) -> bytes | None:
        """What the machine shows, where this kind of BMC sees it."""
        return redfish_screen.screenshot(self._connection, self._system.quirk)

    def close(self) -> None:
        """Log out and drop the connections; never raises."""
        if self._ipmi is not None:
            self._ipmi.close()
        self._connection.close()

    @property
    def _iscsi(self) -> DeviceFunctions | HpeInitiator:
        found = self._system.iscsi
        if found is None:
            raise BmcError(f"{self._system.quirk.label} cannot set the firmware's iSCSI up")
        return found

    def _boot(self, system: Json) -> BootOverride | None:
        """The override in force, or the one that waits in the settings resource."""
        if self._ipmi is not None and self._by_ipmi is not None:
            return self._ipmi.observe().boot
        quirk = self._system.quirk
        if quirk.boot_patch != "works":
            return None  # what it says has nothing to do with what the machine does
        boot = redfish_boot.read(system)
        if boot is not None and boot.target is not BootTarget.NONE:
            return boot
        waiting = self._connection.find(redfish_boot.settings_path(system, quirk))
        return redfish_boot.read(waiting) or boot

    def _ways(self, system: Json) -> list[Rung]:
        """The ways to PATCH, the one this BMC is known to want first."""
        quirk = self._system.quirk
        usual = Rung.SETTINGS if quirk.settings_uri else Rung.FULL_BODY
        if usual is Rung.FULL_BODY and quirk.if_match != "no":
            usual = Rung.IF_MATCH
        has_settings = redfish_boot.settings_path(system, quirk) is not None
        ways = [rung for rung in _PATCHES if rung is not Rung.SETTINGS or has_settings]
        return sorted(ways, key=lambda rung: rung is not usual)

    def _set_by_patch(self, wanted: BootOverride, rung: Rung) -> list[str]:
        """PATCH the way ``rung`` is, or for the rungs that say none in any way that is taken."""
        system = self._system.read()
        quirk = self._system.quirk
        done = []
        if attributes := redfish_boot.bios_url(wanted, quirk):
            done.append(self._write_bios(system.said, attributes).request)
        body = redfish_boot.body(wanted, quirk, system.said)
        ways = [rung] if rung in _PATCHES else self._ways(system.said)
        for way in ways[:-1]:
            try:
                return [*done, self._patch(way, body, system).request]
            except BmcError as error:
                if error.retryable or error.effect_unknown:
                    raise
        return [*done, self._patch(ways[-1], body, system).request]

    def _patch(self, way: Rung, body: Json, system: Reply) -> Reply:
        quirk = self._system.quirk
        if way is Rung.FULL_BODY:
            return self._connection.send("PATCH", self._system.path, body)
        path = self._system.path
        if way is Rung.SETTINGS:
            path = redfish_boot.settings_path(system.said, quirk) or path
            system = self._connection.get(path)
        return patch(self._connection, path, body, tuple(etags(system.said, system.etag, quirk)))

    def _write_bios(self, system: Json, attributes: Json) -> Reply:
        return redfish_bios.write(self._connection, system, self._system.quirk, attributes)

    def _set_by_ipmi(self, wanted: BootOverride) -> str | None:
        port = self._system.ipmi_port
        if self._open_ipmi is None or port is None:
            raise BmcError("the BMC does not say that it speaks IPMI")
        self._ipmi = self._ipmi or self._open_ipmi(port)
        self._ipmi.set_boot(wanted, Rung.IPMI)
        self._by_ipmi = wanted
        return f"IPMI Set System Boot Options: {wanted.target}"


def _worth_saying(system: Json) -> str:
    health = part(system, "Status").get("Health")
    other = redfish_boot.other_target(system)
    said = [] if health in (None, "OK") else [f"health: {health}"]
    return "; ".join(said + ([f"boots from {other}"] if other else []))


def _epoch(time: object) -> float | None:
    """A date and time of DSP0266 in epoch seconds; None for anything else."""
    try:
        return datetime.fromisoformat(time).timestamp() if isinstance(time, str) else None
    except (ValueError, OverflowError):
        return None
