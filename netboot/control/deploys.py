"""Which deploy template each node is installed by, as the files and the node's labels are now."""

from collections.abc import Sequence
from pathlib import Path

from netboot.errors import ConfigError
from netboot.groups import Groups, in_effect
from netboot.jobs.deploy import Deploy, deploy_of
from netboot.jobs.deploy_files import load_templates
from netboot.model import Node
from netboot.store.opened import COMMAND_LINE
from netboot.store.store import Store


class Deploys:
    """Deploy templates of a site.

    Args:
        store: has the nodes.
        folders: ``Settings.templates``.
    """

    def __init__(self, store: Store, folders: Sequence[Path]) -> None:
        self._store = store
        self._folders = folders

    def of(self, name: str) -> Deploy | None:
        """What an installation of a node consists of; None where no template is for it.

        Raises:
            Unknown: there is no such node.
            ConfigError: a template is wrong, or two are for it.
        """
        return self.of_each([name])[0]

    def of_each(self, names: Sequence[str], source: str = COMMAND_LINE) -> Sequence[Deploy | None]:
        """``of`` for each of several nodes; ``source`` is where they are named, for errors."""
        templates = load_templates(self._folders)
        if not templates:
            return [None for _ in names]
        groups = Groups(self._store.groups())
        nodes = self._store.get_all(names, source)
        return [deploy_of(in_effect(node, groups.of(node)), templates) for node in nodes]


def deploy_said(node: Node, folders: Sequence[Path]) -> str:
    """By which template a node is installed, why and how, for a person; "" for by none.

    Args:
        node: in effect.
        folders: as ``Deploys`` has them. What is wrong with them is said in place of it.
    """
    try:
        return str(deploy_of(node, load_templates(folders)) or "")
    except ConfigError as problem:
        return f"nothing is installed: {problem}"
