"""What fails: a call in passing, a rollout for good. Which condition says so, from when on, and what brings it back."""

from __future__ import annotations

from dataclasses import replace

from chainenv.core.changes import UpdateAutoscaling
from chainenv.core.environment import Environment, PromotionProgress
from chainenv.core.findings import Finding, Severity
from chainenv.core.reasons import Reason
from chainenv.core.status import TRANSIENT, Report, changes, project
from chainenv.crd.types import ChainEnvironmentStatus, Condition, Drift

from .helpers import Case, deployment, environment, paused, report, running, table, unread

FRESH = ChainEnvironmentStatus(observed_generation=-1)
SERVES = environment()
ROLLING = environment(candidate=deployment("n", "BUILDING"))
SETTLED = project(FRESH, report(SERVES))


def blocked(reason: Reason, message: str = "because") -> Finding:
    return Finding(Severity.BLOCKED, reason, message)


def failing(seconds: float, reason: Reason = Reason.UNAVAILABLE, **more: object) -> Report:
    """A run that could not read, so many seconds after the first failure in a row."""
    return unread(blocked(reason), acted_on=False, failing_for=seconds, **more)


def after(*reports: Report, before: ChainEnvironmentStatus = FRESH) -> ChainEnvironmentStatus:
    for each in reports:
        before = project(before, each)
    return before


def have(status: ChainEnvironmentStatus) -> dict[str, Condition]:
    return {c.type: c for c in status.conditions}


def reported(status: ChainEnvironmentStatus) -> dict[str, str]:
    return {kind: c.reason for kind, c in have(status).items()}


# -- calls that fail in passing ------------------------------------------------------------------------------------


@table(*(Case(reason, "passes by itself", reason, None) for reason in sorted(TRANSIENT)))
def test_one_failed_read_changes_nothing_and_a_minute_of_them_only_reconciling(case: Case) -> None:
    first = after(failing(0, case.given), before=SETTLED)
    assert first == SETTLED, case.why
    later = after(failing(3, case.given), failing(59, case.given), before=first)
    assert reported(later) == {"Ready": "Active", "Synced": "InSync", "Reconciling": case.given}
    assert have(later)["Synced"] == have(SETTLED)["Synced"]
    assert list(changes(SETTLED, later)) == [], "nobody is warned"
    lasting = after(failing(60, case.given), before=later)
    assert reported(lasting) == {"Ready": "Active", "Synced": case.given, "Reconciling": case.given}
    assert [(e.reason, e.warning) for e in changes(later, lasting)] == [(case.given, True)]


def test_a_resource_that_was_never_observed_says_why_at_once() -> None:
    status = after(failing(0))
    assert reported(status) == {"Ready": "NotObserved", "Synced": "NotObserved", "Reconciling": "Unavailable"}
    assert {kind: c.status for kind, c in have(status).items()} == {"Ready": "Unknown", "Synced": "Unknown", "Reconciling": "True"}
    assert all("because" in c.message for c in status.conditions)
    assert list(changes(FRESH, status)) == []


def test_a_generation_that_was_not_read_is_not_confirmed() -> None:
    status = after(failing(2, generation=2), before=SETTLED)
    assert (status.observed_generation, have(status)["Synced"].observed_generation) == (1, 1)


def test_a_call_that_failed_after_a_read_leaves_synced_for_a_minute() -> None:
    unanswered = report(SERVES, blocked(Reason.UNAVAILABLE), acted_on=False)
    assert reported(after(unanswered, before=SETTLED)) == {"Ready": "Active", "Synced": "InSync"}
    assert reported(after(replace(unanswered, failing_for=5), before=SETTLED))["Reconciling"] == "Unavailable"
    assert reported(after(replace(unanswered, failing_for=70), before=SETTLED))["Synced"] == "Unavailable"


def test_what_the_read_found_is_not_hidden_by_a_failure() -> None:
    both = report(SERVES, blocked(Reason.NOT_CONVERGING), blocked(Reason.UNAVAILABLE), acted_on=False)
    assert reported(after(both, before=SETTLED))["Synced"] == "NotConverging"
    sent = report(SERVES, blocked(Reason.UNAVAILABLE), acted_on=False, changes=(UpdateAutoscaling({}, ()),))
    assert reported(after(sent, before=SETTLED))["Synced"] == "Correcting"


def test_failures_hide_no_rollout() -> None:
    status = after(report(ROLLING), failing(0), failing(90))
    assert reported(status) == {"Ready": "Active", "Synced": "Unavailable", "Reconciling": "Deploying"}
    assert "n is BUILDING" in have(status)["Reconciling"].message


def test_a_pause_hides_no_rollout() -> None:
    assert reported(after(report(ROLLING), paused()))["Reconciling"] == "Deploying"
    assert "Reconciling" not in reported(after(report(SERVES), paused()))


@table(
    Case("rollout failed", "a fact", Reason.ROLLOUT_FAILED, True),
    Case("chainlet missing", "still so", Reason.CHAINLET_NOT_FOUND, True),
    Case("refused", "still so", Reason.REFUSED, True),
    Case("no key", "there is one now", Reason.NO_API_KEY, False),
    Case("duplicate", "the other one is gone", Reason.DUPLICATE_TARGET, False),
)
def test_failures_make_nothing_better(case: Case) -> None:
    stalled = after(report(SERVES, Finding(Severity.STALLED, case.given, "m")))
    assert ("Stalled" in reported(after(failing(0), failing(5), before=stalled))) == case.expected, case.why
    changed = after(failing(0, generation=2), failing(5, generation=2), before=stalled)
    assert ("Stalled" in reported(changed)) == (case.given == Reason.ROLLOUT_FAILED), "another spec may be right"


def test_a_successful_read_ends_it() -> None:
    assert reported(after(failing(0), failing(90), report(SERVES), before=SETTLED)) == {"Ready": "Active", "Synced": "InSync"}


# -- rollouts that fail, and what does not exist -------------------------------------------------------------------


def promotion(status: str, message: str | None = None) -> Environment:
    return replace(environment(), promotion_progress=PromotionProgress(status, 40, message))


@table(
    Case("build failed", "for good", environment(candidate=deployment("n", "BUILD_FAILED")), "RolloutFailed"),
    Case("stopped", "a person stopped it", environment(candidate=deployment("n", "BUILD_STOPPED")), "RolloutFailed"),
    Case("inactive", "somebody deactivated it", environment(candidate=deployment("n", "INACTIVE")), "RolloutFailed"),
    Case("going off", "somebody deactivated it", environment(candidate=deployment("n", "DEACTIVATING")), "RolloutFailed"),
    Case("promotion failed", "as Baseten calls it", promotion("FAILED"), "RolloutFailed"),
    Case("promotion cancelled", "as Baseten calls it", promotion("CANCELED"), "RolloutFailed"),
    Case("promotion succeeded", "over", promotion("SUCCEEDED"), None),
    Case("ramping up", "under way", promotion("RAMPING_UP"), None),
    Case("building", "under way", ROLLING, None),
)
def test_a_rollout_that_failed_stalls_whoever_began_it(case: Case) -> None:
    found = reported(after(report(case.given)))
    assert (found.get("Stalled"), found["Ready"]) == (case.expected, "Active"), case.why


@table(
    Case("rollout failed", "not repeated", Reason.ROLLOUT_FAILED, "RolloutFailed"),
    Case("no such chainlet", "the name must be corrected", Reason.CHAINLET_NOT_FOUND, "ChainletNotFound"),
    Case("no such deployment", "the id must be corrected", Reason.DEPLOYMENT_NOT_FOUND, "DeploymentNotFound"),
    Case("not converging", "tried again hourly", Reason.NOT_CONVERGING, None),
    Case("drifted", "as declared: Observe", Reason.DRIFTED, None),
)
def test_what_nothing_mends_by_itself_stalls(case: Case) -> None:
    assert reported(after(report(SERVES, blocked(case.given)))).get("Stalled") == case.expected, case.why
    found = reported(after(report(ROLLING, blocked(case.given))))
    assert ("Stalled" in found, found["Reconciling"]) == (False, "Deploying"), "a rollout under way may mend it"


def test_a_failed_rollout_names_its_chainlets() -> None:
    chainlets = (running("A", status="BUILD_FAILED"), running("B", status="BUILDING"))
    there = environment(candidate=deployment("n", "BUILD_FAILED", *chainlets))
    for given in (report(there), report(there, blocked(Reason.ROLLOUT_FAILED, "the promotion failed"))):
        message = have(after(given))["Stalled"].message
        assert "n is BUILD_FAILED (A is BUILD_FAILED, B is BUILDING)" in message


@table(*(Case(status, "each is named", status, None) for status in ("BUILD_FAILED", "FAILED", "UNHEALTHY")))
def test_a_failed_or_unhealthy_deployment_names_its_chainlets(case: Case) -> None:
    current = deployment("d", case.given, running("A"), running("B", status=case.given))
    message = have(after(report(environment(current=current))))["Ready"].message
    assert f"B is {case.given}, A is ACTIVE" in message, case.why


# -- the message to read first -------------------------------------------------------------------------------------

BROKEN = environment(current=deployment(status="BUILD_FAILED"))


@table(
    Case("settled", "Ready's", report(SERVES), ("Active", "deployment dep-old is ACTIVE")),
    Case("broken", "Stalled's, not that the spec matches", report(BROKEN), ("DeploymentFailed", "BUILD_FAILED")),
    Case("unhealthy", "Ready's", report(environment(current=deployment(status="UNHEALTHY"))), ("Unhealthy", "UNHEALTHY")),
    Case("drifted", "Synced's", report(SERVES, blocked(Reason.DRIFTED)), ("Drifted", "because")),
    Case("rolling", "Reconciling's", report(ROLLING), ("Deploying", "n is BUILDING")),
    Case("stalled", "before all others", report(BROKEN, blocked(Reason.CHAINLET_NOT_FOUND, "no A")), ("ChainletNotFound", "no A")),
)
def test_the_summary(case: Case) -> None:
    status = after(case.given)
    assert status.reason == case.expected[0], case.why
    assert case.expected[1] in (status.message or ""), case.why
    assert "matches" not in (status.message or "")


def test_drift_alone_is_not_in_sync() -> None:
    differs = report(SERVES, drift=(Drift(path="deploymentID", desired="d", actual="e"),))
    assert reported(after(differs))["Synced"] == "Drifted"
