"""The public API over HTTP: what every call passes through on its way to an operation and back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web

from chainenv_sandbox.baseten import faults, limits
from chainenv_sandbox.baseten.errors import ApiError, JsonObject, invalid, not_found
from chainenv_sandbox.baseten.faults import Fault
from chainenv_sandbox.baseten.holds import ClientGoneError
from chainenv_sandbox.baseten.journal import Entry
from chainenv_sandbox.baseten.keys import Key
from chainenv_sandbox.baseten.matching import Point
from chainenv_sandbox.baseten.operations import TABLE, Call, Operation
from chainenv_sandbox.baseten.simulation import Simulation

R = TypeVar("R", bound=web.StreamResponse)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_public_routes(app: web.Application, simulation: Simulation) -> None:
    for (method, template), operation in TABLE.items():
        app.router.add_route(method, template, _handler(simulation, template, operation))

    def unknown(_: Call) -> JsonObject:
        raise not_found("Endpoint")

    app.router.add_route("*", "/v1/{rest:.*}", _handler(simulation, "unknown", unknown))


def _handler(simulation: Simulation, template: str, operation: Operation) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        journal = simulation.journal
        entry = journal.open(request.method, request.path, template, simulation.world.now())
        try:
            return await _Passage(simulation, request, entry, operation).run()
        finally:
            journal.close(entry, started)

    return handle


class _Passage:
    """One call: latency, key, limit, faults and holds before, the effect, faults and holds after."""

    def __init__(self, simulation: Simulation, request: web.Request, entry: Entry, operation: Operation) -> None:
        self._simulation = simulation
        self._request = request
        self._entry = entry
        self._operation = operation
        self._faults: list[Fault] = []

    async def run(self) -> web.StreamResponse:
        raw = await self._request.read()
        self._entry.request = _readable(raw)
        if latency := self._simulation.options.latency_seconds:
            await asyncio.sleep(latency)
        try:
            key = self._simulation.keys.find(self._request.headers.get("Authorization"))
            if key is None:
                raise ApiError(self._simulation.options.auth_status, "PERMISSION_DENIED", "The API key is missing or invalid.")
            self._entry.key, self._entry.key_ok = key.name, True
            if (response := self._limited(key)) is not None:
                return response
            return await self._effect(key, raw)
        except ApiError as error:
            return self._sent(web.json_response(error.body(), status=error.status))
        except ClientGoneError:
            return faults.reset(self._request)

    def _limited(self, key: Key) -> web.Response | None:
        options = self._simulation.options
        limit = (self._entry.endpoint.endswith("/logs") and options.logs_rate_limit) or options.rate_limit
        if not limit:
            return None
        endpoint = f"{self._entry.method} {self._entry.endpoint}"
        wait = self._simulation.limiter.wait_for(key.name, endpoint, limit, time.monotonic())
        if wait is None:
            return None
        body, headers = limits.refusal(options, wait, time.time())
        return self._sent(web.json_response(body, status=429, headers=headers))

    async def _effect(self, key: Key, raw: bytes) -> web.StreamResponse:
        about = (self._entry.method, self._entry.path, key.name)
        self._faults = self._simulation.faults.draw(*about)
        holds = self._simulation.holds.catch(*about)
        for hold in holds:
            if hold.point == "before_effect":
                await hold.stop(self._request)
        if (faulty := await self._faulty("before_effect", None)) is not None:
            return faulty
        response = self._operate(key, raw)
        for hold in holds:
            if hold.point == "after_effect":
                await hold.stop(self._request)
        return await self._faulty("after_effect", response) or self._sent(response)

    def _operate(self, key: Key, raw: bytes) -> web.Response:
        path = dict(self._request.match_info)
        try:
            if self._entry.method != "GET" and not self._may_write(key, path, raw):
                raise ApiError(403, "PERMISSION_DENIED", "This key may not change this environment.")
            query = {name: self._request.query.getall(name) for name in self._request.query}
            try:
                body = json.loads(raw) if raw and self._entry.method not in ("GET", "DELETE") else {}
            except ValueError as error:
                raise invalid("The body is not valid JSON.") from error
            call = Call(self._simulation.world, path, query, body, key, self._entry.effect)
            return web.json_response(self._operation(call))
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)

    def _may_write(self, key: Key, path: dict[str, str], raw: bytes) -> bool:
        """Whether the key may change the environment that the call is about, also when the body or the deployment names it."""
        world = self._simulation.world
        environment: str | None
        if "env_name" in path:
            environment = path["env_name"]
        elif (deployment := world.deployments.get(path.get("chain_deployment_id", ""))) is not None:
            environment = deployment.environment
        else:
            body = _readable(raw)
            environment = body.get("name") if isinstance(body, dict) else None
        managers = world.managers.get(environment or "")
        return key.may_write(environment) and (managers is None or key.user_id in managers)

    async def _faulty(self, point: Point, response: web.Response | None) -> web.StreamResponse | None:
        for fault in self._faults:
            if fault.point != point:
                continue
            self._entry.faults.append(f"{fault.kind} {point}")
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
                continue
            sent = await faults.answer(fault, self._request, response)
            return sent if fault.kind == "reset" else self._sent(sent)
        return None

    def _sent(self, response: R) -> R:
        self._entry.status = response.status
        return response


def _readable(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode(errors="replace")[:1000]
