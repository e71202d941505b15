"""The proxy's control API: JSON, on a port of its own, because the other one may refuse connections."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import Any

from aiohttp import web

from chainenv_sandbox.baseten.control import Operation, handler
from chainenv_sandbox.baseten.errors import JsonObject, not_found
from chainenv_sandbox.baseten.holds import Hold
from chainenv_sandbox.baseten.journal import Filter
from chainenv_sandbox.baseten.matching import Match
from chainenv_sandbox.proxy.server import ApiServerProxy, Delay

_MATCH = {one.name for one in fields(Match)}
_NUMBERS = ("since", "status")


class Control:
    def __init__(self, proxy: ApiServerProxy) -> None:
        self._proxy = proxy

    def add_routes(self, app: web.Application) -> None:
        table: tuple[tuple[str, str, Operation], ...] = (
            ("GET", "/calls", self.calls),
            ("GET", "/calls/wait", self.wait_calls),
            ("POST", "/holds", self.add_hold),
            ("GET", "/holds/{name}/wait", self.wait_hold),
            ("DELETE", "/holds/{name}", self.release),
            ("DELETE", "/holds", self.release),
            ("POST", "/delays", self.add_delay),
            ("DELETE", "/delays", self.clear_delays),
            ("GET", "/watches", self.watches),
            ("POST", "/watches/cut", self.cut),
            ("POST", "/watches/mute", self.mute),
            ("POST", "/connections", self.connections),
            ("POST", "/reset", self.reset),
        )
        for method, path, operation in table:
            app.router.add_route(method, path, handler(operation))

    def calls(self, request: web.Request, _: JsonObject) -> list[JsonObject]:
        return [entry.as_json() for entry in self._proxy.journal.find(_filter(request))]

    async def wait_calls(self, request: web.Request, _: JsonObject) -> list[JsonObject]:
        count = int(request.query.get("count", "1"))
        async with asyncio.timeout(float(request.query["timeout"])):
            return [entry.as_json() for entry in await self._proxy.journal.wait(_filter(request), count)]

    def add_hold(self, _: web.Request, body: JsonObject) -> JsonObject:
        match, rest = _match(body)
        hold = Hold(match=match, **rest)
        self._proxy.holds.add(hold)
        return hold.as_json()

    async def wait_hold(self, request: web.Request, _: JsonObject) -> JsonObject:
        hold = self._proxy.holds.get(request.match_info["name"])
        if hold is None:
            raise not_found(f"Hold {request.match_info['name']}")
        async with asyncio.timeout(float(request.query["timeout"])):
            await hold.wait_caught(int(request.query.get("count", "1")), int(request.query.get("gone", "0")))
        return hold.as_json()

    def release(self, request: web.Request, _: JsonObject) -> JsonObject:
        self._proxy.holds.release(request.match_info.get("name"))
        return {}

    def add_delay(self, _: web.Request, body: JsonObject) -> JsonObject:
        match, rest = _match(body)
        self._proxy.delays.append(Delay(match, **rest))
        return {}

    def clear_delays(self, _: web.Request, __: JsonObject) -> JsonObject:
        self._proxy.delays.clear()
        return {}

    def watches(self, _: web.Request, __: JsonObject) -> JsonObject:
        return {**self._proxy.watches.counts()}

    def cut(self, _: web.Request, __: JsonObject) -> JsonObject:
        return {"count": self._proxy.watches.cut()}

    def mute(self, _: web.Request, body: JsonObject) -> JsonObject:
        return {"count": self._proxy.watches.mute(new=bool(body["new"]))}

    async def connections(self, _: web.Request, body: JsonObject) -> JsonObject:
        await (self._proxy.accept() if body["accept"] else self._proxy.refuse())
        return {}

    async def reset(self, _: web.Request, __: JsonObject) -> JsonObject:
        await self._proxy.reset()
        return {}


def _match(body: JsonObject) -> tuple[Match, JsonObject]:
    match = Match(**{name: value for name, value in body.items() if name in _MATCH})
    return match, {name: value for name, value in body.items() if name not in _MATCH}


def _filter(request: web.Request) -> Filter:
    given = {name: value for name, value in request.query.items() if name not in ("count", "timeout", "done")}
    values: dict[str, Any] = {name: int(value) if name in _NUMBERS else value for name, value in given.items()}
    return Filter(**values, done=request.query.get("done") == "true")
