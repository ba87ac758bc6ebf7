"""A PiKVM (4.73 and later): a Redfish service that moves the buttons and knows no boot order.

A PATCH of the system is answered 204 and does nothing; the override always reads Disabled. Its
virtual medium takes the name of an image that was brought there before, by its own ``/api/msd``.
"""

from functools import partial
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qs

from netboot.bmc.quirks import Quirk
from netboot.lab.bmc.http import Reply, Request
from netboot.lab.bmc.machine import Refused, VirtualMachine
from netboot.lab.bmc.power import Power
from netboot.lab.bmc.resource import Resource, Tree, written
from netboot.redfish.messages import Problem, bad
from netboot.redfish.resources import ROOT, Json, Outcome, collection, link

NAME = "pikvm"
KEPT_IMAGES = 16
"""How many images its card has room for."""

_SYSTEM = f"{ROOT}/Systems/0"
_MANAGER = f"{ROOT}/Managers/BMC"
_SLOT = f"{_MANAGER}/VirtualMedia/MSD"
_INSERT = f"{_SLOT}/Actions/VirtualMedia.InsertMedia"
_EJECT = f"{_SLOT}/Actions/VirtualMedia.EjectMedia"


@runtime_checkable
class HasScreen(Protocol):
    """A machine with a screen."""

    def screendump(self, path: Path) -> Path:
        """Write what it shows as PNG."""


def add(tree: Tree, machine: VirtualMachine, quirk: Quirk, power: Power) -> None:
    """Add all that a PiKVM has."""
    tree[ROOT] = Resource(_root, open=True)
    _add_collection(tree, "Systems", "ComputerSystem", _SYSTEM)
    tree[_SYSTEM] = Resource(
        partial(_system, machine.name, quirk, power), raw={"PATCH": lambda _: written(Outcome())}
    )
    tree[f"{_SYSTEM}/Actions/ComputerSystem.Reset"] = Resource(
        post=partial(_reset, quirk, power), needs_body=True
    )
    _add_collection(tree, "Managers", "Manager", _MANAGER)
    tree[_MANAGER] = Resource(_manager)
    _add_collection(tree, "Managers/BMC/VirtualMedia", "VirtualMedia", _SLOT)
    drive = Drive(machine)
    tree[_SLOT] = Resource(drive.read)
    tree[_INSERT] = Resource(post=drive.insert, needs_body=True)
    tree[_EJECT] = Resource(post=drive.eject)
    tree["/api/streamer/snapshot"] = Resource(raw={"GET": partial(_snapshot, machine)})
    tree["/api/msd"] = Resource(raw={"GET": drive.state})
    tree["/api/msd/write"] = Resource(raw={"POST": drive.write})
    tree["/api/msd/write_remote"] = Resource(raw={"POST": drive.write_remote})
    tree["/api/msd/remove"] = Resource(raw={"POST": drive.remove})


class Drive:
    """Its mass storage drive and the images on its card.

    Args:
        machine: reads the image that is inserted.
    """

    def __init__(self, machine: VirtualMachine) -> None:
        self._machine = machine
        self._images: dict[str, tuple[str, int]] = {}  # name → where it came from, bytes
        self._image: str | None = None
        self._connected = False

    def read(self) -> Json:
        """The slot."""
        return {
            "@odata.id": _SLOT,
            "@odata.type": "#VirtualMedia.v1_4_0.VirtualMedia",
            "Id": "MSD",
            "Name": "Virtual CD/DVD/Flash Drive",
            "Description": "PiKVM Virtual CD/DVD/Flash Drive",
            "MediaTypes": ["USBStick", "CD", "DVD"],
            "Image": self._image,
            "ImageName": PurePosixPath(self._image).name if self._image else None,
            "ConnectedVia": "Oem" if self._image else "NotConnected",
            "Inserted": self._connected,
            "WriteProtected": True,
            "Actions": {
                "#VirtualMedia.InsertMedia": {
                    "target": _INSERT,
                    "Image@Redfish.AllowableValues": ["URI"],  # it says so, and takes a name
                },
                "#VirtualMedia.EjectMedia": {"target": _EJECT},
            },
        }

    def insert(self, body: Json) -> Outcome:
        """Take out what is in it, and put an image of the card into it."""
        name = body.get("Image")
        if not isinstance(name, str) or name not in self._images:
            raise bad("ActionParameterValueNotInList", str(name), "Image")
        self.eject({})
        self._image = name
        if body.get("Inserted", True):
            try:
                self._machine.insert("Cd", self._images[name][0])
            except Refused as refusal:
                raise bad("GeneralError", str(refusal)) from None
            self._connected = True
        return Outcome()

    def eject(self, _: Json) -> Outcome:
        """Empty it."""
        self._machine.eject("Cd")
        self._image, self._connected = None, False
        return Outcome()

    def state(self, _: Request) -> Reply:
        """GET /api/msd."""
        images = {
            name: {"size": size, "complete": True} for name, (_, size) in self._images.items()
        }
        drive = {"image": self._image and {"name": self._image}, "connected": self._connected}
        return _result(
            {"enabled": True, "online": True, "busy": False, "drive": drive}
            | {"storage": {"images": images}}
        )

    def write(self, request: Request) -> Reply:
        """POST /api/msd/write?image=NAME with the image as the body, which is not kept."""
        return self._keep(_parameter(request, "image"), "upload:", len(request.body))

    def write_remote(self, request: Request) -> Reply:
        """POST /api/msd/write_remote?url=URL[&image=NAME]: it fetches the image itself.

        It tells its progress by a line of JSON each second, and is not JSON as a whole.
        """
        url = _parameter(request, "url")
        name = parse_qs(request.query).get("image", [PurePosixPath(url).name])[0]
        line = self._keep(name, url, 0).body + b"\r\n"
        return Reply(HTTPStatus.OK, line * 2, {"Content-Type": "application/x-ndjson"})

    def remove(self, request: Request) -> Reply:
        """POST /api/msd/remove?image=NAME."""
        name = _parameter(request, "image")
        if self._images.pop(name, None) is None:
            raise bad("GeneralError", "The image is unknown.")
        return _result({})

    def _keep(self, name: str, origin: str, size: int) -> Reply:
        if not name or name in self._images:
            raise bad("GeneralError", "The image exists already.")
        if len(self._images) >= KEPT_IMAGES:
            raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, "GeneralError", "No space is left.")
        self._images[name] = (origin + name if origin == "upload:" else origin, size)
        return _result({"image": {"name": name, "size": size, "written": size}})


def _snapshot(machine: VirtualMachine, _: Request) -> Reply:
    """GET /api/streamer/snapshot: what the screen shows; PNG here, JPEG on the real one."""
    if not isinstance(machine, HasScreen):
        no_signal = "The service is unavailable."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "GeneralError", no_signal)
    with TemporaryDirectory(prefix="netboot-screen-") as folder:
        image = machine.screendump(Path(folder) / "screen.png").read_bytes()
    return Reply(HTTPStatus.OK, image, {"Content-Type": "image/png"})


def _root() -> Json:
    return {
        "@odata.id": ROOT,
        "@odata.type": "#ServiceRoot.v1_6_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": "1.6.0",
        "Systems": link(f"{ROOT}/Systems"),
        "Managers": link(f"{ROOT}/Managers"),
    }


def _system(host: str, quirk: Quirk, power: Power) -> Json:
    actions = f"{_SYSTEM}/Actions/ComputerSystem"
    return {
        "@odata.id": _SYSTEM,
        "@odata.type": "#ComputerSystem.v1_10_0.ComputerSystem",
        "Id": "0",
        "HostName": host,
        "PowerState": power.state,
        "Actions": {
            "#ComputerSystem.Reset": {
                "ResetType@Redfish.AllowableValues": list(quirk.reset_types),
                "target": f"{actions}.Reset",
            },
            "#ComputerSystem.SetDefaultBootOrder": {"target": f"{actions}.SetDefaultBootOrder"},
        },
        "Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": None},
    }


def _manager() -> Json:
    return {
        "@odata.id": _MANAGER,
        "@odata.type": "#Manager.v1_15_0.Manager",
        "Id": "BMC",
        "Name": "PiKVM Manager",
        "Description": "PiKVM Baseboard Management Controller",
        "ManagerType": "BMC",
        "VirtualMedia": link(f"{_MANAGER}/VirtualMedia"),
    }


def _reset(quirk: Quirk, power: Power, body: Json) -> Outcome:
    if body.get("ResetType") not in quirk.reset_types:
        raise bad("GeneralError", "Missing or invalid ResetType")
    power.act(body["ResetType"])
    return Outcome()


def _add_collection(tree: Tree, path: str, kind: str, member: str) -> None:
    name = {"ComputerSystem": "Computer System", "VirtualMedia": "Virtual Media"}.get(kind, kind)
    uri = f"{ROOT}/{path}"
    tree[uri] = Resource(
        lambda: collection(uri, f"{kind}Collection", f"{name} Collection", [member])
    )


def _parameter(request: Request, name: str) -> str:
    values = parse_qs(request.query).get(name, [""])
    if not values[0]:
        raise bad("GeneralError", f"The parameter {name} is missing.")
    return values[0]


def _result(value: Json) -> Reply:
    """How PiKVM's own API wraps what it says."""
    return written(Outcome(HTTPStatus.OK, {"ok": True, "result": value}))
