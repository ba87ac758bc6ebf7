"""The files a reader is given and those they include, within bounds."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from netboot.checked import LARGEST_FILE, printable
from netboot.errors import ConfigError

MAX_FILES = 10_000
"""Files of one import, includes among them: ``pxelinux.cfg`` has one for each machine."""
MAX_BYTES = 64 * 1024 * 1024
"""Bytes of all of them together; one file may have ``LARGEST_FILE``."""

MAX_INCLUDES = 8
"""Files that include one another, one inside the other."""

_LEFT_BEHIND = re.compile(r"\..*|#.*#|.*~|.*\.(?:bak|orig|rej|swp|dpkg-\w+|rpm\w+)")
"""What editors and package managers leave in a folder of configuration."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file's text.

    Attributes:
        name: its path, for people.
        folder: relative includes are looked for here.
        depth: how many files this one is inside of.
    """

    name: str
    text: str
    folder: Path = Path()
    depth: int = 0

    @property
    def basename(self) -> str:
        """The name without folders."""
        return self.name.rsplit("/", 1)[-1]


class Files:
    """Reads files, each once.

    Attributes:
        skipped: what was passed over in folders: (path, why).
    """

    def __init__(self) -> None:
        self.skipped: list[tuple[str, str]] = []
        self._seen: set[Path] = set()
        self._bytes = 0

    def given(self, path: Path) -> list[Source]:
        """The file, or the files directly in the folder by name.

        Raises:
            ConfigError: one cannot be read, or there is too much of it.
        """
        try:
            if not path.is_dir():
                return [self._read(path)]
            entries = sorted(path.iterdir())
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise _unreadable(path, error) from None
        return [self._read(entry) for entry in entries if self._wanted(entry)]

    def included(self, name: str, source: Source) -> list[Source]:
        """What ``source`` includes: as named, else by the same name in its own folder.

        Gives nothing for a file that was read before: it was given too, or includes itself.

        Raises:
            ConfigError: it is not there, or there is too much of it.
        """
        if source.depth == MAX_INCLUDES:
            raise ConfigError(name, "", f"is inside more than {MAX_INCLUDES} files")
        named = source.folder / name
        beside = source.folder / Path(name).name
        try:
            path = named if named.exists() or not beside.exists() else beside
            if path.resolve() in self._seen:
                return []
            found = self.given(path)
        except (OSError, ValueError) as error:
            raise _unreadable(named, error) from None
        return [replace(one, depth=source.depth + 1) for one in found]

    def _wanted(self, entry: Path) -> bool:
        if entry.is_dir():
            self.skipped.append((str(entry), "a folder inside the folder; import it by itself"))
            return False
        if _LEFT_BEHIND.fullmatch(entry.name):
            self.skipped.append((str(entry), "a hidden or left-over file"))
            return False
        return True

    def _read(self, path: Path) -> Source:
        source = str(path)
        if not path.exists() or path.is_file():  # a pipe would never end, a device neither
            real = path.resolve()
        else:
            raise ConfigError(source, "", "is no regular file")
        if len(self._seen) == MAX_FILES:
            raise ConfigError(source, "", f"is one file too many; {MAX_FILES} is the most")
        self._seen.add(real)
        try:
            with path.open("rb") as file:
                raw = file.read(LARGEST_FILE + 1)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        self._bytes += len(raw)
        if len(raw) > LARGEST_FILE:
            raise ConfigError(source, "", f"is larger than {LARGEST_FILE // 1024**2} MiB")
        if self._bytes > MAX_BYTES:
            raise ConfigError(source, "", f"makes it more than {MAX_BYTES // 1024**2} MiB in all")
        # a comment in another encoding is no reason to refuse a file
        return Source(source, raw.decode("utf-8-sig", "replace"), path.parent)


def _unreadable(path: Path, error: OSError | ValueError) -> ConfigError:
    if isinstance(error, OSError):
        return ConfigError(str(path), "", f"cannot be read: {error.strerror}")
    return ConfigError(printable(str(path)), "", "is no file name")
