"""The Redfish protocol (DSP0266) over a tree of resources: requests in, replies out."""

import threading
from collections import Counter
from http import HTTPStatus

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.accounts import Accounts
from netboot.lab.bmc.http import Reply, Request
from netboot.lab.bmc.resource import Resource, Tree, patch, written
from netboot.lab.bmc.tasks import Tasks
from netboot.redfish.messages import Problem
from netboot.redfish.resources import ODATA, Json, Outcome, described_by, digest, object_of

_METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE")
_FORMS = {"strong": '"{}"', "weak": 'W/"{}"', "doubly-quoted": '""{}""'}


class Service:
    """Answers one request at a time.

    Args:
        tree: every resource; may grow and shrink.
        accounts: who may ask.
        quirk: what this BMC does otherwise.
        tasks: its task service, None without one.
    """

    def __init__(
        self, tree: Tree, accounts: Accounts, quirk: Quirk, tasks: Tasks | None = None
    ) -> None:
        self._tree = tree
        self._tasks = tasks
        self._accounts = accounts
        self._quirk = quirk
        self._writes: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, request: Request, *, later: bool = False) -> Reply:
        """Do what is asked; with ``later`` a change becomes a task, where there are any."""
        with self._lock:
            if self._tasks:
                self._tasks.tick()
            path = request.path.rstrip("/") or "/"
            resource = self._tree.get(path)
            try:
                return self._answer(path, resource, request, later=later)
            except Problem as problem:
                headers = dict(problem.headers)
                if resource and problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
                    headers["Allow"] = resource.allow
                return written(Outcome(problem.status, problem.body, headers))

    def _answer(
        self, path: str, resource: Resource | None, request: Request, *, later: bool
    ) -> Reply:
        method = request.method
        self._check_request(request)
        is_open = resource is not None and (
            (resource.open and method != "POST") or (resource.open_post and method == "POST")
        )
        if not is_open:
            account = self._accounts.authenticated(request.headers)
            if not self._accounts.may(account, method, path):
                raise Problem(HTTPStatus.FORBIDDEN, "InsufficientPrivilege")
        if resource is None:
            raise Problem(HTTPStatus.NOT_FOUND, "ResourceMissingAtURI", path)
        if method not in resource.allow.split(", "):
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, "OperationNotAllowed")
        if method in resource.raw:
            return resource.raw[method](request)
        if resource.read and method in ("GET", "HEAD"):
            return self._read(path, resource, resource.read(), request)
        return self._write(path, resource, request, later=later)

    def _check_request(self, request: Request) -> None:
        if request.method not in _METHODS:
            raise Problem(HTTPStatus.NOT_IMPLEMENTED, "OperationNotAllowed")
        if request.headers.get("odata-version", ODATA) != ODATA:
            raise Problem(HTTPStatus.PRECONDITION_FAILED, "GeneralError", f"OData is {ODATA}.")
        for parameter in request.query.split("&"):
            name = parameter.partition("=")[0]
            if name.startswith("$"):
                raise Problem(HTTPStatus.NOT_IMPLEMENTED, "QueryParameterNotSupported", name)

    def _read(self, path: str, resource: Resource, body: Json, request: Request) -> Reply:
        etag = self._etag(path, body)
        known = request.headers.get("if-none-match", "")
        if etag and known and _opaque(known) == _opaque(etag):
            return written(Outcome(HTTPStatus.NOT_MODIFIED, headers={"ETag": etag}))
        if not etag:  # a BMC as plain as that has none of the other fields either
            return written(Outcome(HTTPStatus.OK, body))
        headers = {"Allow": resource.allow, **described_by(body)}
        if self._quirk.if_match != "odata":
            headers["ETag"] = etag
        if self._quirk.if_match != "header-only" and "@odata.id" in body:
            body = body | {"@odata.etag": etag}
        return written(Outcome(HTTPStatus.OK, body, headers))

    def _write(self, path: str, resource: Resource, request: Request, *, later: bool) -> Reply:
        if request.method == "DELETE" and resource.delete:
            self._check_match(path, resource, request)
            resource.delete()
            self._writes.pop(path, None)
            return written(Outcome())
        may_be_empty = request.method == "POST" and not resource.needs_body
        body = object_of(request.body or (b"{}" if may_be_empty else b""))
        if request.method == "POST" and (act := resource.post):
            if later and self._tasks:
                return written(self._tasks.defer(lambda: act(body)))
            outcome = act(body)
        else:
            self._check_match(path, resource, request)
            if later and self._tasks:
                return written(self._tasks.defer(lambda: self._patch(path, resource, body)))
            outcome = self._patch(path, resource, body)
        if outcome.status == HTTPStatus.CREATED and outcome.body:
            etag = self._etag(outcome.headers["Location"], outcome.body)
            return written(outcome, {"ETag": etag} if etag else {})
        return written(outcome)

    def _patch(self, path: str, resource: Resource, body: Json) -> Outcome:
        outcome = patch(resource, body)
        self._writes[path] += 1
        return outcome

    def _check_match(self, path: str, resource: Resource, request: Request) -> None:
        """Refuse a change of what the client has not seen (RFC 9110 section 13.1.1)."""
        etag = self._etag(path, resource.read() if resource.read else {})
        given = request.headers.get("if-match")
        if given is None:
            if self._quirk.if_match != "no" and request.method == "PATCH":
                raise Problem(HTTPStatus.PRECONDITION_REQUIRED, "PreconditionRequired")
        elif given != "*" and _opaque(given) != _opaque(etag):
            raise Problem(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed")

    def _etag(self, path: str, body: Json) -> str:
        """Of the representation and of how often it was written, since a secret does not show."""
        if self._quirk.etag_form == "none":
            return ""
        return _FORMS[self._quirk.etag_form].format(digest(body, self._writes[path]))


def _opaque(etag: str) -> str:
    """What an ETag has between its quotes."""
    return etag.removeprefix("W/").removeprefix('"').removesuffix('"').strip('"')
