"""The operator with a sampler beside it: where its CPU goes, by part. python -m benchmarks.sampled FILE

Samples of the main thread; all other CPU is the watch's thread. SIGUSR1 begins, SIGUSR2 writes FILE: seconds of CPU by part.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

from chainenv.cli import main

INTERVAL_SECONDS = 0.002
PARTS: tuple[tuple[str, str, str], ...] = (
    ("pydantic", "/pydantic", ""),
    ("pydantic", "/chainenv/core/resource.py", "resource_of"),
    ("pydantic", "/chainenv/core/resource.py", "_status_of"),
    ("status as JSON", "/chainenv/core/status/projection.py", "to_json"),
    ("status as JSON", "/chainenv/core/status/projection.py", "_tidy"),
    ("status as JSON", "/chainenv/core/status/projection.py", "_tidied"),
    ("pydantic", "/chainenv/api/transport.py", "_read"),
    ("pydantic", "/chainenv/api/requests.py", ""),
    ("JSON", "/json/", ""),
    ("HTTP to Baseten", "/chainenv/api/", ""),
    ("HTTP to the API server", "/kubernetes/", ""),
    ("HTTP to the API server", "/chainenv/kube/cluster.py", ""),
    ("store, queue, events, metrics", "/chainenv/kube/", ""),
    ("store, queue, events, metrics", "/prometheus_client/", ""),
    ("store, queue, events, metrics", "/chainenv/app/", ""),
    ("rules", "/chainenv/core/", ""),
    ("rules", "/chainenv/engine/", ""),
    ("rules", "/chainenv/crd/", ""),
    ("logs", "/logging/", ""),
)
"""Part, file, function (any when empty). From the innermost frame outwards, the first that is one of these decides which part it is."""
BETWEEN: tuple[tuple[str, str], ...] = (
    ("sockets, TLS, parsing of HTTP", "/aiohttp/"),
    ("sockets, TLS, parsing of HTTP", "/asyncio/selector_events.py"),
    ("sockets, TLS, parsing of HTTP", "/asyncio/sslproto.py"),
    ("sockets, TLS, parsing of HTTP", "/ssl.py"),
    ("event loop", "/asyncio/"),
    ("event loop", "/selectors.py"),
)
"""The same for what the event loop called without a caller."""


class Sampler:
    """On the process' CPU clock: what waits, for whatever reason, is not counted."""

    def __init__(self) -> None:
        self._spent = 0.0
        self._all = 0.0
        self._found: defaultdict[str, float] = defaultdict(float)

    def start(self) -> None:
        self._spent, self._all = time.thread_time(), time.process_time()
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        if frame is not None:
            self._found[part_of(frame)] += now - self._spent
        self._spent = now

    def seconds(self) -> dict[str, float]:
        signal.setitimer(signal.ITIMER_PROF, 0)
        rest = time.process_time() - self._all - sum(self._found.values())
        return {**self._found, "watch (a thread of its own)": rest}


def part_of(innermost: FrameType) -> str:
    between, frame = "other", innermost
    while frame is not None:
        file, function = frame.f_code.co_filename, frame.f_code.co_name
        for part, path, only in PARTS:
            if path in file and only in ("", function):
                return part
        if between == "other":
            between = next((part for part, path in BETWEEN if path in file), between)
        frame = frame.f_back  # type: ignore[assignment]
    return between


if __name__ == "__main__":
    sampler = Sampler()
    signal.signal(signal.SIGUSR1, lambda *_: sampler.start())
    signal.signal(signal.SIGUSR2, lambda *_: Path(sys.argv[1]).write_text(json.dumps(sampler.seconds())) and None)
    main(["run"])
