"""How commands reach volumes: through the control program while it runs, else alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from netboot.control.access.audited import Ledger, audited
from netboot.control.asking import Ask, Request, pages, quoted
from netboot.control.page_shapes import VolumePage
from netboot.store.bmc_shapes import Sealing
from netboot.store.volume_shapes import VolumeShown, volume_of, volume_shown

if TYPE_CHECKING:
    from netboot.store.store import Store


class Volumes(Protocol):
    """Volumes, without their secrets. Every method raises as ``Inventory``'s do."""

    def list(self) -> "Sequence[VolumeShown]":
        """Every volume, by name."""

    def get(self, name: str) -> VolumeShown:
        """One volume."""

    def add(self, raw: Mapping[str, object]) -> VolumeShown:
        """Keep a new volume in the shape of ``VolumeEntry``."""

    def attach(self, name: str, node: str | None) -> VolumeShown:
        """Attach a volume to a node, or take it from the one that has it."""

    def remove(self, name: str) -> None:
        """Forget a volume that is attached to none."""


class DirectVolumes:
    """The store, opened by this process.

    Args:
        store: the volumes.
        safe: seals their secrets.
        source: where the caller's input stands.
        leave: has a node's firmware boot from no volume any more.
    """

    def __init__(
        self, store: "Store", safe: Sealing, source: str, leave: Callable[[str], object]
    ) -> None:
        self._store = store
        self._leave = leave
        self._safe = safe
        self._source = source

    @property
    def ledger(self) -> Ledger:
        """The store's audit log."""
        return self._store

    def list(self) -> "Sequence[VolumeShown]":
        """As ``Volumes``."""
        return [volume_shown(kept) for kept in self._store.volumes()]

    def get(self, name: str) -> VolumeShown:
        """As ``Volumes``."""
        return volume_shown(self._store.volume(name, self._source))

    @audited("POST", "/api/v1/volumes", 201)
    def add(self, raw: Mapping[str, object]) -> VolumeShown:
        """As ``Volumes``."""
        new = volume_of(raw, self._safe, self._source)
        return volume_shown(self._store.add_volume(new, self._source))

    @audited("PATCH", "/api/v1/volumes/{name}")
    def attach(self, name: str, node: str | None) -> VolumeShown:
        """As ``Volumes``."""
        before = self._store.volume(name, self._source).node
        if node is None and before is not None:
            self._leave(before)
        return volume_shown(self._store.attach_volume(name, node, self._source))

    @audited("DELETE", "/api/v1/volumes/{name}", 204)
    def remove(self, name: str) -> None:
        """As ``Volumes``."""
        self._store.remove_volume(name, self._source)


class RemoteVolumes:
    """The control program.

    Args:
        ask: asks it for a shape.
        request: asks it for what has no answer.
    """

    def __init__(self, ask: Ask, request: Request) -> None:
        self._ask = ask
        self._request = request

    def list(self) -> "Sequence[VolumeShown]":
        """As ``Volumes``."""
        return [
            volume for page in pages(self._ask, "volumes", VolumePage) for volume in page.volumes
        ]

    def get(self, name: str) -> VolumeShown:
        """As ``Volumes``."""
        return self._ask("GET", f"volumes/{quoted(name)}", VolumeShown)

    def add(self, raw: Mapping[str, object]) -> VolumeShown:
        """As ``Volumes``."""
        return self._ask("POST", "volumes", VolumeShown, raw)

    def attach(self, name: str, node: str | None) -> VolumeShown:
        """As ``Volumes``."""
        return self._ask("PATCH", f"volumes/{quoted(name)}", VolumeShown, {"node": node or ""})

    def remove(self, name: str) -> None:
        """As ``Volumes``."""
        self._request("DELETE", f"volumes/{quoted(name)}")
