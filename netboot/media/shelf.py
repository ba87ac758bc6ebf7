"""Which images there are: those that can be fetched, and those that are only here."""

from datetime import datetime
from pathlib import Path

from netboot.checked import Checked
from netboot.errors import ConfigError
from netboot.media import library
from netboot.media.definition import definitions
from netboot.media.library import Manifest

OWN = "your own files"
"""The title of an image nobody else describes."""


class Listed(Checked, frozen=True, kw_only=True):
    """One image; None where nothing is here; ``own`` files were added, ``built`` ones made here."""

    name: str
    title: str
    own: bool = False
    built: bool = False
    version: str | None = None
    fetched_at: datetime | None = None
    size: int | None = None


def missing(name: str) -> str:
    """That an image is not here, and the command that brings it."""
    known = definitions().get(name)
    if known is not None and known.build is not None:
        return f"not built: netboot image build {name}"
    return f"not fetched: netboot image fetch {name}"


def titles(images_dir: Path) -> dict[str, str]:
    """What each image is called, by name: every one that can be fetched, then the others."""
    found = {name: known.title for name, known in definitions().items()}
    return found | {name: OWN for name in library.names(images_dir) if name not in found}


def listed(name: str, title: str, images_dir: Path) -> tuple[Listed, Manifest | None]:
    """One image and its current version; None where nothing that can be read is fetched."""
    try:
        manifest = library.read_manifest(library.current(images_dir / name))
    except ConfigError:
        return Listed(name=name, title=title), None
    found = Listed(
        name=name,
        title=OWN if manifest.own else title,
        own=manifest.own,
        built=manifest.built,
        version=manifest.version,
        fetched_at=manifest.fetched_at,
        size=sum(entry.size for entry in manifest.files.values()),
    )
    return found, manifest
