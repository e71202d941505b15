"""What the kubelet and Prometheus ask: /livez, /readyz and /metrics."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from ..metrics import Exposition

log = logging.getLogger(__name__)

Check = Callable[[], str | None]
"""None: all is well; else what is wrong."""


def _probe(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        problem = check()
        return web.Response(text="ok\n") if problem is None else web.Response(text=f"{problem}\n", status=503)

    return answer


async def serve_probes(port: int, *, live: Check, ready: Check) -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/livez", _probe(live))
    app.router.add_get("/readyz", _probe(ready))
    return await _serve(app, port)


async def serve_metrics(port: int, refresh: Callable[[], None]) -> web.AppRunner:
    """``refresh`` sets the gauges just before they are read."""
    exposition = Exposition(refresh)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await exposition.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return await _serve(app, port)


async def _serve(app: web.Application, port: int) -> web.AppRunner:
    """On all addresses; a port picked by the system only on loopback, because there the log line is all that names it."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, None if port else "127.0.0.1", port).start()
    paths = " ".join(sorted({route.resource.canonical for route in app.router.routes() if route.resource}))
    log.info("%s at port %d", paths, runner.addresses[0][1])
    return runner
