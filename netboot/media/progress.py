"""How a fetch says where it is."""

from typing import Protocol


class Progress(Protocol):
    """Called several times a second while a fetch runs, in the thread that runs it.

    An exception it raises cancels the fetch: whatever runs is ended and the old version stays.
    """

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Take the state of the current stage.

        Args:
            stage: what is being done, such as ``debian-12: downloading 20230607+deb12u15``.
            done: bytes so far; of a build, seconds.
            total: of them in all, None where that is not known.
        """


def silent(stage: str, done: int, total: int | None) -> None:
    """Take no notice."""
