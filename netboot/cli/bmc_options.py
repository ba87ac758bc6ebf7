"""The options of ``netboot node add`` and ``set`` that say where a BMC is, and who we are there.

No option takes a password: what stands on a command line is seen by everybody on the machine.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from netboot.bmc.credentials import FORMS, MAX_PASSWORD, PLAIN
from netboot.cli.secret import read_secret
from netboot.control.inventory import COMMAND_LINE
from netboot.errors import ConfigError
from netboot.store.bmc_shapes import INSECURE, VERIFY

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option(
        "--bmc", "bmc", metavar="URL", help='Its BMC, such as redfish://HOST; "" for none.'
    ),
    click.option("--bmc-user", metavar="USER", help='Who we are there; "" for nobody.'),
    click.option(
        "--bmc-password-file",
        type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
        metavar="FILE|-",
        help="Take its password from there now, and keep it sealed; - is standard input.",
    ),
    click.option(
        "--bmc-password-from",
        metavar="SOURCE",
        help=f'Look its password up each time: {FORMS}; "" for none.',
    ),
    click.option("--bmc-ca", type=_FILE, metavar="FILE", help="Whom its certificate must be of."),
    click.option("--bmc-fingerprint", metavar="HEX", help="SHA-256 of the one certificate it has."),
    click.option(
        "--bmc-insecure/--bmc-verify",
        default=None,
        help="Take any certificate, which node show says, or those the system trusts.",
    ),
)


def bmc_options(command: F) -> F:
    """Give a command these options; ``bmc_of`` reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def bmc_of(given: dict[str, Any]) -> dict[str, str] | None:
    """The BMC in the shape of ``BmcEntry``, None where none of the options was said.

    Raises:
        ConfigError: two of them exclude each other, or the password cannot be read.
    """
    found = {
        "address": given["bmc"],
        "user": given["bmc_user"],
        "password": _password(given["bmc_password_file"], given["bmc_password_from"]),
        "tls": _tls(given["bmc_ca"], given["bmc_fingerprint"], given["bmc_insecure"]),
    }
    said = {key: value for key, value in found.items() if value is not None}
    return said or None


def _tls(ca: Path | None, fingerprint: str | None, insecure: bool | None) -> str | None:  # noqa: FBT001 -- an option's value
    ways = {
        "--bmc-ca": None if ca is None else f"ca:{ca.absolute()}",
        "--bmc-fingerprint": None if fingerprint is None else f"sha256:{fingerprint}",
        "--bmc-insecure": {None: None, True: INSECURE, False: VERIFY}[insecure],
    }
    said = {option: way for option, way in ways.items() if way is not None}
    if len(said) > 1:
        raise ConfigError(COMMAND_LINE, " and ".join(said), "exclude each other")
    if ca is not None and not ca.is_file():
        raise ConfigError(COMMAND_LINE, "--bmc-ca", f'= "{ca}": must be a file')
    return next(iter(said.values()), None)


def _password(file: Path | None, source: str | None) -> str | None:
    """As ``BmcEntry`` beside it takes it: a source, or the password itself after ``plain:``."""
    if file is None:
        return source
    if source is not None:
        options = "--bmc-password-file and --bmc-password-from"
        raise ConfigError(COMMAND_LINE, options, "exclude each other")
    return PLAIN + read_secret(file, "--bmc-password-file", "BMC password", MAX_PASSWORD)
