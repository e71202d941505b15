"""Windows and schedules: what the spec says, and what it means on the clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chainenv.core.calendar import (
    CalendarError,
    Edge,
    active,
    hours,
    is_open,
    next_change,
    next_edges,
    next_opening,
    schedules_of,
    time_zone,
    windows_of,
)
from chainenv.crd.types import Schedule, Window

from .helpers import Case, table

BERLIN = "Europe/Berlin"
OFFICE = {"weekdays": ["Mon", "Tue", "Wed", "Thu", "Fri"], "start": "09:00", "end": "16:00", "timeZone": BERLIN}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def window(**more: Any) -> Window:
    return Window.model_validate({**OFFICE, **more})


def schedule(name: str, start: str, end: str, *, zone: str | None = None, days: list[str] | None = None, **settings: int) -> Schedule:
    entry = {"chainletName": "LLM", "autoscalingSettings": settings or {"minReplica": 4}}
    return Schedule.model_validate(
        {"name": name, "start": start, "end": end, "timeZone": zone, "weekdays": days, "chainletSettings": [entry]}
    )


NIGHT = {"start": "22:00", "end": "06:00", "weekdays": ["Fri"]}
SKIPPED = {"start": "02:15", "end": "02:45", "weekdays": ["Sun"]}
REPEATED = {"start": "02:30", "end": "04:00", "weekdays": ["Sun"]}


@table(
    Case("inside", "09:00 to 16:00 in winter", (OFFICE, "2026-11-24T09:30+01:00"), True),
    Case("at the start", "the start belongs to it", (OFFICE, "2026-11-24T09:00+01:00"), True),
    Case("a moment before", "", (OFFICE, "2026-11-24T08:59:59+01:00"), False),
    Case("at the end", "the end does not", (OFFICE, "2026-11-24T16:00+01:00"), False),
    Case("a moment before the end", "", (OFFICE, "2026-11-24T15:59:59.999999+01:00"), True),
    Case("on Saturday", "not one of its days", (OFFICE, "2026-11-28T12:00+01:00"), False),
    Case("in summer", "the clocks of the zone, not an offset", (OFFICE, "2026-07-01T07:00+00:00"), True),
    Case("the same hour of UTC in winter", "", (OFFICE, "2026-12-01T07:00+00:00"), False),
    Case("on Friday night", "past midnight", ({**OFFICE, **NIGHT}, "2026-11-27T23:00+01:00"), True),
    Case("the morning after", "the day is the one it starts on", ({**OFFICE, **NIGHT}, "2026-11-28T05:59+01:00"), True),
    Case("on Friday morning", "it did not start on Thursday", ({**OFFICE, **NIGHT}, "2026-11-27T05:00+01:00"), False),
    Case("every day", "without weekdays", ({**OFFICE, "weekdays": None}, "2026-11-28T12:00+01:00"), True),
    Case("all day", "the end is not later than the start", ({**OFFICE, "start": "00:00", "end": "00:00"}, "2026-11-24T00:00+01:00"), True),
    Case("all day until midnight", "Saturday has none", ({**OFFICE, "start": "00:00", "end": "00:00"}, "2026-11-28T00:00+01:00"), False),
    Case("without zone", "UTC", ({**OFFICE, "timeZone": None}, "2026-11-24T09:00+00:00"), True),
    Case("in the hour that is skipped", "02:15 to 02:45 does not happen", ({**OFFICE, **SKIPPED}, "2026-03-29T01:00+00:00"), False),
    Case("from the hour that is skipped", "it starts at 03:00", ({**OFFICE, **REPEATED}, "2026-03-29T01:00+00:00"), True),
    Case("before the hour that is skipped", "01:59:59", ({**OFFICE, **REPEATED}, "2026-03-29T00:59:59+00:00"), False),
    Case("in the hour that is repeated", "it starts the first time", ({**OFFICE, **REPEATED}, "2026-10-25T00:30+00:00"), True),
    Case("in the repetition", "02:10 again: it goes on", ({**OFFICE, **REPEATED}, "2026-10-25T01:10+00:00"), True),
    Case("ended in the repeated hour", "it ends the first time", ({**OFFICE, **SKIPPED}, "2026-10-25T01:30+00:00"), False),
)
def test_a_window_is_open(case: Case) -> None:
    spec, now = case.given
    assert is_open(windows_of([Window.model_validate(spec)]), utc(now)) is case.expected, case.why


def test_without_windows_it_is_always_open() -> None:
    now = utc("2026-11-24T03:00+00:00")
    assert is_open((), now)
    assert next_opening((), now) == now


@table(
    Case("this morning", "", ([window()], "2026-11-24T03:00+00:00"), "2026-11-24T08:00+00:00"),
    Case("open already", "now", ([window()], "2026-11-24T10:00+00:00"), "2026-11-24T10:00+00:00"),
    Case("on Monday", "after Friday's end", ([window()], "2026-11-27T15:00+00:00"), "2026-11-30T08:00+00:00"),
    Case("the sooner of two", "", ([window(), window(start="05:00", end="06:00")], "2026-11-24T03:00+00:00"), "2026-11-24T04:00+00:00"),
    Case("in a week", "just closed", ([window(weekdays=["Tue"])], "2026-11-24T15:00+00:00"), "2026-12-01T08:00+00:00"),
    Case("in two weeks", "the clocks skip the next one", ([window(**SKIPPED)], "2026-03-22T02:00+00:00"), "2026-04-05T00:15+00:00"),
)
def test_the_next_opening(case: Case) -> None:
    windows, now = case.given
    assert next_opening(windows_of(windows), utc(now)) == utc(case.expected), case.why


SCHEDULES = (
    schedule("office", "07:45", "19:00", zone=BERLIN, days=["Mon", "Tue", "Wed", "Thu", "Fri"]),
    schedule("launch", "12:00", "13:00", zone=BERLIN, days=["Tue"]),
    schedule("night", "22:00", "06:00", zone=BERLIN),
)


@table(
    Case("office hours", "", "2026-11-24T08:00+01:00", "office"),
    Case("both", "the last in the list", "2026-11-24T12:00+01:00", "launch"),
    Case("after the launch", "the other is active again", "2026-11-24T13:00+01:00", "office"),
    Case("evening", "none", "2026-11-24T20:00+01:00", None),
    Case("past midnight", "", "2026-11-25T03:00+01:00", "night"),
)
def test_the_active_schedule(case: Case) -> None:
    found = active(schedules_of(SCHEDULES), utc(case.given))
    assert (found and found.name) == case.expected, case.why


def test_the_next_five_edges_are_where_another_schedule_takes_over() -> None:
    edges = [("12:00", "launch"), ("13:00", "office"), ("19:00", None), ("22:00", "night")]
    expected = [Edge(utc(f"2026-11-24T{at}+01:00"), name) for at, name in edges]
    now = utc("2026-11-24T08:00+01:00")
    assert next_edges(schedules_of(SCHEDULES), now) == (*expected, Edge(utc("2026-11-25T06:00+01:00"), None))
    assert next_change(schedules_of(SCHEDULES), now) == expected[0].at


def test_schedules_that_touch_have_one_edge() -> None:
    given = schedules_of([schedule("day", "08:00", "20:00"), schedule("night", "20:00", "08:00")])
    edges = next_edges(given, utc("2026-11-24T12:00+00:00"), 2)
    assert edges == (Edge(utc("2026-11-24T20:00+00:00"), "night"), Edge(utc("2026-11-25T08:00+00:00"), "day"))


def test_a_schedule_that_is_always_active_has_no_edge() -> None:
    given = schedules_of([schedule("always", "00:00", "00:00")])
    assert next_edges(given, utc("2026-11-24T12:00+00:00")) == ()
    assert next_change(given, utc("2026-11-24T12:00+00:00")) is None


def test_without_schedules_nothing_is_active_and_nothing_changes() -> None:
    now = utc("2026-11-24T12:00+00:00")
    assert (schedules_of(None), active((), now), next_change((), now)) == ((), None, None)


def test_a_schedules_values_have_basetens_names_and_nothing_that_is_omitted() -> None:
    (given,) = schedules_of([schedule("day", "08:00", "20:00", minReplica=2, maxReplica=5)])
    assert given.chainlets == {"LLM": {"min_replica": 2, "max_replica": 5}}


@pytest.mark.parametrize(
    "name",
    [
        "Mars/Olympus",
        "Europe",
        "",
        "../Berlin",
        "/etc/localtime",
        "localtime",
        "right/UTC",
        "posix/UTC",
        "zone.tab",
        "europe/berlin",
        "é",
        "x" * 128,
    ],
)
def test_an_unknown_time_zone_is_named_with_its_field(name: str) -> None:
    with pytest.raises(
        CalendarError, match=r"^rollout.windows\[1\].timeZone: unknown time zone '.{0,100}': write an IANA name, for example"
    ):
        windows_of([window(), window(timeZone=name)])


def test_a_schedule_with_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(CalendarError, match=r"autoscalingSchedules\[day\].timeZone: unknown time zone 'Mars/Olympus'"):
        schedules_of([schedule("day", "08:00", "20:00", zone="Mars/Olympus")])


@pytest.mark.parametrize("text", ["24:00", "nine", "", "09:60", "09:00:00"])
def test_a_time_that_there_is_not_is_named_with_its_field(text: str) -> None:
    with pytest.raises(CalendarError, match=r"^windows\[0\].end: no time of day '.*': write HH:MM"):
        hours("windows[0]", window(end=text))


def test_a_zone_is_found_by_its_name() -> None:
    assert time_zone("timeZone", "Australia/Lord_Howe").key == "Australia/Lord_Howe"
