"""Watches on their way through: each can be cut, or go silent as a connection does whose other end has vanished."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
from aiohttp import web

_LOOK_SECONDS = 0.1  # aiohttp has no callback for a client that goes away


@dataclass(slots=True, eq=False)
class Watch:
    """``mute``: it stays open, and whatever comes after is swallowed; it never speaks again."""

    request: web.Request
    mute: bool = False

    @property
    def gone(self) -> bool:
        return self.request.transport is None or self.request.transport.is_closing()

    def cut(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()


class Watches:
    """``new_are_mute``: those that begin from now on are accepted, with an answer's head, and send nothing."""

    def __init__(self) -> None:
        self._open: set[Watch] = set()
        self.new_are_mute = False

    def counts(self) -> dict[str, int]:
        return {"open": len(self._open), "mute": sum(watch.mute for watch in self._open)}

    def cut(self) -> int:
        for watch in self._open:
            watch.cut()
        return len(self._open)

    def mute(self, *, new: bool) -> int:
        self.new_are_mute = new
        for watch in self._open:
            watch.mute = True
        return len(self._open)

    async def pass_on(self, request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        """Until either end goes; a mute one only with its client."""
        watch = Watch(request, mute=self.new_are_mute)
        self._open.add(watch)
        try:
            await response.prepare(request)
            await self._stream(watch, answer, response)
        finally:
            self._open.discard(watch)

    async def _stream(self, watch: Watch, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        ended = False
        while not watch.gone:
            if ended:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    chunk = await answer.content.readany()
            except TimeoutError:
                continue
            if watch.mute:
                ended = not chunk
            elif chunk:
                await response.write(chunk)
            else:
                return
