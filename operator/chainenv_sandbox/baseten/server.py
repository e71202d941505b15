"""The process: one loopback port for the public API and the control API."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import sys
import threading
from collections.abc import Callable

from aiohttp import web

from chainenv_sandbox.baseten.control import Control
from chainenv_sandbox.baseten.routes import add_public_routes
from chainenv_sandbox.baseten.simulation import Simulation


def is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def create_app(simulation: Simulation) -> web.Application:
    app = web.Application(client_max_size=8 * 1024 * 1024)
    Control(simulation).add_routes(app)
    add_public_routes(app, simulation)
    return app


async def serve(simulation: Simulation, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM. ready is called with the base URL once the port is open (0: a free one)."""
    runner = web.AppRunner(create_app(simulation), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=2048)
        await site.start()
        bound = runner.addresses[0][1]
        ready(f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}")
        await stopped()
    finally:
        simulation.holds.release()
        await runner.cleanup()


async def stopped() -> None:
    """Returns at SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def exit_with_stdin() -> None:
    """Ends the process when stdin reaches its end: when the parent has gone, however it went."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
