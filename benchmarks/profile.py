"""Where the operator's CPU goes in a storm, and what a poll of a settled resource costs: by part, sampled."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .processes import cpu_seconds
from .storm import LATENCY_SECONDS, UNLIMITED, cost
from .world import LOAD_SECONDS, Operator, manifests, world

COUNT = 1000
POLL_SECONDS = 5
IDLE_SECONDS = 15.0


def measure(count: int = COUNT) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory, world(latency_seconds=LATENCY_SECONDS, load_seconds=LOAD_SECONDS) as here:
        written = Path(directory) / "profile.json"
        here.chains(count, prefix="storm")
        with here.operator(program=[sys.executable, "-m", "benchmarks.sampled", written], **UNLIMITED) as operator:
            operator.signal(signal.SIGUSR1)
            spent = cost(here, manifests(count, prefix="storm"))
            operator.signal(signal.SIGUSR2)
            operator.wait("the profile is written", lambda: written.exists() and bool(written.read_text()))
        parts = json.loads(written.read_text())
        yield f"storm of {count}: {spent.seconds:.1f} s, {spent.cpu['operator']:.1f} s of CPU, the sampler included"
        for part, seconds in sorted(parts.items(), key=lambda each: -each[1]):
            yield f"  {part:32} {seconds:6.2f} s  {seconds / sum(parts.values()):6.1%}"
        with here.operator(CHAINENV_POLL_SECONDS=str(POLL_SECONDS), **UNLIMITED) as operator:
            yield f"  a poll of a settled resource costs {_poll(operator):.0f} us of CPU, the watch and the queue included"


def _poll(operator: Operator) -> float:
    """Microseconds."""
    time.sleep(POLL_SECONDS)
    cpu, calls = cpu_seconds()["operator"], operator.metric("chainenv_baseten_calls_total")
    time.sleep(IDLE_SECONDS)
    polls = operator.metric("chainenv_baseten_calls_total") - calls
    return (cpu_seconds()["operator"] - cpu) / polls * 1e6
