"""Where a Redfish client starts: the service root and the documents OData asks for (DSP0266)."""

from http import HTTPStatus
from uuid import NAMESPACE_OID, UUID, uuid5

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.http import Reply, Request
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.resources import (
    ODATA,
    ROOT,
    Json,
    metadata_document,
    service_document,
    service_root,
)

_SERVICES = {
    "Systems": "ComputerSystemCollection",
    "Chassis": "ChassisCollection",
    "Managers": "ManagerCollection",
    "AccountService": "AccountService",
    "SessionService": "SessionService",
    "TaskService": "TaskService",
}


def bmc_uuid(machine: UUID) -> UUID:
    """The UUID of the BMC beside a machine."""
    return uuid5(NAMESPACE_OID, f"BMC of {machine}")


def add_root(tree: Tree, machine: UUID, quirk: Quirk) -> None:
    """Add the service root and what can be read without a login."""
    tree["/redfish"] = Resource(lambda: {"v1": f"{ROOT}/"}, open=True)
    tree[ROOT] = Resource(lambda: _root(machine, quirk), open=True)
    tree[f"{ROOT}/odata"] = Resource(lambda: service_document(_SERVICES), open=True)
    tree[f"{ROOT}/$metadata"] = Resource(raw={"GET": _metadata}, open=True)


def _root(machine: UUID, quirk: Quirk) -> Json:
    root = service_root(f"Virtual BMC: {quirk.label}", _SERVICES)
    vendor = quirk.identity.root_vendor
    return root | {"UUID": str(bmc_uuid(machine))} | ({"Vendor": vendor} if vendor else {})


def _metadata(_: Request) -> Reply:
    headers = {"Content-Type": "application/xml", "OData-Version": ODATA}
    return Reply(HTTPStatus.OK, metadata_document(_SERVICES).encode(), headers)
