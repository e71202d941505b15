"""Ten thousand resources in one process: memory, idle CPU, how soon a change is at Baseten, and what a restart costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from .world import World, delays, manifests, most_in_a_second, quantile, world

QUICK = {"CHAINENV_RATE_LIMIT": "10000", "CHAINENV_POLL_SECONDS": "3000"}
"""For filling the fleet; what is measured runs with the defaults."""
CHANGES = 200
PAUSE_SECONDS = 0.1
IDLE_SECONDS = 60.0
WHILE_DOWN = 100


def measure(count: int = 10_000) -> Iterator[str]:
    with world() as here:
        here.chains(count, prefix="fleet")
        with here.operator(**QUICK) as operator:
            asyncio.run(here.create(manifests(count, prefix="fleet")))
            operator.wait(
                "all are settled",
                lambda: operator.metric("chainenv_resources_condition", type="Synced", status="True") >= count,
                interval=1,
            )
            full = operator.sample()
        yield f"{count} resources, defaults (a poll every 5 minutes, 90 requests/s)"
        yield f"  memory after creating all of them       {full.memory:6.0f} MiB (budget 200)"
        yield from _restart(here)


def _restart(here: World) -> Iterator[str]:
    names = [each["metadata"]["name"] for each in manifests(WHILE_DOWN + CHANGES, prefix="fleet")]
    asyncio.run(here.change(names[:WHILE_DOWN], 120))
    here.simulator.clear_journal()
    with here.operator() as operator:
        arrived = here.simulator.wait_journal(WHILE_DOWN, method="PATCH", timeout=300)
        acted = max(each.time for each in arrived) - operator.started
        yield f"  restart: {WHILE_DOWN} changes made meanwhile sent  {acted:6.1f} s   after the start (budget 5)"
        before, begun = operator.sample(), time.time()
        time.sleep(IDLE_SECONDS)
        after, polls = operator.sample(), [each.time for each in here.simulator.journal(method="GET") if each.time > begun]
        yield f"  memory                                  {after.memory:6.0f} MiB"
        yield f"  idle CPU                                {(after.cpu - before.cpu) / (time.time() - begun):6.2f} cores (budget 0.1)"
        most = most_in_a_second(polls)
        yield f"  polls, most in any second               {most:6d}     (never above 90), {len(polls) / IDLE_SECONDS:.0f} usually"
        waits = _waits(here, names[WHILE_DOWN:])
        measured = f"{quantile(waits, 0.5) * 1000:.0f} ms median, {quantile(waits, 0.99) * 1000:.0f} ms p99 (budget 100)"
        yield f"  a change is at Baseten after            {measured}, {len(waits)} changes"


def _waits(here: World, names: list[str]) -> list[float]:
    """One change after the other, each while nothing else is asked for."""
    mark = max(each.seq for each in here.simulator.journal())
    return delays(here, asyncio.run(here.change(names, 60, pause=PAUSE_SECONDS)), since=mark)
