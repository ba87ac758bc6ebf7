"""The control plane over HTTP, put together: each noun's routes are in a module of its own.

``operator_app`` is served on ``control.sock`` only, whose mode says who may. ``public_app`` is
what the TCP address serves: whether we live, and metrics without a name or an address.
"""

import asyncio

from fastapi import FastAPI, Response

from netboot.control.bmc_api import add_bmcs
from netboot.control.desk import Desk
from netboot.control.exchange import add_problems
from netboot.control.groups_api import add_groups
from netboot.control.metrics import Metrics
from netboot.control.nodes_api import add_nodes
from netboot.control.timeline_api import add_timeline


def public_app(metrics: Metrics) -> FastAPI:
    """``GET /healthz`` and ``GET /metrics``, and nothing else."""
    app = FastAPI(title="netboot", docs_url=None, redoc_url=None, openapi_url=None)
    add_problems(app)
    _add_health(app)
    _add_metrics(app, metrics)
    return app


def operator_app(desk: Desk, metrics: Metrics) -> FastAPI:
    """Everything an operator may do."""
    app = FastAPI(title="netboot", docs_url=None, redoc_url=None)
    add_problems(app)
    _add_health(app)
    _add_metrics(app, metrics)
    add_bmcs(app, desk.actions)  # before paths that take all below a node
    add_nodes(app, desk)
    add_groups(app, desk)
    add_timeline(app, desk)
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/metrics")
    async def scrape() -> Response:
        """Prometheus text."""
        return Response(await asyncio.to_thread(metrics.text), media_type=metrics.MEDIA_TYPE)
