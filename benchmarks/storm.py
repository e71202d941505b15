"""From apply to seen ACTIVE for many resources at once, beside the floor, in one run on one control plane."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from .floor import floor
from .world import World, manifests, world

LATENCY_SECONDS = 0.05
GO_OPERATOR_COUNT, GO_OPERATOR_SECONDS = 1000, 84.1
"""1,000 models, all ACTIVE in status, of the public Go operator for models, measured on such a machine (two cores, 50 ms a call)."""
UNLIMITED = {"CHAINENV_RATE_LIMIT": "10000", "CHAINENV_CHAINLET_METRICS": "false"}


def measure(count: int = 1000) -> Iterator[str]:
    with world(latency_seconds=LATENCY_SECONDS) as here:
        below = _floor(here, count)
        here.chains(count, prefix="storm")
        with here.operator(**UNLIMITED) as operator:
            idle = operator.sample()
            mark, writes, events = len(here.simulator.journal()), _writes(here), here.requests("POST", "events")
            begun = time.perf_counter()
            asyncio.run(here.create(manifests(count, prefix="storm")))
            applied = time.perf_counter() - begun
            operator.wait_active(count)
            seconds = time.perf_counter() - begun
            after = operator.sample()
        calls = len(here.simulator.journal()) - mark
        yield f"{count} resources, {LATENCY_SECONDS * 1000:.0f} ms a call"
        yield f"  floor, a bare script                    {below:6.1f} s"
        yield f"  operator, apply to seen ACTIVE          {seconds:6.1f} s   (the last was applied after {applied:.1f} s)"
        yield f"  ratio to the floor                      {seconds / below:6.2f}     (budget 2)"
        if count == GO_OPERATOR_COUNT:
            times = GO_OPERATOR_SECONDS / seconds
            yield f"  the Go operator took                    {GO_OPERATOR_SECONDS:6.1f} s   {times:.1f} times as long (budget 10)"
        yield f"  calls to Baseten a resource             {calls / count:6.2f}"
        yield f"  status writes a resource                {(_writes(here) - writes) / count:6.2f}"
        yield f"  events written a resource, until then   {(here.requests('POST', 'events') - events) / count:6.2f}"
        yield f"  memory before and after                 {idle.memory:6.0f} and {after.memory:.0f} MiB"
        yield f"  CPU                                     {after.cpu - idle.cpu:6.1f} s"


def _floor(here: World, count: int) -> float:
    """On resources that no operator looks at; they are gone afterwards."""
    here.chains(count, prefix="floor")
    seconds = asyncio.run(floor(here, manifests(count, prefix="floor")))
    here.plane.kubectl("delete", "chenv", "--all", "--namespace", "bench", "--wait=false", check=True, timeout=300)
    return seconds


def _writes(here: World) -> float:
    return here.requests("PUT") + here.requests("PATCH")
