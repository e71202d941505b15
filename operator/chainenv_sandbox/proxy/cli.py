"""The process: plain HTTP on loopback, the real API server's TLS behind it, and a port of its own for the control API."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
from aiohttp import web

from chainenv_sandbox.baseten.server import exit_with_stdin, stopped
from chainenv_sandbox.proxy.control import Control
from chainenv_sandbox.proxy.server import ApiServerProxy

LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--upstream", required=True, help="Base URL of the API server.")
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What its certificate is checked with.")
@click.option("--exit-with-stdin", "with_stdin", is_flag=True, help="End when stdin is closed.")
def main(upstream: str, ca_file: Path | None, with_stdin: bool) -> None:
    """Prints {"url": ..., "control": ...} once both ports are open."""
    if with_stdin:
        exit_with_stdin()
    asyncio.run(_serve(upstream, ca_file))


async def _serve(upstream: str, ca_file: Path | None) -> None:
    proxy = ApiServerProxy(upstream, ca_file)
    await proxy.start(LOOPBACK)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    Control(proxy).add_routes(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    try:
        print(json.dumps({"url": proxy.url, "control": f"http://{LOOPBACK}:{runner.addresses[0][1]}"}), flush=True)
        await stopped()
    finally:
        proxy.holds.release()
        await proxy.close()
        await runner.cleanup()
