"""Guards: whatever a template prints is data and stays data.

What we render is read by programs that obey it: iPXE runs a script line by line, the kernel
splits its command line at spaces, the installer takes an answer file's lines for orders. The
values in it were typed by people into node variables. A value that could end its line or begin a
command is an error, never quietly mended. Which guard it passes says the template's suffix:

- ``.ipxe``: one word of printable ASCII without quotes, backquotes, backslash or ``$`` (iPXE
  expands ``${…}`` after it has split a line into words), and no word that iPXE itself takes for
  syntax (``||``, ``&&``, ``;``, ``#…``). Where several words are meant: ``{{ x | words }}``.
- ``.cfg`` (GRUB's): the same words, with a backslash before what means something to GRUB
  (``{};|&<>()$*?`` and others), so that it is a letter like any other.
- ``.yaml.j2``, ``.json.j2``, ``.ign.j2``: letters, digits and ``._/:@%+=,-``, which need no quotes
  wherever they stand. Any other value, a list too: ``{{ x | tojson }}``, which brings its quotes.
- Everything else, answer files first: one line without control characters that does not end in
  a backslash. Where it stands in a shell command: ``{{ x | sh }}``.
"""

import re
import shlex

import jinja2
from jinja2.runtime import Context
from markupsafe import Markup

SCRIPT = ".ipxe"
"""How the name of a script's template ends."""

CONFIG = ".cfg"
"""How the name of a template of a configuration for GRUB ends."""

_QUOTED = (".yaml.j2", ".json.j2", ".ign.j2")
_WORD = re.compile(r"[!#%&(-\[\]^_a-~]*")
_WORDS = re.compile(r"[ !#%-\[\]^_a-~]*")
_BARE = re.compile(r"[\w./:@%+=,-]*", re.ASCII)
_IPXE_SYNTAX = re.compile(r"[|&;]+|#.*")
_GRUB_SYNTAX = re.compile(r"[^\w./:=,@%+ \"-]", re.ASCII)
_URL = re.compile(r"http://(?P<host>[0-9A-Za-z.-]+(:[0-9]+)?)(?P<path>/[!-~]*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_PLAIN = re.compile(r"[^ !%'-:<-\[\]^_a-{}~]")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,64}}\Z){_LABEL}(\.{_LABEL})*")
_CRYPT = re.compile(r"!|\$(?:y|gy|7|2[aby]|6|5)\$[./0-9A-Za-z$=,]{20,200}")


class Words(str):
    """Several words that have been checked and may stand in an iPXE script as they are."""

    __slots__ = ()


class ForGrub(Words):
    """Words that have been checked and may stand in GRUB's configuration as they are."""

    __slots__ = ()


class UnsafeError(ValueError):
    """A value that must not be printed where it stands. The text never repeats the value."""


@jinja2.pass_context
def guarded(context: Context, value: object) -> str:
    """Jinja's ``finalize``: what ``value`` is printed as in the template of ``context``.

    Raises:
        UnsafeError: it must not be.
    """
    text = value if isinstance(value, str) else str(value)
    name = context.name or ""
    if name.endswith(SCRIPT):
        return text if isinstance(text, Words) else _word(text)
    if name.endswith(CONFIG):
        if isinstance(text, ForGrub):
            return text
        return _for_grub(text if isinstance(text, Words) else _word(text))
    if name.endswith(_QUOTED):
        return text if isinstance(text, Markup) else _bare(text)
    return _line(text)


def _word(text: str) -> str:
    if _WORD.fullmatch(text) and not _IPXE_SYNTAX.fullmatch(text):
        return text
    if _CONTROL.search(text):
        raise UnsafeError("a value has a line break or control character in it")
    if _WORDS.fullmatch(text) and " " in text:
        raise UnsafeError("a value has several words; write {{ … | words }} where that is meant")
    raise UnsafeError("a value has a character in it that means something to iPXE or the kernel")


def _words(value: object) -> Words:
    text = str(value)
    if not _WORDS.fullmatch(text) or any(map(_IPXE_SYNTAX.fullmatch, text.split())):
        raise UnsafeError("a value has something in it that means a command to iPXE")
    return Words(text)


def _for_grub(text: str) -> ForGrub:
    return ForGrub(_GRUB_SYNTAX.sub(r"\\\g<0>", text))


def _grub(value: object) -> ForGrub:
    """Make one line for GRUB of a block for iPXE, whose own quotes stay."""
    return _for_grub(" ".join(str(value).split()))


def _grub_title(value: object) -> ForGrub:
    """Make one word for GRUB of several, such as the title of a menu's entry."""
    return ForGrub(_for_grub(_words(value)).replace(" ", r"\ "))


def _grub_file(value: object) -> ForGrub:
    """Name the file of a URL as GRUB does: ``(http,host:port)/path``."""
    if not (found := _URL.fullmatch(_word(str(value)))):
        raise UnsafeError("a file must be one at http://…, which is all that GRUB can fetch")
    return ForGrub(f"(http,{found['host']}){_for_grub(found['path'])}")


def _bare(text: str) -> str:
    if not _BARE.fullmatch(text):
        raise UnsafeError("a value has a character in it that needs quotes; write {{ … | tojson }}")
    return text


def _line(text: str) -> str:
    if _CONTROL.search(text):
        raise UnsafeError("a value has a line break or control character in it")
    if text.endswith("\\"):
        raise UnsafeError("a value ends in a backslash, which would join the next line to it")
    return text


def _sh(value: object) -> str:
    return shlex.quote(_line(str(value)))


def _crypted(value: object) -> str:
    """Let a crypt(5) hash pass, or ``!`` for no password; never a password in clear."""
    text = str(value)
    if not _CRYPT.fullmatch(text):
        raise UnsafeError("a password must be given as a hash, as mkpasswd -m sha-512 prints it")
    return text


def _hostname(value: object) -> str:
    """Let a machine's own name pass: RFC 1123 section 2.1, as long as Linux takes it."""
    text = str(value)
    if not _HOSTNAME.fullmatch(text):
        raise UnsafeError("a host name is letters, digits, inner - and dots, at most 64 characters")
    return text


def refuse(why: str) -> str:
    """For a template that has found a value it cannot use; ``why`` must not repeat a secret."""
    raise UnsafeError(why)


def plain(text: str) -> Words:
    """Mend any text so that iPXE can only show it: what could be syntax becomes ``?``."""
    return Words(_NOT_PLAIN.sub("?", text.replace('"', "'")))


def _oneline(text: str) -> str:
    """Join a block's lines to one: iPXE and the kernel want a command on a single line."""
    return " ".join(text.split()) + "\n"


FILTERS = {
    "crypted": _crypted,
    "grub": _grub,
    "grub_file": _grub_file,
    "grub_title": _grub_title,
    "hostname": _hostname,
    "oneline": _oneline,
    "sh": _sh,
    "words": _words,
}
"""What a template may say of a value or a block, beside Jinja's own."""
