"""A deployment's life as moments and statuses: computed when read, never driven by a task."""

from __future__ import annotations

from collections.abc import Collection

FAILED = frozenset({"BUILD_FAILED", "DEPLOY_FAILED", "FAILED", "BUILD_STOPPED"})
OFF = frozenset({"DEACTIVATING", "INACTIVE"})
STARTED = frozenset({"ACTIVE", "SCALED_TO_ZERO"})


class Timeline:
    """Moments are epoch seconds. What lies ahead happens unless `then` replaces it."""

    __slots__ = ("_points",)

    def __init__(self, *points: tuple[float, str]) -> None:
        self._points = list(points)

    def _index(self, now: float) -> int:
        for index in range(len(self._points) - 1, 0, -1):
            if self._points[index][0] <= now:
                return index
        return 0

    def status(self, now: float) -> str:
        return self._points[self._index(now)][1]

    def span(self, now: float) -> tuple[float, float]:
        """When the present status began and when it will end (infinity: stays)."""
        index = self._index(now)
        end = self._points[index + 1][0] if index + 1 < len(self._points) else float("inf")
        return self._points[index][0], end

    def then(self, *points: tuple[float, str]) -> None:
        """From the first of these moments on, this is what happens."""
        start = points[0][0]
        self._points = [one for one in self._points if one[0] < start] + list(points)

    def first(self, statuses: Collection[str], since: float, now: float) -> float | None:
        """The earliest moment within [since, now] at which one of the statuses holds."""
        for index, (begin, status) in enumerate(self._points):
            end = self._points[index + 1][0] if index + 1 < len(self._points) else float("inf")
            if begin <= now and end > since and end > begin and status in statuses:
                return max(begin, since)
        return None

    def past(self, now: float) -> list[tuple[float, str]]:
        return [one for one in self._points if one[0] <= now]
