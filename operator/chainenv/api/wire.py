"""Connections, and one request over one of them."""

import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, NamedTuple

import aiohttp
import httpx
from aiohttp.connector import Connection
from yarl import URL

from chainenv import __version__

from .address import trusted

USER_AGENT: Final = f"chainenv-operator/{__version__}"
MAX_CONNECTIONS: Final = 200
KEEPALIVE_SECONDS: Final = 20  # shorter than any usual load balancer's, so that a write rarely meets a connection that is being closed
MAX_RESPONSE_BYTES: Final = 2 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
_MAX_HEADER_BYTES: Final = 64 * 1024
_MAX_PIECES: Final = 10_000
"""Chunks of one answer. Each costs as much as a thousand bytes do: of a byte each, they would keep the event loop busy."""


class HeldBackError(Exception):
    """`departing` raised: `Progress.held_back` has what."""


class Progress:
    """How far a call came. `departing` is called right before the request's first byte is written, and again when it is sent once more.

    `lost`: why this sending came to nothing, should aiohttp begin another one by itself.
    """

    __slots__ = ("_departing", "answered", "held_back", "held_back_at", "lost", "sent")

    def __init__(self, departing: Callable[[], None] | None = None) -> None:
        self._departing = departing
        self.sent = False
        self.answered = False
        self.lost: aiohttp.ClientError | None = None
        self.held_back: Exception | None = None
        self.held_back_at: TracebackType | None = None

    def depart(self) -> None:
        try:
            if self._departing is not None:
                self._departing()
        except Exception as error:
            self.held_back, self.held_back_at = error, error.__traceback__
        if self.held_back is not None:
            raise HeldBackError
        self.sent = True


PROGRESS: Final[ContextVar[Progress]] = ContextVar("progress")
"""Of the call that this task makes: `depart` is called when its first byte is about to be written."""


class _Newest(deque[Any]):
    """Idle connections: the one used last is taken first, so that few stay open."""

    def popleft(self) -> Any:
        return self.pop()


class _Connector(aiohttp.TCPConnector):
    """Between having a connection, through a proxy where there is one, and the first byte of the request: aiohttp writes it when
    `connect` has returned, and waits for nothing before."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._conns = defaultdict(_Newest)

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Connection:
        """Raises HeldBackError, and what ended a sending where aiohttp would begin another one by itself."""
        progress = PROGRESS.get()
        if progress.lost is not None:
            raise progress.lost
        progress.lost = aiohttp.ServerDisconnectedError()
        try:
            connection = await super().connect(req, traces, timeout)
        except aiohttp.ClientError as error:
            progress.lost = error
            raise
        try:
            progress.depart()
        except HeldBackError:
            connection.release()
            raise
        return connection


class Connections:
    """Made when the first call needs one: that is when there is an event loop. Raises ValueError: no authority to trust."""

    def __init__(self, proxy: httpx.Proxy | None) -> None:
        self._trusted: Final = trusted()
        self._proxy: Final[dict[str, Any]] = {}
        if proxy is not None:
            headers = {"User-Agent": USER_AGENT}
            if proxy.auth:
                headers["Proxy-Authorization"] = aiohttp.encode_basic_auth(*proxy.auth, encoding="utf-8")
            self._proxy.update(proxy=str(proxy.url), proxy_headers=headers)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def request(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Any:
        """To be awaited, or entered. Raises RuntimeError after `aclose`."""
        if self._closed:
            raise RuntimeError("the transport is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(ssl=self._trusted, limit=MAX_CONNECTIONS, keepalive_timeout=KEEPALIVE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),
                auto_decompress=False,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._session.request(method, url, headers=headers, data=body, allow_redirects=False, **self._proxy)

    async def aclose(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool


async def exchange(
    connections: Connections, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, progress: Progress, max_bytes: int
) -> Answer:
    """Raises aiohttp.ClientError and OSError. A body longer than `max_bytes`, or in more than _MAX_PIECES chunks, is cut."""
    PROGRESS.set(progress)
    try:
        response = await connections.request(method, url, headers, body)
    except aiohttp.ClientError as error:
        if method != "GET" or not progress.sent or not is_drop(error):
            raise
        progress.lost = None
        response = await connections.request(method, url, headers, body)
    progress.answered = True
    try:
        return await _read(response, max_bytes if response.status < 300 else _MAX_ERROR_BYTES)
    finally:
        response.close()  # when all was read, its connection is free already


def is_drop(error: Exception) -> bool:
    """True when the connection ended, and False when what came over it is not HTTP."""
    return isinstance(error, aiohttp.ClientConnectionError)


async def _read(response: aiohttp.ClientResponse, limit: int) -> Answer:
    body, pieces = bytearray(), 0
    try:
        async for piece, _ in response.content.iter_chunks():
            body += piece
            pieces += 1
            if len(body) > limit or pieces > _MAX_PIECES:
                break
    except aiohttp.ClientError:
        if response.status < 300:
            raise
    whole = _inflated(body, response.headers.get("Content-Encoding", ""), limit)
    return Answer(response.status, response.headers, bytes(memoryview(whole)[:limit]), len(whole) <= limit and pieces <= _MAX_PIECES)


def _inflated(body: bytearray, encoding: str, limit: int) -> bytes | bytearray:
    """For those who compress though it was not asked for. At most one byte more than `limit` is made."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, limit + 1)
    except zlib.error:
        return body
