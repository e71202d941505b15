"""When to look again. Times are seconds; ``luck`` is a random number in [0, 1) given by the caller."""

from __future__ import annotations

from dataclasses import dataclass

from .attempts import unsettled
from .reasons import Reason
from .report import Report
from .world import Resource

SLOWEST_PROGRESS = 60.0
"""Progress looks back off to this, unless CHAINENV_PROGRESS_SECONDS is longer."""

CONFIRM = 1.0
"""After a call that changed something, the look that proves it."""


MOST_LATER_LOOKS = 8


@dataclass(frozen=True, slots=True)
class Intervals:
    poll: float = 300
    progress: float = 10
    vanish: float = 30
    backoff_max: float = 300
    stale: float = 600


def next_look(report: Report, intervals: Intervals, *, missing: bool, looks: int, luck: float) -> float:
    """``looks``: how many looks in a row found things moving without a change; progress backs off by a fifth each."""
    if report.calls:
        return min(intervals.progress, CONFIRM) * _spread(luck)
    if missing:
        return intervals.vanish * (1 + 0.1 * luck)
    if report.moving or (_may_show_later(report) and looks < MOST_LATER_LOOKS):
        slow = intervals.progress * 1.2 ** min(looks, 30)
        return min(slow, max(SLOWEST_PROGRESS, intervals.progress)) * _spread(luck)
    return intervals.poll * _spread(luck)


def _may_show_later(report: Report) -> bool:
    """A create was refused: perhaps because the environment exists and does not show yet (docs/baseten-api.md, "Limits and errors")."""
    return report.observed and report.environment is None and any(f.reason == Reason.REFUSED for f in report.findings)


def _spread(luck: float) -> float:
    return 0.9 + 0.2 * luck


def was_asked_for(resource: Resource) -> bool:
    """After a restart: whether somebody has wanted something since."""
    return resource.status.observed_generation != resource.generation or resource.deleting or resource.forced


def needs_attention(resource: Resource) -> bool:
    """After a restart: whether there is more to do for a resource than to look again some time."""
    moving = any(c.type == "Reconciling" for c in resource.status.conditions)
    return was_asked_for(resource) or moving or any(unsettled(e) for e in resource.status.operations)


def first_look(count: int, rate: float, intervals: Intervals, luck: float) -> float:
    """Of one of ``count`` settled resources after a restart: spread at half the rate limit, at most over one poll."""
    return min(intervals.poll, 2 * count / rate) * luck


def backoff(failures: int, intervals: Intervals, luck: float) -> float:
    """Exponential with full jitter, from 1 s to the longest. ``failures`` counts from 1."""
    ceiling = min(intervals.backoff_max, 2.0 ** min(failures, 30))
    return max(min(1.0, intervals.backoff_max), ceiling * luck) if failures > 1 else ceiling * (0.5 + 0.5 * luck)
