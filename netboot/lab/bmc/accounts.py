"""Who may talk to a virtual BMC: accounts with roles, sessions, basic authentication."""

import base64
import binascii
import hmac
import itertools
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.messages import Problem, bad
from netboot.redfish.resources import ROOT, Json, Outcome, collection, head, link

SERVICE = f"{ROOT}/AccountService"
ACCOUNTS = f"{SERVICE}/Accounts"
ROLES = f"{SERVICE}/Roles"
SESSION_SERVICE = f"{ROOT}/SessionService"
SESSIONS = f"{SESSION_SERVICE}/Sessions"

ACCOUNT_LIMIT = 32
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 64

PRIVILEGES = {
    "Administrator": [
        "Login",
        "ConfigureManager",
        "ConfigureUsers",
        "ConfigureSelf",
        "ConfigureComponents",
    ],
    "Operator": ["Login", "ConfigureSelf", "ConfigureComponents"],
    "ReadOnly": ["Login", "ConfigureSelf"],
}
"""The predefined roles of DSP0266, table "Roles"."""


@dataclass(slots=True)
class Account:
    """One account; its password stays in here."""

    number: str
    user: str
    password: str
    role: str
    enabled: bool = True


class Accounts:
    """Accounts and sessions of one BMC, and their resources.

    Args:
        tree: where the resources of accounts and sessions come and go.
        user: the first account's.
        password: the first account's; a lab's, so of any length.
        session_limit: sessions at once; 0 without resources for sessions and accounts.
    """

    def __init__(self, tree: Tree, user: str, password: str, session_limit: int) -> None:
        self._tree = tree
        self._limit = session_limit
        self._accounts = {"1": Account("1", user, password, "Administrator")}
        self._sessions: dict[str, tuple[str, str]] = {}  # number → (token, user)
        self._numbers = itertools.count(2)
        self._lock = threading.RLock()
        if session_limit:
            tree |= self._account_resources() | self._session_resources()

    @property
    def open_sessions(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def expire(self) -> None:
        """Forget every session, as a BMC does that restarts."""
        for number in tuple(self._sessions):
            self._log_out(number)

    def authenticated(self, headers: Mapping[str, str]) -> Account:
        """Whose request this is.

        Raises:
            Problem: 401, nobody's.
        """
        account = self._of_headers(headers)
        if account is None or not account.enabled:
            how = {"WWW-Authenticate": 'Basic realm="Redfish"'}
            raise Problem(HTTPStatus.UNAUTHORIZED, "AccessDenied", headers=how)
        return account

    def may(self, account: Account, method: str, path: str) -> bool:
        """Whether an account has the privileges for a request (DSP0266, "Privilege model")."""
        privileges = PRIVILEGES[account.role]
        if method in ("GET", "HEAD"):
            return True
        if path == f"{ACCOUNTS}/{account.number}" and method == "PATCH":
            return True
        if path.startswith(SESSIONS + "/"):
            owner = self._sessions.get(path.rpartition("/")[2], ("", ""))[1]
            return owner == account.user or "ConfigureManager" in privileges
        if path.startswith(SERVICE):
            return "ConfigureUsers" in privileges
        return "ConfigureComponents" in privileges

    def _of_headers(self, headers: Mapping[str, str]) -> Account | None:
        if token := headers.get("x-auth-token"):
            with self._lock:
                for known, user in self._sessions.values():
                    if hmac.compare_digest(known.encode(), token.encode()):
                        return self._named(user)
            return None
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self._login(user, password)

    def _login(self, user: str, password: str) -> Account | None:
        account = self._named(user)
        if account and hmac.compare_digest(account.password.encode(), password.encode()):
            return account
        return None

    def _named(self, user: str) -> Account | None:
        return next((one for one in self._accounts.values() if one.user == user), None)

    # Sessions

    def _session_resources(self) -> Tree:
        return {
            SESSION_SERVICE: Resource(
                lambda: (
                    head(SESSION_SERVICE, "SessionService", "v1_1_9", "Session Service")
                    | {"ServiceEnabled": True, "SessionTimeout": 1800, "Sessions": link(SESSIONS)}
                )
            ),
            SESSIONS: Resource(self._session_list, post=self._log_in, open_post=True),
            f"{SESSIONS}/Members": Resource(post=self._log_in, open_post=True),
        }

    def _session_list(self) -> Json:
        members = [f"{SESSIONS}/{number}" for number in tuple(self._sessions)]
        return collection(SESSIONS, "SessionCollection", "Session Collection", members)

    def _log_in(self, body: Json) -> Outcome:
        for name in ("UserName", "Password"):
            if not isinstance(body.get(name), str):
                raise bad("PropertyMissing", name)
        account = self._login(body["UserName"], body["Password"])
        if account is None or not account.enabled:
            raise Problem(HTTPStatus.UNAUTHORIZED, "AccessDenied")
        with self._lock:
            if len(self._sessions) >= self._limit:
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "SessionLimitExceeded")
            number, token = str(next(self._numbers)), secrets.token_hex(16)
            self._sessions[number] = (token, account.user)
        path = f"{SESSIONS}/{number}"
        read = partial(self._session, path, account.user)
        self._tree[path] = Resource(read, delete=partial(self._log_out, number))
        return Outcome(HTTPStatus.CREATED, read(), {"Location": path, "X-Auth-Token": token})

    def _session(self, path: str, user: str) -> Json:
        session = head(path, "Session", "v1_7_2", "User Session")
        return session | {"UserName": user, "Password": None}

    def _log_out(self, number: str) -> None:
        with self._lock:
            self._sessions.pop(number, None)
            self._tree.pop(f"{SESSIONS}/{number}", None)

    # Accounts

    def _account_resources(self) -> Tree:
        tree: Tree = {
            SERVICE: Resource(self._service),
            ACCOUNTS: Resource(self._account_list, post=self._create),
            f"{ACCOUNTS}/Members": Resource(post=self._create),
            ROLES: Resource(self._role_list),
        }
        for role in PRIVILEGES:
            tree[f"{ROLES}/{role}"] = Resource(partial(self._role, role))
        for account in self._accounts.values():
            tree[f"{ACCOUNTS}/{account.number}"] = self._account_resource(account, last=True)
        return tree

    def _service(self) -> Json:
        return head(SERVICE, "AccountService", "v1_15_4", "Account Service") | {
            "ServiceEnabled": True,
            "MinPasswordLength": SHORTEST_PASSWORD,
            "MaxPasswordLength": LONGEST_PASSWORD,
            "HTTPBasicAuth": "Enabled",
            "Accounts": link(ACCOUNTS),
            "Roles": link(ROLES),
        }

    def _account_list(self) -> Json:
        members = [f"{ACCOUNTS}/{number}" for number in self._accounts]
        return collection(ACCOUNTS, "ManagerAccountCollection", "Accounts", members)

    def _role_list(self) -> Json:
        return collection(
            ROLES, "RoleCollection", "Roles", [f"{ROLES}/{role}" for role in PRIVILEGES]
        )

    def _role(self, role: str) -> Json:
        return head(f"{ROLES}/{role}", "Role", "v1_3_3", f"{role} role") | {
            "RoleId": role,
            "IsPredefined": True,
            "AssignedPrivileges": PRIVILEGES[role],
        }

    def _account_resource(self, account: Account, *, last: bool = False) -> Resource:
        writes = {
            "Password": partial(self._set_password, account),
            "RoleId": partial(self._set_role, account),
            "Enabled": partial(self._set_enabled, account),
        }
        remove = None if last else partial(self._remove, account.number)
        return Resource(partial(self._account, account), writes, delete=remove)

    def _account(self, account: Account) -> Json:
        path = f"{ACCOUNTS}/{account.number}"
        return head(path, "ManagerAccount", "v1_12_3", "User Account") | {
            "UserName": account.user,
            "Password": None,
            "RoleId": account.role,
            "Enabled": account.enabled,
            "Locked": False,
            "AccountTypes": ["Redfish"],
            "Links": {"Role": link(f"{ROLES}/{account.role}")},
        }

    def _create(self, body: Json) -> Outcome:
        for name in ("UserName", "Password", "RoleId"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise bad("PropertyMissing", name)
        with self._lock:
            if len(self._accounts) >= ACCOUNT_LIMIT:
                raise bad("GeneralError", "No account is free.")
            if self._named(body["UserName"]):
                raise bad("ResourceAlreadyExists", body["UserName"])
            account = Account(str(next(self._numbers)), body["UserName"], "", "ReadOnly")
            self._set_password(account, body["Password"])
            self._set_role(account, body["RoleId"])
            self._accounts[account.number] = account
        path = f"{ACCOUNTS}/{account.number}"
        self._tree[path] = self._account_resource(account)
        return Outcome(HTTPStatus.CREATED, self._account(account), {"Location": path})

    def _remove(self, number: str) -> None:
        with self._lock:
            account = self._accounts.pop(number)
            self._tree.pop(f"{ACCOUNTS}/{number}")
            for session, (_, user) in tuple(self._sessions.items()):
                if user == account.user:
                    self._log_out(session)

    def _set_password(self, account: Account, value: object) -> None:
        if not isinstance(value, str) or not SHORTEST_PASSWORD <= len(value) <= LONGEST_PASSWORD:
            raise bad("PropertyValueTypeError", "Password")
        account.password = value

    def _set_role(self, account: Account, value: object) -> None:
        if value not in PRIVILEGES:
            raise bad("PropertyValueNotInList", str(value), "RoleId")
        account.role = str(value)

    def _set_enabled(self, account: Account, value: object) -> None:
        if not isinstance(value, bool):
            raise bad("PropertyValueTypeError", "Enabled")
        account.enabled = value
