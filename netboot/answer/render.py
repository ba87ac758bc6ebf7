"""The one Jinja environment: a template and values in, bounded and guarded text out.

- Every ``{{ … }}`` passes a guard chosen by the template's suffix (``netboot.answer.guards``); what
  it refuses is an error with template, line and node.
- A value is never rendered as a template: ``{{ 7 * 7 }}`` in a variable stays those letters.
- A name nobody defined is an error (``StrictUndefined``), an unset variable never an empty one.
- Templates run sandboxed, so one taken from somewhere else cannot reach into this program. It
  can still waste time: templates belong to the operator.

A template is compiled once and again when its file changes or a user's folder begins or ceases
to have one of that name; to know costs one ``stat`` a folder.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, TracebackType

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from netboot import resources
from netboot.answer.guards import FILTERS, SCRIPT, UnsafeError, Words, guarded, refuse
from netboot.answer.printed import use_of
from netboot.errors import NotBootable

MAX_RENDERED = 64 * 1024
"""Characters of one rendered text: iPXE keeps a script in memory, the installer in a tmpfs."""

MAX_VERBATIM = 1024 * 1024
"""Bytes of an answer file that is served as it is."""

MAX_TEXTS = 1024
"""Compiled texts of profiles that are kept."""

_GLOBALS_KEPT = ("range", "dict", "namespace")


class Names:
    """A value's parts for templates: ``node.name``, ``vars["x"]``, ``for name in vars``.

    A plain dict would give its own methods under names such as ``items`` and ``update``, which
    are perfectly good names for a variable. The environment looks ``node.name`` up as an item.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)


class Templates:
    """The templates of one site: a user's own folders first, then those that ship with us."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = (*folders, resources.TEMPLATES)
        self._loader = _Folders(self._folders)
        self._environment = _environment(self._loader)
        self._compiled = functools.lru_cache(MAX_TEXTS)(self._compile)

    def render(self, name: str, values: Mapping[str, object], subject: str) -> str:
        """Fill in one template.

        Args:
            name: the template below its folder, such as ``ipxe/debian.ipxe``.
            values: what its names mean.
            subject: whom it is for, in errors: ``node n1``.

        Returns:
            At most ``MAX_RENDERED`` characters.

        Raises:
            NotBootable: it cannot be made; the text names template, line, subject and reason.
        """
        with self._told(f"templates/{name}", subject):
            self._environment.note(name)
            return _bounded(self._environment.get_template(name).generate(values))

    def fill(self, text: str, place: str, values: Mapping[str, object], subject: str) -> str:
        """Fill in a part of an iPXE script that its author wrote somewhere else than in a template.

        Args:
            text: what he wrote; it is trusted as a template is, the values in it are not.
            place: where it stands, in errors: ``profile debian-12: args``.
            values: what its names mean.
            subject: whom it is for, in errors.

        Returns:
            One line that a script may print as it is.

        Raises:
            NotBootable: as ``render``.
        """
        if self._environment.noted is not None:
            self._environment.noted.texts.add(text)
        with self._told(place, subject):
            filled = _bounded(self._compiled(text, place).generate(values))
            return Words(" ".join(filled.split()))

    def read(self, name: str, subject: str) -> bytes:
        """A file of the templates' folders as it is, of at most ``MAX_VERBATIM`` bytes.

        Raises:
            NotBootable: there is none, or it cannot be read or is too large.
        """
        with self._told(f"templates/{name}", subject):
            parts = jinja2.loaders.split_template_path(name)
            places = (folder.joinpath(*parts) for folder in self._folders)
            found = next((place for place in places if place.is_file()), None)
            if found is None:
                raise jinja2.TemplateNotFound(name)
            with found.open("rb") as file:
                content = file.read(MAX_VERBATIM + 1)
            if len(content) > MAX_VERBATIM:
                raise UnsafeError(f"is longer than {MAX_VERBATIM} bytes")
            return content

    @contextlib.contextmanager
    def noted(self) -> Iterator["Rendered"]:
        """Note what is rendered meanwhile."""
        self._environment.noted = noted = Rendered()
        try:
            yield noted
        finally:
            self._environment.noted = None

    def only_prints_whose(self, rendered: "Rendered") -> bool:
        """Whether ``rendered`` differs between machines in nothing but their identity, printed.

        A profile's text that says whose boot it is counts as more than printing.
        """
        sources = self._loader.sources
        if not rendered.names <= sources.keys():
            return False  # an include that may be missing is
        uses = {name: use_of(self._environment, sources[name]) for name in rendered.names}
        silenced = {name for use in uses.values() for name in use.silenced}
        return (
            all(use.only_printed for use in uses.values())
            and all(uses[name].silent for name in silenced & uses.keys())
            and all(use_of(self._environment, text).silent for text in rendered.texts)
        )

    def _compile(self, text: str, place: str) -> jinja2.Template:
        code: CodeType = self._environment.compile(text, name=SCRIPT, filename=place)
        globals_ = self._environment.make_globals(None)
        return jinja2.Template.from_code(self._environment, code, globals_)

    @contextlib.contextmanager
    def _told(self, place: str, subject: str) -> Iterator[None]:
        """Whatever goes wrong inside is told with its place and whom it was for."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 -- a template is a program of its author's: whatever it raises is its own mistake, to be told with its place
            where = self._place(error, place)
            reason = " ".join(_reason(error).split())
            raise NotBootable(f"{where}: {subject}: {reason}") from None

    def _place(self, error: Exception, outermost: str) -> str:
        """Where it went wrong: the innermost template line, from Jinja's rewritten traceback."""
        if isinstance(error, jinja2.TemplateSyntaxError):
            return f"{self._shown(error.filename or outermost)} line {error.lineno}"
        found = outermost
        for step in _steps(error.__traceback__):
            filename = step.tb_frame.f_code.co_filename
            folders = any(Path(filename).is_relative_to(folder) for folder in self._folders)
            if folders or filename == outermost:
                found = f"{self._shown(filename)} line {step.tb_lineno}"
        return found

    def _shown(self, filename: str) -> str:
        path = Path(filename)
        if path.is_relative_to(resources.TEMPLATES):
            return f"templates/{path.relative_to(resources.TEMPLATES)}"
        return filename


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was rendered: templates with all they included, and profiles' texts."""

    names: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)


class _Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox that knows ``Names``: they are all names and hold nothing to escape through.

    Attributes:
        noted: where it is noted what is rendered, None where nobody asks.
    """

    noted: Rendered | None = None

    def note(self, name: str) -> None:
        """The template ``name`` is rendered."""
        if self.noted is not None:
            self.noted.names.add(name)

    def join_path(self, template: str, parent: str) -> str:  # noqa: ARG002 -- Jinja's signature
        """Asked for each template that another one includes."""
        self.note(template)
        return template

    def getattr(self, obj: object, attribute: str) -> object:
        if not isinstance(obj, Names):
            return super().getattr(obj, attribute)
        try:
            return obj[attribute]
        except KeyError:
            return self.undefined(obj=obj, name=attribute)


class _Undefined(jinja2.StrictUndefined):
    """Says the missing name as its author wrote it, whatever it was looked up in."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"{self._undefined_name!r} is undefined"


class _Folders(jinja2.FileSystemLoader):
    """First folder that has it wins, also when one begins to have it later.

    Attributes:
        sources: of every template that was compiled, as it was then.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__(folders)
        self.sources: dict[str, str] = {}

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        source, filename, unchanged = super().get_source(environment, template)
        self.sources[template] = source
        earlier = [Path(folder, template) for folder in self.searchpath]
        earlier = earlier[: earlier.index(Path(filename))]
        return (
            source,
            filename,
            lambda: unchanged() and not any(path.is_file() for path in earlier),
        )


def _environment(loader: jinja2.BaseLoader) -> _Sandbox:
    environment = _Sandbox(
        loader=loader,
        undefined=_Undefined,
        finalize=guarded,
        autoescape=False,  # no HTML here; the guards know what is read
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=True,
    )
    for name in set(environment.globals) - set(_GLOBALS_KEPT):
        del environment.globals[name]
    environment.globals["refuse"] = refuse
    environment.filters.update(FILTERS)
    return environment


def missing(why: str) -> jinja2.Undefined:
    """A name that has no value now; a template that uses it is told why."""
    return _Undefined(hint=why)


def _bounded(chunks: Iterable[str]) -> str:
    kept: list[str] = []
    size = 0
    for chunk in chunks:
        kept.append(chunk)
        size += len(chunk)
        if size > MAX_RENDERED:
            raise UnsafeError(f"is longer than {MAX_RENDERED} characters when filled in")
    return "".join(kept)


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _reason(error: Exception) -> str:
    if isinstance(error, jinja2.TemplateNotFound):
        return f"there is no template {error.name!r}"
    if isinstance(error, jinja2.TemplateError):
        return error.message or "is wrong"
    if isinstance(error, UnsafeError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    return f"{type(error).__name__}: {error}"


SHIPPED = Templates()
"""Only what ships with us."""
