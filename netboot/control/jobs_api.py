"""Jobs over the operator's API, and what people say of nodes' states.

GET  /api/v1/jobs              the newest first
POST /api/v1/jobs              have something done with nodes; answered before it is
GET  /api/v1/jobs/N
POST /api/v1/jobs/N/cancel
POST /api/v1/jobs/N/retry      again from where it stood
POST /api/v1/nodes:state       maintenance, retirement, and their end
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request, Response

from netboot.answer.disk_image import disk_file
from netboot.checked import convert
from netboot.control.deploys import Deploys
from netboot.control.desk import SOURCE, Desk, asker
from netboot.control.entries import refuse_unstartable
from netboot.control.exchange import body, reply
from netboot.control.job_shapes import MOST, MOST_NODES, JobPage, JobRequest, StateRequest
from netboot.control.page_shapes import NodePage
from netboot.control.pages import link
from netboot.control.spec import LINK, spec
from netboot.errors import ConfigError
from netboot.job import Job, JobKind, JobState
from netboot.jobs.memory import has_cd
from netboot.lifecycle import Cause
from netboot.media.library import installed
from netboot.policy import DEPLOY, installing
from netboot.store.shapes import Unknown

USUAL = 100
"""Jobs on a page where nobody says how many."""

Number = Annotated[int, Path(ge=1, lt=2**63, description="The job's number.")]


def add_jobs(app: FastAPI, desk: Desk) -> None:
    """Add jobs."""
    _add_reading(app, desk)
    _add_asking(app, desk)
    _add_changes(app, desk)


def _add_reading(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/v1/jobs", **spec(gives=JobPage, headers=LINK))
    async def list_jobs(
        request: Request,
        node: Annotated[str | None, Query(max_length=63)] = None,
        state: Annotated[list[JobState], Query(max_length=len(JobState))] = [],  # noqa: B006 -- FastAPI copies it
        kind: JobKind | None = None,
        after: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = USUAL,
    ) -> Response:
        """Jobs, the newest first: of this node, in one of these states, of this kind."""
        ask = partial(desk.store.jobs, node=node, states=state, kind=kind, after=after)
        found = await asyncio.to_thread(ask, limit=limit + 1)
        shown = tuple(found[:limit])
        last = shown[-1].id if len(found) > limit else None
        answer = reply(JobPage(shown, last))
        if last is not None:
            answer.headers["link"] = link(request, last)
        return answer

    @app.get("/api/v1/jobs/{number}", **spec(gives=Job, fails=(404,)))
    async def get_job(number: Number) -> Response:
        """One job."""
        return reply(await asyncio.to_thread(desk.store.job, number, SOURCE))


def _add_asking(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/api/v1/jobs",
        **spec(takes=JobRequest, gives=JobPage, status=202, fails=(404, 409), once=True),
    )
    async def submit_jobs(request: Request) -> Response:
        """Have something done with nodes: each gets a job, or none does."""
        asked = convert(await body(request), JobRequest, SOURCE)
        submit = partial(_submitted, desk, asked, asker(request), _key(request))
        jobs = await asyncio.to_thread(submit)
        desk.arrived.fire()
        desk.news.changed()
        return reply(JobPage(tuple(jobs)), 202)


def _add_changes(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/v1/jobs/{number}/cancel", **spec(gives=Job, fails=(404, 409), once=True))
    async def cancel_job(number: Number, request: Request) -> Response:
        """Have a job end; it has not yet where ``cancelling`` is set: a turn has to end."""
        cancel = partial(desk.store.cancel, number, asker(request), SOURCE, has_cd=has_cd)
        job = await asyncio.to_thread(cancel)
        desk.arrived.fire()
        desk.news.changed()
        return reply(job)

    @app.post("/api/v1/jobs/{number}/retry", **spec(gives=Job, fails=(404, 409), once=True))
    async def retry_job(number: Number, request: Request) -> Response:
        """Begin a failed or cancelled job again from where it stood."""
        job = await asyncio.to_thread(desk.store.retry, number, asker(request), SOURCE)
        desk.arrived.fire()
        desk.news.changed()
        return reply(job)

    @app.post(
        "/api/v1/nodes:state",
        **spec(takes=StateRequest, gives=NodePage, fails=(404, 409), once=True),
    )
    async def change_states(request: Request) -> Response:
        """Take nodes on by what you say of them: all of them or none.

        The firmware of one that is retired forgets the node's volume before.
        """
        asked = convert(await body(request), StateRequest, SOURCE)
        if asked.why is Cause.RETIRE:
            leave = partial(desk.actions.retire_volumes, asked.names, asker(request), SOURCE)
            await asyncio.to_thread(leave)
        change = partial(desk.store.change_state, asked.names, asked.why, asker(request), SOURCE)
        nodes = await asyncio.to_thread(change)
        desk.news.changed()
        return reply(NodePage(tuple(nodes)))


def _key(request: Request) -> str | None:
    """A key is its asker's own: another may choose the same."""
    given = request.headers.get("idempotency-key")
    return given and sha256(f"{asker(request)} {given}".encode()).hexdigest()


def _submitted(desk: Desk, asked: JobRequest, by: str, key: str | None) -> Sequence[Job]:
    asked.refuse_unsaid(SOURCE)
    choices, names = asked.choices(SOURCE), asked.nodes or _labelled(desk, asked)
    if image := choices.get("image"):
        _refuse_no_disk(desk, str(image))
    known = None
    if asked.kind is JobKind.INSTALL:
        profiles = desk.profiles()
        known = installing(profiles)
        _refuse_undeployable(desk, names)
        if not image:
            found = desk.store.get_all(names, SOURCE)
            refuse_unstartable(desk.store, found, profiles, SOURCE)
    return desk.store.submit_all(
        names, asked.kind, by, choices, key=key, installing=known, source=SOURCE
    )


def _refuse_no_disk(desk: Desk, image: str) -> None:
    found = {one.name: one for one in installed(desk.settings.images_dir)}
    disks = [name for name, one in found.items() if disk_file(one) is not None]
    if image not in disks:
        known = ", ".join(disks) or "none is there"
        raise ConfigError(SOURCE, "asked.image", f"{image!r} is no disk image; these are: {known}")
    profile = desk.profiles().get(DEPLOY)
    needed = None if profile is None else profile.image
    if needed is not None and needed not in found:
        problem = f"what writes it is not there: netboot image fetch {needed}"
        raise ConfigError(SOURCE, "asked.image", problem)


def _refuse_undeployable(desk: Desk, names: Sequence[str]) -> None:
    """See that deploy templates are whole; the asker is told the file, though it is none of his."""
    try:
        Deploys(desk.store, desk.settings.templates).of_each(names, SOURCE)
    except Unknown:
        raise
    except ConfigError as problem:
        raise ConfigError(SOURCE, "", f"deploy template {problem}") from None


def _labelled(desk: Desk, asked: JobRequest) -> Sequence[str]:
    wanted = asked.label.items()
    names = [node.name for node in desk.store.list() if wanted <= node.labels.items()]
    if not 0 < len(names) <= MOST_NODES:
        said = ", ".join(f"{key}={value}" for key, value in asked.label.items())
        many = "no node is" if not names else f"{len(names)} nodes are"
        problem = f"{many} labelled {said}; 1 to {MOST_NODES} get jobs at once"
        raise ConfigError(SOURCE, "label", problem)
    return names
