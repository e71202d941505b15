"""The control API under /_control/: JSON, loopback only, no key. Its calls are never in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any, TypeVar

from aiohttp import web

from chainenv_sandbox.baseten import person
from chainenv_sandbox.baseten.errors import ApiError, JsonObject, invalid, not_found
from chainenv_sandbox.baseten.faults import Fault
from chainenv_sandbox.baseten.holds import Hold
from chainenv_sandbox.baseten.journal import Filter
from chainenv_sandbox.baseten.keys import Key
from chainenv_sandbox.baseten.matching import Match
from chainenv_sandbox.baseten.simulation import Simulation

T = TypeVar("T")
Operation = Callable[[web.Request, JsonObject], Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_MATCH = {one.name for one in fields(Match)}


def make(kind: Callable[..., T], values: JsonObject) -> T:
    """Raises ApiError 400 for arguments it does not take."""
    try:
        return kind(**values)
    except TypeError as error:
        raise invalid(str(error)) from error


def _matched(kind: Callable[..., T], body: JsonObject) -> T:
    match = make(Match, {name: value for name, value in body.items() if name in _MATCH})
    return make(kind, {"match": match, **{name: value for name, value in body.items() if name not in _MATCH}})


def _filter(request: web.Request) -> Filter:
    query: dict[str, Any] = {name: value for name, value in request.query.items() if name not in ("count", "timeout")}
    for name in ("since", "status"):
        if name in query:
            query[name] = int(query[name])
    query["done"] = query.get("done") == "true"
    return make(Filter, query)


class Control:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def add_routes(self, app: web.Application) -> None:
        table: list[tuple[str, str, Callable[[web.Request, JsonObject], Any]]] = [
            ("GET", "state", self.state),
            ("POST", "reset", self.reset),
            ("GET", "options", self.options),
            ("PATCH", "options", self.set_options),
            ("POST", "clock", self.advance),
            ("GET", "journal", self.journal),
            ("DELETE", "journal", self.clear_journal),
            ("GET", "journal/wait", self.wait_journal),
            ("POST", "faults", self.add_fault),
            ("GET", "faults", self.faults),
            ("DELETE", "faults", self.clear_faults),
            ("DELETE", "faults/{id}", self.clear_faults),
            ("POST", "holds", self.add_hold),
            ("GET", "holds/{name}", self.hold),
            ("GET", "holds/{name}/wait", self.wait_hold),
            ("DELETE", "holds/{name}", self.release),
            ("DELETE", "holds", self.release),
            ("POST", "keys", self.add_key),
            ("DELETE", "keys/{name}", self.revoke_key),
            ("GET", "started", self.started),
        ]
        for method, path, operation in [*table, *person.table(self._simulation)]:
            app.router.add_route(method, f"/_control/{path}", handler(operation))

    def state(self, _: web.Request, __: JsonObject) -> JsonObject:
        simulation = self._simulation
        return {
            "now": simulation.world.now(),
            "calls": simulation.journal.calls,
            "in_flight": simulation.journal.in_flight,
            "most_in_flight": simulation.journal.most_in_flight,
            "rate_limited": simulation.limiter.refusals,
            "chains": {chain.id: person.summary(simulation, chain) for chain in simulation.world.chains.values()},
        }

    def reset(self, _: web.Request, __: JsonObject) -> JsonObject:
        self._simulation.reset()
        return {}

    def options(self, _: web.Request, __: JsonObject) -> JsonObject:
        return self._simulation.options.as_json()

    def set_options(self, _: web.Request, body: JsonObject) -> JsonObject:
        self._simulation.options.change(body)
        return self._simulation.options.as_json()

    def advance(self, _: web.Request, body: JsonObject) -> JsonObject:
        self._simulation.world.skew += float(body["seconds"])
        return {"now": self._simulation.world.now()}

    def journal(self, request: web.Request, _: JsonObject) -> list[JsonObject]:
        return [entry.as_json() for entry in self._simulation.journal.find(_filter(request))]

    def clear_journal(self, _: web.Request, __: JsonObject) -> JsonObject:
        self._simulation.journal.clear()
        return {}

    async def wait_journal(self, request: web.Request, _: JsonObject) -> list[JsonObject]:
        count = int(request.query.get("count", "1"))
        async with asyncio.timeout(float(request.query.get("timeout", "10"))):
            return [entry.as_json() for entry in await self._simulation.journal.wait(_filter(request), count)]

    def add_fault(self, _: web.Request, body: JsonObject) -> JsonObject:
        return self._simulation.faults.add(_matched(Fault, body)).as_json()

    def faults(self, _: web.Request, __: JsonObject) -> list[JsonObject]:
        return [fault.as_json() for fault in self._simulation.faults]

    def clear_faults(self, request: web.Request, _: JsonObject) -> JsonObject:
        fault_id = request.match_info.get("id")
        self._simulation.faults.clear(None if fault_id is None else int(fault_id))
        return {}

    def add_hold(self, _: web.Request, body: JsonObject) -> JsonObject:
        hold = _matched(Hold, body)
        self._simulation.holds.add(hold)
        return hold.as_json()

    def _hold(self, request: web.Request) -> Hold:
        hold = self._simulation.holds.get(request.match_info["name"])
        if hold is None:
            raise not_found(f"Hold {request.match_info['name']}")
        return hold

    def hold(self, request: web.Request, _: JsonObject) -> JsonObject:
        return self._hold(request).as_json()

    async def wait_hold(self, request: web.Request, _: JsonObject) -> JsonObject:
        hold = self._hold(request)
        async with asyncio.timeout(float(request.query.get("timeout", "10"))):
            await hold.wait_caught(int(request.query.get("count", "1")), int(request.query.get("gone", "0")))
        return hold.as_json()

    def release(self, request: web.Request, _: JsonObject) -> JsonObject:
        self._simulation.holds.release(request.match_info.get("name"))
        return {}

    def add_key(self, _: web.Request, body: JsonObject) -> JsonObject:
        restricted = tuple(body.pop("restricted_environments", ()))
        key = make(Key, {**body, "restricted_environments": restricted})
        self._simulation.keys.add(key)
        return {"name": key.name}

    def revoke_key(self, request: web.Request, _: JsonObject) -> JsonObject:
        return {"revoked": self._simulation.keys.revoke(request.match_info["name"])}

    def started(self, request: web.Request, _: JsonObject) -> list[JsonObject]:
        return self._simulation.world.started(request.query.get("chain"))


def handler(operation: Operation) -> Handler:
    """Of a control API: JSON in and out, errors as bodies with a message."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json() if request.can_read_body else {}
            result = operation(request, body)
            return web.json_response(await result if asyncio.iscoroutine(result) else result)
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response(invalid(f"{type(error).__name__}: {error}").body(), status=400)
        except TimeoutError:
            return web.json_response({"code": "TIMEOUT", "message": "It did not happen in time."}, status=408)

    return handle
