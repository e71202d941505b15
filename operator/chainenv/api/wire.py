"""Connections, and one request over one of them."""

import logging
import time
import zlib
from asyncio import Semaphore
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, NamedTuple

import httpx

MAX_CONNECTIONS: Final = 200
KEEPALIVE_SECONDS: Final = 20  # shorter than any usual load balancer's, so that a write rarely meets a connection that is being closed
LIMITS: Final = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS)
MAX_RESPONSE_BYTES: Final = 2 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
_MAX_PIECES: Final = 10_000
"""Chunks of one answer. Each costs as much as a thousand bytes do: of a byte each, they would keep the event loop busy."""
logging.getLogger("httpcore").setLevel(logging.INFO)  # at DEBUG it shows the headers of each answer, and one can echo the key


class Connections:
    """Each is an httpx transport whose pool holds one connection.

    A larger pool looks at all its connections for every call, with a system call for each idle one: that costs milliseconds of CPU
    with 100 calls in flight. Here a call costs the same however many there are.
    """

    def __init__(self, new: Callable[[], httpx.AsyncHTTPTransport]) -> None:
        self._new: Final = new
        self._free: Final[deque[tuple[float, httpx.AsyncHTTPTransport]]] = deque()  # with the time of its last use, the oldest first
        self._turns: Final = Semaphore(MAX_CONNECTIONS)
        self._closed = False

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpx.AsyncHTTPTransport]:
        """The one used last, so that few stay open. One that met an error or a cancellation is not used again."""
        async with self._turns:
            if self._closed:
                raise RuntimeError("the transport is closed")
            await self._close_unused(time.monotonic() - KEEPALIVE_SECONDS)
            connection = self._free.pop()[1] if self._free else self._new()
            try:
                yield connection
            except BaseException:
                await connection.aclose()
                raise
            self._free.append((time.monotonic(), connection))
            if self._closed:
                await self.aclose()

    async def aclose(self) -> None:
        """Calls in flight end by themselves; their connections are closed then."""
        self._closed = True
        await self._close_unused(float("inf"))

    async def _close_unused(self, since: float) -> None:
        while self._free and self._free[0][0] < since:
            await self._free.popleft()[1].aclose()


class HeldBackError(Exception):
    """`departing` raised: `Progress.held_back` has what."""


class Progress:
    """How far a call came. It is httpx's `trace` extension, which is called before each step.

    `departing` is called right before the request's first byte is written, and again when it is sent once more.
    """

    __slots__ = ("_departing", "answered", "held_back", "held_back_at", "sent")

    def __init__(self, departing: Callable[[], None] | None = None) -> None:
        self._departing = departing
        self.sent = False
        self.answered = False
        self.held_back: Exception | None = None
        self.held_back_at: TracebackType | None = None

    async def __call__(self, step: str, info: Mapping[str, Any]) -> None:
        """The steps that make a connection name no request, or a proxy's CONNECT."""
        request = info.get("request")
        if request is not None and request.method != b"CONNECT":
            if step.endswith("send_request_headers.started"):
                self._depart()
            self.sent = True

    def _depart(self) -> None:
        try:
            if self._departing is not None:
                self._departing()
        except Exception as error:
            self.held_back, self.held_back_at = error, error.__traceback__
        if self.held_back is not None:
            raise HeldBackError


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool


async def exchange(connections: Connections, request: httpx.Request, progress: Progress, max_bytes: int) -> Answer:
    """Raises httpx.TransportError and OSError. A body longer than `max_bytes`, or in more than _MAX_PIECES chunks, is cut."""
    request.extensions = {"trace": progress}
    async with connections.one() as connection:
        try:
            response = await connection.handle_async_request(request)
        except httpx.TransportError as error:
            if request.method != "GET" or not progress.sent or not is_drop(error):
                raise
            response = await connection.handle_async_request(request)
        progress.answered = True
        try:
            return await _read(response, max_bytes if response.status_code < 300 else _MAX_ERROR_BYTES)
        finally:
            await response.aclose()


def is_drop(error: Exception) -> bool:
    """True when the connection ended, and False when what came over it is not HTTP."""
    return isinstance(error, httpx.NetworkError) or (isinstance(error, httpx.RemoteProtocolError) and "disconnected" in str(error))


async def _read(response: httpx.Response, limit: int) -> Answer:
    body, pieces = bytearray(), 0
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            pieces += 1
            if len(body) > limit or pieces > _MAX_PIECES:
                break
    except httpx.TransportError:
        if response.status_code < 300:
            raise
    whole = _inflated(body, response.headers.get("Content-Encoding", ""), limit)
    return Answer(response.status_code, response.headers, bytes(memoryview(whole)[:limit]), len(whole) <= limit and pieces <= _MAX_PIECES)


def _inflated(body: bytearray, encoding: str, limit: int) -> bytes | bytearray:
    """For those who compress though it was not asked for. At most one byte more than `limit` is made."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, limit + 1)
    except zlib.error:
        return body
