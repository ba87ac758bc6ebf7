"""Who may speak to a BMC now. Every function works in the caller's transaction."""

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from netboot.store import schema


def lock(connection: sa.Connection, key: str, owner: str, seconds: float, now: float) -> bool:
    """Have a BMC until ``now + seconds``; False where another has it."""
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.lease <= now))
    mine = sa.update(_TABLE).where(_TABLE.c.key == key, _TABLE.c.owner == owner)
    if connection.execute(mine.values(lease=now + seconds)).rowcount:
        return True
    if connection.execute(sa.select(_TABLE.c.owner).where(_TABLE.c.key == key)).first():
        return False
    try:
        with connection.begin_nested():
            row = {"key": key, "owner": owner, "lease": now + seconds}
            connection.execute(sa.insert(_TABLE).values(row))
    except IntegrityError:  # another replica was faster
        return False
    return True


def unlock(connection: sa.Connection, key: str, owner: str) -> None:
    """Give a BMC free where ``owner`` has it."""
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.key == key, _TABLE.c.owner == owner))


def forsake(connection: sa.Connection, owner: str) -> None:
    """Give free all that ``owner`` has."""
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.owner == owner))


_TABLE = schema.bmc_lock
