"""What keeps a database from working for a while: what is in it stays, and waiting is worth it."""

from netboot.errors import OperationError


class NoRoom(OperationError):  # noqa: N818 -- what happened, as its reader would say it
    """The disk is full, or broken; what was in the database still is."""


class Away(OperationError):  # noqa: N818 -- likewise
    """The database's server does not answer, or does not let us in."""
