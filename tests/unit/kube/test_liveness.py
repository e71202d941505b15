"""What /livez rests on: the queue ticks while it turns, and whoever is asked says so when it does not any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kubernetes.aio import client

from chainenv.app.health import LIVE_SECONDS, Health
from chainenv.app.wiring import Parts, transport_for
from chainenv.engine.ports import Key
from chainenv.kube.cluster import Cluster
from chainenv.kube.queue import Queue
from chainenv.settings import load

ONE, OTHER, POLL = (Key("team", name) for name in ("one", "other", "poll"))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of the test
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.asyncio
async def test_the_queue_ticks_without_anything_to_do() -> None:
    queue = Queue(_never, workers=1)
    async with running(queue.run()):
        first = queue.last_tick
        await until(lambda: queue.last_tick > first)


@pytest.mark.asyncio
async def test_the_queue_ticks_while_every_worker_waits_for_an_answer() -> None:
    queue = Queue(_never, workers=1)
    queue.add(ONE)
    queue.add(OTHER)
    async with running(queue.run()):
        await until(lambda: queue.running == 1)
        first = queue.last_tick
        await until(lambda: queue.last_tick > first)


@pytest.mark.asyncio
async def test_a_change_passes_others_and_is_not_late_for_that() -> None:
    """What is served first is not what has waited longest."""
    order: list[Key] = []

    async def handle(key: Key) -> float | None:
        order.append(key)
        return None

    queue = Queue(handle, workers=1)
    queue.add(ONE)
    queue.add(OTHER, changed=True)
    assert queue.late_seconds < 60
    queue.add(ONE, -600)
    assert queue.late_seconds >= 600
    queue.add(ONE, changed=True)
    assert queue.late_seconds >= 600, "it has waited all the same"
    async with running(queue.run()):
        await until(lambda: len(order) == 2)
    assert (order[0], queue.late_seconds) == (ONE, 0)


@pytest.mark.asyncio
async def test_a_change_of_what_is_known_passes_new_ones_and_a_poll_passes_nobody() -> None:
    order: list[Key] = []

    async def handle(key: Key) -> float | None:
        order.append(key)
        return 3600

    queue = Queue(handle, workers=1)
    queue.add(ONE)
    queue.add(POLL)
    async with running(queue.run()):
        await until(lambda: len(order) == 2)
    queue.add(POLL)
    queue.add(OTHER, changed=True)
    queue.add(ONE, changed=True)
    async with running(queue.run()):
        await until(lambda: len(order) == 5)
    assert order[2:] == [ONE, OTHER, POLL]


@pytest.mark.asyncio
async def test_a_run_that_was_cancelled_by_somebody_is_made_again() -> None:
    """Whoever ends the tasks of a watch that failed must not make a resource be forgotten."""
    runs: list[Key] = []

    async def handle(key: Key) -> float | None:
        runs.append(key)
        await asyncio.sleep(0 if len(runs) > 1 else 3600)
        return None

    queue = Queue(handle, workers=2)
    queue.add(ONE)
    async with running(queue.run()):
        await until(lambda: runs)
        (task,) = [each for each in asyncio.all_tasks() if each.get_name() == f"reconcile {ONE}"]
        task.cancel()
        await until(lambda: len(runs) == 2)


@pytest.mark.asyncio
async def test_livez_fails_once_the_queue_has_stopped_turning() -> None:
    parts = Parts(load(), await _nowhere(), transport_for(load()))
    parts.acting = True
    health = Health(parts)
    try:
        async with running(parts.queue.run()):
            parts.queue.last_tick -= LIVE_SECONDS + 1
            assert "the queue has not ticked" in str(health.live())
            await until(lambda: health.live() is None)  # it turns, so it ticks again
        parts.queue.last_tick -= LIVE_SECONDS + 1
        assert "the queue has not ticked" in str(health.live())
        parts.acting = False
        assert health.live() is None, "a stand-by has no queue that turns"
    finally:
        await parts.transport.aclose()
        await parts.cluster.close()


async def _never(_: Key) -> float | None:
    await asyncio.sleep(3600)
    return None


async def _nowhere() -> Cluster:
    """No call is made to it."""
    return Cluster(client.ApiClient(client.Configuration(host="http://127.0.0.1:1")))
