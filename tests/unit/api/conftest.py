"""A real HTTP server on loopback whose answers each test gives."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from chainenv.api import ApiKey, Baseten, CallRecord, Hooks, Transport, WaitRecord

KEY = "s3cr3t.AbCdEf~0123456789"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    url: str = ""
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    handler: Handler | None = None

    def answers(self, status: int = 200, *, headers: dict[str, str] | None = None, **body: Any) -> None:
        """`json=`, `text=` or `body=`, the same for every request."""

        async def handler(_: web.Request) -> web.StreamResponse:
            if "json" in body:
                return web.json_response(body["json"], status=status, headers=headers)
            return web.Response(status=status, headers=headers, **body)

        self.handler = handler

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.read())
        assert self.handler is not None
        return await self.handler(request)


@dataclass
class Recorder:
    calls: list[CallRecord] = field(default_factory=list)
    waits: list[WaitRecord] = field(default_factory=list)

    @property
    def hooks(self) -> Hooks:
        return Hooks(on_call=self.calls.append, on_wait=self.waits.append)


async def start(server: Server) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", server.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = "http://{}:{}".format(*runner.addresses[0][:2])
    return runner


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = await start(server)
    yield server
    await runner.cleanup()


@pytest_asyncio.fixture
async def other_server() -> AsyncIterator[Server]:
    server = Server()
    runner = await start(server)
    yield server
    await runner.cleanup()


@pytest.fixture
def key() -> ApiKey:
    return ApiKey(KEY)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest_asyncio.fixture
async def transport(server: Server, recorder: Recorder) -> AsyncIterator[Transport]:
    async with Transport(server.url, timeout_seconds=5, hooks=recorder.hooks, max_response_bytes=200_000) as transport:
        yield transport


@pytest.fixture
def baseten(transport: Transport, key: ApiKey) -> Baseten:
    return Baseten(transport, key)


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch
