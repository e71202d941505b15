"""What lies between a process and the two servers: time, and everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chainenv.api import ApiKey, Endpoint, Unavailable
from chainenv.api.answers import failure
from chainenv.api.errors import NotSent, RateLimited
from chainenv.api.requests import Body
from chainenv.kube.cluster import ClusterError

from .apiserver import ApiServer
from .baseten import Baseten, RefusedError
from .clock import VirtualLoop

TIMEOUT = 30.0
ROLLOUTS = ("promote", "update_instance_types")


@dataclass
class Trouble:
    """What happens to calls for a while. ``endpoints``: empty means all; ``share``: of the calls that meet it, 0-1.

    Kinds: status (answered ``value`` without being done), lost_request, lost_answer, late (done ``value`` seconds after it was sent, when
    the caller may have given up), gateway (done, answered 504 after 29 s), doubled (done twice, ``value`` seconds apart), slow (read at
    once, answered ``value`` seconds later), stale (a read is answered as one was ``value`` seconds before), queued (waits up to
    ``value`` seconds before it leaves), unsent (no connection).
    """

    kind: str
    until: float
    endpoints: tuple[str, ...] = ()
    share: float = 1.0
    value: float = 0.0

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
        self.calls = 0
        self.writer = ""
        """Whose write the API server is handling."""
        self.open: list[Sent] = []
        self.answers: deque[tuple[float, tuple[int, dict[str, Any]]]] = deque(maxlen=300)
        """Of reads of the environment, with their times."""
        self.on_send: list[Callable[[Sent], None]] = []
        self.on_land: list[Callable[[Sent], None]] = []
        self.on_read: list[Callable[[Sent, dict[str, Any] | None], None]] = []
        self.log: Callable[[str, str], None] = lambda *_: None

    def trouble(self, endpoint: str) -> Trouble | None:
        self.troubles = [t for t in self.troubles if t.until > self.loop.now]
        return next((t for t in self.troubles if t.meets(endpoint) and self.rng.random() < t.share), None)

    def land(self, sent: Sent, key: str) -> tuple[int, dict[str, Any]]:
        """The server handles the call now."""
        kind = self.keys.get(key, "refused")
        if kind == "refused":
            return 403, {"code": "PERMISSION_DENIED", "message": "invalid key"}
        if kind == "wrong":
            return 404, {"code": "NOT_FOUND", "message": "not found"}
        if kind == "reader" and not sent.endpoint.startswith(("get_", "list_")):
            return 403, {"code": "PERMISSION_DENIED", "message": "restricted environment"}
        before = set(self.baseten.deployments)
        candidates = {n: e.candidate for n, e in self.baseten.environments.items()}
        sent.landed += 1
        try:
            answer = 200, self.baseten.handle(sent.endpoint, sent.parameters, sent.body)
        except RefusedError as error:
            answer = error.status, error.body
            sent.refused = True
        if sent.endpoint == "get_environment":
            self.answers.append((self.loop.now, answer))
        if sent.endpoint in ROLLOUTS:
            sent.started += [d for d in self.baseten.deployments if d not in before]
            moved = [e for n, e in self.baseten.environments.items() if e.candidate is not None and e.candidate is not candidates.get(n)]
            if not sent.started and answer[0] == 200:
                sent.started += [e.candidate.id for e in moved if e.candidate]
        for hook in self.on_land:
            hook(sent)
        return answer


class Transport:
    """In the place of chainenv.api.Transport: the same request, its errors and its reading of answers, over the model."""

    def __init__(self, network: Network, process: str, point: Callable[[str], None]) -> None:
        self._network = network
        self._process = process
        self._point = point
        self._paused: dict[str, float] = {}

    async def request(
        self,
        key: ApiKey,
        endpoint: Endpoint,
        answer: TypeAdapter[Any],
        *,
        body: Body | None = None,
        departing: Callable[[Endpoint], None] | None = None,
        **parameters: str,
    ) -> Any:
        net, name = self._network, endpoint.name
        left = self._paused.get(name, 0) - net.loop.now
        if left > 0:
            raise RateLimited("held back: the rate limit was reached", endpoint=name, retry_after=left)
        trouble = net.trouble(name)
        if trouble is not None and trouble.kind == "queued":
            await asyncio.sleep(trouble.value * net.rng.random())
        if trouble is not None and trouble.kind == "unsent":
            await asyncio.sleep(1.0)
            raise NotSent("no connection to the API", endpoint=name)
        if departing is not None:
            departing(endpoint)
        net.calls += 1
        content = json.loads(body.encoded()) if body is not None else {}
        sent = Sent(net.calls, net.loop.now, self._process, name, parameters, content)
        net.open.append(sent)
        for hook in net.on_send:
            hook(sent)
        self._point("sent")
        try:
            status, document = await self._exchange(sent, key.reveal(), trouble)
        finally:
            sent.over = True
            net.open.remove(sent)
        self._point("answered")
        return self._read(key, endpoint, answer, sent, status, document)

    async def _exchange(self, sent: Sent, key: str, trouble: Trouble | None) -> tuple[int, Any]:
        """Raises Unavailable when no answer comes."""
        net, loop = self._network, self._network.loop
        kind, value = (trouble.kind, trouble.value) if trouble else ("", 0.0)
        coming: asyncio.Future[tuple[int, Any]] = loop.create_future()
        there, back = 0.02 + 0.08 * net.rng.random(), 0.02 + 0.08 * net.rng.random()

        def answer(result: tuple[int, Any]) -> None:
            if not coming.done():
                coming.set_result(result)

        def arrive(delay: float = back, *, other: tuple[int, Any] | None = None) -> None:
            result = net.land(sent, key)
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
        elif kind == "stale" and sent.endpoint == "get_environment" and net.answers:
            old = [read for at, read in net.answers if at <= loop.now - value]
            loop.call_later(there + back, answer, old[-1] if old else net.answers[0][1])
        elif kind != "lost_request":
            loop.call_later(there, arrive)
        try:
            async with asyncio.timeout(TIMEOUT):
                return await coming
        except TimeoutError:
            net.log(self._process, f"#{sent.number} {sent.endpoint}: no answer ({kind})")
            raise Unavailable("no complete answer from the API within 30 s", endpoint=sent.endpoint) from None

    def _read(self, key: ApiKey, endpoint: Endpoint, answer: TypeAdapter[Any], sent: Sent, status: int, document: Any) -> Any:
        net, text = self._network, json.dumps(document).encode()
        if endpoint.writes or status != 200:
            net.log(self._process, f"#{sent.number} {endpoint.name} {_brief(sent)} -> {status} {_told(document)}")
        sent.answered = status < 500
        if endpoint.name == "get_environment" and status in (200, 404):
            for hook in net.on_read:
                hook(sent, document if status == 200 else None)
        if status == 200:
            try:
                return answer.validate_json(text)
            except ValidationError as error:
                raise Unavailable(f"the answer cannot be read: {error}", endpoint=endpoint.name, status=200) from None
        refused = failure(endpoint.name, write=endpoint.writes, status=status, headers={}, body=text, key=key)
        if isinstance(refused, RateLimited):
            self._paused[endpoint.name] = net.loop.now + refused.retry_after
        raise refused


class Cluster:
    """In the place of chainenv.kube.cluster.Cluster."""

    def __init__(self, network: Network, process: str, point: Callable[[str], None]) -> None:
        self._network = network
        self._process = process
        self._point = point
        self.last_contact = 0.0

    async def request(self, method: str, path_: str, *, body: Any = None, **_: Any) -> Any:
        """Raises ClusterError."""
        net = self._network
        trouble = net.trouble("kube_write" if method != "GET" else "kube_read") if net.troubles else None
        there = 0.002 + 0.01 * net.rng.random()
        if method != "GET":
            self._point("writing")
        await asyncio.sleep(there)
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


def _brief(sent: Sent) -> str:
    text = json.dumps(sent.body, separators=(",", ":"))
    return text if len(text) < 160 else f"{text[:160]}..."


def _told(document: Any) -> str:
    if not isinstance(document, dict):
        return ""
    return str(document.get("message") or document.get("id") or document.get("status") or "")
