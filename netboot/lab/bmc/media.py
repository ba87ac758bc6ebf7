"""Virtual media of a virtual BMC: slots whose images the machine itself reads."""

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.machine import Refused, VirtualMachine
from netboot.lab.bmc.resource import Resource, Tree
from netboot.redfish.messages import Problem, bad
from netboot.redfish.resources import Json, Outcome, collection, head

STALE_READS = 2
"""Reads of a slot that do not show it empty yet, after a slow eject; the first of them fails."""

_PARAMETERS = (
    "Image",
    "Inserted",
    "WriteProtected",
    "UserName",
    "Password",
    "TransferProtocolType",
    "TransferMethod",
)


@dataclass(slots=True)
class Slot:
    """One slot; ``usable``: takes images; ``stale`` counts the reads it is not yet empty for."""

    name: str
    types: tuple[str, ...]
    usable: bool = True
    image: str | None = None
    inserted: bool = False
    stale: int = 0


class Media:
    """All slots and their resources.

    Args:
        tree: its resources are added here.
        owner: the URI of the system or manager they belong to.
        machine: reads the images.
        quirk: what this BMC does otherwise.
    """

    def __init__(self, tree: Tree, owner: str, machine: VirtualMachine, quirk: Quirk) -> None:
        self.path = f"{owner}/VirtualMedia"
        self._machine = machine
        self._quirk = quirk
        self._transfers = [scheme.upper() for scheme in quirk.media_schemes]
        self._slots = [Slot("Cd", ("CD", "DVD"))]
        if quirk.media_unusable_slots:
            self._slots.insert(0, Slot("Applet", ("CD", "DVD"), usable=False))
        members = [f"{self.path}/{slot.name}" for slot in self._slots]
        tree[self.path] = Resource(
            lambda: collection(self.path, "VirtualMediaCollection", "Virtual media", members)
        )
        for slot in self._slots:
            self._add(tree, slot)

    def _add(self, tree: Tree, slot: Slot) -> None:
        path = f"{self.path}/{slot.name}"
        patched = self._quirk.media_verbs == "patch"
        writes = {"Image": partial(self._patch_image, slot), "Inserted": partial(_ignore, bool)}
        tree[path] = Resource(partial(self._read, path, slot), writes if patched else {})
        if not patched:
            actions = f"{path}/Actions/VirtualMedia"
            tree[f"{actions}.InsertMedia"] = Resource(post=partial(self._insert, slot))
            tree[f"{actions}.EjectMedia"] = Resource(
                post=partial(self._eject, slot), needs_body=self._quirk.media_eject_body
            )

    def _read(self, path: str, slot: Slot) -> Json:
        stale = slot.stale
        if stale:
            slot.stale -= 1
            if stale == STALE_READS:
                raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "the slot is busy")
        medium = head(path, "VirtualMedia", "v1_6_5", f"Virtual {slot.types[0]}") | {
            "MediaTypes": list(slot.types),
            "Image": slot.image,
            "ImageName": PurePosixPath(slot.image).name if slot.image else None,
            "Inserted": slot.inserted or bool(stale),
            "ConnectedVia": "URI" if slot.inserted else "NotConnected",
            "WriteProtected": True,
        }
        if self._quirk.media_verbs == "actions":
            actions = f"{path}/Actions/VirtualMedia"
            said = "TransferProtocolType@Redfish.AllowableValues"
            medium["Actions"] = {
                "#VirtualMedia.InsertMedia": {"target": f"{actions}.InsertMedia"}
                | ({said: self._transfers} if self._quirk.media_schemes_said else {}),
                "#VirtualMedia.EjectMedia": {"target": f"{actions}.EjectMedia"},
            }
        return medium

    def _insert(self, slot: Slot, body: Json) -> Outcome:
        quirk = self._quirk
        for name in body:
            unwanted = name in ("Inserted", "WriteProtected") and not quirk.media_inserted_property
            if unwanted or name not in _PARAMETERS:
                raise bad("ActionParameterNotSupported", name, "InsertMedia")
        needed = ["Image"]
        needed += ["TransferProtocolType"] if quirk.transfer_protocol_required else []
        needed += ["UserName", "Password"] if quirk.dummy_credentials_required else []
        for name in needed:
            if not body.get(name):
                raise bad("ActionParameterMissing", "InsertMedia", name)
        transfer = body.get("TransferProtocolType")
        if transfer is not None and transfer not in self._transfers:
            raise bad("ActionParameterValueNotInList", str(transfer), "TransferProtocolType")
        self._put(slot, body["Image"])
        return Outcome()

    def _patch_image(self, slot: Slot, value: Any) -> None:  # noqa: ANN401 -- any JSON
        if value:
            self._put(slot, value)
        else:
            self._take(slot)

    def _put(self, slot: Slot, image: object) -> None:
        if not isinstance(image, str):
            raise bad("PropertyValueTypeError", "Image")
        if not slot.usable:
            raise bad("GeneralError", f"{slot.name} is for the console's own media.")
        if slot.inserted or slot.stale:
            raise Problem(HTTPStatus.CONFLICT, "ResourceInUse", slot.name)
        try:
            self._check(image)
            self._machine.insert(slot.name, image)
        except Refused as refusal:
            raise bad("GeneralError", str(refusal)) from None
        slot.image, slot.inserted = image, True

    def _check(self, image: str) -> None:
        """Refuse an image named as this BMC does not take it."""
        quirk = self._quirk
        if urlsplit(image).scheme.lower() not in quirk.media_schemes:
            raise bad("ActionParameterValueNotInList", image, "Image")
        if any(char in image for char in quirk.media_bad_characters):
            raise bad("ActionParameterValueNotInList", image, "Image")
        if quirk.media_directory and image.endswith(".iso"):
            raise bad("GeneralError", "The image must be a directory.")

    def _eject(self, slot: Slot, _: Json) -> Outcome:
        self._take(slot)
        return Outcome()

    def _take(self, slot: Slot) -> None:
        if slot.inserted and self._quirk.stale_inserted:
            slot.stale = STALE_READS
        self._machine.eject(slot.name)
        slot.inserted = False
        if not self._quirk.stale_image:
            slot.image = None


def _ignore(kind: type, value: object) -> None:
    if not isinstance(value, kind):
        raise bad("PropertyValueTypeError", "Inserted")
