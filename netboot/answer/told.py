"""What a decision adds to a node's variables, for the scripts that it leads to."""

from dataclasses import replace

from netboot.answer.guards import plain
from netboot.decision import Decision
from netboot.model import Node

IMAGE_URL = "sanboot_url"
"""The variable of profile ``sanboot`` that names the image."""
NOTICE = "notice"
"""The variable of profile ``local`` that the machine's own screen shows first."""


def told(node: Node | None, decision: Decision) -> Node | None:
    """The node with what its decision says: where its CD image is, and what is to be shown."""
    said: dict[str, str] = {}
    if decision.override is not None and decision.override.image is not None:
        said[IMAGE_URL] = decision.override.image
    if decision.notice:
        said[NOTICE] = plain(decision.notice)
    return node if node is None or not said else replace(node, vars={**node.vars, **said})
