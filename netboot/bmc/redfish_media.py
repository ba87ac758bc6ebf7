"""Virtual media (DSP0268, VirtualMedia): slots read, filled and emptied, as each BMC wants it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from netboot.bmc.model import Medium
from netboot.bmc.quirks import Quirk
from netboot.bmc.redfish_boot import etags, link, links, part
from netboot.bmc.redfish_http import Connection, PreconditionFailedError, Reply
from netboot.bmc.redfish_words import Json
from netboot.errors import BmcError

MOST_SLOTS = 16
"""Slots of one BMC that are looked at; real ones have up to six."""
_KINDS = {"CD": "cd", "DVD": "dvd", "USBStick": "usb", "Floppy": "floppy"}
_ACTIONS = ("#VirtualMedia.InsertMedia", "#VirtualMedia.EjectMedia")
_TRANSFERS = "TransferProtocolType@Redfish.AllowableValues"
_SCHEMES = ("http", "https", "nfs", "cifs")


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot as it was just read."""

    path: str
    said: Json
    etag: str | None

    @property
    def medium(self) -> Medium:
        """What is in it."""
        image = self.said.get("Image")
        inserted = self.said.get("Inserted")
        return Medium(
            slot=self.path.rstrip("/").rpartition("/")[2],
            kind=self.kind,
            image=str(image) if image else None,
            inserted=bool(image) if inserted is None else bool(inserted),
        )

    @property
    def kind(self) -> str:
        """What it takes, a CD if it can."""
        types = self.said.get("MediaTypes")
        known = [_KINDS[one] for one in types if one in _KINDS] if isinstance(types, list) else []
        return min(known, key=tuple(_KINDS.values()).index, default="cd")

    def action(self, name: str) -> str | None:
        """Where to POST."""
        target = part(part(self.said, "Actions"), name).get("target")
        return target if isinstance(target, str) else None

    @property
    def schemes(self) -> tuple[str, ...]:
        """What it says that it reads images by, of what there is; () where it does not say."""
        said = part(part(self.said, "Actions"), _ACTIONS[0]).get(_TRANSFERS)
        words = [str(one).lower() for one in said] if isinstance(said, list) else []
        return tuple(scheme for scheme in _SCHEMES if scheme in words)


class Media:
    """The slots of one system.

    Args:
        connection: to its BMC.
        quirk: what this BMC does otherwise.
        owners: the resources that may have the slots, in the order to ask: system and manager.
    """

    def __init__(self, connection: Connection, quirk: Quirk, *owners: Json) -> None:
        self._connection = connection
        self._quirk = quirk
        paths = [path for owner in owners if (path := link(owner, "VirtualMedia"))]
        self._collection = None if quirk.media_at == "none" else next(iter(paths), None)
        self._paths: tuple[str, ...] | None = None

    def read(self) -> tuple[Medium, ...]:
        """Every slot; one that does not answer, as after an eject, is left out."""
        return tuple(slot.medium for slot in self._slots())

    @property
    def usable(self) -> bool:
        """Whether there is a slot for a CD."""
        return any(self._fits(slot) for slot in self._slots())

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of URLs that images are read by, the one to prefer first."""
        return self._taken([slot for slot in self._slots() if self._fits(slot)])

    def insert(self, url: str, name: str | None = None) -> list[str]:
        """Insert the image at ``url``; what is in the slot is taken out first.

        Returns:
            the requests.

        Raises:
            BmcError: it cannot be inserted here.
        """
        slots = self._chosen(name)
        image = self._image(url, self._taken(slots))
        return _first_taken(slots, lambda slot: self._fill(slot, url, image))

    def eject(self, name: str | None = None) -> list[str]:
        """Take out what is in the slot, and wait until the BMC shows it empty.

        Returns:
            the requests.

        Raises:
            BmcError: it stays, or there is no slot.
        """
        full = [slot for slot in self._chosen(name) if slot.medium.inserted]
        return _first_taken(full, self._empty)

    def _fill(self, slot: Slot, url: str, image: str) -> list[str]:
        medium = slot.medium
        if medium.inserted and medium.image == image:
            return []
        done = self._empty(slot) if medium.inserted else []
        if self._quirk.media_by_name:
            done.append(self._upload(url, image))
        body: dict[str, object] = {"Image": image}
        if self._quirk.media_inserted_property:
            body |= {"Inserted": True, "WriteProtected": True}
        if self._quirk.transfer_protocol_required:
            body["TransferProtocolType"] = urlsplit(url).scheme.upper()
        if self._quirk.dummy_credentials_required:
            body |= {"UserName": "none", "Password": "none"}
        reply = self._change(slot, _ACTIONS[0], body)
        self._connection.finish(reply)
        return [*done, reply.request]

    def _empty(self, slot: Slot) -> list[str]:
        reply = self._change(slot, _ACTIONS[1], {})
        self._connection.finish(reply)
        timing = self._connection.timing
        deadline = timing.clock() + timing.settle
        while self._occupied(slot.path):
            if timing.clock() >= deadline:
                problem = f"{reply.request}: still inserted after {timing.settle:.0f} s"
                raise BmcError(problem, retryable=True, request=reply.request)
            timing.sleep(timing.pause)
        return [reply.request]

    def _taken(self, slots: Sequence[Slot]) -> tuple[str, ...]:
        """What these read by: as they say, but no HTTP where their kind is known not to."""
        known = self._quirk.media_schemes
        said = next((slot.schemes for slot in slots if slot.schemes), known)
        if "http" in known:
            return said
        return tuple(scheme for scheme in known if scheme in said) or known

    def _slots(self) -> Iterator[Slot]:
        if self._paths is None:
            members = links(self._connection.find(self._collection))
            self._paths = members[:MOST_SLOTS]
        for path in self._paths:
            try:
                reply = self._connection.get(path)
            except BmcError:  # some answer 5xx for a while after an eject
                continue
            yield Slot(path, reply.said, reply.etag)

    def _chosen(self, name: str | None) -> Sequence[Slot]:
        """The slot of this name; for None the first for a CD, or all where one may take nothing."""
        slots = list(self._slots())
        wanted = self._fits if name is None else lambda slot: slot.medium.slot == name
        fit = [slot for slot in slots if wanted(slot)]
        if fit:
            return fit if self._quirk.media_unusable_slots else fit[:1]
        names = ", ".join(slot.medium.slot for slot in slots) or "none"
        raise BmcError(f"the BMC has no virtual media slot {name or 'for a CD'}; it has {names}")

    def _fits(self, slot: Slot) -> bool:
        if slot.kind not in ("cd", "dvd"):
            return False
        return self._quirk.media_verbs == "patch" or slot.action(_ACTIONS[0]) is not None

    def _occupied(self, path: str) -> bool:
        try:
            reply = self._connection.get(path)
        except BmcError as error:
            if not error.retryable:
                raise
            return True
        return Slot(path, reply.said, reply.etag).medium.inserted

    def _change(self, slot: Slot, action: str, body: Json) -> Reply:
        target = slot.action(action)
        if self._quirk.media_verbs == "patch" or target is None:
            return patch(
                self._connection,
                slot.path,
                body or {"Image": None, "Inserted": False},
                tuple(etags(slot.said, slot.etag, self._quirk)),
            )
        return self._connection.send("POST", target, body)

    def _image(self, url: str, schemes: Sequence[str]) -> str:
        """What this BMC, which reads by ``schemes``, wants to be told for an image at ``url``.

        Raises:
            BmcError: it cannot read from there.
        """
        quirk = self._quirk
        if quirk.media_by_name:
            return urlsplit(url).path.rpartition("/")[2]
        scheme = urlsplit(url).scheme.lower()
        if scheme not in schemes and scheme not in quirk.media_schemes:
            takes = " or ".join(schemes)
            raise BmcError(f"{quirk.label} reads images by {takes}, not by {scheme}")
        if bad := [char for char in quirk.media_bad_characters if char in url]:
            raise BmcError(f"{quirk.label} takes no image URL with {' or '.join(bad)}")
        return url.rpartition("/")[0] + "/" if quirk.media_directory else url

    def _upload(self, url: str, name: str) -> str:
        """Have a PiKVM fetch an image into its mass storage drive, by its own API."""
        image = quote(name, safe="")
        with contextlib.suppress(BmcError):  # there is none of that name
            self._connection.send("POST", f"/api/msd/remove?image={image}")
        path = f"/api/msd/write_remote?url={quote(url, safe='')}&image={image}"
        return self._connection.send("POST", path).request


def _first_taken(slots: Sequence[Slot], act: Callable[[Slot], list[str]]) -> list[str]:
    """What ``act`` gives of the first slot that takes it; nothing for no slot.

    Raises:
        BmcError: what the last one said, or one that may have acted or may do so later.
    """
    for slot in slots[:-1]:
        try:
            return act(slot)
        except BmcError as error:
            if error.retryable or error.effect_unknown:
                raise
    return act(slots[-1]) if slots else []


def patch(connection: Connection, path: str, body: Json, matches: tuple[str, ...]) -> Reply:
    """PATCH with the first of these ETags that is taken.

    Raises:
        BmcError: refused; by 412, with all of them.
    """
    for etag in matches[:-1]:
        with contextlib.suppress(PreconditionFailedError):
            return connection.send("PATCH", path, body, etag=etag)
    return connection.send("PATCH", path, body, etag=matches[-1])
