"""How commands reach jobs: through the control program while it runs, else alone.

Alone nothing is done for a job: it waits until a control program runs. What can be said without
one is said of the store all the same.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import httpx

from netboot.checked import convert
from netboot.control.access.audited import Ledger, audited
from netboot.control.asking import Ask
from netboot.control.job_shapes import MOST, JobPage, JobRequest, StateRequest
from netboot.control.page_shapes import NodePage
from netboot.errors import OperationError
from netboot.job import Job, JobKind, JobState
from netboot.lifecycle import Cause
from netboot.model import Node

if TYPE_CHECKING:
    from netboot.store.store import Store


class Jobs(Protocol):
    """Jobs. Every method raises as ``Inventory``'s do."""

    def submit(self, raw: Mapping[str, object]) -> Sequence[Job]:
        """Have something done, in the shape of ``JobRequest``."""

    def list(
        self,
        *,
        node: str | None = None,
        states: Sequence[JobState] = (),
        kind: JobKind | None = None,
        limit: int = MOST,
    ) -> Sequence[Job]:
        """Jobs, the newest first."""

    def get(self, number: int) -> Job:
        """One job."""

    def cancel(self, number: int) -> Job:
        """Have a job end; a turn that is running is waited for."""

    def retry(self, number: int) -> Job:
        """Begin a failed or cancelled job again from where it stood."""

    def change_state(self, raw: Mapping[str, object]) -> Sequence[Node]:
        """Take nodes on by what people say, in the shape of ``StateRequest``."""


class DirectJobs:
    """The store, opened by this process.

    Args:
        store: it.
        source: where things are asked, for errors.
        retire: has the firmware of nodes forget their volumes before these nodes are retired.
    """

    def __init__(
        self, store: "Store", source: str, retire: Callable[[Sequence[str]], object]
    ) -> None:
        self._store = store
        self._source = source
        self._retire = retire

    @property
    def ledger(self) -> Ledger:
        """The store's audit log."""
        return self._store

    def submit(self, raw: Mapping[str, object]) -> Sequence[Job]:
        """As ``Jobs``.

        Raises:
            OperationError: always, for what is asked for rightly: nobody would do it.
        """
        convert(raw, JobRequest, self._source).choices(self._source)
        raise OperationError("no control program runs, so nobody would do it: netboot serve")

    def list(
        self,
        *,
        node: str | None = None,
        states: Sequence[JobState] = (),
        kind: JobKind | None = None,
        limit: int = MOST,
    ) -> Sequence[Job]:
        """As ``Jobs``."""
        return self._store.jobs(node=node, states=states, kind=kind, limit=limit)

    def get(self, number: int) -> Job:
        """As ``Jobs``."""
        return self._store.job(number, self._source)

    @audited("POST", "/api/v1/jobs/{number}/cancel")
    def cancel(self, number: int) -> Job:
        """As ``Jobs``."""
        from netboot.jobs.memory import has_cd  # noqa: PLC0415 -- most commands need none

        return self._store.cancel(number, _user(), self._source, has_cd=has_cd)

    @audited("POST", "/api/v1/jobs/{number}/retry")
    def retry(self, number: int) -> Job:
        """As ``Jobs``."""
        return self._store.retry(number, _user(), self._source)

    @audited("POST", "/api/v1/nodes:state")
    def change_state(self, raw: Mapping[str, object]) -> Sequence[Node]:
        """As ``Jobs``."""
        asked = convert(raw, StateRequest, self._source)
        if asked.why is Cause.RETIRE:
            self._retire(asked.names)
        return self._store.change_state(asked.names, asked.why, _user(), self._source)


class RemoteJobs:
    """The control program.

    Args:
        ask: asks it for a shape.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def submit(self, raw: Mapping[str, object]) -> Sequence[Job]:
        """As ``Jobs``."""
        return self._ask("POST", "jobs", JobPage, raw).jobs

    def list(
        self,
        *,
        node: str | None = None,
        states: Sequence[JobState] = (),
        kind: JobKind | None = None,
        limit: int = MOST,
    ) -> Sequence[Job]:
        """As ``Jobs``."""
        query: dict[str, str | int | Sequence[str]] = {"limit": limit, "state": tuple(states)}
        query |= {} if node is None else {"node": node}
        query |= {} if kind is None else {"kind": kind}
        return self._ask("GET", f"jobs?{httpx.QueryParams(query)}", JobPage).jobs

    def get(self, number: int) -> Job:
        """As ``Jobs``."""
        return self._ask("GET", f"jobs/{number}", Job)

    def cancel(self, number: int) -> Job:
        """As ``Jobs``."""
        return self._ask("POST", f"jobs/{number}/cancel", Job)

    def retry(self, number: int) -> Job:
        """As ``Jobs``."""
        return self._ask("POST", f"jobs/{number}/retry", Job)

    def change_state(self, raw: Mapping[str, object]) -> Sequence[Node]:
        """As ``Jobs``."""
        return self._ask("POST", "nodes:state", NodePage, raw).nodes


def _user() -> str:
    from netboot.control.peers import user_name  # noqa: PLC0415 -- loads a server; few commands write

    return user_name()
