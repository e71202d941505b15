"""Many creations with a key that others use as well: less is left than the operator keeps to, and it finds out how much."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from .world import manifests, world


def measure(count: int = 500) -> Iterator[str]:
    for left in (60, 20):
        with world(latency_seconds=0.05, rate_limit=left) as here:
            here.chains(count, prefix="shared")
            with here.operator(CHAINENV_CHAINLET_METRICS="false") as operator:
                begun = time.time()
                asyncio.run(here.create(manifests(count, prefix="shared")))
                operator.wait_active(count)
                seconds = time.time() - begun
            refused = here.simulator.state()["rate_limited"]
            creations, reads = (len(here.simulator.journal(method=method)) / left for method in ("POST", "GET"))
        yield f"{count} creations, {left}/s of each kind are left: {seconds:.1f} s; {refused} answers 429"
        ratio = seconds / max(creations, reads)
        yield f"  at that rate its creations take {creations:.1f} s, its reads {reads:.1f} s; ratio to the longer {ratio:.2f} (budget 1.3)"
