"""Where a Redfish client starts: the service root and the documents OData asks for (DSP0266)."""

from http import HTTPStatus
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.http import Reply, Request
from netboot.lab.bmc.resource import ROOT, Json, Resource, Tree, head, link

VERSION = "1.18.0"
"""Of DSP0266."""

_SERVICES = {
    "Systems": "ComputerSystemCollection",
    "Chassis": "ChassisCollection",
    "Managers": "ManagerCollection",
    "AccountService": "AccountService",
    "SessionService": "SessionService",
    "TaskService": "TaskService",
}
_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"
_SCHEMAS = "http://redfish.dmtf.org/schemas/v1"


def bmc_uuid(machine: UUID) -> UUID:
    """The UUID of the BMC beside a machine."""
    return uuid5(NAMESPACE_OID, f"BMC of {machine}")


def add_root(tree: Tree, machine: UUID, quirk: Quirk) -> None:
    """Add the service root and what can be read without a login."""
    tree["/redfish"] = Resource(lambda: {"v1": f"{ROOT}/"}, open=True)
    tree[ROOT] = Resource(lambda: _root(machine, quirk), open=True)
    tree[f"{ROOT}/odata"] = Resource(_odata, open=True)
    tree[f"{ROOT}/$metadata"] = Resource(raw={"GET": _metadata}, open=True)


def _root(machine: UUID, quirk: Quirk) -> Json:
    services = {
        ("Tasks" if name == "TaskService" else name): link(f"{ROOT}/{name}") for name in _SERVICES
    }
    vendor = quirk.identity.root_vendor
    root: dict[str, Any] = head(f"{ROOT}/", "ServiceRoot", "v1_16_2", "Root Service", "RootService")
    root |= {
        "RedfishVersion": VERSION,
        "UUID": str(bmc_uuid(machine)),
        "Product": f"Virtual BMC: {quirk.label}",
        "ProtocolFeaturesSupported": {
            "ExcerptQuery": False,
            "ExpandQuery": {"ExpandAll": False, "Levels": False, "Links": False, "NoLinks": False},
            "FilterQuery": False,
            "OnlyMemberQuery": False,
            "SelectQuery": False,
        },
        "Links": {"Sessions": link(f"{ROOT}/SessionService/Sessions")},
    }
    return root | services | ({"Vendor": vendor} if vendor else {})


def _odata() -> Json:
    entries = [{"name": "Service", "kind": "Singleton", "url": f"{ROOT}/"}]
    entries += [{"name": name, "kind": "Singleton", "url": f"{ROOT}/{name}"} for name in _SERVICES]
    return {"@odata.context": f"{ROOT}/$metadata", "value": entries}


def _metadata(_: Request) -> Reply:
    """The OData metadata document, which names the schemas and holds none."""
    references = "".join(
        f'<edmx:Reference Uri="{_SCHEMAS}/{kind}_v1.xml">'
        f'<edmx:Include Namespace="{kind}"/></edmx:Reference>'
        for kind in ("ServiceRoot", *_SERVICES.values())
    )
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><edmx:Edmx xmlns:edmx="{_EDMX}" Version="4.0">'
        f"{references}"
        f'<edmx:DataServices><Schema xmlns="{_EDM}" Namespace="Service">'
        '<EntityContainer Name="Service" Extends="ServiceRoot.v1_16_2.ServiceContainer"/>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )
    headers = {"Content-Type": "application/xml", "OData-Version": "4.0"}
    return Reply(HTTPStatus.OK, body.encode(), headers)
