"""What is at each path of the facade, and what its methods do."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from netboot.control.facade import resources
from netboot.control.facade.accounts import Accounts
from netboot.control.facade.fleet import Fleet
from netboot.control.facade.resources import (
    CHASSIS,
    ENABLED,
    MANAGERS,
    SERVICES,
    SESSIONS,
    SYSTEMS,
    TARGETS,
)
from netboot.model import BootSource, Override
from netboot.redfish.messages import Problem, bad
from netboot.redfish.resources import (
    ROOT,
    Json,
    Outcome,
    metadata_document,
    service_document,
    service_root,
)

_INSERT = frozenset(
    {
        "Image",
        "Inserted",
        "WriteProtected",
        "UserName",
        "Password",
        "TransferMethod",
        "TransferProtocolType",
    }
)
_FIXED = {"Inserted": True, "WriteProtected": True, "TransferMethod": "Stream"}
"""Parameters of InsertMedia that can have one value only."""
_PRODUCT = "netboot: a Redfish service for machines whose boots it decides"
_PREFIX = "BootSourceOverride"
_OPEN = frozenset({"/redfish", ROOT, f"{ROOT}/odata", f"{ROOT}/$metadata"})
_OPEN_POST = frozenset({SESSIONS, f"{SESSIONS}/Members"})


@dataclass(frozen=True, slots=True)
class Resource:
    """What is at one path. Each of them raises ``Problem``; None where the method is not allowed.

    Attributes:
        read: the representation.
        xml: another one than JSON, in place of ``read``.
        patch: writes properties.
        post: acts, or makes a member.
        delete: removes it.
    """

    read: Callable[[], Json] | None = None
    xml: Callable[[], str] | None = None
    patch: Callable[[Json], None] | None = None
    post: Callable[[Json], Outcome] | None = None
    delete: Callable[[], None] | None = None

    @property
    def allow(self) -> str:
        """The methods it has, as in an Allow header field."""
        can = {
            "GET, HEAD": self.read or self.xml,
            "PATCH": self.patch,
            "POST": self.post,
            "DELETE": self.delete,
        }
        return ", ".join(method for method, handler in can.items() if handler)


def needs_login(path: str, method: str) -> bool:
    """Whether a request is for users only (DSP0266, "Resource and operation authentication")."""
    plain = "/" + path.strip("/")
    return plain not in (_OPEN_POST if method == "POST" else _OPEN)


class Service:
    """The tree of resources.

    Args:
        fleet: the nodes.
        accounts: who may.
    """

    def __init__(self, fleet: Fleet, accounts: Accounts) -> None:
        self._fleet = fleet
        self._accounts = accounts

    def at(self, path: str, user: str) -> Resource:
        """What is at ``path``, for ``user``.

        Raises:
            Problem: 404, nothing.
        """
        match path.strip("/").split("/"):
            case ["redfish"]:
                return Resource(lambda: {"v1": f"{ROOT}/"})
            case ["redfish", "v1"]:
                return Resource(partial(service_root, _PRODUCT, SERVICES))
            case ["redfish", "v1", "odata"]:
                return Resource(partial(service_document, SERVICES))
            case ["redfish", "v1", "$metadata"]:
                return Resource(xml=partial(metadata_document, SERVICES))
            case ["redfish", "v1", "SessionService", *rest]:
                found = self._sessions(rest)
            case ["redfish", "v1", "Systems", *rest]:
                found = self._systems(rest, user)
            case ["redfish", "v1", "Managers", *rest]:
                found = self._managers(rest, user)
            case ["redfish", "v1", "Chassis", *rest]:
                found = self._chassis(rest)
            case _:
                found = None
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "ResourceMissingAtURI", path)
        return found

    def _sessions(self, rest: list[str]) -> Resource | None:
        match rest:
            case []:
                return Resource(resources.session_service)
            case ["Sessions"]:
                members = self._accounts.sessions
                read = partial(_members, SESSIONS, "Session", members)
                return Resource(read, post=self._log_in)
            case ["Sessions", "Members"]:
                return Resource(post=self._log_in)
            case ["Sessions", number] if session := self._accounts.sessions().get(number):
                return Resource(
                    lambda: resources.session(session),
                    delete=lambda: self._accounts.log_out(number),
                )
        return None

    def _systems(self, rest: list[str], user: str) -> Resource | None:
        fleet = self._fleet
        match rest:
            case []:
                return Resource(partial(_members, SYSTEMS, "ComputerSystem", fleet.names))
            case [name]:
                return Resource(
                    partial(self._system, name, user), patch=partial(self._patch, name, user)
                )
            case [name, "Actions", "ComputerSystem.Reset"]:
                return Resource(post=partial(self._reset, name, user))
            case [name, "EthernetInterfaces"]:
                path = f"{SYSTEMS}/{name}/EthernetInterfaces"
                numbers = [str(place + 1) for place in range(len(fleet.node(name).macs))]
                return Resource(lambda: resources.members(path, "EthernetInterface", numbers))
            case [name, "EthernetInterfaces", number]:
                node = fleet.node(name)
                if number in [str(place + 1) for place in range(len(node.macs))]:
                    return Resource(lambda: resources.interface(node, int(number)))
        return None

    def _managers(self, rest: list[str], user: str) -> Resource | None:
        fleet = self._fleet
        match rest:
            case []:
                return Resource(partial(_members, MANAGERS, "Manager", fleet.names))
            case [name]:
                return Resource(lambda: resources.manager(fleet.node(name)))
            case [name, "VirtualMedia", *below]:
                return self._media(name, below, user)
        return None

    def _media(self, name: str, rest: list[str], user: str) -> Resource | None:
        fleet = self._fleet
        match rest:
            case []:
                path = f"{MANAGERS}/{fleet.node(name).name}/VirtualMedia"
                return Resource(lambda: resources.members(path, "VirtualMedia", ["Cd"]))
            case ["Cd"]:
                return Resource(
                    lambda: resources.medium(fleet.node(name), fleet.override(name).image)
                )
            case ["Cd", "Actions", "VirtualMedia.InsertMedia"]:
                return Resource(post=partial(self._insert, name, user))
            case ["Cd", "Actions", "VirtualMedia.EjectMedia"]:
                return Resource(post=partial(self._eject, name, user))
        return None

    def _chassis(self, rest: list[str]) -> Resource | None:
        match rest:
            case []:
                return Resource(partial(_members, CHASSIS, "Chassis", self._fleet.names))
            case [name]:
                return Resource(lambda: resources.chassis(self._fleet.node(name)))
        return None

    def _log_in(self, body: Json) -> Outcome:
        user, password = (_text(body, name) for name in ("UserName", "Password"))
        session = self._accounts.log_in(user, password)
        headers = {
            "Location": f"{SESSIONS}/{session.number}",
            "X-Auth-Token": session.token.reveal(),
        }
        return Outcome(HTTPStatus.CREATED, resources.session(session), headers)

    def _system(self, name: str, user: str) -> Json:
        seen = self._fleet.see(name, user)
        return resources.system(seen.node, seen.override, seen.power, seen.resets, heard=seen.heard)

    def _patch(self, name: str, user: str, body: Json) -> None:
        """Write Boot, all of it or nothing (DSP0266, "PATCH (update)")."""
        said = {key: value for key, value in body.items() if not key.startswith("@odata.")}
        if not said:
            raise bad("NoOperation")
        for key in said:
            if key != "Boot":
                known = key in self._system(name, user)
                raise bad("PropertyNotWritable" if known else "PropertyUnknown", key)
        source, once = _boot(said["Boot"], self._fleet.override(name))
        self._fleet.set_boot(name, source, user, once=once)

    def _reset(self, name: str, user: str, body: Json) -> Outcome:
        _refuse_others(body, ("ResetType",), "Reset")
        if "ResetType" not in body:
            raise bad("ActionParameterMissing", "Reset", "ResetType")
        self._fleet.reset(name, body["ResetType"], user)
        return Outcome()

    def _insert(self, name: str, user: str, body: Json) -> Outcome:
        _refuse_others(body, _INSERT, "InsertMedia")
        if not isinstance(image := body.get("Image"), str):
            raise bad("ActionParameterMissing", "InsertMedia", "Image")
        scheme = image.partition(":")[0].upper()
        for key, allowed in (_FIXED | {"TransferProtocolType": scheme}).items():
            if body.get(key, allowed) != allowed:
                raise bad("ActionParameterValueNotInList", str(body[key]), key)
        for key in ("UserName", "Password"):
            if body.get(key):  # the machine could not send them
                raise bad("ActionParameterNotSupported", key, "InsertMedia")
        self._fleet.insert(name, image, user)
        return Outcome()

    def _eject(self, name: str, user: str, body: Json) -> Outcome:
        _refuse_others(body, (), "EjectMedia")
        self._fleet.eject(name, user)
        return Outcome()


def _boot(wanted: object, now: Override) -> tuple[BootSource, bool]:
    """What a PATCH of Boot means: the source, and whether it is for one boot only.

    A target by itself is for once, as a person with such a client means it.
    """
    if not isinstance(wanted, dict):
        raise bad("PropertyValueTypeError", "Boot")
    allowed = {f"{_PREFIX}Enabled": ENABLED, f"{_PREFIX}Target": tuple(TARGETS)}
    for key, value in wanted.items():
        if key not in allowed:
            raise bad("PropertyUnknown", key)
        if value not in allowed[key]:
            raise bad("PropertyValueNotInList", str(value), key)
    said = resources.boot(now) | wanted
    target, enabled = TARGETS[said[f"{_PREFIX}Target"]], said[f"{_PREFIX}Enabled"]
    if enabled == "Disabled" and f"{_PREFIX}Enabled" not in wanted:
        enabled = "Once"
    if enabled == "Disabled" or target is BootSource.NONE:
        return BootSource.NONE, False
    return target, enabled == "Once"


def _members(path: str, kind: str, names: Callable[[], Iterable[str]]) -> Json:
    return resources.members(path, kind, names())


def _text(body: Json, name: str) -> str:
    if not isinstance(value := body.get(name), str):
        raise bad("PropertyMissing", name)
    return value


def _refuse_others(body: Json, known: Collection[str], action: str) -> None:
    for name in body:
        if name not in known:
            raise bad("ActionParameterNotSupported", name, action)
