"""What iPXE is told of a node's iSCSI volume; the CHAP secret by a script of its own.

The script of a machine is for whoever asks with its MAC, so it has no secret: it chains
``CHAP_FILE`` below the boot's token, which is given once in a boot. Name and secret stand in it as
hexadecimal bytes, since nothing else comes through iPXE's parser whatever it holds.
"""

from collections.abc import Mapping

from netboot.answer.render import SHIPPED, Names, Templates, missing
from netboot.errors import NotBootable
from netboot.model import Node
from netboot.volume import INITIATOR_VAR, Volume, initiator

CHAP_FILE = "chap.ipxe"


def volume_names(volume: Volume | None, node: Node | None, whom: str) -> object:
    """What ``volume`` means in a template.

    Raises:
        NotBootable: the node cannot log in under the name that its variable says.
    """
    if node is None:
        return missing("a machine that is not registered has no volume: netboot node add")
    if volume is None:
        return missing(f"no volume is attached to it: netboot volume attach VOLUME {node.name}")
    try:
        name = initiator(node.name, node.vars)
    except ValueError as error:
        raise NotBootable(f"{whom}: variable {INITIATOR_VAR} {error}") from None
    return Names(
        {
            "name": volume.name,
            "uri": volume.uri,
            "initiator": name,
            "chap": bool(volume.chap_user),
            "failed": Names(failures(volume)),
        }
    )


def failures(volume: Volume) -> Mapping[str, str]:
    """How a boot from a volume can fail, by the word its script reports that with."""
    chap = "a wrong CHAP name or secret, " if volume.chap_user else "a target that wants CHAP, "
    return {
        "chap": f"volume {volume.name}: its CHAP secret was not given to the machine",
        "attach": (
            f"volume {volume.name} was not attached: {chap}no such target or LUN, "
            f"or no way to {volume.host}:{volume.port}; the machine's screen says more"
        ),
        "start": f"volume {volume.name} was attached, and nothing on it can be started",
    }


def refuse_without_secret(volume: Volume, whom: str) -> None:
    """See that the secret of a volume that wants one is here.

    Raises:
        NotBootable: it is not; its seal could not be opened.
    """
    if volume.chap_user and not volume.chap_secret:
        raise NotBootable(
            f"{whom}: the CHAP secret of volume {volume.name} is not known to this server; "
            "its log says why"
        )


def chap_script(volume: Volume, templates: Templates = SHIPPED) -> str:
    """The script that tells iPXE the CHAP name and secret of a volume."""
    chap = {"user": _hex(volume.chap_user), "secret": _hex(volume.chap_secret)}
    values = {"chap": Names(chap), "volume": Names({"name": volume.name})}
    return templates.render("ipxe/chap.ipxe", values, f"volume {volume.name}")


def _hex(text: str) -> str:
    return text.encode().hex(":")
