"""A plan for people: what differs first, and nothing in it is markup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chainenv.cli.output import plain_tree
from chainenv.cli.plan_text import markdown, nodes, summary
from chainenv.cli.planned import AtTime, Call, Planned
from chainenv.crd.types import CostStatus, Drift, RolloutStatus, ScheduleStatus

CHANGE = Drift(path="chainletSettings[A].instanceTypeID", desired="4x16", actual="2x8")


def cost(**amounts: Any) -> CostStatus:
    return CostStatus(currency="USD", **{"per_hour": "0.00", **amounts})


ROLLOUT = Planned(
    "team-a",
    "staging",
    "environment staging of chain abcd1234",
    calls=(Call("UpdateInstanceTypes", "A instanceTypeID 2x8 -> 4x16", (CHANGE,), True),),
    notes=("a note",),
    cost=cost(per_hour="1.50"),
    before=cost(min_per_hour="0.00", max_per_hour="3.00"),
    after=cost(min_per_hour="0.00"),
    starts=1,
)
QUIET = Planned("team-a", "production", "environment production of chain abcd1234")
BROKEN = Planned("team-b", "qa", "environment qa of chain abcd1234", problem="no key")
HOSTILE = Planned("team-c", "x", "@everyone [link](http://x) <b> `code` | \x1b[2J", notes=("**bold** @team",))


def test_a_plan_for_a_terminal() -> None:
    assert list(plain_tree(nodes([ROLLOUT, QUIET, BROKEN]))) == [
        "team-a/staging     environment staging of chain abcd1234",
        "  1. UpdateInstanceTypes (starts a deployment)",
        "    chainletSettings[A].instanceTypeID  2x8  ->  4x16",
        "  note: a note",
        "  cost: 1.50 USD an hour now; from fewest to most replicas 0.00-3.00 before, 0.00-? after",
        "team-a/production  environment production of chain abcd1234",
        "  nothing to do",
        "team-b/qa          environment qa of chain abcd1234",
        "  error: no key",
    ]
    assert summary([ROLLOUT, QUIET, BROKEN]) == "3 environments, 1 call, 1 deployment started, 1 could not be planned"


def test_a_plan_for_a_pull_request() -> None:
    text = markdown([QUIET, ROLLOUT])
    assert "| `chainletSettings[A].instanceTypeID` | `2x8` | `4x16` |" in text
    assert "1. **UpdateInstanceTypes** (starts a deployment)" in text
    assert text.endswith("Nothing to do: `team-a/production`\n")


def test_nothing_of_a_name_or_a_message_is_markup() -> None:
    text = markdown([HOSTILE])
    assert "\\[link\\](http://x) \\<b\\> \\`code\\` \\|" in text
    assert "@everyone" not in text
    assert "\\*\\*bold\\*\\*" in text
    assert "\x1b" not in text


def test_a_rollout_that_waits_is_something_to_do() -> None:
    opens = datetime(2026, 12, 1, 8, tzinfo=UTC)
    held = (
        RolloutStatus(waits_for="Approval", plan="9f3c1a2b", message="it waits for approval"),
        RolloutStatus(waits_for="Window", plan="11111111", message="it waits for the next window", next_window=opens),
    )
    plan = Planned("team-a", "staging", "environment staging of chain abcd1234", held=held)
    assert plan.differs
    assert list(plain_tree(nodes([plan]))) == [
        "team-a/staging  environment staging of chain abcd1234",
        "  rollout waits for Approval, plan 9f3c1a2b",
        "    it waits for approval",
        "  rollout waits for Window, plan 11111111, next window 2026-12-01 08:00:00Z",
        "    it waits for the next window",
        "  cost: ? USD an hour now; from fewest to most replicas ?-? before, ?-? after",
    ]
    assert summary([plan, QUIET]) == "2 environments, 0 calls, 0 deployments started, 2 rollouts held back"
    assert "> **rollout waits for Approval, plan 9f3c1a2b**: it waits for approval\n" in markdown([plan])
    assert plan.data()["held"][0] == {"waitsFor": "Approval", "plan": "9f3c1a2b", "message": "it waits for approval"}


def test_what_the_clock_makes_of_the_schedules() -> None:
    at = datetime(2026, 12, 1, 8, tzinfo=UTC)
    path = "chainletSettings[A].autoscalingSettings.minReplica"
    clock = AtTime(at, ScheduleStatus(active="day", next_change=at.replace(hour=18)), {path: "4"})
    plan = Planned("team-a", "staging", "environment staging of chain abcd1234", clock=clock)
    assert list(plain_tree(nodes([plan])))[1:] == [
        "  at 2026-12-01 08:00:00Z schedule day is active; next change 2026-12-01 18:00:00Z",
        f"    {path}  4",
        "  nothing to do",
    ]
    assert f"- `{path}`: `4`" in markdown([Planned("a", "b", "c", clock=clock, notes=("n",))])
    assert plan.data()["schedule"]["active"] == "day"
