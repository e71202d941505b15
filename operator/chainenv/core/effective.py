"""What holds at a time: autoscaling settings of the spec with the active schedule's values in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ..crd.types import ChainEnvironmentSpec, ScheduleStatus
from .calendar import Scheduled, Settings, active, next_change, schedules_of
from .desired import Desired

Autoscaling = Mapping[str, Settings]
"""By chainlet."""


def effective(base: Autoscaling, schedule: Scheduled | None) -> dict[str, Settings]:
    """``base`` with the schedule's values. What has no value in ``base`` is left out: nothing would be there to go back to."""
    overlay: Autoscaling = schedule.chainlets if schedule else {}
    return {
        chainlet: {**settings, **{name: value for name, value in overlay.get(chainlet, {}).items() if name in settings}}
        for chainlet, settings in base.items()
    }


def variants(base: Autoscaling, schedules: Sequence[Scheduled]) -> dict[str | None, dict[str, Settings]]:
    """Everything that may hold some time, by schedule; None: while none is active."""
    return {None: effective(base, None), **{each.name: effective(base, each) for each in schedules}}


def desired_at(desired: Desired, spec: ChainEnvironmentSpec, now: datetime) -> Desired:
    """``desired``, of that spec, as its schedules have it at a time. Raises CalendarError."""
    if not spec.autoscaling_schedules:
        return desired
    schedules = schedules_of(spec.autoscaling_schedules)
    current = active(schedules, now)
    settings = effective({each.name: each.autoscaling for each in desired.chainlets}, current)
    return replace(
        desired,
        chainlets=tuple(replace(each, autoscaling=settings[each.name]) for each in desired.chainlets),
        schedule=ScheduleStatus(active=current.name if current else None, next_change=next_change(schedules, now)),
    )
