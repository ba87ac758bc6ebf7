"""The answer file one machine's Debian installer fetches (Debian installation guide, appendix B).

It comes over the network, so it comes after the network: what the installer must know before
(host name, addresses, locale, keyboard) is on the kernel's command line, which ``script`` makes.
Everything later is here. The names a template has are those of a script, and ``mirror``:
``mirror.protocol``, ``mirror.host`` (with a port where there is one), ``mirror.directory``.
"""

from urllib.parse import urlsplit

from netboot.answer.render import SHIPPED, Names, Templates
from netboot.answer.script import context, subject
from netboot.errors import NotBootable
from netboot.model import Image, Mac, Node, Profile, Server


def render_preseed(  # noqa: PLR0913 -- each is a fact of its own that one boot needs
    node: Node | None,
    profile: Profile,
    server: Server,
    mirror_url: str,
    *,
    mac: Mac | None = None,
    image: Image | None = None,
    token_url: str | None = None,
    templates: Templates = SHIPPED,
) -> str:
    """Fill in a profile's answer file for one machine.

    Args:
        node: the registered machine in effect, as a snapshot gives it; None for an unknown one.
        profile: what it boots; ``profile.preseed`` names the template.
        server: where it finds us.
        mirror_url: the Debian mirror it installs from, ``http://host/debian``.
        mac: whose token was shown; a registered machine's first address where None is given.
        image: the image it was started from.
        token_url: base of this boot's own files.
        templates: where templates are looked up.

    Raises:
        NotBootable: there is no such file for this machine; the text says why.
    """
    address = mac or (node.macs[0] if node and node.macs else None)
    if address is None:
        raise NotBootable("unknown machine: an answer file needs the address it is for")
    whom = subject(node, address)
    if profile.preseed is None:
        raise NotBootable(f"{whom}: profile {profile.name} has no answer file")
    values = context(node, address, profile, image, server, token_url)
    values["mirror"] = _mirror_names(mirror_url, whom)
    return templates.render(profile.preseed, values, whom)


def _mirror_names(url: str, whom: str) -> Names:
    """Split a mirror's URL as the installer wants it; it can send no user name or password."""
    parts = urlsplit(url)
    usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
    if not usable or parts.query or parts.fragment:
        raise NotBootable(f"{whom}: debian.mirror must be like http://host/debian")
    directory = "/" + parts.path.strip("/")
    return Names({"protocol": parts.scheme, "host": parts.netloc, "directory": directory})
