"""What can be booted, over the operator's API: profiles and images."""

import asyncio
from datetime import datetime

import msgspec
from fastapi import FastAPI, Response

from netboot.answer.disk_image import disk_name
from netboot.answer.withheld import without_secret_values
from netboot.checked import shown
from netboot.control.desk import SOURCE, Desk
from netboot.control.exchange import reply
from netboot.control.freshness import Freshness, Judged
from netboot.control.spec import spec
from netboot.media.shelf import listed, titles
from netboot.model import AnswerKind, Profile
from netboot.store.shapes import Unknown


class ProfileShown(msgspec.Struct, frozen=True):
    """A profile.

    ``answer``: whose language its answer file is in. ``erases``: also where it installs nothing.
    """

    name: str
    description: str
    installs: bool
    erases: bool
    image: str | None
    answer: AnswerKind | None
    script: str
    vars: dict[str, str]


class ProfileList(msgspec.Struct, frozen=True):
    """Every profile, by name."""

    profiles: tuple[ProfileShown, ...]


class FileShown(msgspec.Struct, frozen=True):
    """A file of an image."""

    name: str
    size: int
    sha256: str


class ImageShown(msgspec.Struct, frozen=True):
    """An image; what is ``null`` is not fetched, or ``judged`` not asked of a mirror yet.

    ``disk``: it can be written straight to a machine's disk.
    """

    name: str
    title: str
    own: bool
    version: str | None
    fetched_at: datetime | None
    size: int | None
    disk: bool
    files: tuple[FileShown, ...]
    judged: Judged | None


class ImageList(msgspec.Struct, frozen=True):
    """Every image, fetched or not, by name."""

    images: tuple[ImageShown, ...]


def add_catalogue(app: FastAPI, desk: Desk) -> None:
    """Add profiles and images."""
    _add_profiles(app, desk)
    _add_images(app, desk)


def _add_profiles(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/profiles", **spec(gives=ProfileList))
    async def list_profiles() -> Response:
        """Every profile as its file is now."""
        profiles = await asyncio.to_thread(desk.profiles)
        return reply(ProfileList(tuple(map(_shown, profiles.values()))))

    @app.get("/api/v1/profiles/{name:path}", **spec(gives=ProfileShown, fails=(404,)))
    async def get_profile(name: str) -> Response:
        """One profile."""
        found = (await asyncio.to_thread(desk.profiles)).get(name)
        if found is None:
            raise Unknown(SOURCE, "", f"no profile is called {shown(name)}")
        return reply(_shown(found))


def _add_images(app: FastAPI, desk: Desk) -> None:
    freshness = Freshness(desk.settings)

    @app.get("/api/v1/images", **spec(gives=ImageList))
    async def list_images() -> Response:
        """Every image, its files, and whether its mirror still has what it needs."""
        return reply(await asyncio.to_thread(_images, desk, freshness))


def _shown(profile: Profile) -> ProfileShown:
    return ProfileShown(
        profile.name,
        profile.description,
        profile.installs,
        profile.erases,
        profile.image,
        profile.answer.kind if profile.answer else None,
        profile.script,
        without_secret_values(profile.vars),
    )


def _images(desk: Desk, freshness: Freshness) -> ImageList:
    folder, judged = desk.settings.images_dir, freshness.known()
    found = []
    for name, title in sorted(titles(folder).items()):
        one, manifest = listed(name, title, folder)
        entries = manifest.files.items() if manifest else ()
        files = tuple(FileShown(name, entry.size, entry.sha256) for name, entry in entries)
        found.append(
            ImageShown(
                *(one.name, one.title, one.own, one.version, one.fetched_at, one.size),
                disk=manifest is not None and disk_name(manifest.files) is not None,
                files=files,
                judged=judged.get(name),
            )
        )
    return ImageList(tuple(found))
