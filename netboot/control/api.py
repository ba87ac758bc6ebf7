"""The control plane over HTTP, put together: each noun's routes are in a module of its own.

The application is the same on ``control.sock`` and on the TCP address; ``netboot.control.access``
stands before it and says who may.
"""

import asyncio

from fastapi import FastAPI, Response

from netboot.control.access.roles import needs
from netboot.control.backup_api import add_backup
from netboot.control.bmc_api import add_bmcs
from netboot.control.catalogue_api import add_catalogue
from netboot.control.dashboard import add_dashboard
from netboot.control.desk import Desk
from netboot.control.events_api import add_events
from netboot.control.exchange import add_problems, reply
from netboot.control.explain_api import add_explain
from netboot.control.groups_api import add_groups
from netboot.control.jobs_api import add_jobs
from netboot.control.metrics import Metrics
from netboot.control.network_api import add_network
from netboot.control.nodes_api import add_nodes
from netboot.control.once import OnlyOnce
from netboot.control.spec import describe, operation, spec
from netboot.control.timeline_api import add_timeline
from netboot.control.volumes_api import add_volumes


def operator_app(desk: Desk, metrics: Metrics) -> FastAPI:
    """Everything an operator may do."""
    app = FastAPI(
        title="netboot",
        summary="Machines that boot from the network, and what becomes of them.",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation,
    )
    describe(app)
    add_problems(app)
    app.add_middleware(OnlyOnce, store=desk.store, again=("/api/v1/jobs",))
    _add_health(app)
    _add_metrics(app, metrics)
    add_bmcs(app, desk.actions)
    add_explain(app, desk)
    add_catalogue(app, desk)
    add_jobs(app, desk)
    add_nodes(app, desk)
    add_groups(app, desk)
    add_volumes(app, desk)
    add_network(app, desk)
    add_backup(app, desk)
    add_timeline(app, desk)
    add_events(app, desk)
    add_dashboard(app)
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", **spec(gives=dict[str, str]))
    @needs(None)
    async def healthz() -> Response:
        """Whether we live."""
        return reply({"status": "ok"})


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/metrics", **spec(gives=str, media="text/plain"))
    @needs(None)
    async def scrape() -> Response:
        """Prometheus text."""
        return Response(await asyncio.to_thread(metrics.text), media_type=metrics.MEDIA_TYPE)
