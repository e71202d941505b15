"""What every call to the API server passes through on its way there and back."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from chainenv_sandbox.baseten.faults import reset
from chainenv_sandbox.baseten.holds import ClientGoneError, HoldPoints
from chainenv_sandbox.baseten.journal import Entry, Journal
from chainenv_sandbox.baseten.matching import Match
from chainenv_sandbox.proxy.watches import Watches

_NOT_PASSED_ON = ("Host", "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length")
CALL, WATCH = "call", "watch"


@dataclass(slots=True)
class Delay:
    """Matching calls wait for so many seconds before they are passed on."""

    match: Match
    seconds: float


class ApiServerProxy:
    """Calls are in the journal with endpoint CALL or WATCH, their body, and the status the API server answered."""

    def __init__(self, upstream: str, ca_file: Path | None = None) -> None:
        self.journal = Journal()
        self.holds = HoldPoints()
        self.watches = Watches()
        self.delays: list[Delay] = []
        self._upstream = upstream.rstrip("/")
        self._tls = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self, host: str) -> None:
        """At a free port, kept for the proxy's life."""
        self._host = host
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False, trust_env=False)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{rest:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.accept()

    async def accept(self) -> None:
        """Connections are taken (again)."""
        if not self._runner.sites:
            await web.TCPSite(self._runner, self._host, self._port, backlog=2048).start()
            self._port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        """Open connections break, and new ones are refused."""
        for site in tuple(self._runner.sites):
            await site.stop()
        server = self._runner.server
        for connection in tuple(server.connections) if server else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def reset(self) -> None:
        """As if it had just been started; held calls go on."""
        self.holds.release()
        self.delays.clear()
        self.watches.new_are_mute = False
        self.journal.clear()
        await self.accept()

    async def close(self) -> None:
        await self.refuse()
        await self._runner.cleanup()
        await self._session.close()

    # -- one call --------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        kind = WATCH if request.query.get("watch") in ("true", "1") else CALL
        entry = self.journal.open(request.method, request.path, kind, time.time())
        try:
            return await self._pass_on(request, entry)
        except (ClientGoneError, aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError):
            return reset(request)
        finally:
            self.journal.close(entry, started)

    async def _pass_on(self, request: web.Request, entry: Entry) -> web.StreamResponse:
        body = await request.read()
        entry.request = _readable(body)
        for delay in self.delays:
            if delay.match.fits(request.method, request.path, None) and delay.match.take():
                await asyncio.sleep(delay.seconds)
        holds = self.holds.catch(request.method, request.path, None)
        for hold in holds:
            if hold.point == "before_effect":
                await hold.stop(request)
        url = URL(self._upstream + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, data=body or None, headers=_passed(request.headers)) as answer:
            entry.status = answer.status
            headers = _passed(answer.headers)
            if entry.endpoint == WATCH and answer.status == 200:
                response = web.StreamResponse(status=answer.status, headers=headers)
                await self.watches.pass_on(request, answer, response)
                return response
            content = await answer.read()
        for hold in holds:
            if hold.point == "after_effect":
                await hold.stop(request)
        return web.Response(status=answer.status, headers=headers, body=content)


def _passed(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    passed = CIMultiDict(headers)
    for name in _NOT_PASSED_ON:
        passed.popall(name, None)
    return passed


def _readable(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode(errors="replace")[:1000]
