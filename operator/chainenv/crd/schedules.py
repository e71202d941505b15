"""The spec's autoscaling schedules, and what the API server checks of them together with chainletSettings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from .autoscaling import AutoscalingSettings, ChainletName
from .base import Part, checks, kubernetes_name, rule
from .clock import TimeOfDay, TimeZoneName, Weekdays

MOST_REPLICAS = 1_000_000


class ScheduledChainlet(Part):
    """Values of one chainlet while the schedule is active."""

    chainlet_name: Annotated[ChainletName, Field(description="Name of a chainlet that chainletSettings has an entry for.")]
    autoscaling_settings: Annotated[
        AutoscalingSettings,
        Field(description="What stands in place of the values of chainletSettings. Each field must have a value there to go back to."),
    ]


class Schedule(Part):
    """Autoscaling settings for a time of the week; past midnight when end is not later than start.

    An edge in an hour that the clocks skip happens right after it; in an hour that they repeat, the first time.
    """

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            description="Name of the schedule, for example office-hours.",
            json_schema_extra=checks(
                rule(
                    "self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$')",
                    "write letters, digits, '-', '_' and '.', for example office-hours",
                )
            ),
        ),
    ]
    weekdays: Weekdays | None = None
    start: Annotated[TimeOfDay, Field(description='When it becomes active, HH:MM, for example "07:45".')]
    end: Annotated[TimeOfDay, Field(description="When it is over, HH:MM; on the next day when not later than start.")]
    time_zone: Annotated[TimeZoneName | None, Field(description="IANA name, for example Europe/Berlin. Omitted: UTC.")] = None
    chainlet_settings: Annotated[
        tuple[ScheduledChainlet, ...],
        Field(
            min_length=1,
            max_length=200,
            description="Values of each chainlet while the schedule is active; chainlets without an entry keep theirs.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["chainletName"]},
        ),
    ]


def _with(field: str) -> str:
    """The entries of chainletSettings that have a value for the field."""
    return f"self.chainletSettings.filter(b, has(b.autoscalingSettings) && has(b.autoscalingSettings.{field}))"


def _all_scheduled(condition: str) -> str:
    return f"self.autoscalingSchedules.all(s, s.chainletSettings.all(c, {condition}))"


def _has_base(field: str) -> dict[str, Any]:
    """The names are listed once, and each entry of a schedule costs one search: 20 schedules of 200 chainlets stay within the limit."""
    found = _all_scheduled(f"!has(c.autoscalingSettings.{field}) || c.chainletName in names")
    return rule(
        f"!has(self.autoscalingSchedules) || (has(self.chainletSettings) ?"
        f" [{_with(field)}.map(b, b.chainletName)].all(names, {found}) :"
        f" {_all_scheduled(f'!has(c.autoscalingSettings.{field})')})",
        f"a chainlet that has {field} in autoscalingSchedules needs {field} in chainletSettings too: write there what holds while no"
        " schedule is active",
    )


def _in_order(field: str, other: str, comparison: str, without: int) -> dict[str, Any]:
    """A schedule that gives ``field`` alone is compared with the ``other`` of chainletSettings; ``without``: where there is none."""
    value = "values[names.indexOf(c.chainletName) + 1]"
    fits = _all_scheduled(
        f"!has(c.autoscalingSettings.{field}) || has(c.autoscalingSettings.{other}) || c.autoscalingSettings.{field} {comparison} {value}"
    )
    return rule(
        "!has(self.autoscalingSchedules) || !has(self.chainletSettings) ||"
        f" [{_with(other)}.map(b, b.chainletName)].all(names,"
        f" [[{without}] + {_with(other)}.map(b, b.autoscalingSettings.{other})].all(values, {fits}))",
        f"{field} in autoscalingSchedules does not fit {other} in chainletSettings: minReplica must not be greater than maxReplica; write"
        f" {other} in the schedule too, or another {field}",
    )


SCHEDULE_RULES = (
    *(_has_base(kubernetes_name(name)) for name in AutoscalingSettings.model_fields),
    _in_order("minReplica", "maxReplica", "<=", MOST_REPLICAS),
    _in_order("maxReplica", "minReplica", ">=", 0),
)
"""Of the whole spec: what a schedule sets has a value to go back to, and fits the values it does not set."""
