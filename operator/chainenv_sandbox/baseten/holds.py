"""Named points at which calls stop until they are released: for tests that kill a client in mid-call."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Literal, get_args

from aiohttp import web

from chainenv_sandbox.baseten.errors import JsonObject, invalid
from chainenv_sandbox.baseten.matching import Match, Point

IfGone = Literal["effect", "drop", "wait"]
_LOOK_SECONDS = 0.01  # aiohttp has no callback for a client that goes away


class ClientGoneError(Exception):
    """The client of a held call has gone, and the call is to be dropped without its effect."""


@dataclass(slots=True)
class Hold:
    """if_gone, for a client that goes while held before the effect. effect: it happens at once; drop: never; wait: on release."""

    name: str
    match: Match
    point: Point = "before_effect"
    if_gone: IfGone = "effect"
    held: int = 0  # now
    caught: int = 0  # ever
    gone: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        if self.if_gone not in get_args(IfGone) or self.point not in get_args(Point):
            raise invalid(f"point: {', '.join(get_args(Point))}; if_gone: {', '.join(get_args(IfGone))}.")

    def as_json(self) -> JsonObject:
        return {"name": self.name, "point": self.point, "held": self.held, "caught": self.caught, "gone": self.gone}

    async def stop(self, request: web.Request) -> None:
        """Returns when the call may go on. Raises ClientGoneError."""
        await self._count(held=1, caught=1)
        gone = False
        try:
            while not self.open.is_set():
                if not gone and (request.transport is None or request.transport.is_closing()):
                    gone = True
                    await self._count(gone=1)
                if gone and self.if_gone != "wait":
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.open.wait(), _LOOK_SECONDS)
        finally:
            await self._count(held=-1)
        if gone and self.if_gone == "drop" and self.point == "before_effect":
            raise ClientGoneError

    async def _count(self, held: int = 0, caught: int = 0, gone: int = 0) -> None:
        async with self.changed:
            self.held += held
            self.caught += caught
            self.gone += gone
            self.changed.notify_all()

    async def wait_caught(self, count: int, gone: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.caught >= count and self.gone >= gone)


class HoldPoints:
    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def add(self, hold: Hold) -> None:
        self.release(hold.name)
        self._holds[hold.name] = hold

    def get(self, name: str) -> Hold | None:
        return self._holds.get(name)

    def release(self, name: str | None = None) -> None:
        """Lets all held calls go on and removes the hold point (None: every one)."""
        for each in [name] if name is not None else list(self._holds):
            if (hold := self._holds.pop(each, None)) is not None:
                hold.open.set()

    def catch(self, method: str, path: str, key: str | None) -> list[Hold]:
        return [one for one in self._holds.values() if one.match.fits(method, path, key) and one.match.take()]
