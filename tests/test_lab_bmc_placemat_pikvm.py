"""Two BMCs to the letter: placemat's, and a PiKVM's."""

import json

from netboot.lab.bmc.machine import FakeMachine
from tests.redfish_peer import ROOT, running

METADATA = f"{ROOT}/$metadata#"
ISO = "http://192.0.2.1/x.iso"


class TestPlacemat:
    """Exactly what placemat's own documentation shows."""

    def test_its_collections(self) -> None:
        with running("placemat") as (_, peer):
            assert peer.get(f"{ROOT}/Systems") == {
                "@odata.context": f"{METADATA}ComputerSystemCollection.ComputerSystemCollection",
                "@odata.id": f"{ROOT}/Systems",
                "@odata.type": "#ComputerSystemCollection.ComputerSystemCollection",
                "Description": "Collection of Computer Systems",
                "Members": [{"@odata.id": f"{ROOT}/Systems/System.Embedded.1"}],
                "Members@odata.count": 1,
                "Name": "Computer System Collection",
            }
            assert peer.get(f"{ROOT}/Chassis") == {
                "@odata.context": f"{METADATA}ChassisCollection.ChassisCollection",
                "@odata.id": f"{ROOT}/Chassis/",
                "@odata.type": "#ChassisCollection.ChassisCollection",
                "Description": "Collection of Chassis",
                "Members": [{"@odata.id": f"{ROOT}/Chassis/System.Embedded.1"}],
                "Members@odata.count": 1,
                "Name": "Chassis Collection",
            }

    def test_its_actions(self) -> None:
        with running("placemat") as (_, peer):
            system, chassis = peer.get(peer.system), peer.get(peer.chassis)
        assert system["@odata.type"] == "#ComputerSystem.v1_5_0.ComputerSystem"
        assert system["Actions"] == {
            "#ComputerSystem.Reset": {
                "ResetType@Redfish.AllowableValues": [
                    "On",
                    "ForceOff",
                    "ForceRestart",
                    "GracefulShutdown",
                    "PushPowerButton",
                    "Nmi",
                ],
                "target": f"{ROOT}/Systems/System.Embedded.1/Actions/ComputerSystem.Reset",
            }
        }
        assert chassis["@odata.type"] == "#Chassis.v1_6_0.Chassis"
        assert chassis["Actions"] == {
            "#Chassis.Reset": {
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff"],
                "target": f"{ROOT}/Chassis/System.Embedded.1/Actions/Chassis.Reset",
            }
        }

    def test_its_override_is_constant_and_there_is_no_patch(self) -> None:
        with running("placemat") as (_, peer):
            before = peer.boot
            assert peer.override("Pxe") == 404
            assert peer.boot == before
            assert (before["Enabled"], before["Target"]) == ("Once", "None")

    def test_what_it_names_is_not_there(self) -> None:
        with running("placemat") as (_, peer):
            for name in ("Managers", "SessionService", "AccountService"):
                path = peer.get(ROOT)[name]["@odata.id"]
                assert peer.http.get(path).status_code == 404

    def test_its_power(self) -> None:
        with running("placemat") as (bmc, peer):
            kinds = ("ForceRestart", "PushPowerButton", "On", "On", "Nmi", "ForceRestart")
            assert [peer.reset(kind) for kind in kinds] == [409, 204, 204, 409, 204, 204]
            assert bmc.machine.starts == 2
            assert [peer.reset("GracefulShutdown"), peer.reset("ForceOff")] == [204, 409]
            assert peer.get(peer.system)["PowerState"] == "Off"
            chassis = f"{peer.chassis}/Actions/Chassis.Reset"
            assert peer.post(chassis, {"ResetType": "On"}) == 204
            assert peer.post(chassis, {"ResetType": "ForceRestart"}) == 400
            assert bmc.machine.is_on


class TestPiKvm:
    """A PATCH that does nothing, and media by name."""

    def test_a_patch_is_answered_204_and_does_nothing(self) -> None:
        with running("pikvm") as (bmc, peer):
            before = peer.get(peer.system)
            assert peer.override("Pxe") == 204
            assert peer.get(peer.system) == before
            assert peer.boot == {"Enabled": "Disabled", "Target": None}
            peer.reset("On")
            assert isinstance(bmc.machine, FakeMachine)
            assert list(bmc.machine.boots) == ["disk"]

    def test_its_reset_types(self) -> None:
        with running("pikvm") as (bmc, peer):
            system = peer.get(f"{ROOT}/Systems/0")
            allowed = system["Actions"]["#ComputerSystem.Reset"][
                "ResetType@Redfish.AllowableValues"
            ]
            assert allowed == [
                "On",
                "ForceOff",
                "GracefulShutdown",
                "ForceRestart",
                "ForceOn",
                "PushPowerButton",
            ]
            assert [peer.reset(kind) for kind in ("On", "ForceRestart", "PowerCycle")] == [
                204,
                204,
                400,
            ]
            assert (bmc.machine.starts, system["PowerState"]) == (2, "Off")

    def test_media_are_uploaded_and_then_named(self) -> None:
        with running("pikvm") as (bmc, peer):
            assert isinstance(bmc.machine, FakeMachine)
            assert peer.insert({"Image": ISO}, "MSD") == 400
            assert peer.insert({"Image": "x.iso"}, "MSD") == 400
            remote = {"url": ISO, "image": "x.iso"}
            lines = peer.http.post("/api/msd/write_remote", params=remote).text.splitlines()
            assert [json.loads(line)["result"]["image"]["name"] for line in lines] == ["x.iso"] * 2
            written = peer.http.post("/api/msd/write", params={"image": "y.iso"}, content=b"iso")
            assert written.json()["result"]["image"]["size"] == 3
            assert list(peer.get("/api/msd")["result"]["storage"]["images"]) == ["x.iso", "y.iso"]
            assert peer.insert({"Image": "x.iso", "Inserted": True}, "MSD") == 204
            assert bmc.machine.media == {"Cd": ISO}
            assert peer.get(peer.slot("MSD"))["Inserted"] is True
            assert peer.eject("MSD") == 204
            assert bmc.machine.media == {}
            assert peer.http.post("/api/msd/remove", params={"image": "x.iso"}).status_code == 200
            assert peer.insert({"Image": "x.iso"}, "MSD") == 400
