"""Ten thousand resources in one process: memory, idle CPU, how soon a change is at Baseten, and what a restart costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from .world import World, manifest, manifests, quantile, world

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
        yield f"{count} resources, defaults (a look every 5 minutes, 90 requests/s)"
        yield f"  memory after creating all of them       {full.memory:6.0f} MiB"
        yield from _restart(here, count)


def _restart(here: World, count: int) -> Iterator[str]:
    names = [manifest(number, prefix="fleet")["metadata"]["name"] for number in range(count)]
    asyncio.run(_change_all(here, names[:WHILE_DOWN], 120))
    here.simulator.clear_journal()
    with here.operator() as operator:
        arrived = here.simulator.wait_journal(WHILE_DOWN, method="PATCH", timeout=300)
        acted = max(each.time for each in arrived) - operator.started
        yield f"  restart: {WHILE_DOWN} changes made meanwhile sent  {acted:6.1f} s   after the start (budget 10)"
        before, begun = operator.sample(), time.time()
        time.sleep(IDLE_SECONDS)
        after, looks = operator.sample(), [each.time for each in here.simulator.journal(method="GET") if each.time > begun]
        yield f"  memory                                  {after.memory:6.0f} MiB (budget 350)"
        yield f"  idle CPU                                {(after.cpu - before.cpu) / (time.time() - begun):6.2f} cores (budget 0.25)"
        yield f"  looks, most in any second               {_most(looks):6d}     (never above 90), {len(looks) / IDLE_SECONDS:.0f} usually"
        waits = _waits(here, names[WHILE_DOWN : WHILE_DOWN + CHANGES])
        said = f"{quantile(waits, 0.5) * 1000:.0f} ms median, {quantile(waits, 0.99) * 1000:.0f} ms p99 (budget 250)"
        yield f"  a change is at Baseten after            {said}, {len(waits)} changes"


async def _change_all(here: World, names: list[str], seconds: int) -> None:
    async with here.api() as api:
        for name in names:
            await here.change(api, name, {"promotionSettings": {"rampUpDurationSeconds": seconds}})


def _waits(here: World, names: list[str]) -> list[float]:
    """One change after the other, each while nothing else is asked for."""
    mark = max(each.seq for each in here.simulator.journal())

    async def run() -> dict[str, float]:
        changed = {}
        async with here.api() as api:
            for name in names:
                changed[name] = await here.change(api, name, {"promotionSettings": {"rampUpDurationSeconds": 60}})
                await asyncio.sleep(PAUSE_SECONDS)
        return changed

    changed = asyncio.run(run())
    arrived = {e.path.rpartition("/")[2]: e.time for e in here.simulator.wait_journal(len(names), since=mark, method="PATCH", timeout=60)}
    return [arrived[name] - moment for name, moment in changed.items()]


def _most(moments: list[float]) -> int:
    counts: dict[int, int] = {}
    for moment in moments:
        counts[int(moment)] = counts.get(int(moment), 0) + 1
    return max(counts.values(), default=0)
