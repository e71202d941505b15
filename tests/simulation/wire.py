"""What lies between a process and the two servers: time, and everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import aiohttp
from yarl import URL

from chainenv.api.client import ENDPOINTS, LIST_ROLLOUT_AUDIT_LOGS
from chainenv.api.limiter import Limiter, Turn
from chainenv.api.transport import Endpoint, Hooks
from chainenv.api.transport import Transport as RealTransport
from chainenv.api.wire import MAX_RESPONSE_BYTES, PROGRESS
from chainenv.engine.context import RESOURCE
from chainenv.kube.cluster import TIMEOUT as KUBE_TIMEOUT
from chainenv.kube.cluster import ClusterError

from .apiserver import ApiServer
from .baseten import Baseten
from .clock import VirtualLoop
from .lies import LIES, UNREADABLE
from .model import RefusedError

TIMEOUT = 30.0
ROLLOUTS = ("promote", "update_instance_types")


@dataclass
class Trouble:
    """What happens to calls for a while. ``endpoints``: empty means all; ``share``: of the calls that meet it, 0-1.

    Kinds: status (answered ``value`` without being done), lost_request, lost_answer, late (done ``value`` seconds after it was sent, when
    the caller may have given up), gateway (done, answered 504 after 29 s), doubled (done twice, ``value`` seconds apart), slow (read at
    once, answered ``value`` seconds later), stale (a read is answered as one was ``value`` seconds before), queued (waits up to
    ``value`` seconds for its turn before it leaves), unsent (no connection), dropped (done, and the connection breaks), lie (done, and
    answered as ``lies.LIES`` has it), hang (calls to the API server alone: no answer).
    """

    kind: str
    until: float
    endpoints: tuple[str, ...] = ()
    share: float = 1.0
    value: Any = 0.0

    def meets(self, endpoint: str) -> bool:
        if self.endpoints == ("writes",):
            return not endpoint.startswith(("get_", "list_", "kube_"))
        return endpoint in self.endpoints or (not self.endpoints and not endpoint.startswith("kube_"))


@dataclass
class Sent:
    """One call as it left. ``started``: deployments that came of it; ``answered``: its caller got an answer that can be read."""

    number: int
    at: float
    process: str
    endpoint: str
    parameters: Mapping[str, str]
    body: dict[str, Any]
    started: list[str] = field(default_factory=list)
    answered: bool = False
    over: bool = False
    landed: int = 0
    refused: bool = False
    episode: Any = None
    by: tuple[str, str] = ("", "")
    """The resource whose run this is: namespace and name."""


class Network:
    """Shared by all processes: the server goes on with a call whose caller is gone."""

    def __init__(self, loop: VirtualLoop, rng: Random, baseten: Baseten, api: ApiServer) -> None:
        self.loop = loop
        self.rng = rng
        self.baseten = baseten
        self.api = api
        self.troubles: list[Trouble] = []
        self.keys: dict[str, str] = {}
        """What each key is: good, wrong (of another workspace), refused, reader (403 for writes)."""
        self.restricted: dict[str, str] = {}
        """By environment, what every key meets there: unreadable (403 for reads), unwritable (401 for writes), reader (403 for writes)."""
        self.calls = 0
        self.writer = ""
        """Whose write the API server is handling."""
        self.open: list[Sent] = []
        self.answers: defaultdict[tuple[str, str], deque[tuple[float, tuple[int, dict[str, Any]]]]] = defaultdict(lambda: deque(maxlen=300))
        """Of reads, with their times: by environment and key."""
        self.on_send: list[Callable[[Sent], None]] = []
        self.on_land: list[Callable[[Sent], None]] = []
        self.on_read: list[Callable[[Sent, dict[str, Any] | None], None]] = []
        self.log: Callable[[str, str], None] = lambda *_: None

    def trouble(self, endpoint: str, kind: str = "") -> Trouble | None:
        """What this call meets; ``kind`` queued: while it waits for its turn."""
        self.troubles = [t for t in self.troubles if t.until > self.loop.now]
        here = (t for t in self.troubles if t.meets(endpoint) and (t.kind == "queued") is (kind == "queued"))
        return next((t for t in here if self.rng.random() < t.share), None)

    def land(self, sent: Sent, key: str) -> tuple[int, dict[str, Any]]:
        """The server handles the call now."""
        kind = self.keys.get(key, "refused")
        if kind == "refused":
            return 403, {"code": "PERMISSION_DENIED", "message": "invalid key"}
        if kind == "wrong":
            return 404, {"code": "NOT_FOUND", "message": "not found"}
        if kind == "reader" and not sent.endpoint.startswith(("get_", "list_")):
            return 403, {"code": "PERMISSION_DENIED", "message": "restricted environment"}
        reads, restriction = sent.endpoint.startswith(("get_", "list_")), self.restricted.get(sent.parameters.get("env_name", ""))
        if restriction == "unreadable" and reads:
            return 403, {"code": "PERMISSION_DENIED", "message": "not your environment"}
        if restriction in ("unwritable", "reader") and not reads:
            return (401 if restriction == "unwritable" else 403), {"code": "PERMISSION_DENIED", "message": "restricted environment"}
        before, self.baseten.actor = set(self.baseten.deployments), key
        candidates = {n: e.candidate for n, e in self.baseten.environments.items()}
        sent.landed += 1
        try:
            answer = 200, self.baseten.handle(sent.endpoint, sent.parameters, sent.body)
        except RefusedError as error:
            answer = error.status, error.body
            sent.refused = True
        if sent.endpoint == "get_environment":
            self.answers[sent.parameters["env_name"], key].append((self.loop.now, answer))
        if sent.endpoint in ROLLOUTS:
            sent.started += [d for d in self.baseten.deployments if d not in before]
            moved = [e for n, e in self.baseten.environments.items() if e.candidate is not None and e.candidate is not candidates.get(n)]
            if not sent.started and answer[0] == 200:
                sent.started += [e.candidate.id for e in moved if e.candidate]
        self.baseten.actor = "stranger-key"
        for hook in self.on_land:
            hook(sent)
        return answer


class Transport(RealTransport):
    """The real transport, its limiter and its reading of answers; the connections alone lead to the model."""

    def __init__(self, network: Network, process: str, point: Callable[[str], None]) -> None:
        """Without what the real one prepares for TLS, which takes longer than an hour of this."""
        self._base, self._host = "https://api.baseten.co", "api.baseten.co"
        self._timeout, self._max_bytes, self._hooks = TIMEOUT, MAX_RESPONSE_BYTES, Hooks()
        self._limiter = _Limiter(network)
        self._connections = _Connections(network, process, point)  # type: ignore[assignment]


class _Limiter(Limiter):
    """The real one on the virtual clock; others with the same key can make its callers wait."""

    def __init__(self, network: Network) -> None:
        super().__init__(90.0, clock=lambda: 1_000.0 + network.loop.now)
        self._network = network

    async def acquire(self, key_id: str, endpoint: str) -> Turn:
        trouble = self._network.trouble(endpoint, "queued")
        if trouble is not None:
            await asyncio.sleep(trouble.value * self._network.rng.random())
        return await super().acquire(key_id, endpoint)


_PATHS = [(e, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", e.template))) for e in ENDPOINTS]


@lru_cache(maxsize=1000)
def routed(method: str, url: str) -> tuple[Endpoint, dict[str, str]]:
    parsed = URL(url)
    for endpoint, template in _PATHS:
        found = template.fullmatch(parsed.raw_path) if endpoint.method == method else None
        names = parsed.query.get("environment_names")
        if found and not (endpoint is LIST_ROLLOUT_AUDIT_LOGS and names is None):
            return endpoint, {name: unquote(value) for name, value in found.groupdict().items()} | ({"env_name": names} if names else {})
    raise AssertionError(f"no such endpoint: {method} {url}")


class _Content:
    """The body of an answer, in one piece."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        yield self._body, True


class _Connections:
    """In the place of chainenv.api.wire.Connections: when the request departs, what is raised, and the answer's bytes."""

    def __init__(self, network: Network, process: str, point: Callable[[str], None]) -> None:
        self._network = network
        self._process = process
        self._point = point

    async def request(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Any:
        net = self._network
        endpoint, parameters = routed(method, str(url))
        trouble = net.trouble(endpoint.name)
        if trouble is not None and trouble.kind == "unsent":
            await asyncio.sleep(1.0)
            raise aiohttp.ClientConnectionError("no route to host")
        PROGRESS.get().depart()
        net.calls += 1
        content = json.loads(body or b"{}")
        sent = Sent(net.calls, net.loop.now, self._process, endpoint.name, parameters, content, by=_whose())
        net.open.append(sent)
        for hook in net.on_send:
            hook(sent)
        self._point("sent")
        try:
            status, document = await self._exchange(sent, headers["Authorization"].removeprefix("Api-Key "), trouble)
        except asyncio.CancelledError:
            net.log(self._process, f"#{sent.number} {sent.endpoint}: no answer ({trouble.kind if trouble else 'it was broken off'})")
            raise
        finally:
            sent.over = True
            net.open.remove(sent)
        self._point("answered")
        if endpoint.writes or status != 200:
            net.log(self._process, f"#{sent.number} {endpoint.name} {_brief(sent)} -> {status} {_reported(document)}")
        unreadable = trouble is not None and trouble.kind == "lie" and trouble.value in UNREADABLE
        sent.answered = status < 500 and not unreadable
        if endpoint.name == "get_environment" and status in (200, 404) and not unreadable:
            for hook in net.on_read:
                hook(sent, document if status == 200 else None)
        return SimpleNamespace(status=status, headers={}, content=_Content(json.dumps(document).encode()), close=lambda: None)

    async def aclose(self) -> None:
        """There is nothing to close."""

    async def _exchange(self, sent: Sent, key: str, trouble: Trouble | None) -> tuple[int, Any]:
        """Waits for ever when no answer comes."""
        net, loop = self._network, self._network.loop
        kind, value = (trouble.kind, trouble.value) if trouble else ("", 0.0)
        coming: asyncio.Future[tuple[int, Any]] = loop.create_future()
        there, back = 0.02 + 0.08 * net.rng.random(), 0.02 + 0.08 * net.rng.random()

        def answer(result: tuple[int, Any]) -> None:
            if not coming.done():
                coming.set_result(result)

        def arrive(delay: float = back, *, other: tuple[int, Any] | None = None) -> None:
            result = net.land(sent, key)
            if kind == "lie" and result[0] == 200:
                result = 200, LIES[value](net.baseten, sent, result[1])
            loop.call_later(delay, answer, other or result)

        if kind == "status":
            more = {"retry_after": 90} if value == 429 else {}
            loop.call_later(there + back, answer, (int(value), {"message": "as it happens", **more}))
        elif kind == "lost_answer":
            loop.call_later(there, arrive, 10 * TIMEOUT)
        elif kind == "late":
            loop.call_later(value, arrive)
        elif kind == "gateway":
            loop.call_later(there, lambda: arrive(29.0, other=(504, {"message": "gateway timeout"})))
        elif kind == "doubled":
            loop.call_later(there, arrive)
            loop.call_later(there + value, arrive)
        elif kind == "slow":
            loop.call_later(there, arrive, value)
        elif kind == "stale" and sent.endpoint == "get_environment" and (answers := net.answers[sent.parameters["env_name"], key]):
            old = [read for at, read in answers if at <= loop.now - value]
            loop.call_later(there + back, answer, old[-1] if old else answers[0][1])
        elif kind == "dropped":
            loop.call_later(there, lambda: arrive(other=(0, None)))
        elif kind != "lost_request":
            loop.call_later(there, arrive)
        status, document = await coming
        if not status:
            raise aiohttp.ServerDisconnectedError
        return status, document


class Cluster:
    """In the place of chainenv.kube.cluster.Cluster."""

    def __init__(self, network: Network, process: str, point: Callable[[str], None]) -> None:
        self._network = network
        self._process = process
        self._point = point
        self.last_contact = 0.0

    async def request(self, method: str, path_: str, *, body: Any = None, timeout: float = KUBE_TIMEOUT, **_: Any) -> Any:
        """Raises ClusterError."""
        try:
            async with asyncio.timeout(timeout):
                return await self._request(method, path_, body)
        except TimeoutError:
            raise ClusterError(0, "the API server cannot be reached: no answer in time") from None

    async def _request(self, method: str, path_: str, body: Any) -> Any:
        net = self._network
        kind = "kube_lease" if "/leases" in path_ else "kube_write" if method != "GET" else "kube_read"
        trouble = next((t for t in (net.trouble(kind), net.trouble(f"{kind} {self._process}")) if t), None) if net.troubles else None
        there = 0.002 + 0.01 * net.rng.random()
        if method != "GET":
            self._point("writing")
        await asyncio.sleep(there)
        if trouble is not None and trouble.kind == "hang":
            await asyncio.Event().wait()
        if trouble is not None and trouble.kind == "lost_request":
            raise ClusterError(0, "the API server cannot be reached: timeout")
        net.writer = self._process
        answer = net.api.handle(method, path_, body)
        await asyncio.sleep(there)
        if trouble is not None and trouble.kind == "lost_answer":
            raise ClusterError(0, "the API server cannot be reached: timeout")
        if method != "GET":
            self._point("written")
        return answer

    async def request_bytes(self, method: str, path_: str, **call: Any) -> bytes:
        """Raises ClusterError."""
        return json.dumps(await self.request(method, path_, **call)).encode()


def _whose() -> tuple[str, str]:
    about = RESOURCE.get()
    return (about.namespace, about.name) if about else ("", "")


def _brief(sent: Sent) -> str:
    text = f"{sent.parameters.get('env_name', '')} {json.dumps(sent.body, separators=(',', ':')) if sent.body else ''}".strip()
    return text if len(text) < 160 else f"{text[:160]}..."


def _reported(document: Any) -> str:
    if not isinstance(document, dict):
        return ""
    return str(document.get("message") or document.get("id") or document.get("status") or "")
