"""Where a machine's virtual CD is: control says it, boot serves it. Pure."""

from collections.abc import Mapping

from netboot.answer.springboard import CHAIN, PLAIN, SECURE
from netboot.clients import arch_of
from netboot.errors import NotBootable
from netboot.model import Arch, Mac, Node, Profile


def disc(node: Node) -> str:
    """The name of the CD that ``node``'s firmware starts."""
    return "netboot-secure.iso" if node.secure_boot else "netboot.iso"


def image_of(node: Node) -> str:
    """The name of the image that it is made of."""
    return SECURE if node.secure_boot else PLAIN


def path_of(node: Node, mac: Mac) -> str:
    """The path of its URL: without what some BMCs do not take in one, a colon among it."""
    return f"/media/{mac.replace(':', '-')}/{disc(node)}"


def refuse_arm64(node: Node, profile: Profile | None) -> None:
    """See that a CD of ours is for ``node``'s processor.

    Args:
        node: in effect.
        profile: the node's; None where it has none.

    Raises:
        NotBootable: it is not.
    """
    if arch_of(profile) is Arch.ARM64:
        raise NotBootable(
            f"node {node.name}'s profile {node.profile} is for arm64, and a CD starts x64 alone"
        )


def refuse_chain(image: str, judged: Mapping[str, str]) -> None:
    """See that firmware starts a CD that is made of ``image``.

    Args:
        image: one of ``netboot.answer.springboard``.
        judged: loaders and why firmware would not start them, as ``Judged.loaders`` has them.

    Raises:
        NotBootable: firmware with Secure Boot would refuse it.
    """
    if image == SECURE and (problem := judged.get(CHAIN)):
        raise NotBootable(f"image {image}: its shim {problem}; netboot image fetch {image}")
