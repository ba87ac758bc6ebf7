"""Where a machine's virtual CD is: control says it, boot serves it. Pure."""

from netboot.answer.springboard import PLAIN, SECURE
from netboot.model import Mac, Node


def disc(node: Node) -> str:
    """The name of the CD that ``node``'s firmware starts."""
    return "netboot-secure.iso" if node.secure_boot else "netboot.iso"


def image_of(node: Node) -> str:
    """The name of the image that it is made of."""
    return SECURE if node.secure_boot else PLAIN


def path_of(node: Node, mac: Mac) -> str:
    """The path of its URL: without what some BMCs do not take in one, a colon among it."""
    return f"/media/{mac.replace(':', '-')}/{disc(node)}"
