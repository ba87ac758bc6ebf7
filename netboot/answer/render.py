"""The one Jinja environment: a template and values in, bounded and guarded text out.

What we render is read by programs that obey it: iPXE runs a script line by line, the kernel
splits its command line at spaces, the installer takes an answer file's lines for orders. The
values in it were typed by people into node variables. So a value is *data* and stays data:

- Every ``{{ … }}`` passes a guard chosen by the template's suffix; a value that could end its
  line or begin a command is an error with template, line and node, never quietly mended.
- ``.ipxe``: one word of printable ASCII without quotes, backquotes, backslash or ``$`` (iPXE
  expands ``${…}`` after it has split a line into words), and no word that iPXE itself takes for
  syntax (``||``, ``&&``, ``;``, ``#…``). Where several words are meant: ``{{ x | words }}``.
- ``.yaml.j2``, ``.json.j2``, ``.ign.j2``: letters, digits and ``._/:@%+=,-``, which need no quotes
  wherever they stand. Any other value, a list too: ``{{ x | tojson }}``, which brings its quotes.
- Everything else, answer files first: one line without control characters that does not end in
  a backslash. Where it stands in a shell command: ``{{ x | sh }}``.
- A value is never rendered as a template: ``{{ 7 * 7 }}`` in a variable stays those letters.
- A name nobody defined is an error (``StrictUndefined``), an unset variable never an empty one.
- Templates run sandboxed, so one taken from somewhere else cannot reach into this program. It
  can still waste time: templates belong to the operator.

A template is compiled once and again when its file changes or a user's folder begins or ceases
to have one of that name; to know costs one ``stat`` a folder.
"""

import contextlib
import functools
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, TracebackType

import jinja2
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from netboot import resources
from netboot.errors import NotBootable

MAX_RENDERED = 64 * 1024
"""Characters of one rendered text: iPXE keeps a script in memory, the installer in a tmpfs."""

MAX_VERBATIM = 1024 * 1024
"""Bytes of an answer file that is served as it is."""

MAX_TEXTS = 1024
"""Compiled texts of profiles that are kept."""

_SCRIPT = ".ipxe"
_QUOTED = (".yaml.j2", ".json.j2", ".ign.j2")
_WORD = re.compile(r"[!#%&(-\[\]^_a-~]*")
_WORDS = re.compile(r"[ !#%-\[\]^_a-~]*")
_BARE = re.compile(r"[\w./:@%+=,-]*", re.ASCII)
_IPXE_SYNTAX = re.compile(r"[|&;]+|#.*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_PLAIN = re.compile(r"[^ !%'-:<-\[\]^_a-{}~]")
_CRYPT = re.compile(r"!|\$(?:y|gy|7|2[aby]|6|5)\$[./0-9A-Za-z$=,]{20,200}")
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
        self._environment = _environment(_Folders(self._folders))
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
        with self._told(place, subject):
            filled = _bounded(self._compiled(text, place).generate(values))
            return _Words(" ".join(filled.split()))

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
                raise _UnsafeError(f"is longer than {MAX_VERBATIM} bytes")
            return content

    def _compile(self, text: str, place: str) -> jinja2.Template:
        code: CodeType = self._environment.compile(text, name=_SCRIPT, filename=place)
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


class _Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox that knows ``Names``: they are all names and hold nothing to escape through."""

    def getattr(self, obj: object, attribute: str) -> object:
        if not isinstance(obj, Names):
            return super().getattr(obj, attribute)
        try:
            return obj[attribute]
        except KeyError:
            return self.undefined(obj=obj, name=attribute)


class _Words(str):
    """Several words that have been checked and may stand in an iPXE script as they are."""

    __slots__ = ()


class _UnsafeError(ValueError):
    """A value that must not be printed where it stands. The text never repeats the value."""


class _Undefined(jinja2.StrictUndefined):
    """Says the missing name as its author wrote it, whatever it was looked up in."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"{self._undefined_name!r} is undefined"


class _Folders(jinja2.FileSystemLoader):
    """First folder that has it wins, also when one begins to have it later."""

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        source, filename, unchanged = super().get_source(environment, template)
        earlier = [Path(folder, template) for folder in self.searchpath]
        earlier = earlier[: earlier.index(Path(filename))]
        return (
            source,
            filename,
            lambda: unchanged() and not any(path.is_file() for path in earlier),
        )


def _environment(loader: jinja2.BaseLoader) -> jinja2.Environment:
    environment = _Sandbox(
        loader=loader,
        undefined=_Undefined,
        finalize=_guarded,
        autoescape=False,  # no HTML here; the guards know what is read
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=True,
    )
    for name in set(environment.globals) - set(_GLOBALS_KEPT):
        del environment.globals[name]
    environment.globals["refuse"] = _refuse
    environment.filters.update(crypted=_crypted, oneline=_oneline, sh=_sh, words=_words)
    return environment


@jinja2.pass_context
def _guarded(context: Context, value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    name = context.name or ""
    if name.endswith(_SCRIPT):
        return text if isinstance(text, _Words) else _word(text)
    if name.endswith(_QUOTED):
        return text if isinstance(text, Markup) else _bare(text)
    return _line(text)


def _word(text: str) -> str:
    if _WORD.fullmatch(text) and not _IPXE_SYNTAX.fullmatch(text):
        return text
    if _CONTROL.search(text):
        raise _UnsafeError("a value has a line break or control character in it")
    if _WORDS.fullmatch(text) and " " in text:
        raise _UnsafeError("a value has several words; write {{ … | words }} where that is meant")
    raise _UnsafeError("a value has a character in it that means something to iPXE or the kernel")


def _words(value: object) -> _Words:
    text = str(value)
    if not _WORDS.fullmatch(text) or any(map(_IPXE_SYNTAX.fullmatch, text.split())):
        raise _UnsafeError("a value has something in it that means a command to iPXE")
    return _Words(text)


def _bare(text: str) -> str:
    if not _BARE.fullmatch(text):
        raise _UnsafeError(
            "a value has a character in it that needs quotes; write {{ … | tojson }}"
        )
    return text


def _line(text: str) -> str:
    if _CONTROL.search(text):
        raise _UnsafeError("a value has a line break or control character in it")
    if text.endswith("\\"):
        raise _UnsafeError("a value ends in a backslash, which would join the next line to it")
    return text


def _sh(value: object) -> str:
    return shlex.quote(_line(str(value)))


def _crypted(value: object) -> str:
    """Let a crypt(5) hash pass, or ``!`` for no password; never a password in clear."""
    text = str(value)
    if not _CRYPT.fullmatch(text):
        raise _UnsafeError("a password must be given as a hash, as mkpasswd -m sha-512 prints it")
    return text


def _refuse(why: str) -> str:
    """For a template that has found a value it cannot use; ``why`` must not repeat a secret."""
    raise _UnsafeError(why)


def missing(why: str) -> jinja2.Undefined:
    """A name that has no value now; a template that uses it is told why."""
    return _Undefined(hint=why)


def plain(text: str) -> _Words:
    """Mend any text so that iPXE can only show it: what could be syntax becomes ``?``."""
    return _Words(_NOT_PLAIN.sub("?", text.replace('"', "'")))


def _oneline(text: str) -> str:
    """Join a block's lines to one: iPXE and the kernel want a command on a single line."""
    return " ".join(text.split()) + "\n"


def _bounded(chunks: Iterable[str]) -> str:
    kept: list[str] = []
    size = 0
    for chunk in chunks:
        kept.append(chunk)
        size += len(chunk)
        if size > MAX_RENDERED:
            raise _UnsafeError(f"is longer than {MAX_RENDERED} characters when filled in")
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
    if isinstance(error, _UnsafeError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    return f"{type(error).__name__}: {error}"


SHIPPED = Templates()
"""Only what ships with us."""
