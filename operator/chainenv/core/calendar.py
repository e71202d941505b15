"""Times of the week in a time zone: rollout windows and autoscaling schedules. All moments that go in and come out are aware; out is UTC.

Rules, each with a test:

- An interval begins at its start and is over at its end; past midnight when the end is not later than the start by the clock.
  The weekday is the one on which it starts.
- An edge in an hour that the clocks skip happens at the first moment after it. An interval that lies in that hour whole does not happen.
- An edge in an hour that the clocks repeat happens the first time.

``zoneinfo`` says when the clocks change: the machine's own time zone data where there is some, else the package ``tzdata``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ..crd.clock import Weekday
from ..crd.types import Schedule, Window

Settings = Mapping[str, int | bool | str]

WEEKDAYS: tuple[Weekday, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)

_MACHINE_FILES = ("localtime", "posixrules", "posix", "right")
"""In the folder of the time zones, but of one machine, or another way to count seconds."""


class CalendarError(ValueError):
    """A time of day, or a time zone, that there is not. Its text names the field and what to write."""


@dataclass(frozen=True, slots=True)
class Hours:
    """A time of the week. ``weekdays``: those on which it starts, 0 is Monday."""

    start: time
    end: time
    zone: ZoneInfo
    weekdays: frozenset[int] = frozenset(range(7))

    def on(self, day: date) -> tuple[datetime, datetime] | None:
        """When it begins and is over, if it starts on this day of its zone; None when it does not, or the clocks skip it whole."""
        if day.weekday() not in self.weekdays:
            return None
        begins = moment(day, self.start, self.zone)
        over = moment(day + DAY if self.end <= self.start else day, self.end, self.zone)
        return (begins, over) if begins < over else None

    def holds(self, now: datetime) -> bool:
        return any(begins <= now < over for begins, over in self.intervals(now, days=0))

    def intervals(self, now: datetime, days: int) -> Iterator[tuple[datetime, datetime]]:
        """When it begins and is over: what holds now, and whatever begins in the next so many days."""
        today = now.astimezone(self.zone).date()
        for offset in range(-2, days + 2):
            if (interval := self.on(today + offset * DAY)) is not None:
                yield interval


def moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """When the clocks of the zone first show this time on this day; if they skip it, when they have done so."""
    local = datetime.combine(day, at, tzinfo=zone)
    found = local.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return found
    # With fold the offset of the other side of the change holds: one moment is before the change, the other after it.
    before, after = sorted((found, local.replace(fold=1).astimezone(UTC)))
    old = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // 2 // SECOND * SECOND
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


# -- from the spec -------------------------------------------------------------------------------------------------


def hours(where: str, spec: Window | Schedule) -> Hours:
    """``where`` is the path in the spec, for the message. Raises CalendarError."""
    return Hours(
        start=_time(f"{where}.start", spec.start),
        end=_time(f"{where}.end", spec.end),
        zone=time_zone(f"{where}.timeZone", "UTC" if spec.time_zone is None else spec.time_zone),
        weekdays=frozenset(map(WEEKDAYS.index, spec.weekdays or WEEKDAYS)),
    )


def time_zone(where: str, name: str) -> ZoneInfo:
    """Raises CalendarError."""
    found = _zone(name)
    if found is None:
        raise CalendarError(f"{where}: unknown time zone {name[:100]!r}: write an IANA name, for example Europe/Berlin or UTC")
    return found


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo | None:
    if name.partition("/")[0] in _MACHINE_FILES:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such file; a name that is none, or a file of another kind; a directory
        return None


def _time(where: str, text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()
    except ValueError:
        raise CalendarError(f'{where}: no time of day {text[:100]!r}: write HH:MM, from "00:00" to "23:59"') from None


# -- windows -------------------------------------------------------------------------------------------------------


def windows_of(windows: Sequence[Window] | None) -> tuple[Hours, ...]:
    """Of ``spec.rollout.windows``. Raises CalendarError."""
    return tuple(hours(f"rollout.windows[{index}]", window) for index, window in enumerate(windows or ()))


def is_open(windows: Sequence[Hours], now: datetime) -> bool:
    """Without windows it is open at any time."""
    return not windows or any(window.holds(now) for window in windows)


def next_opening(windows: Sequence[Hours], now: datetime) -> datetime | None:
    """The first moment from now on at which a window is open; None when the clocks skip all of two weeks."""
    if is_open(windows, now):
        return now
    return min((begins for window in windows for begins, _ in window.intervals(now, days=15) if begins > now), default=None)


# -- schedules -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scheduled:
    """``chainlets``: by chainlet, what stands in place of its autoscaling settings; Baseten's names."""

    name: str
    hours: Hours
    chainlets: Mapping[str, Settings]


@dataclass(frozen=True, slots=True)
class Edge:
    """``active``: the schedule's name from then on; None: none."""

    at: datetime
    active: str | None


def schedules_of(schedules: Sequence[Schedule] | None) -> tuple[Scheduled, ...]:
    """Of ``spec.autoscalingSchedules``. Raises CalendarError."""
    return tuple(
        Scheduled(
            each.name,
            hours(f"autoscalingSchedules[{each.name}]", each),
            {c.chainlet_name: c.autoscaling_settings.model_dump(exclude_none=True) for c in each.chainlet_settings},
        )
        for each in schedules or ()
    )


def active(schedules: Sequence[Scheduled], now: datetime) -> Scheduled | None:
    """Of several that are active the last in the list."""
    return next((each for each in reversed(schedules) if each.hours.holds(now)), None)


def next_edges(schedules: Sequence[Scheduled], now: datetime, count: int = 5, *, days: int = 60) -> tuple[Edge, ...]:
    """When another schedule, or none, becomes active; at most ``count``, of the next ``days``.

    Edges of a schedule that is hidden by a later one, or that touches it, change nothing and are left out.
    """
    last = now + days * DAY
    spans = [(each.name, tuple(each.hours.intervals(now, days))) for each in schedules]
    edges = {edge for _, intervals in spans for interval in intervals for edge in interval if now < edge <= last}

    def name_at(at: datetime) -> str | None:
        return next((name for name, intervals in reversed(spans) if any(begins <= at < over for begins, over in intervals)), None)

    found: list[Edge] = []
    current = name_at(now)
    for at in sorted(edges):
        if len(found) == count:
            break
        if (name := name_at(at)) != current:
            found.append(Edge(at, name))
            current = name
    return tuple(found)


def next_change(schedules: Sequence[Scheduled], now: datetime) -> datetime | None:
    """The next edge; None when the same schedule is active for the next two weeks."""
    for days in (1, 16):  # what changes at all mostly does so within a day
        if edges := next_edges(schedules, now, 1, days=days):
            return edges[0].at
    return None
