"""Autoscaling settings under a schedule."""

from __future__ import annotations

from chainenv.core.effective import effective, variants

from .helpers import Case, table
from .test_calendar import schedule, schedules_of

BASE = {"LLM": {"min_replica": 1, "max_replica": 8}, "Embed": {"min_replica": 2}}
(DAY,) = schedules_of([schedule("day", "08:00", "20:00", minReplica=4)])
(MORE,) = schedules_of([schedule("more", "08:00", "20:00", minReplica=4, scaleDownDelay=60)])


@table(
    Case("none active", "the spec's own", None, BASE),
    Case("one active", "its values in place of those", DAY, {**BASE, "LLM": {"min_replica": 4, "max_replica": 8}}),
    Case("without a value to go back to", "left out", MORE, {**BASE, "LLM": {"min_replica": 4, "max_replica": 8}}),
)
def test_values_of_the_active_schedule_stand_in_place_of_the_specs(case: Case) -> None:
    assert effective(BASE, case.given) == case.expected, case.why


def test_a_chainlet_that_the_spec_does_not_manage_is_left_alone() -> None:
    assert effective({"Embed": {"min_replica": 2}}, DAY) == {"Embed": {"min_replica": 2}}


def test_every_variant_is_listed() -> None:
    assert variants(BASE, (DAY,)) == {None: BASE, "day": effective(BASE, DAY)}
