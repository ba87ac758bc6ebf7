"""The answer files one machine's installer fetches, for every kind of installer.

They come over the network, so they come after the network: what an installer must know before it
has one (host name, addresses, locale) stands on the kernel's command line, which ``script`` makes.

A template whose name ends in ``.j2`` is filled in for each machine; its names are those of a
script, and ``mirror``: ``mirror.protocol``, ``mirror.host`` (with a port where there is one),
``mirror.directory``; and ``disk_image`` (``netboot.answer.disk_image``). Any other file is a user's
own and is served as it is, byte for byte.
"""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from netboot.answer.disk_image import disk_image_names
from netboot.answer.render import SHIPPED, Names, Templates, missing
from netboot.answer.san import CHAP_FILE
from netboot.answer.script import context, subject
from netboot.errors import NotBootable, NotServed
from netboot.model import AnswerKind, Image, Mac, Node, Profile, Server

RENDERED = ".j2"
"""How the name of a file ends that is filled in."""

BESIDE: Mapping[str, str] = MappingProxyType(
    {
        "authorized_keys": "answers/authorized_keys.j2",  # what network-console lets in
        "meta-data": "answers/meta-data.j2",
    }
)
"""The templates of what is served beside an answer file."""

NOTHING = ("vendor-data", "network-config")
"""Empty files: cloud-init asks ten times, a second apart, for each one that is not there."""

ANSWER_FILES: Mapping[AnswerKind, tuple[str, ...]] = MappingProxyType(
    {
        AnswerKind.PRESEED: ("preseed.cfg", "authorized_keys"),
        AnswerKind.KICKSTART: ("ks.cfg",),
        AnswerKind.NOCLOUD: ("user-data", "meta-data", *NOTHING),
        AnswerKind.IGNITION: ("config.ign",),
        AnswerKind.DEPLOY: ("deploy.sh",),
    }
)
"""What is served below a boot's own URL for each kind; the first is the answer file itself."""

NO_IMAGES: Mapping[str, Image] = MappingProxyType({})

SECRET_FILES = frozenset(names[0] for names in ANSWER_FILES.values()) | {CHAP_FILE}
"""Given once in a boot: they hold password hashes and what else a site writes into them."""


def render_answer(  # noqa: PLR0913 -- each is a fact of its own that one boot needs
    name: str,
    node: Node | None,
    profile: Profile,
    server: Server,
    mirror_url: str | None,
    *,
    mac: Mac | None = None,
    image: Image | None = None,
    images: Mapping[str, Image] = NO_IMAGES,
    token_url: str | None = None,
    templates: Templates = SHIPPED,
) -> bytes:
    """Make one of the files a profile's installer asks for.

    Args:
        name: what was asked for, one of ``ANSWER_FILES``.
        node: the registered machine in effect, as a snapshot gives it; None for an unknown one.
        profile: what it boots.
        server: where it finds us.
        mirror_url: the Debian mirror it installs from, ``http://host/debian``, where one is known.
        mac: whose token was shown; a registered machine's first address where None is given.
        image: the image it was started from.
        images: every image by name; one of them may be written to its disk.
        token_url: base of this boot's own files.
        templates: where templates are looked up.

    Raises:
        NotServed: no such file belongs to this profile.
        NotBootable: it cannot be made; the text says why.
    """
    answer = profile.answer
    if answer is None or name not in ANSWER_FILES[answer.kind]:
        raise NotServed(f"profile {profile.name} has no {name}")
    address = mac or (node.macs[0] if node and node.macs else None)
    if address is None:
        raise NotBootable("unknown machine: an answer file needs the address it is for")
    if name in NOTHING:
        return b""
    whom = subject(node, address)
    template = BESIDE.get(name, answer.template)
    if not template.endswith(RENDERED):
        return templates.read(template, whom)
    values = context(node, address, profile, image, server, token_url)
    values["disk_image"] = disk_image_names(node, profile, images, server)
    values["mirror"] = _mirror_names(mirror_url, whom)
    return templates.render(template, values, whom).encode("utf-8")


def _mirror_names(url: str | None, whom: str) -> object:
    """Split a mirror's URL as the installer wants it; it can send no user name or password."""
    if url is None:
        return missing('no Debian mirror is known: set [debian] mirror = "http://…/debian"')
    parts = urlsplit(url)
    usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
    if not usable or parts.query or parts.fragment:
        raise NotBootable(f"{whom}: debian.mirror must be like http://host/debian")
    directory = "/" + parts.path.strip("/")
    return Names({"protocol": parts.scheme, "host": parts.netloc, "directory": directory})
