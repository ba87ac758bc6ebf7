"""What always holds in the store, whatever is written; each is asked inside the transaction.

No two nodes share an identity, and every node has a profile: its own, or that of a group.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from netboot.errors import ConfigError
from netboot.groups import Groups, profile_of
from netboot.model import Node
from netboot.store import groups, nodes
from netboot.store.identities import Identity, identities
from netboot.store.shapes import claimed


def refuse_claimed(
    connection: sa.Connection, given: Sequence[Node], source: str, place: str = ""
) -> None:
    """An identity stays with its node, unless that node is among the given ones too.

    Args:
        connection: the caller's.
        given: nodes about to be written.
        source: where they stand.
        place: where one of them stands there, with ``{}`` for its number; "" for a lone one.

    Raises:
        Conflict: names both nodes.
    """
    wanted: dict[str, list[tuple[int, Identity]]] = {}
    for index, node in enumerate(given):
        for one in identities(node):
            wanted.setdefault(one.kind, []).append((index, one))
    names = {node.name for node in given}
    for kind, claims in wanted.items():
        owners = nodes.owners(connection, kind, (one.value for _, one in claims))
        for index, one in claims:
            claimant = given[index].name
            owner = owners.get(one.value, claimant)
            if owner not in names:
                key = place.format(index) + one.key if place else ""
                raise claimed(one, owner, claimant, source, key)


def refuse_without_profile(
    connection: sa.Connection, given: Sequence[Node], source: str, place: str = ""
) -> None:
    """A node says its profile or is in a group that gives one; as ``refuse_claimed``.

    Raises:
        ConfigError: names the node.
    """
    known = Groups(groups.read_all(connection))
    for index, node in enumerate(given):
        if profile_of(node, known.of(node))[0] is None:
            problem = f"node {node.name} has no profile, and no group gives its labels one"
            raise ConfigError(source, f"{place.format(index)}profile", problem)


def refuse_stranded(connection: sa.Connection, source: str) -> None:
    """After a change of groups every node still has a profile.

    Raises:
        ConfigError: names a node that has none.
    """
    known = Groups(groups.read_all(connection))
    bare = nodes.read_without_profile(connection)
    stranded = [node.name for node in bare if profile_of(node, known.of(node))[0] is None]
    if stranded:
        others = f" and {len(stranded) - 1} more" if len(stranded) > 1 else ""
        problem = f"node {stranded[0]}{others} would be left without a profile"
        raise ConfigError(source, "", problem)
