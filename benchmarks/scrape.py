"""Longest stall of the event loop during a scrape of 10,000 resources: rendered in the loop, and as the operator does it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

from prometheus_client import generate_latest

from chainenv.crd.types import ChainEnvironmentStatus, ChainletStatus, Condition, DeploymentStatus
from chainenv.engine.ports import Key
from chainenv.kube.measures import Measures
from chainenv.metrics import REGISTRY, Exposition

RESOURCES = 10_000
ROUNDS = 5


def _status() -> ChainEnvironmentStatus:
    """Two chainlets, and not in sync: a series for each condition."""
    chainlets = tuple(ChainletStatus(id=n, name=n, status="ACTIVE", active_replica_count=1) for n in ("HelloWorld", "RandInt"))
    since = "2026-01-01T00:00:00Z"
    common = {"message": "", "lastTransitionTime": since, "observedGeneration": 1}
    conditions = tuple(
        Condition.model_validate({"type": kind, "status": "False", "reason": "Drifted", **common}) for kind in ("Ready", "Synced")
    )
    current = DeploymentStatus(id="abcd1234", status="ACTIVE", chainlets=chainlets)
    return ChainEnvironmentStatus(observed_generation=1, conditions=conditions, current_deployment=current)


async def _longest_stall(scrape: Callable[[], Awaitable[object]]) -> float:
    """Seconds between two turns of a loop that has nothing else to do."""
    longest, done = 0.0, False

    async def turn() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not done:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    await scrape()
    done = True
    await turning
    return longest


async def _in_the_loop() -> object:
    return generate_latest(REGISTRY)


async def _in_a_thread() -> object:
    return await Exposition(lambda: None).text()


def measure() -> Iterator[str]:
    measures, status = Measures(chainlets=True), _status()
    for number in range(RESOURCES):
        measures(Key(f"team-{number % 50}", f"environment-{number}"), status, None)
    before = min(asyncio.run(_longest_stall(_in_the_loop)) for _ in range(ROUNDS))
    after = min(asyncio.run(_longest_stall(_in_a_thread)) for _ in range(ROUNDS))
    yield f"in the loop {before * 1000:.0f} ms, in a thread {after * 1000:.0f} ms: {before / after:.0f} times shorter"
