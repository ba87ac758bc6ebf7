"""A Redfish client that mends nothing: one request, one reply, as they are."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from netboot.lab.bmc.machine import FakeMachine
from netboot.lab.bmc.virtual import VirtualBmc

ROOT = "/redfish/v1"
TIMEOUT = 10.0
TRUST = ssl.create_default_context()
"""Made once, since it takes longer than a test; plain HTTP does not look at it."""


class Peer:
    """Talks to a virtual BMC with basic authentication."""

    def __init__(self, bmc: VirtualBmc) -> None:
        identity = bmc.quirk.identity
        self.system = f"{ROOT}/Systems/{identity.system}"
        self.manager = f"{ROOT}/Managers/{identity.manager}"
        self.chassis = f"{ROOT}/Chassis/{identity.chassis}"
        self.http = httpx.Client(
            base_url=bmc.url,
            auth=("admin", "password"),
            timeout=TIMEOUT,
            verify=TRUST,
            trust_env=False,
        )

    def get(self, path: str) -> dict[str, Any]:
        """The JSON of a resource that is there."""
        reply = self.http.get(path)
        assert reply.status_code == 200, reply.text
        value: dict[str, Any] = reply.json()
        return value

    def patch(self, path: str, body: object, etag: str | None = None) -> int:
        """The status of a PATCH."""
        headers = {"If-Match": etag} if etag else {}
        return self.http.patch(path, json=body, headers=headers).status_code

    def post(self, path: str, body: object = None) -> int:
        """The status of a POST, without a body where there is none."""
        return self.http.post(path, **({} if body is None else {"json": body})).status_code

    @property
    def boot(self) -> dict[str, Any]:
        """Boot of the system, without the prefix and the allowable values."""
        said = self.get(self.system)["Boot"]
        return {
            name.removeprefix("BootSourceOverride"): value
            for name, value in said.items()
            if "@" not in name
        }

    def override(self, target: str, enabled: str = "Once", **more: object) -> int:
        """The status of a PATCH of Boot with the whole body."""
        body = {"BootSourceOverrideEnabled": enabled, "BootSourceOverrideTarget": target}
        return self.patch(self.system, {"Boot": body | more})

    def reset(self, kind: str) -> int:
        """The status of the system's Reset."""
        return self.post(f"{self.system}/Actions/ComputerSystem.Reset", {"ResetType": kind})

    def slot(self, name: str = "Cd") -> str:
        """URI of a virtual media slot."""
        at_system = "VirtualMedia" in self.get(self.system)
        return f"{self.system if at_system else self.manager}/VirtualMedia/{name}"

    def insert(self, body: object, name: str = "Cd") -> int:
        """The status of InsertMedia."""
        return self.post(f"{self.slot(name)}/Actions/VirtualMedia.InsertMedia", body)

    def eject(self, name: str = "Cd", body: object = None) -> int:
        """The status of EjectMedia."""
        return self.post(f"{self.slot(name)}/Actions/VirtualMedia.EjectMedia", body)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()


@contextmanager
def running(name: str) -> Iterator[tuple[VirtualBmc, Peer]]:
    """A BMC of one personality before a machine in memory, and a client of it."""
    with VirtualBmc(FakeMachine(), name) as bmc, Peer(bmc) as peer:
        yield bmc, peer
