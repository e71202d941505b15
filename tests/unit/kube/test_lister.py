"""Lists in pages that are bounded by count and by bytes, whatever the objects are like."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from chainenv.kube import lister
from chainenv.kube.cluster import Cluster
from chainenv.kube.lister import PAGE, Lister
from chainenv.kube.store import ObjectStore

SMALL, LARGE = 10, 6_000
BYTES = 50_000


class Pages:
    """An API server with objects of these sizes; the continue token is where to go on."""

    def __init__(self, sizes: list[int]) -> None:
        self.objects = [made(number, size) for number, size in enumerate(sizes)]
        self.limits: list[int] = []
        self.lengths: list[int] = []

    async def handle(self, request: web.Request) -> web.Response:
        first, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        last = first + limit
        metadata = {"resourceVersion": "1000", "continue": str(last) if last < len(self.objects) else ""}
        text = json.dumps({"metadata": metadata, "items": self.objects[first:last]})
        self.limits.append(limit)
        self.lengths.append(len(text))
        return web.Response(text=text, content_type="application/json")


def made(number: int, size: int) -> dict[str, Any]:
    meta = {"namespace": "team", "name": f"r-{number}", "uid": f"u-{number}", "resourceVersion": str(number + 1)}
    return {"metadata": {**meta, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"chainID": "a", "deploymentID": "x" * size}}


@asynccontextmanager
async def listing(sizes: list[int]) -> AsyncIterator[tuple[Lister, ObjectStore, Pages]]:
    pages = Pages(sizes)
    app = web.Application()
    app.router.add_get("/{rest:.*}", pages.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster = Cluster(client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")))
    store = ObjectStore(cluster, lambda _: None, lambda: None)
    try:
        yield Lister(cluster, store, ()), store, pages
    finally:
        await cluster.close()
        await runner.cleanup()


@pytest.mark.asyncio
async def test_small_objects_come_in_pages_of_the_largest_count() -> None:
    async with listing([SMALL] * (PAGE + 20)) as (subject, store, pages):
        await subject.list_all()
        assert len(store) == PAGE + 20
        assert (pages.limits, subject.page) == ([PAGE, PAGE], PAGE)


@pytest.mark.asyncio
@pytest.mark.parametrize("sizes", [[LARGE] * 60, [SMALL] * 60 + [LARGE] * 60, [BYTES * 2] * 3], ids=["large", "large at the end", "huge"])
async def test_a_page_that_is_too_long_is_asked_for_with_fewer_objects(monkeypatch: pytest.MonkeyPatch, sizes: list[int]) -> None:
    monkeypatch.setattr(lister, "PAGE_BYTES", BYTES)
    async with listing(sizes) as (subject, store, pages):
        await subject.list_all()
        assert len(store) == len(sizes)
        taken = [limit for limit, length in zip(pages.limits, pages.lengths, strict=True) if length <= BYTES or limit == 1]
        assert subject.page == min(taken)
        assert await subject.list_all() == 0, "the same again is no news"


@pytest.mark.asyncio
async def test_after_small_pages_the_count_grows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lister, "PAGE_BYTES", BYTES)
    async with listing([LARGE] * 20) as (subject, _, pages):
        await subject.list_all()
        pages.objects = [made(number, SMALL) for number in range(20)]
        for _ in range(8):
            await subject.list_all()
        assert subject._limit > 20
