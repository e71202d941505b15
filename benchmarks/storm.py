"""From apply to observed Ready for many resources at once, beside the leanest script that makes the same calls and writes, in one run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from .processes import cpu_seconds
from .world import LOAD_SECONDS, Counts, Json, World, manifests, world

LATENCY_SECONDS = 0.05
COUNT = 1000
UNLIMITED = {"CHAINENV_RATE_LIMIT": "10000", "CHAINENV_CHAINLET_METRICS": "false"}


@dataclass(frozen=True)
class Cost:
    """``cpu``: by process, until nothing was called or written any more. ``counts``: of a resource."""

    seconds: float
    cpu: dict[str, float]
    counts: Counts


def measure(count: int = COUNT) -> Iterator[str]:
    with world(latency_seconds=LATENCY_SECONDS, load_seconds=LOAD_SECONDS) as here:
        for prefix in ("floor", "storm", "limited"):
            here.chains(count, prefix=prefix)
        below = floor(here, manifests(count, prefix="floor"))
        with here.operator(**UNLIMITED) as operator:
            idle = operator.sample()
            mine = cost(here, manifests(count, prefix="storm"))
            after = operator.sample()
        clear(here)
        with here.operator(CHAINENV_CHAINLET_METRICS="false"):
            limited = cost(here, manifests(count, prefix="limited"))
    yield f"{count} resources, {LATENCY_SECONDS * 1000:.0f} ms a call, LOADING_MODEL for {LOAD_SECONDS} s, then ACTIVE"
    yield f"load of the machine {os.getloadavg()[0]:.1f}"
    yield "                                         seconds     CPU   calls  writes  events (each of a resource)"
    yield _line("floor, a bare script", below, below.cpu["floor"])
    yield _line("operator, no rate limit", mine, mine.cpu["operator"])
    yield _line("operator, 90 requests/s", limited, limited.cpu["operator"])
    yield f"  ratio to the floor, time                {mine.seconds / below.seconds:7.2f}  (budget 1.25)"
    yield f"  ratio to the floor, CPU                 {mine.cpu['operator'] / below.cpu['floor']:7.2f}  (budget 1.5)"
    for name, spent in (("floor", below), ("operator", mine)):
        others = ", ".join(f"{other} {seconds:.1f} s" for other, seconds in sorted(spent.cpu.items()) if other != name)
        yield f"  CPU of the others with the {name}: {others}"
    yield f"  memory before and after                 {idle.memory:.0f} and {after.memory:.0f} MiB"


def _line(name: str, spent: Cost, cpu: float) -> str:
    calls, writes, events = spent.counts
    return f"  {name:38}  {spent.seconds:6.1f}  {cpu:6.1f}  {calls:6.2f}  {writes:6.2f}  {events:6.2f}"


def cost(here: World, resources: list[Json]) -> Cost:
    """Of applying them, with their operator running."""
    counts, cpu = here.counts(), cpu_seconds()
    seconds = asyncio.run(here.seconds_until_ready(resources))
    whole, after = here.whole(), cpu_seconds()
    spent = {name: value - cpu.get(name, 0.0) for name, value in after.items()}
    return Cost(seconds, spent, Counts(*(each / len(resources) for each in whole.since(counts))))


def floor(here: World, resources: list[Json]) -> Cost:
    """On resources that no operator works on; they are gone afterwards."""
    arguments = (here.plane.url, str(here.plane.ca_file), here.plane.token_for(), here.simulator.base_url, str(len(resources)))
    command = [sys.executable, "-m", "benchmarks.floor", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        assert script.stdout.readline() == "ready\n"
        spent = cost(here, resources)
        assert script.stdout.readline() == "done\n"
        script.communicate("\n")
    clear(here)
    return spent


def clear(here: World) -> None:
    here.plane.kubectl("delete", "chenv", "--all", "--namespace", "bench", "--wait=false", check=True, timeout=300)
