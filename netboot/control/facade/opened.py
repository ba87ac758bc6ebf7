"""The facade as the configuration says it."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from fastapi import FastAPI

from netboot.bmc import credentials
from netboot.bmc.model import Secret
from netboot.config import Settings
from netboot.control.bmc_actions import Actions
from netboot.control.facade.accounts import Accounts
from netboot.control.facade.app import facade_app
from netboot.control.facade.fleet import Fleet
from netboot.control.facade.service import Service
from netboot.control.facade.tls import certificate_of, fingerprint
from netboot.errors import ConfigError
from netboot.store.store import Store

log = logging.getLogger(__name__)


class Facade(NamedTuple):
    """What is to be served where; ``certificate`` and ``key`` are PEM files."""

    app: FastAPI
    listen: str
    certificate: Path
    key: Path


def facade_of(
    settings: Settings,
    store: Store,
    actions: Actions,
    *,
    changed: Callable[[], None],
    arrived: Callable[[], None],
) -> Facade | None:
    """The facade, None where it is not served.

    Args:
        settings: the configuration.
        store: nodes and what is said of them.
        actions: acts on their BMCs.
        changed: called in the loop when nodes may have changed.
        arrived: called when events were kept.

    Raises:
        ConfigError: a user, a password's place or the certificate is wrong.
        OperationError: a password cannot be read.
    """
    wanted = settings.redfish_facade
    if wanted.listen is None or wanted.members is None:
        return None
    accounts = Accounts(_passwords(wanted.users))
    certificate, key = certificate_of(settings)
    service = Service(Fleet(store, actions, wanted.members, arrived), accounts)
    said = fingerprint(certificate)
    log.info("Redfish for nodes with label %s, certificate SHA-256 %s", wanted.label, said)
    return Facade(facade_app(service, accounts, store, changed), wanted.listen, certificate, key)


def _passwords(users: Mapping[str, str]) -> Mapping[str, Secret]:
    if not users:
        problem = "is empty: nobody could log in; name at least one user"
        raise ConfigError("configuration", "redfish_facade.users", problem)
    for user, source in users.items():
        try:
            credentials.check_source(source)
        except ValueError as error:
            key = f"redfish_facade.users.{user}"
            raise ConfigError("configuration", key, f"{error}") from None
    return {user: credentials.read(source) for user, source in users.items()}
