"""What the probes and /metrics report about the running parts."""

from __future__ import annotations

import time

from .. import metrics
from .wiring import Parts

LIVE_SECONDS = 30.0
READY_SECONDS = 60.0


class Health:
    """A check returns None, or what is wrong."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def live(self) -> str | None:
        """A queue that does not tick will not do so again: the process has to start anew."""
        age = time.monotonic() - self._parts.queue.last_tick
        return f"the queue has not ticked for {age:.0f} s" if self._parts.acting and age > LIVE_SECONDS else None

    def ready(self) -> str | None:
        if not self._parts.listed:
            return "the resources have not been listed yet"
        if self._parts.watch.down_seconds > READY_SECONDS:
            return f"the watch has been down for {self._parts.watch.down_seconds:.0f} s"
        age = time.monotonic() - self._parts.cluster.last_contact
        return f"no successful contact with the API server for {age:.0f} s" if age > READY_SECONDS else None

    def refresh_metrics(self) -> None:
        """Sets the gauges that are read, not counted."""
        parts = self._parts
        metrics.leader.set(parts.acting and (parts.leader is None or parts.leader.leading))
        metrics.resources.set(len(parts.store))
        metrics.queue_length.set(len(parts.queue))
        metrics.queue_late_seconds.set(parts.queue.late_seconds if parts.acting else 0)
