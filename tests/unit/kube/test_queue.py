"""Whose turn it is: nobody's slow answers, and nobody's endless edits, are somebody else's delay."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainenv.engine.ports import Key
from chainenv.kube import queue as queue_module
from chainenv.kube.queue import BURST, Queue


class Work:
    """Runs that end when the test says so."""

    def __init__(self, workers: int) -> None:
        self.queue = Queue(self.handle, workers=workers)
        self.started: list[Key] = []
        self.ends: dict[Key, asyncio.Future[float | None]] = {}

    async def handle(self, key: Key) -> float | None:
        self.started.append(key)
        self.ends[key] = asyncio.get_running_loop().create_future()
        return await self.ends[key]

    def under_way(self, namespace: str) -> list[Key]:
        return [key for key, end in self.ends.items() if key.namespace == namespace and not end.done()]

    def end(self, key: Key, delay: float | None = 3600) -> None:
        self.ends[key].set_result(delay)


@asynccontextmanager
async def working(workers: int = 20) -> AsyncIterator[Work]:
    work = Work(workers)
    task = asyncio.create_task(work.queue.run())
    try:
        yield work
    finally:
        work.queue.stop()
        work.queue.cancel_running()
        await task


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of the test
            await asyncio.sleep(0.001)


async def idle(work: Work) -> None:
    """Everything that can be started has been."""
    tick = work.queue.last_tick
    work.queue._wake.set()
    await until(lambda: work.queue.last_tick > tick)


def keys(namespace: str, count: int) -> list[Key]:
    return [Key(namespace, f"{namespace}-{number}") for number in range(count)]


@pytest.mark.asyncio
async def test_eight_hundred_runs_that_never_end_do_not_hold_up_a_neighbour() -> None:
    async with working() as work:
        for key in keys("slow", 800):
            work.queue.add(key, changed=True)
        await until(lambda: len(work.under_way("slow")) == 10)
        (change,) = keys("neighbour", 1)
        work.queue.add(change, changed=True)
        await until(lambda: change in work.started)
        assert work.started.index(change) == 10, "next of all, with nothing of the others ended"


@pytest.mark.asyncio
@pytest.mark.parametrize("tenants", [1, 2, 5, 10])
async def test_however_many_are_slow_there_is_room_for_one_more(tenants: int) -> None:
    async with working(workers=40) as work:
        for tenant in range(tenants):
            for key in keys(f"slow-{tenant}", 100):
                work.queue.add(key, changed=True)
        await idle(work)
        shares = [len(work.under_way(f"slow-{tenant}")) for tenant in range(tenants)]
        assert max(shares) - min(shares) <= 1, "each as many as the others"
        assert sum(shares) < 40
        (change,) = keys("neighbour", 1)
        work.queue.add(change)
        await until(lambda: change in work.started)


@pytest.mark.asyncio
async def test_who_is_alone_has_half_of_the_workers_and_ends_are_made_use_of() -> None:
    async with working() as work:
        for key in keys("team", 100):
            work.queue.add(key)
        await until(lambda: len(work.under_way("team")) == 10)
        for key in work.under_way("team")[:4]:
            work.end(key)
        await until(lambda: len(work.started) == 14)
        assert len(work.under_way("team")) == 10


@pytest.mark.asyncio
async def test_namespaces_take_turns() -> None:
    async with working(workers=1) as work:
        for namespace, count in (("large", 50), ("small", 3)):
            for key in keys(namespace, count):
                work.queue.add(key)
        for number in range(6):
            await until(lambda number=number: len(work.started) == number + 1)
            work.end(work.started[-1])
        assert Counter(key.namespace for key in work.started[:6]) == {"large": 3, "small": 3}


@pytest.mark.asyncio
async def test_what_is_touched_in_a_loop_passes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside it in its namespace somebody changes something once."""
    monkeypatch.setattr(queue_module, "PACE_SECONDS", 3600)
    async with working(workers=1) as work:
        looped, other, blocker = keys("team", 3)
        for number in range(BURST):
            work.queue.add(looped, changed=True)
            await until(lambda number=number: len(work.started) == number + 1)
            work.end(looped)
            await until(lambda: not work.queue.running)
        work.queue.add(blocker)
        await until(lambda: blocker in work.started)
        work.queue.add(looped, changed=True)
        work.queue.add(other, changed=True)
        work.end(blocker)
        await until(lambda: other in work.started)
        assert work.started.count(looped) == BURST
        assert len(work.queue) == 3, "it waits for its turn"


@pytest.mark.asyncio
async def test_a_change_during_a_run_is_handled_after_it() -> None:
    async with working() as work:
        (key,) = keys("team", 1)
        work.queue.add(key)
        await until(lambda: work.started)
        work.queue.add(key, changed=True)
        work.queue.add(key, changed=True)
        work.end(key)
        await until(lambda: len(work.started) == 2)
        work.end(key)
        await until(lambda: not work.queue.running)
        assert len(work.queue) == 1, "the next poll"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abc"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 20), st.sampled_from([None, 3600.0, 0.0]), st.none()),
        st.tuples(st.just("tick"), st.none(), st.none(), st.none()),
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, workers=st.integers(1, 8))
def test_whatever_happens_nothing_is_lost_or_run_twice_at_once_and_a_share_is_kept(steps: list[Any], workers: int) -> None:
    asyncio.run(_whatever_happens(steps, workers))


async def _whatever_happens(steps: list[Any], workers: int) -> None:
    async with working(workers) as work:
        wanted: set[Key] = set()
        for what, one, two, three in steps:
            if what == "add":
                key = Key(one, f"{one}-{two}")
                work.queue.add(key, changed=three)
                wanted.add(key)
            elif what == "end" and (open_ := [key for key, end in work.ends.items() if not end.done()]):
                work.end(open_[one % len(open_)], two)
            await idle(work)
            running = [key for key, end in work.ends.items() if not end.done()]
            assert len(running) <= workers
            for namespace in {key.namespace for key in running}:
                assert len(work.under_way(namespace)) <= max(1, (workers + 1) // 2)
        while wanted - set(work.started):
            before = len(work.started)
            for key in [key for key, end in work.ends.items() if not end.done()]:
                work.end(key)
            await until(lambda before=before: len(work.started) > before)
