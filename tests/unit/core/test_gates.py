"""What a rollout waits for, in order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from chainenv.core.calendar import CalendarError
from chainenv.core.cost import BudgetResult
from chainenv.core.gates import Hold, RolloutRules, WaitsFor, Wanted, gate, plan_of, rollout_status, rules_of
from chainenv.core.reasons import Reason
from chainenv.core.text import absolute
from chainenv.crd.types import Rollout, RolloutStatus

from .helpers import Case, table
from .test_calendar import utc

NIGHT, NOON = utc("2026-11-24T03:00+00:00"), utc("2026-11-24T12:00+00:00")
WINDOWS = [{"start": "09:00", "end": "16:00"}]
MANUAL = {"approval": "Manual", "windows": WINDOWS}
CALL = {"operation": "Promote", "deployment_id": "dep-b"}
PLAN = plan_of(CALL, replaces="dep-a", used=None)
WANTED = Wanted("the promotion of deployment dep-b", PLAN)
BUDGET = BudgetResult(frozenset({"LLM"}), Reason.BUDGET_EXCEEDED, "the worst case is 60.00 USD an hour")
SOAK = Hold(WaitsFor.SOAK, Reason.WAITING_FOR_SOURCE, "waits until 2026-11-24T14:00Z", utc("2026-11-24T14:00+00:00"))


def held(now: datetime = NOON, *, rollout: Any = None, **more: Any) -> Hold | None:
    return gate(WANTED, rules_of(Rollout.model_validate(rollout) if rollout else None), now, **more)


def waits(hold: Hold | None) -> tuple[str, str] | None:
    return (hold.waits_for.value, hold.reason.value) if hold else None


WINDOW, APPROVAL = ("Window", "WaitingForWindow"), ("Approval", "WaitingForApproval")


@table(
    Case("no rules", "at once", (NIGHT, {}), None),
    Case("automatic", "at once", (NIGHT, {"rollout": {"approval": "Automatic"}}), None),
    Case("inside a window", "", (NOON, {"rollout": {"windows": WINDOWS}}), None),
    Case("outside", "", (NIGHT, {"rollout": {"windows": WINDOWS}}), WINDOW),
    Case("manual", "", (NIGHT, {"rollout": {"approval": "Manual"}}), APPROVAL),
    Case("approved", "", (NIGHT, {"rollout": {"approval": "Manual"}, "approval": PLAN}), None),
    Case(
        "approved with a line break", "as an editor leaves it", (NIGHT, {"rollout": {"approval": "Manual"}, "approval": f"{PLAN}\n"}), None
    ),
    Case("another plan approved", "", (NIGHT, {"rollout": {"approval": "Manual"}, "approval": "00000000"}), APPROVAL),
    Case("approved true", "it names no plan", (NIGHT, {"rollout": {"approval": "Manual"}, "approval": "true"}), APPROVAL),
    Case("approved as nothing", "", (NIGHT, {"rollout": {"approval": "Manual"}, "approval": ""}), APPROVAL),
    Case("approved before the window", "both count", (NIGHT, {"rollout": MANUAL, "approval": PLAN}), WINDOW),
    Case("approved inside the window", "", (NOON, {"rollout": MANUAL, "approval": PLAN}), None),
    Case("the window comes first", "", (NIGHT, {"rollout": MANUAL}), WINDOW),
    Case("soak before window", "", (NIGHT, {"rollout": MANUAL, "source": SOAK}), ("Soak", "WaitingForSource")),
    Case("budget before all", "", (NIGHT, {"rollout": MANUAL, "source": SOAK, "budget": BUDGET}), ("Budget", "BudgetExceeded")),
    Case("a budget that is kept", "", (NOON, {"budget": BudgetResult()}), None),
    Case("no price", "", (NOON, {"budget": BudgetResult(frozenset("L"), Reason.PRICE_UNKNOWN, "no price")}), ("Budget", "PriceUnknown")),
)
def test_the_first_closed_gate(case: Case) -> None:
    now, more = case.given
    assert waits(held(now, **more)) == case.expected, case.why


@table(
    Case(
        "window",
        "until when",
        (NIGHT, {"rollout": MANUAL}),
        (
            "the promotion of deployment dep-b waits for a window of rollout.windows; the next one opens at 2026-11-24T09:00Z",
            utc("2026-11-24T09:00+00:00"),
        ),
    ),
    Case(
        "approval",
        "what to do",
        (NOON, {"rollout": MANUAL}),
        (f"the promotion of deployment dep-b waits for approval: annotate chains.baseten.co/approve={PLAN}", None),
    ),
    Case(
        "another approval",
        "why it does not count",
        (NOON, {"rollout": MANUAL, "approval": "9f3c1a2b"}),
        (
            f"the promotion of deployment dep-b waits for approval: annotate chains.baseten.co/approve={PLAN}; '9f3c1a2b' approves another"
            " plan, or was used",
            None,
        ),
    ),
    Case(
        "budget",
        "",
        (NOON, {"budget": BUDGET}),
        ("the promotion of deployment dep-b is not sent: the worst case is 60.00 USD an hour", None),
    ),
)
def test_the_message_says_until_when_or_what_to_do(case: Case) -> None:
    now, more = case.given
    hold = held(now, **more)
    assert hold is not None
    assert (hold.message, hold.until) == case.expected


def test_a_hostile_approval_is_cut_and_harmless_in_the_message() -> None:
    hold = held(rollout=MANUAL, approval="\x1b[31m" + "x" * 10_000)
    assert hold is not None
    assert "\x1b" not in hold.message
    assert len(hold.message) < 250


def test_only_what_does_not_pass_is_stuck() -> None:
    stuck = {reason for reason in Reason if Hold(WaitsFor.SOURCE, reason, "").stuck}
    assert stuck == {Reason.SOURCE_NOT_FOUND, Reason.BUDGET_EXCEEDED}


# -- plans ---------------------------------------------------------------------------------------------------------


def test_a_plan_is_short_and_the_same_for_the_same_call() -> None:
    assert plan_of(dict(reversed(CALL.items())), replaces="dep-a", used=None) == PLAN
    assert len(PLAN) == 8
    assert set(PLAN) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "other",
    [
        plan_of({**CALL, "deployment_id": "dep-c"}, replaces="dep-a", used=None),
        plan_of({**CALL, "scale_down_previous_deployment": False}, replaces="dep-a", used=None),
        plan_of(CALL, replaces="dep-x", used=None),
        plan_of(CALL, replaces=None, used=None),
    ],
)
def test_another_call_or_another_deployment_to_replace_is_another_plan(other: str) -> None:
    assert other != PLAN


def test_an_approval_is_used_up() -> None:
    """The same call, wanted again and again: each time another plan, and no earlier approval counts."""
    rules, used, approvals = RolloutRules(manual=True), None, [PLAN]
    for _ in range(50):
        wanted = Wanted("it", plan_of(CALL, replaces="dep-a", used=used))
        assert gate(wanted, rules, NOON, approval=wanted.plan) is None
        used = wanted.plan
        again = Wanted("it", plan_of(CALL, replaces="dep-a", used=used))
        assert all(gate(again, rules, NOON, approval=each) for each in approvals)
        approvals.append(again.plan)
    assert len(set(approvals)) == 51


# -- the rest ------------------------------------------------------------------------------------------------------


def test_what_the_status_shows_of_a_window() -> None:
    hold = held(NIGHT, rollout=MANUAL)
    assert hold is not None
    expected = RolloutStatus(waits_for="Window", plan=PLAN, message=hold.message, next_window=utc("2026-11-24T09:00+00:00"))
    assert rollout_status(hold, PLAN) == expected


def test_a_soaks_end_is_no_window() -> None:
    assert rollout_status(SOAK, None) == RolloutStatus(waits_for="Soak", message=SOAK.message)


def test_rules_are_read_from_the_spec() -> None:
    rules = rules_of(Rollout.model_validate({**MANUAL, "deadlineSeconds": 90}))
    assert (rules.manual, len(rules.windows), rules.deadline) == (True, 1, timedelta(seconds=90))
    assert rules_of(Rollout()) == rules_of(None) == RolloutRules()


def test_an_unknown_zone_of_a_window_is_named() -> None:
    with pytest.raises(CalendarError, match=r"rollout.windows\[0\].timeZone: unknown time zone 'Mars/X'"):
        rules_of(Rollout.model_validate({"windows": [{"start": "09:00", "end": "16:00", "timeZone": "Mars/X"}]}))


@table(
    Case("whole minutes", "", "2026-12-01T08:00:00+00:00", "2026-12-01T08:00Z"),
    Case("seconds", "", "2026-12-01T08:00:07+00:00", "2026-12-01T08:00:07Z"),
    Case("parts of seconds", "never before the moment", "2026-12-01T08:00:59.000001+00:00", "2026-12-01T08:01Z"),
)
def test_times_are_absolute(case: Case) -> None:
    assert absolute(utc(case.given)) == case.expected
