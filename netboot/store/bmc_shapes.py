"""A node's BMC as people write it, checked; and what is shown of one.

It comes in beside its node, as the key ``bmc`` of the same table, and is taken out before the node
is looked at: no ``Node``, and so no snapshot, knows a BMC. A password is a ``Secret`` or sealed
from the first line here on, and no error repeats one, nor an address with an ``@`` in it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from netboot.bmc.address import Address, parse_address
from netboot.bmc.credentials import FORMS, PLAIN, Safe, check_source, password, said
from netboot.bmc.model import Hardware, Tls
from netboot.checked import Checked, convert, shown
from netboot.errors import ConfigError

VERIFY = "verify"
INSECURE = "insecure"
_TLS_FORMS = f"{VERIFY}, {INSECURE}, ca:/PATH or sha256:FINGERPRINT"

User = Annotated[
    str,
    Meta(pattern=r"^[\x20-\x7e]{0,255}\Z", description="at most 255 printable ASCII characters"),
]


class BmcEntry(Checked, frozen=True):
    """A BMC as it stands in a nodes file, beside its ``password``.

    In a change "" takes out the user, and with the address the whole BMC.
    """

    address: str | None = None
    user: User | None = None
    tls: str | None = None


@dataclass(frozen=True, slots=True)
class Bmc:
    """A node's BMC.

    Attributes:
        user: None where nobody logs in.
        source: where its password is (``netboot.bmc.credentials``); None where we keep it.
        sealed: its password, sealed; None where there is none, or it is elsewhere.
    """

    address: Address
    user: str | None = None
    source: str | None = None
    sealed: bytes | None = field(default=None, repr=False)
    tls: Tls = field(default_factory=Tls)


@dataclass(frozen=True, slots=True)
class BmcChange:
    """What to change of a node's BMC; None leaves a thing alone.

    Attributes:
        address: False takes the BMC away.
        user: "" for none.
        source: where its password is from now on, "" for nowhere.
        sealed: the password to keep from now on.
    """

    address: Address | bool | None = None
    user: str | None = None
    source: str | None = None
    sealed: bytes | None = field(default=None, repr=False)
    tls: Tls | None = None


class BmcShown(Checked, frozen=True):
    """A BMC without its secret.

    Attributes:
        password: where it is, without a command's arguments; None for none or one that is kept.
        kept: we keep its password, sealed.
    """

    address: str
    user: str | None
    password: str | None
    kept: bool
    tls: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a BMC said that the machine is; ``seen`` is when, epoch seconds."""

    hardware: Hardware
    seen: float


Sealing = Callable[[], Safe]
"""The safe, opened when a password is to be sealed."""


def take(raw: object) -> tuple[object, object]:
    """A node as somebody wrote it, without its BMC; and that, None where there is none."""
    if not isinstance(raw, Mapping) or "bmc" not in raw:
        return raw, None
    return {key: value for key, value in raw.items() if key != "bmc"}, raw["bmc"]


def take_all(raw: object) -> tuple[object, Mapping[int, object]]:
    """The same for a list of nodes; BMCs by their node's place in it."""
    if not isinstance(raw, list | tuple):
        return raw, {}
    taken = [take(one) for one in raw]
    bmcs = {place: bmc for place, (_, bmc) in enumerate(taken) if bmc is not None}
    return [node for node, _ in taken], bmcs


def bmc_change_of(
    raw: object, node: str, safe: Sealing, source: str, key: str = "bmc"
) -> BmcChange:
    """Check what somebody wants to change of a BMC.

    Args:
        raw: parsed data in the shape of ``BmcEntry``, with ``password``: ``file:…``, ``env:…``,
            ``command:…``, ``plain:`` and the password itself, or "" for none.
        node: whose it is.
        safe: seals a plain password.
        source: the file it stands in, or "command line".
        key: where in the file it stands.

    Raises:
        ConfigError: names what is wrong and what is allowed.
    """
    secret = raw.get("password") if isinstance(raw, Mapping) else None
    if isinstance(raw, Mapping):
        raw = {name: value for name, value in raw.items() if name != "password"}
    entry = convert(raw, BmcEntry, source, key)
    where, sealed = _password(secret, node, safe, source, f"{key}.password")
    return BmcChange(
        address=_address(entry.address, source, f"{key}.address"),
        user=entry.user,
        source=where,
        sealed=sealed,
        tls=_tls(entry.tls, source, f"{key}.tls"),
    )


def bmc_entry_of(raw: object, node: str, safe: Sealing, source: str, key: str) -> BmcChange:
    """Check a whole BMC of a nodes file.

    Returns:
        a change that replaces all but a password the file does not say.

    Raises:
        ConfigError: as ``bmc_change_of``, or it has no address.
    """
    change = bmc_change_of(raw, node, safe, source, key)
    if not change.address:
        raise ConfigError(source, f"{key}.address", "is missing; must be text: where the BMC is")
    return replace(change, user=change.user or "", tls=change.tls or Tls())


def changed_bmc(
    before: Bmc | None, change: BmcChange, node: str, source: str, key: str = "bmc"
) -> Bmc | None:
    """The BMC after a change; None for none.

    Raises:
        ConfigError: it may not become that.
    """
    if change.address is False:
        if change != BmcChange(address=False):
            raise ConfigError(source, key, "is taken away, so nothing else can be said of it")
        return None
    address = before.address if before and change.address is None else change.address
    if not isinstance(address, Address):
        raise ConfigError(source, f"{key}.address", f"is missing: node {node} has no BMC yet")
    _refuse_pointless(address, change, source, key)
    user, where, sealed = _login(before, change)
    if change.sealed or change.source:
        if not user:
            raise ConfigError(source, f"{key}.user", "is missing: a password is of a user")
    elif not user or not address.takes_login:
        user, where, sealed = None, None, None
    _refuse_stranger(before, address, change, source, f"{key}.address")
    tls = change.tls or (before.tls if before else Tls())
    return Bmc(address, user, where, sealed, tls if address.tls else Tls())


def bmc_shown(bmc: Bmc) -> BmcShown:
    """What may be shown of a BMC."""
    return BmcShown(
        address=str(bmc.address),
        user=bmc.user,
        password=None if bmc.source is None else said(bmc.source),
        kept=bmc.sealed is not None,
        tls=written_tls(bmc.tls),
    )


def written_tls(tls: Tls) -> str:
    """How its certificate is checked, as ``parse_tls`` takes it."""
    if not tls.verify:
        return INSECURE
    if tls.fingerprint:
        return f"sha256:{tls.fingerprint}"
    return f"ca:{tls.ca_file}" if tls.ca_file else VERIFY


def parse_tls(text: str) -> Tls:
    """Read ``verify``, ``insecure``, ``ca:/PATH`` or ``sha256:`` and 64 hex digits.

    Raises:
        ValueError: it is something else.
    """
    if text == VERIFY:
        return Tls()
    if text == INSECURE:
        return Tls(verify=False)
    kind, _, rest = text.partition(":")
    if kind == "ca" and rest.startswith("/") and rest.isprintable() and len(rest) <= _LONGEST_PATH:
        return Tls(ca_file=Path(rest))
    digits = rest.replace(":", "").lower()
    if kind == "sha256" and re.fullmatch(r"[0-9a-f]{64}", digits):
        return Tls(fingerprint=digits)
    raise ValueError(f"must be {_TLS_FORMS}")


_LONGEST_PATH = 4096  # PATH_MAX


def _login(before: Bmc | None, change: BmcChange) -> tuple[str | None, str | None, bytes | None]:
    """User, where the password is, and the sealed password."""
    user = change.user if change.user is not None else before.user if before else None
    if change.sealed is not None or change.source is not None:
        return user or None, change.source or None, change.sealed
    return user or None, before.source if before else None, before.sealed if before else None


def _refuse_pointless(address: Address, change: BmcChange, source: str, key: str) -> None:
    """What would be said in vain is a mistake somewhere else."""
    if not address.takes_login and (change.user or change.source or change.sealed):
        raise ConfigError(source, f"{key}.user", f"nobody logs in at {address}")
    if not address.tls and change.tls not in (None, Tls()):
        raise ConfigError(source, f"{key}.tls", f"there is no TLS at {address}")


def _refuse_stranger(
    before: Bmc | None, address: Address, change: BmcChange, source: str, key: str
) -> None:
    """Refuse to send one host's login to another."""
    if before is None or not address.takes_login or address.host == before.address.host:
        return
    says_password = change.source is not None or change.sealed is not None
    keeps_password = before.user and change.user != "" and not says_password
    keeps_user = before.user and change.user is None
    if keeps_user or (keeps_password and (before.source or before.sealed)):
        problem = f"= {shown(str(address))}: the user and password are those of {before.address}; "
        raise ConfigError(source, key, f"{problem}say both again for another host")


def _address(text: str | None, source: str, key: str) -> Address | bool | None:
    if text is None:
        return None
    if not text:
        return False
    try:
        return parse_address(text)
    except ValueError as error:
        given = "" if "@" in text else f"= {shown(text)}: "
        raise ConfigError(source, key, f"{given}{error}") from None


def _tls(text: str | None, source: str, key: str) -> Tls | None:
    if text is None:
        return None
    try:
        return parse_tls(text)
    except ValueError as error:
        raise ConfigError(source, key, f"= {shown(text)}: {error}") from None


def _password(
    raw: object, node: str, safe: Sealing, source: str, key: str
) -> tuple[str | None, bytes | None]:
    """Where it is, and it sealed; at most one of them, and "" for nowhere."""
    if raw is None or raw == "":
        return raw if raw is None else "", None
    try:
        if not isinstance(raw, str):
            raise ValueError(f"must be {FORMS}")  # noqa: TRY004,TRY301 -- one road for what is wrong
        if raw.startswith(PLAIN):
            return None, safe().seal(node, password(raw.removeprefix(PLAIN)))
        check_source(raw)
    except ValueError as error:
        raise ConfigError(source, key, str(error)) from None
    return raw, None
