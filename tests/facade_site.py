"""The Redfish facade over TLS on loopback, before a store and a BMC that is a fake."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from netboot.bmc.credentials import Safe
from netboot.config import Settings, load
from netboot.control.bmc_actions import Actions
from netboot.control.entries import add
from netboot.control.facade.opened import Facade, facade_of
from netboot.control.main import _Http
from netboot.control.sockets import listen_tcp
from netboot.model import Mac, Profile
from netboot.store.store import Store
from tests.fake_bmc import FakeBmc

USER, PASSWORD = "ironic", "pa55-of-the-facade"
M1, M2 = Mac("52:54:00:00:00:01"), Mac("52:54:00:00:00:02")
ROOT = "/redfish/v1"
SYSTEM = f"{ROOT}/Systems/n1"
CD = f"{ROOT}/Managers/n1/VirtualMedia/Cd"
PROFILES = {"local": Profile("local", "ipxe/local.ipxe")}
WITHIN = 10.0


class Site:
    """A store whose node ``n1`` is of the facade, whose ``n2`` is not; and one client.

    Attributes:
        changes: how often it was said that nodes may have changed.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.database)
        self.bmc = FakeBmc()
        self.safe = Safe(bytes(32))
        self.changes = 0
        self.actions = Actions(self.store, lambda: self.safe, opener=lambda *_: self.bmc)
        self.add("n1", "ipmi://bmc1", macs=[M1, M2], labels={"redfish": "facade"})
        self.add("n2", None, macs=["52:54:00:00:00:03"])
        facade = facade_of(
            settings, self.store, self.actions, changed=self._changed, arrived=lambda: None
        )
        assert facade is not None
        self.facade: Facade = facade
        self.url = ""
        self.http = httpx.Client()
        self.folder = folder

    def _changed(self) -> None:
        self.changes += 1

    def add(self, name: str, bmc: str | None, **more: Any) -> None:
        raw: dict[str, Any] = {"name": name, "profile": "local"} | more
        if bmc:
            raw["bmc"] = {"address": bmc, "user": "root", "password": "plain:of-the-bmc"}
            if bmc.startswith("wol:"):
                raw["bmc"] = {"address": bmc}
        add(self.store, raw, "test", PROFILES, lambda: self.safe)

    def client(self, **more: Any) -> httpx.Client:
        """Another client, which trusts the certificate."""
        trust = ssl.create_default_context(cafile=str(self.facade.certificate))
        return httpx.Client(
            base_url=self.url, verify=trust, timeout=WITHIN, trust_env=False, **more
        )

    def get(self, path: str) -> dict[str, Any]:
        reply = self.http.get(path)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def boot(self) -> tuple[str, str]:
        """What is said that n1 starts from: enabled, target."""
        boot = self.get(SYSTEM)["Boot"]
        return boot["BootSourceOverrideEnabled"], boot["BootSourceOverrideTarget"]

    def set_boot(self, **boot: Any) -> httpx.Response:
        said = {f"BootSourceOverride{key}": value for key, value in boot.items()}
        return self.http.patch(SYSTEM, json={"Boot": said})

    def reset(self, kind: Any, system: str = SYSTEM) -> httpx.Response:
        path = f"{system}/Actions/ComputerSystem.Reset"
        return self.http.post(path, json={"ResetType": kind})

    def insert(self, image: object, **more: Any) -> httpx.Response:
        path = f"{CD}/Actions/VirtualMedia.InsertMedia"
        return self.http.post(path, json={"Image": image} | more)

    def eject(self) -> httpx.Response:
        return self.http.post(f"{CD}/Actions/VirtualMedia.EjectMedia", json={})

    def told(self) -> list[str]:
        return [record.event.detail for record in self.store.timeline("n1")]


def settings_in(folder: Path) -> Settings:
    """A configuration with the facade on any port of loopback."""
    secret, file = folder / "secret", folder / "netboot.toml"
    secret.write_text(f"{PASSWORD}\n")
    file.write_text(
        f'[server]\ndata_dir = "{folder}/data"\n'
        '[redfish_facade]\nlisten = "127.0.0.1:1"\n'
        f'[redfish_facade.users]\n{USER} = "file:{secret}"\n'
    )
    return load(file, {})


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    """A facade that is served."""
    site = Site(folder, settings_in(folder))
    with site.store, listen_tcp("127.0.0.1:0", "test") as listener:
        server = _Http(site.facade.app, listener, site.facade)
        thread = threading.Thread(target=lambda: asyncio.run(server.run()), daemon=True)
        site.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        site.http = site.client(auth=(USER, PASSWORD))
        thread.start()
        try:
            with site.http:
                yield site
        finally:
            server.should_exit = True
            thread.join(WITHIN)
