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
        bound = count / left
        yield f"{count} creations, {left}/s are left: {seconds:.1f} s, {seconds / bound:.1f} times the bound; {refused} answers 429"
