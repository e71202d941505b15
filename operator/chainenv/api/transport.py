"""One HTTP call: paced, bounded in time and size, and every failure turned into one of `errors`."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import TypeAdapter, ValidationError
from yarl import URL

from .address import api_url, proxy_for
from .answers import failure, for_people
from .errors import BasetenError, Invalid, NotSent, RateLimited, Unavailable
from .keys import ApiKey
from .limiter import Limiter
from .requests import Body
from .wire import MAX_RESPONSE_BYTES, USER_AGENT, Answer, Connections, HeldBackError, Progress, exchange, is_drop

T = TypeVar("T")
R = TypeVar("R")

_HEADERS: Final = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`name` stands in metrics and errors; `template` is the path with `{parameters}`, and so is `query`."""

    name: str
    method: str
    template: str
    query: str = ""

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class CallRecord:
    """`outcome` is `2xx` or the name of the exception's class; `status_class` is `2xx` to `5xx`, or `none` when no answer was read.
    `seconds` leave out the wait for a turn."""

    endpoint: str
    outcome: str
    status_class: str
    seconds: float
    key_id: str


@dataclass(frozen=True, slots=True)
class WaitRecord:
    endpoint: str
    seconds: float
    key_id: str


@dataclass(frozen=True, slots=True)
class Hooks:
    """Called in the event loop; they must return at once and not raise. What `departing` holds back is no call."""

    on_call: Callable[[CallRecord], None] = lambda _: None
    on_wait: Callable[[WaitRecord], None] = lambda _: None


Departing = Callable[[Endpoint], None]
"""Called in the event loop right before a call leaves: after the wait for its turn and for a connection, with nothing sent yet, and again
when a read is sent once more. What it raises reaches the caller as it is, and the call is not sent."""


class Transport:
    """Shared by all keys. Times are seconds, `rate_limit` requests/s for each key and endpoint, unless `limiter` is given.

    ValueError: it cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float = 30.0,
        rate_limit: float = 90.0,
        hooks: Hooks | None = None,
        limiter: Limiter | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        if not timeout_seconds > 0:
            raise ValueError(f"the request timeout is {timeout_seconds}: give seconds above 0")
        url = api_url(base_url)
        self._base = str(url).rstrip("/")
        proxy = proxy_for(url)
        self._host = f"{url.netloc.decode()} (through a proxy)" if proxy else url.netloc.decode()
        self._timeout = timeout_seconds
        self._limiter = limiter if limiter is not None else Limiter(rate_limit)
        self._hooks = hooks or Hooks()
        self._max_bytes = max_response_bytes
        self._connections = Connections(proxy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._connections.aclose()

    async def request(
        self,
        key: ApiKey,
        endpoint: Endpoint,
        answer: TypeAdapter[T],
        *,
        body: Body | None = None,
        departing: Departing | None = None,
        **parameters: str,
    ) -> T:
        """Raises BasetenError. A GET whose connection drops before any answer is sent once more; nothing else is ever sent twice."""
        url = self._url(endpoint, parameters)
        turn = await self._limiter.acquire(key.fingerprint, endpoint.name)
        if turn.waited > 0:
            self._hooks.on_wait(WaitRecord(endpoint.name, turn.waited, key.fingerprint))
        progress = Progress(partial(departing, endpoint) if departing else None)
        attempt = self._attempt(key, endpoint, url, answer, body, progress)
        with turn:
            result = await self._recorded(key, endpoint, progress, attempt)
            turn.passed = not isinstance(result, BasetenError) or result.status not in (None, 429)
        # Raised here, without a cause: the frames and exceptions of the HTTP library hold the Authorization header.
        if progress.held_back is not None:
            raise progress.held_back.with_traceback(progress.held_back_at)
        if isinstance(result, BasetenError):
            raise result
        return result

    async def _recorded(self, key: ApiKey, endpoint: Endpoint, progress: Progress, attempt: Coroutine[Any, Any, R]) -> R:
        started = time.perf_counter()
        outcome, status_class = "CancelledError", "none"
        try:
            result = await attempt
            if isinstance(result, BasetenError):
                outcome, status_class = type(result).__name__, "none" if result.status is None else f"{result.status // 100}xx"
            else:
                outcome = status_class = "2xx"
        except Exception as error:
            outcome = type(error).__name__
            raise
        finally:
            if progress.held_back is None or progress.sent:
                self._hooks.on_call(CallRecord(endpoint.name, outcome, status_class, time.perf_counter() - started, key.fingerprint))
        return result

    def _url(self, endpoint: Endpoint, parameters: Mapping[str, str]) -> URL:
        quoted = {}
        for name, value in parameters.items():
            if value in ("", ".", "..") or not value.isprintable():
                raise Invalid(f"{value!r:.80} cannot be a {name}", endpoint=endpoint.name)
            quoted[name] = quote(value, safe="")
        return URL(self._base + (endpoint.template + endpoint.query).format(**quoted), encoded=True)

    async def _attempt(
        self, key: ApiKey, endpoint: Endpoint, url: URL, answer: TypeAdapter[T], body: Body | None, progress: Progress
    ) -> T | BasetenError:
        headers = {**_HEADERS, "Authorization": f"Api-Key {key.reveal()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with asyncio.timeout(self._timeout):
                content = body.encoded() if body is not None else None
                got = await exchange(self._connections, endpoint.method, url, headers, content, progress, self._max_bytes)
        except HeldBackError:
            return Unavailable("the call was held back", endpoint=endpoint.name)  # recorded when a sending before it was lost
        except (aiohttp.ClientError, OSError) as error:
            return self._lost(error, progress, endpoint)
        if got.status >= 300 or (key.secret and got.complete):
            got = got._replace(body=key.redacted(got.body))
        if 200 <= got.status < 300:
            return self._read(got, endpoint, answer)
        refused = failure(endpoint.name, write=endpoint.writes, status=got.status, headers=got.headers, body=got.body, key=key)
        if isinstance(refused, RateLimited):
            refused.retry_after = self._limiter.pause(key.fingerprint, endpoint.name, refused.retry_after)
        return refused

    def _read(self, got: Answer, endpoint: Endpoint, answer: TypeAdapter[T]) -> T | Unavailable:
        if not got.complete:
            text = f"it is larger than {self._max_bytes} bytes, or comes in too many pieces"
        else:
            try:
                return answer.validate_json(got.body)
            except ValidationError as error:
                text = _first_problem(error, got.body)
        message = for_people(f"Baseten answered {got.status}, but the answer cannot be read: {text}")
        return Unavailable(message, endpoint=endpoint.name, status=got.status)

    def _lost(self, error: Exception, progress: Progress, endpoint: Endpoint) -> Unavailable:
        if progress.sent:
            message = _after_sending(error, progress).format(host=self._host, seconds=f"{self._timeout:g}")
            return Unavailable(for_people(message), endpoint=endpoint.name)
        causes: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None:
            causes.append(cause)
            cause = cause.__cause__ or cause.__context__
        text = next((text for kind, text in _BEFORE_SENDING if any(isinstance(cause, kind) for cause in causes)), "no connection to {host}")
        message = text.format(host=self._host) + next(
            (f": {cause.strerror}" for cause in causes if isinstance(cause, OSError) and cause.strerror), ""
        )
        return NotSent(for_people(message), endpoint=endpoint.name)


_BEFORE_SENDING: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ssl.SSLCertVerificationError, "the certificate of {host} is not trusted"),
    (socket.gaierror, "the address of {host} was not found"),
    (aiohttp.ClientHttpProxyError, "the proxy refused a connection to {host}"),
    (TimeoutError, "no connection to {host} in time"),
)


def _after_sending(error: Exception, progress: Progress) -> str:
    if isinstance(error, TimeoutError):
        return "no complete answer from {host} within {seconds} s"
    if progress.answered:
        return "the answer of {host} broke off"
    if isinstance(error, aiohttp.ClientError) and not is_drop(error):
        return "the answer of {host} is not HTTP"
    return "the connection to {host} was lost before the answer came"


def _first_problem(error: ValidationError, body: bytes) -> str:
    if body.lstrip()[:1] == b"<":
        return "it is an HTML page"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
