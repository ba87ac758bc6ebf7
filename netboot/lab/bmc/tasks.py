"""Tasks: answered with 202 now and done a little later (DSP0266, "Asynchronous operations").

Time is counted in requests, so that a test of a client needs no clock: a task is done when the BMC
has heard ``REQUESTS`` more.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus

from netboot.lab.bmc.http import Reply, Request
from netboot.lab.bmc.resource import Resource, Tree, written
from netboot.redfish.messages import Problem, message
from netboot.redfish.resources import ROOT, Json, Outcome, collection, head, link

SERVICE = f"{ROOT}/TaskService"
TASKS = f"{SERVICE}/Tasks"
MONITORS = f"{SERVICE}/TaskMonitors"

REQUESTS = 3
"""Requests from its beginning to its end."""
KEPT_TASKS = 100

_UNFINISHED = "Running"


@dataclass(slots=True)
class Task:
    """One task; ``left`` counts the requests until ``act`` is called."""

    number: str
    act: Callable[[], Outcome]
    left: int = REQUESTS
    state: str = _UNFINISHED
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    ended: str = ""
    outcome: Outcome = field(default_factory=Outcome)


class Tasks:
    """The TaskService.

    Args:
        tree: where tasks come and go.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._tasks: dict[str, Task] = {}
        self._numbers = itertools.count(1)
        tree[SERVICE] = Resource(
            lambda: (
                head(SERVICE, "TaskService", "v1_2_1", "Task Service")
                | {"ServiceEnabled": True, "Tasks": link(TASKS)}
            )
        )
        tree[TASKS] = Resource(
            lambda: collection(TASKS, "TaskCollection", "Tasks", [_path(n) for n in self._tasks])
        )

    def defer(self, act: Callable[[], Outcome]) -> Outcome:
        """Make a task of it; 202 with the task and where its monitor is."""
        task = Task(str(next(self._numbers)), act)
        self._tasks[task.number] = task
        self._tree[_path(task.number)] = Resource(partial(_read, task))
        self._tree[_monitor(task)] = Resource(raw={"GET": partial(self._watch, task)})
        while len(self._tasks) > KEPT_TASKS:
            self._forget(next(iter(self._tasks.values())))
        headers = {"Location": _monitor(task), "Retry-After": "1"}
        return Outcome(HTTPStatus.ACCEPTED, _read(task), headers)

    def tick(self) -> None:
        """One more request was heard."""
        for task in tuple(self._tasks.values()):
            if task.state == _UNFINISHED:
                task.left -= 1
                if task.left <= 0:
                    _finish(task)

    def _watch(self, task: Task, _: Request) -> Reply:
        """The monitor: 202 until the end, then the outcome, and then nothing."""
        if task.state == _UNFINISHED:
            headers = {"Location": _monitor(task), "Retry-After": "1"}
            return written(Outcome(HTTPStatus.ACCEPTED, _read(task), headers))
        del self._tree[_monitor(task)]
        return written(task.outcome)

    def _forget(self, task: Task) -> None:
        del self._tasks[task.number], self._tree[_path(task.number)]
        self._tree.pop(_monitor(task), None)


def _finish(task: Task) -> None:
    try:
        task.outcome = task.act()
    except Problem as problem:
        task.outcome = Outcome(problem.status, problem.body)
        task.state = "Exception"
    else:
        task.state = "Completed"
    task.ended = datetime.now(UTC).isoformat(timespec="seconds")


def _read(task: Task) -> Json:
    said = head(_path(task.number), "Task", "v1_6_6", f"Task {task.number}") | {
        "TaskState": task.state,
        "TaskMonitor": _monitor(task),
        "StartTime": task.began,
    }
    if task.state == _UNFINISHED:
        return said
    failed = task.state == "Exception"
    error = (task.outcome.body or {}).get("error", {})
    messages = error.get("@Message.ExtendedInfo", []) if failed else [message("Success")]
    status = "Critical" if failed else "OK"
    return said | {"EndTime": task.ended, "TaskStatus": status, "Messages": messages}


def _path(number: str) -> str:
    return f"{TASKS}/{number}"


def _monitor(task: Task) -> str:
    return f"{MONITORS}/{task.number}"
