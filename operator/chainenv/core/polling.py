"""When to observe again. Times are seconds; ``jitter`` is a random number in [0, 1) given by the caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..crd.types import JournalEntry, ScheduleStatus
from .actions import Held
from .journal import ROLLOUTS, unsettled
from .reasons import Reason
from .resource import Resource
from .status import Report

SLOWEST_PROGRESS = 60.0
"""Polls of what is moving back off to this, unless CHAINENV_PROGRESS_SECONDS is longer."""

CONFIRM = 1.0
"""After a call that changed something, the read that confirms it."""

MOST_LATER_POLLS = 8

AFTER_EDGE = 0.3
"""From an edge of a schedule to the run for it: a timer that ends a little early finds the edge passed all the same."""


@dataclass(frozen=True, slots=True)
class Intervals:
    poll: float = 300
    progress: float = 10
    vanish: float = 30
    backoff_max: float = 300
    stale: float = 600


def next_poll(report: Report, intervals: Intervals, *, missing: bool, unchanged: int, jitter: float) -> float:
    """``unchanged``: how many polls in a row found things moving without a change; progress backs off by a fifth each."""
    spread = 0.9 + 0.2 * jitter
    if report.changes:
        return min(intervals.progress, CONFIRM) * spread
    if missing:
        return intervals.vanish * (1 + 0.1 * jitter)
    # A refused create: perhaps because the environment exists and does not show yet (docs/baseten-api.md, "Errors").
    refused = report.observed and report.environment is None and any(f.reason == Reason.REFUSED for f in report.findings)
    if report.moving or (refused and unchanged < MOST_LATER_POLLS):
        slow = intervals.progress * 1.2 ** min(unchanged, 30)
        return min(slow, max(SLOWEST_PROGRESS, intervals.progress)) * spread
    return intervals.poll * spread


def until_edge(schedule: ScheduleStatus | None, now: datetime) -> float:
    """Seconds until a run is due for the next edge of a schedule; without one: without end."""
    if schedule is None or schedule.next_change is None:
        return float("inf")
    return max(0.0, (schedule.next_change - now).total_seconds()) + AFTER_EDGE


def until_gate(held: tuple[Held, ...], journal: tuple[JournalEntry, ...], deadline: timedelta | None, now: datetime) -> float:
    """Seconds until a run is due for what waits, or for the deadline of a rollout that is under way; without end when for neither."""
    begun = [e.started_at for e in journal if e.operation in ROLLOUTS and unsettled(e)] if deadline is not None else []
    ends = [at for at in (started + deadline for started in begun if deadline is not None) if at > now]
    moments = [*ends, *(each.hold.until for each in held if each.hold.until is not None)]
    return min((max(0.0, (at - now).total_seconds()) + AFTER_EDGE for at in moments), default=float("inf"))


def was_asked_for(resource: Resource) -> bool:
    """After a restart: whether somebody has wanted something since."""
    return resource.status.observed_generation != resource.generation or resource.deleting or resource.forced


def needs_attention(resource: Resource, now: datetime) -> bool:
    """After a restart: whether there is more to do for a resource than to poll it some time."""
    status, schedule = resource.status, resource.status.schedule
    passed = schedule is None or (schedule.next_change is not None and schedule.next_change <= now)  # an edge, or when the next is
    edge = bool(resource.spec.autoscaling_schedules) and passed
    moving = any(c.type == "Reconciling" for c in status.conditions) or any(unsettled(e) for e in status.operations)
    return was_asked_for(resource) or moving or edge


def first_poll(count: int, rate: float, intervals: Intervals, jitter: float) -> float:
    """Of one of ``count`` settled resources after a restart: spread at half the rate limit, at most over one poll."""
    return min(intervals.poll, 2 * count / rate) * jitter


def backoff(failures: int, intervals: Intervals, jitter: float) -> float:
    """Exponential with full jitter, from 1 s to the longest. ``failures`` counts from 1."""
    ceiling = min(intervals.backoff_max, 2.0 ** min(failures, 30))
    return max(min(1.0, intervals.backoff_max), ceiling * jitter) if failures > 1 else ceiling * (0.5 + 0.5 * jitter)
