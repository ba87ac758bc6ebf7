"""A driver for an address. Protocols' libraries are imported only when one of theirs is opened."""

from collections.abc import Mapping

from netboot.bmc.address import Address
from netboot.bmc.driver import Driver
from netboot.bmc.model import Login, Tls
from netboot.config import PowerCommands
from netboot.errors import BmcError


def open_driver(
    address: Address,
    login: Login | None,
    tls: Tls,
    *,
    machine: str = "the machine",
    commands: Mapping[str, PowerCommands] | None = None,
) -> Driver:
    """A conversation with the BMC at ``address``; nothing is sent yet. Close it.

    Args:
        address: where; for Wake-on-LAN with the MAC to wake, and for commands with the machine's.
        login: who we are; None where nobody logs in.
        tls: how its certificate is checked.
        machine: what a person knows it by, and its commands.
        commands: those of the configuration, by name.

    Raises:
        BmcError: something is missing, or the CA file cannot be used.
    """
    match address.scheme:
        case "redfish":
            return _redfish(address, login, tls)
        case "ipmi":
            return _ipmi(address.host, address.port, login)
        case "wol":
            from netboot.bmc.wol import WolDriver  # noqa: PLC0415 -- one driver's libraries alone

            if address.mac is None:
                raise BmcError("Wake-on-LAN needs the MAC of whom to wake")
            return WolDriver(address.mac)
        case "command":
            return _command(address, machine, commands or {})
        case "manual":
            from netboot.bmc.manual import ManualDriver  # noqa: PLC0415 -- likewise

            return ManualDriver(machine)


def _command(address: Address, machine: str, commands: Mapping[str, PowerCommands]) -> Driver:
    from netboot.bmc.command import CommandDriver  # noqa: PLC0415 -- one driver's libraries alone

    if address.host not in commands:
        known = ", ".join(commands) or "none"
        raise BmcError(f"the configuration has no power_commands.{address.host}; it has: {known}")
    whose = {"node": machine, "mac": address.mac or ""}
    return CommandDriver(address.host, commands[address.host], whose)


def _redfish(address: Address, login: Login | None, tls: Tls) -> Driver:
    from netboot.bmc.redfish import RedfishDriver  # noqa: PLC0415 -- sushy is slow to import

    return RedfishDriver(
        address, login, tls, open_ipmi=lambda port: _ipmi(address.host, port, login)
    )


def _ipmi(host: str, port: int, login: Login | None) -> Driver:
    from netboot.bmc.ipmi import IpmiDriver  # noqa: PLC0415 -- likewise pyghmi

    if login is None:
        raise BmcError("IPMI needs a user and a password")
    return IpmiDriver(host, port, login)
