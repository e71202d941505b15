"""Faults on demand: what goes wrong between a client and its answer."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from aiohttp import web

from chainenv_sandbox.baseten.errors import JsonObject, invalid
from chainenv_sandbox.baseten.matching import Match, Point

Kind = Literal["answer", "delay", "reset", "garbage", "redirect", "trickle"]
Garbage = Literal["html", "truncated_json", "huge", "empty", "wrong_json", "cut"]
_AFTER: frozenset[Kind] = frozenset({"garbage", "trickle"})
_HTML = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"


@dataclass(slots=True)
class Fault:
    """One planned fault. `point` defaults to what is usual for the kind; "after_effect": the call has changed the world."""

    kind: Kind
    match: Match
    point: Point | None = None
    status: int = 500  # answer; redirect: 307 unless a 3xx is given
    body: Any = None  # answer: JSON, or text sent as it is
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 1.0  # delay: in all; trickle: between two pieces
    garbage: Garbage = "html"
    size: int = 16 * 1024 * 1024  # bytes of a huge body
    location: str = "https://example.com/"
    probability: float = 1.0
    seed: int = 0
    id: int = 0
    applied: int = 0
    dice: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind) or self.garbage not in get_args(Garbage) or self.point not in (None, *get_args(Point)):
            raise invalid(
                f"Fault kinds: {', '.join(get_args(Kind))}; garbage: {', '.join(get_args(Garbage))}; points: {', '.join(get_args(Point))}."
            )
        self.point = self.point or ("after_effect" if self.kind in _AFTER else "before_effect")
        self.dice.seed(self.seed)

    def as_json(self) -> JsonObject:
        return {"id": self.id, "kind": self.kind, "point": self.point, "times_left": self.match.times, "applied": self.applied}


class FaultPlan:
    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        fault.id = next(self._ids)
        self._faults.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> None:
        self._faults = [one for one in self._faults if fault_id not in (None, one.id)]

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def draw(self, method: str, path: str, key: str | None) -> list[Fault]:
        """The faults this call gets: delays as many as fit, and the first of those that take the answer's place."""
        drawn: list[Fault] = []
        for fault in self._faults:
            taken = fault.kind != "delay" and any(one.kind != "delay" for one in drawn)
            if taken or not fault.match.fits(method, path, key):
                continue
            if fault.dice.random() < fault.probability and fault.match.take():
                fault.applied += 1
                drawn.append(fault)
        return drawn


async def answer(fault: Fault, request: web.Request, usual: web.Response | None) -> web.StreamResponse:
    """The faulty answer. usual: what would have been sent, when the effect has happened."""
    if fault.kind == "reset":
        return reset(request)
    if fault.kind == "redirect":
        status = fault.status if 300 <= fault.status < 400 else 307
        return web.Response(status=status, headers={"Location": fault.location, **fault.headers})
    if fault.kind == "garbage":
        text = usual.body if usual is not None and isinstance(usual.body, bytes) else b'{"name": "'
        return await _cut(request, text) if fault.garbage == "cut" else _garbage(fault, text)
    if fault.kind == "trickle":
        return await _trickle(fault, request, usual or web.json_response({}))
    if isinstance(fault.body, str):
        return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
    return web.Response(
        status=fault.status, body=json.dumps(fault.body).encode(), headers={"Content-Type": "application/json", **fault.headers}
    )


def reset(request: web.Request) -> web.Response:
    """Ends the connection with RST: whatever was under way is lost."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


def _garbage(fault: Fault, text: bytes) -> web.Response:
    status = fault.status if 200 <= fault.status < 300 else 200
    kind = "text/html" if fault.garbage == "html" else "application/json"
    content: dict[Garbage, bytes] = {
        "html": _HTML.encode(),
        "truncated_json": text[: len(text) // 2 + 1],
        "huge": b'{"padding": "' + b"x" * (fault.size if fault.garbage == "huge" else 0) + b'"}',
        "empty": b"",
        "wrong_json": b'["not", "an", "object"]',
    }
    return web.Response(status=status, body=content[fault.garbage], content_type=kind, headers=fault.headers)


async def _cut(request: web.Request, text: bytes) -> web.StreamResponse:
    """Promises the whole body, sends half of it, then goes."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(text))})
    await response.prepare(request)
    await response.write(text[: len(text) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _trickle(fault: Fault, request: web.Request, usual: web.Response) -> web.StreamResponse:
    text = usual.body if isinstance(usual.body, bytes) else b"{}"
    response = web.StreamResponse(status=usual.status, headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for start in range(0, len(text), 64):
        await response.write(text[start : start + 64])
        await asyncio.sleep(fault.seconds)
    await response.write_eof()
    return response
