"""Metal3's BareMetalHost manifests: YAML of many documents (metal3.io/v1alpha1).

What ``kubectl get baremetalhosts -o yaml`` prints is taken too. A Secret beside them is not read.
"""

import re

from netboot.migrate import yaml_tree
from netboot.migrate.files import Files, Source
from netboot.migrate.found import Machine, Place, Reading
from netboot.migrate.kubernetes import disk, macs, unread
from netboot.migrate.tree import Tree

_SILENT = frozenset({"online", "description", "bootMode", "externallyProvisioned", "consumerRef"})
"""Of a host's spec: what it is to do now, not who it is."""
_READ = frozenset({"bootMACAddress", "bmc", "rootDeviceHints", "image"})
_REFERENCES = ("userData", "networkData", "metaData")
_USERINFO = re.compile(r"//[^/]*@")
_LATER = (
    "say it with `netboot node set NAME --bmc ADDRESS --bmc-user USER --bmc-password-file FILE`"
)


def read(sources: list[Source], files: Files) -> Reading:  # noqa: ARG001 -- the readers' common shape
    """Read manifests.

    Raises:
        ConfigError: one is no YAML, or there is too much of it.
    """
    reading = Reading()
    for source in sources:
        for document in yaml_tree.documents(source):
            listed = document.get("kind").text == "List"
            for one in document.get("items").each() if listed else [document]:
                _document(source.name, one, reading)
    return reading


def _document(file: str, document: Tree, reading: Reading) -> None:
    kind = document.get("kind").text
    name = document.get("metadata", "name").text
    place = Place(file, document.line)
    if kind == "Secret":
        reading.note(place, f"Secret {name}".rstrip(), "secrets are not read")
    elif kind != "BareMetalHost":
        reading.note(place, f"{kind} {name}".strip() or "a document", "is no BareMetalHost")
    else:
        _host(file, name, document, reading)


def _host(file: str, name: str, document: Tree, reading: Reading) -> None:
    spec = document.get("spec")
    place = Place(file, document.line)
    _bmc(file, spec.get("bmc"), reading)
    for key in _REFERENCES:
        if secret := spec.get(key, "name").text:
            where = Place(file, spec.get(key).line)
            reading.note(where, f"{key}: Secret {secret}", "secrets are not read")
    unread(file, spec, _SILENT | _READ | set(_REFERENCES), "", reading)
    address = spec.get("bootMACAddress")
    known = macs(file, "bootMACAddress", [address] if address.text else [], reading)
    if not known:
        why = "has no bootMACAddress, so nothing would know it"
        reading.note(place, f"BareMetalHost {name}".rstrip(), why)
        return
    image = spec.get("image", "url")
    if image.text:
        why = "a node's profile says what it boots"
        reading.note(Place(file, image.line), "image.url", why, image.text)
    labels = {key: value.text for key, value in document.get("metadata", "labels").items()}
    machine = Machine(
        place=place,
        name=name,
        macs=known,
        boots=(image.text,) if image.text else (),
        labels=labels,
        vars=disk(file, spec.get("rootDeviceHints"), reading),
    )
    reading.add(machine)


def _bmc(file: str, bmc: Tree, reading: Reading) -> None:
    """The address without a name and password somebody may have written into it."""
    for key, value in bmc.items():
        shown = _USERINFO.sub("//", value.text)
        what = f"bmc.{key}: {shown}" if key in {"address", "credentialsName"} else f"bmc.{key}"
        reading.note(Place(file, value.line), what, _LATER)
