"""Windows and schedules beside an enumeration of every minute, where the clocks change and where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given, settings

from chainenv.core.calendar import Edge, Hours, Scheduled, active, is_open, next_change, next_edges, next_opening

from .worlds import of

MINUTE = timedelta(minutes=1)
CHANGES = (
    *(("Europe/Berlin", "2026-03-29"), ("Europe/Berlin", "2026-10-25")),
    *(("America/New_York", "2026-03-08"), ("America/New_York", "2026-11-01")),
    *(("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04")),  # half an hour
    *(("America/Santiago", "2026-04-04"), ("America/Santiago", "2026-09-06")),  # at midnight
    *(("Africa/Cairo", "2026-04-24"), ("Africa/Cairo", "2026-10-29")),
    ("Pacific/Apia", "2011-12-30"),  # a day that did not happen
    *(("Asia/Kathmandu", "2026-01-01"), ("UTC", "2026-02-28")),
)
"""A zone, and a day on which its clocks change; in the last ones they do not."""


@cache
def minutes(zone: str, day: str, days: int) -> tuple[tuple[datetime, datetime], ...]:
    """Every minute from two days before the day: the moment, and the latest time that clocks of the zone have shown by then."""
    first = datetime.fromisoformat(f"{day}T00:00+00:00") - timedelta(days=2)
    latest = datetime.min
    out = []
    for number in range(-2880, days * 1440):
        now = first + number * MINUTE
        latest = max(latest, now.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
        if number >= 0:
            out.append((now, latest))
    return tuple(out)


def happens(hours: Hours, latest: datetime) -> bool:
    """An edge happens as soon as the clocks have shown its time."""
    for back in (0, 1):
        day = latest.date() - timedelta(days=back)
        end = day + timedelta(days=1) if hours.end <= hours.start else day
        if day.weekday() in hours.weekdays and datetime.combine(day, hours.start) <= latest < datetime.combine(end, hours.end):
            return True
    return False


def some_time(random: Random) -> time:
    """Mostly near the hours in which clocks change."""
    hour = random.choice([0, 0, 1, 1, 2, 2, 2, 3, 23, random.randrange(24)])
    return time(hour, random.choice([0, 0, 1, 15, 29, 30, 31, 59, random.randrange(60)]))


def some_hours(random: Random, zone: str) -> Hours:
    weekdays = frozenset(range(7)) if random.random() < 0.6 else frozenset(random.sample(range(7), random.randint(1, 4)))
    start = some_time(random)
    return Hours(start, start if random.random() < 0.1 else some_time(random), ZoneInfo(zone), weekdays)


def around(truth: Sequence[object]) -> list[int]:
    """Where to compare: each change, the minute before and the minute after, and some between."""
    changes = [n for n in range(1, len(truth)) if truth[n] != truth[n - 1]]
    near = {n + offset for n in changes for offset in (-1, 0, 1)} | set(range(0, len(truth), 97))
    return sorted(n for n in near if 0 <= n < len(truth))


@settings(max_examples=80)
@given(of(lambda random: random))
def test_windows_are_open_when_every_minute_says_so(random: Random) -> None:
    zone, day = random.choice(CHANGES)
    walk = minutes(zone, day, 5)
    windows = [some_hours(random, zone) for _ in range(random.randint(1, 3))]
    truth = [any(happens(window, latest) for window in windows) for _, latest in walk]
    assert [is_open(windows, walk[n][0]) for n in around(truth)] == [truth[n] for n in around(truth)]


@settings(max_examples=80)
@given(of(lambda random: random))
def test_the_next_opening_is_the_first_minute_at_which_one_is_open(random: Random) -> None:
    zone, day = random.choice(CHANGES)
    walk = minutes(zone, day, 10)
    windows = [some_hours(random, zone) for _ in range(random.randint(1, 2))]
    begin = random.randrange(2880)
    expected = next((now for now, latest in walk[begin:] if any(happens(window, latest) for window in windows)), None)
    found = next_opening(windows, walk[begin][0])
    if expected is None:  # later than what was enumerated
        assert found is None or found > walk[-1][0]
    else:
        assert found == expected
        assert found.tzinfo is UTC


def some_schedules(random: Random, day: str, near: str) -> list[tuple[Scheduled, list[bool]]]:
    """With whether each is active at every minute; of several zones."""
    zones = [near, *random.sample([zone for zone, _ in CHANGES[:10]], 2)]
    out = []
    for name in "abcd"[: random.randint(1, 4)]:
        zone = random.choice(zones)
        each = some_hours(random, zone)
        out.append((Scheduled(name, each, {}), [happens(each, latest) for _, latest in minutes(zone, day, 5)]))
    return out


@settings(max_examples=80)
@given(of(lambda random: random))
def test_the_last_active_schedule_wins_and_edges_are_where_that_changes(random: Random) -> None:
    zone, day = random.choice(CHANGES)
    walk = minutes(zone, day, 5)
    given_, each_minute = zip(*some_schedules(random, day, zone), strict=True)
    truth = [
        next((s.name for s, on in zip(reversed(given_), reversed(state), strict=True) if on), None)
        for state in zip(*each_minute, strict=True)
    ]
    names = [schedule.name if (schedule := active(given_, walk[n][0])) else None for n in around(truth)]
    assert names == [truth[n] for n in around(truth)]

    begin = random.randrange(2880)
    changes = [Edge(walk[n][0], truth[n]) for n in range(begin + 1, len(truth)) if truth[n] != truth[n - 1]]
    found = next_edges(given_, walk[begin][0], 5)
    assert [edge for edge in found if edge.at <= walk[-1][0]] == changes[:5]
    assert len(found) <= 5
    if changes:
        assert next_change(given_, walk[begin][0]) == changes[0].at
