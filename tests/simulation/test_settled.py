"""What is still noticed while polls of a settled resource are passed over."""

from __future__ import annotations

import pytest

from .runner import Simulation
from .scenario import HOUR, START, call, run, spec, trouble, types
from .story import Step

SETTLED = START + 3 * HOUR
DECLARED = spec(chainletSettings=types(Llm="2x8"), promotionSettings={"rampUpDurationSeconds": 60})


def test_an_observation_is_as_old_as_the_last_poll_that_was_passed_over() -> None:
    seen: list[str] = []
    note = [call(SETTLED + after, lambda s: seen.append(s.conditions["Ready"]["reason"])) for after in (200, 1500)]
    run(DECLARED, trouble(SETTLED, "status", 1600, "get_environment", value=500), *note)
    assert seen == ["Active", "ObservationStale"], "not before it is ten minutes old"


@pytest.mark.parametrize("hours", [3, 4])
def test_a_status_that_somebody_wiped_is_written_again(hours: int) -> None:
    seen: list[bool] = []
    note = call(START + hours * HOUR + 60, lambda s: seen.append("Ready" in s.conditions))
    run(DECLARED, Step(START + hours * HOUR, "wipe"), note)
    assert seen == [True]


def test_what_a_stranger_changes_is_put_right_at_the_next_poll() -> None:
    seen: list[int] = []

    def note(done: Simulation) -> None:
        seen.append(done.baseten.environments["staging"].promotion["ramp_up_duration_seconds"])

    def change(done: Simulation) -> None:
        done.baseten.environments["staging"].promotion["ramp_up_duration_seconds"] = 600

    run(DECLARED, call(SETTLED, change), call(SETTLED + 1, note), call(SETTLED + 400, note))
    assert seen == [600, 60]
