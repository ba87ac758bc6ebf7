"""Shapes that any Redfish service has (DSP0266): resources, collections, and where a client starts.

Pure: values in, JSON data out.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from netboot.redfish.messages import bad

ROOT = "/redfish/v1"
ODATA = "4.0"
"""Version of OData that Redfish is written in."""
VERSION = "1.18.0"
"""Of DSP0266."""

Json = dict[str, Any]
Services = Mapping[str, str]
"""What hangs on the service root: the last part of its URI, and its type."""

_SCHEMAS = "http://redfish.dmtf.org/schemas/v1"
_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"
_QUERIES: Json = {
    "ExcerptQuery": False,
    "ExpandQuery": dict.fromkeys(("ExpandAll", "Levels", "Links", "NoLinks"), False),
    "FilterQuery": False,
    "OnlyMemberQuery": False,
    "SelectQuery": False,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request ended with, where that is not the resource itself."""

    status: HTTPStatus = HTTPStatus.NO_CONTENT
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def head(path: str, kind: str, version: str, name: str, identity: str | None = None) -> Json:
    """What every resource begins with.

    Args:
        path: its URI.
        kind: its type, ``ComputerSystem``.
        version: of its schema, ``v1_20_0``.
        name: for people.
        identity: its Id, else the last segment of the URI.
    """
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}.{version}.{kind}",
        "Id": identity or path.rpartition("/")[2],
        "Name": name,
    }


def link(path: str) -> Json:
    """A reference to a resource."""
    return {"@odata.id": path}


def links(paths: Iterable[str]) -> list[Json]:
    """References to resources."""
    return [link(path) for path in paths]


def collection(path: str, kind: str, name: str, members: Iterable[str]) -> Json:
    """A resource collection.

    Args:
        path: its URI.
        kind: its type, ``ComputerSystemCollection``.
        name: for people.
        members: their URIs.
    """
    references = links(members)
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}.{kind}",
        "Name": name,
        "Members": references,
        "Members@odata.count": len(references),
    }


def service_root(product: str, services: Services) -> Json:
    """Where a client starts."""
    named = {("Tasks" if name == "TaskService" else name): name for name in services}
    return (
        head(f"{ROOT}/", "ServiceRoot", "v1_16_2", "Root Service", "RootService")
        | {
            "RedfishVersion": VERSION,
            "Product": product,
            "ProtocolFeaturesSupported": _QUERIES,
            "Links": {"Sessions": link(f"{ROOT}/SessionService/Sessions")},
        }
        | {name: link(f"{ROOT}/{part}") for name, part in named.items()}
    )


def service_document(services: Services) -> Json:
    """OData's service document."""
    entries = [{"name": "Service", "kind": "Singleton", "url": f"{ROOT}/"}]
    entries += [{"name": name, "kind": "Singleton", "url": f"{ROOT}/{name}"} for name in services]
    return {"@odata.context": f"{ROOT}/$metadata", "value": entries}


def metadata_document(services: Services) -> str:
    """OData's metadata document, which names the schemas and holds none."""
    references = "".join(
        f'<edmx:Reference Uri="{_SCHEMAS}/{kind}_v1.xml">'
        f'<edmx:Include Namespace="{kind}"/></edmx:Reference>'
        for kind in ("ServiceRoot", *services.values())
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><edmx:Edmx xmlns:edmx="{_EDMX}" Version="4.0">'
        f'{references}<edmx:DataServices><Schema xmlns="{_EDM}" Namespace="Service">'
        '<EntityContainer Name="Service" Extends="ServiceRoot.v1_16_2.ServiceContainer"/>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )


def described_by(body: Json) -> Mapping[str, str]:
    """The Link header field that names a resource's schema; a collection's has no version."""
    parts = str(body.get("@odata.type", "")).removeprefix("#").split(".")[:-1]
    if not parts:
        return {}
    schema = parts[0] if len(parts) == 1 or parts[0] == parts[-1] else ".".join(parts)
    return {"Link": f"<{_SCHEMAS}/{schema}.json>; rel=describedby"}


def digest(body: Json, writes: int = 0) -> str:
    """What an ETag has between its quotes: of a representation, and of how often it was written."""
    said = f"{writes} {json.dumps(body, sort_keys=True)}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def object_of(body: bytes) -> Json:
    """The JSON object of a request.

    Raises:
        Problem: 400, it is none.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise bad("MalformedJSON")
    return value
