"""Many creations under Baseten's rate limit: near the bound, without a refusal, and without starving whoever changes meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from .world import World, delays, manifests, most_in_a_second, quantile, world

LIMIT = 100
"""Requests/s for each key and endpoint (Baseten's documentation, "Rate limits")."""
CHANGES = 20
PAUSE_SECONDS = 0.4


def measure(count: int = 1000) -> Iterator[str]:
    with world(latency_seconds=0.05, rate_limit=LIMIT) as here:
        here.chains(count, prefix="limit")
        here.chains(CHANGES, prefix="calm")
        with here.operator(CHAINENV_CHAINLET_METRICS="false") as operator:
            asyncio.run(here.create(manifests(CHANGES, prefix="calm")))
            operator.wait_active(CHANGES)
            begun = time.time()
            changed = asyncio.run(_storm(here, count))
            operator.wait_active(count + CHANGES)
            whole = time.time() - begun
            posts = [each.time for each in here.simulator.journal(method="POST") if each.time > begun]
            waits = delays(here, changed)
        bound = count / LIMIT
        refused = here.simulator.state()["rate_limited"]
        yield f"{count} creations, Baseten allows {LIMIT}/s, the operator keeps to its default"
        yield f"  bound                                   {bound:6.1f} s"
        seconds = max(posts) - min(posts)
        yield f"  from the first creation to the last     {seconds:6.1f} s   ratio {seconds / bound:.2f} (budget 1.1)"
        yield f"  most creations in any second            {most_in_a_second(posts):6d}"
        yield f"  all observed ACTIVE                     {whole:6.1f} s"
        yield f"  429                                     {refused:6.0f}     (budget 0)"
        middle, worst = quantile(waits, 0.5), max(waits)
        yield f"  a change meanwhile is at Baseten after  {middle:6.2f} s   median, {worst:.2f} s at most, {len(waits)} changes"


async def _storm(here: World, count: int) -> dict[str, float]:
    """Creates all, and changes the calm ones meanwhile; when each was changed."""
    calm = [each["metadata"]["name"] for each in manifests(CHANGES, prefix="calm")]
    _, changed = await asyncio.gather(here.create(manifests(count, prefix="limit")), here.change(calm, 120, pause=PAUSE_SECONDS))
    return changed
