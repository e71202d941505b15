"""The conditions people and kstatus read (docs/operations.md, "Conditions")."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chainenv.core.changes import CreateEnvironment, Deactivate, Promote, UpdateAutoscaling, UpdateInstanceTypes
from chainenv.core.findings import Finding, Severity
from chainenv.core.reasons import Reason
from chainenv.core.status import Report, Unobserved, project
from chainenv.crd.types import ChainEnvironmentStatus, Condition, Drift

from .helpers import LARGE, NOW, Case, deployment, environment, paused, report, running, table, unread

FRESH = ChainEnvironmentStatus(observed_generation=-1)
DRIFT = (Drift(path="chainletSettings[A].instanceTypeID", desired=LARGE, actual="2x8"),)


def finding(severity: str, reason: Reason, message: str = "because") -> Finding:
    return Finding(Severity[severity], reason, message)


WAITING, BLOCKED, STALLED = (
    finding("WAITING", Reason.CORRECTING),
    finding("BLOCKED", Reason.NOT_CONVERGING),
    finding("STALLED", Reason.REFUSED),
)
UNAVAILABLE = finding("BLOCKED", Reason.UNAVAILABLE)


def conditions(given: Report, previous: ChainEnvironmentStatus = FRESH) -> dict[str, Condition]:
    return {c.type: c for c in project(previous, given).conditions}


def said(given: Report, kind: str) -> tuple[str, str] | None:
    condition = conditions(given).get(kind)
    return (condition.status, condition.reason) if condition else None


def kstatus(status: ChainEnvironmentStatus, generation: int = 1) -> str:
    """The rules of sigs.k8s.io/cli-utils for a kind it does not know."""
    have = {c.type: c.status for c in status.conditions}
    if status.observed_generation != generation:
        return "InProgress"
    if have.get("Stalled") == "True":
        return "Failed"
    if have.get("Reconciling") == "True" or have.get("Ready") in ("False", "Unknown"):
        return "InProgress"
    return "Current"


def at(status: str) -> Report:
    return report(environment(current=deployment(status=status)))


# -- Ready ---------------------------------------------------------------------------------------------------------


@table(
    Case("active", "serves", "ACTIVE", ("True", "Active")),
    Case("scaled to zero", "wakes on a call: healthy", "SCALED_TO_ZERO", ("True", "ScaledToZero")),
    Case("waking up", "serves", "WAKING_UP", ("True", "WakingUp")),
    Case("building", "in progress", "BUILDING", ("False", "Deploying")),
    Case("updating", "in progress", "UPDATING", ("False", "Deploying")),
    Case("going off", "in progress", "DEACTIVATING", ("False", "Deploying")),
    Case("never heard of", "in progress", "TELEPORTING", ("False", "Deploying")),
    Case("unhealthy", "degraded, may recover", "UNHEALTHY", ("False", "Unhealthy")),
    Case("inactive", "off", "INACTIVE", ("False", "DeploymentInactive")),
    Case("build failed", "terminal", "BUILD_FAILED", ("False", "DeploymentFailed")),
    Case("stopped", "terminal, a person stopped it", "BUILD_STOPPED", ("False", "DeploymentFailed")),
)
def test_ready_by_the_current_deployment(case: Case) -> None:
    assert said(at(case.given), "Ready") == case.expected, case.why


@table(
    Case("no environment", "nothing there", report(None), ("False", "EnvironmentNotFound")),
    Case("no deployment", "push or promote one", report(environment(bare=True)), ("False", "NoDeployment")),
    Case("first deployment", "on its way", report(environment(bare=True, candidate=deployment("n", "BUILDING"))), ("False", "Deploying")),
    Case("a candidate fails", "what served goes on serving", report(environment(candidate=deployment("n", "FAILED"))), ("True", "Active")),
    Case("never observed", "no claim", unread(UNAVAILABLE), ("Unknown", "NotObserved")),
    Case(
        "a stranger's",
        "not ours to report",
        report(environment(), finding("STALLED", Reason.ENVIRONMENT_EXISTS)),
        ("False", "EnvironmentExists"),
    ),
    Case(
        "a duplicate",
        "not ours to report",
        unread(finding("STALLED", Reason.DUPLICATE_TARGET)),
        ("False", "DuplicateTarget"),
    ),
    Case("settings refused", "it serves all the same", report(environment(), STALLED), ("True", "Active")),
)
def test_ready(case: Case) -> None:
    assert said(case.given, "Ready") == case.expected, case.why


def test_ready_names_the_deployment_and_the_chainlets_that_differ() -> None:
    current = deployment("dep1", "DEPLOYING", running("A", status="DEPLOYING"), running("B", status="BUILD_FAILED"))
    message = conditions(report(environment(current=current, candidate=deployment("dep2", "BUILDING"))))["Ready"].message
    for words in ("dep1 is DEPLOYING", "B is BUILD_FAILED", "dep2", "BUILDING"):
        assert words in message
    assert "A is" not in message


def test_a_run_that_could_not_observe_leaves_ready_until_it_is_stale() -> None:
    before = project(FRESH, report(environment()))
    blind = unread(UNAVAILABLE, acted_on=False)
    assert conditions(blind, before)["Ready"] == conditions(report(environment()))["Ready"]
    stale = conditions(replace(blind, observation=Unobserved(stale=True)), before)["Ready"]
    assert (stale.status, stale.reason) == ("Unknown", "ObservationStale")


# -- Synced --------------------------------------------------------------------------------------------------------


@table(
    Case("settled", "Baseten holds what the spec says", report(environment()), ("True", "InSync")),
    Case("no deployment", "the environment is as declared", report(environment(bare=True)), ("True", "InSync")),
    Case("deploying", "settings are held all the same", at("BUILDING"), ("True", "InSync")),
    Case(
        "sent",
        "only a read that follows a write proves it",
        report(environment(), changes=(UpdateAutoscaling({}, DRIFT),)),
        ("False", "Correcting"),
    ),
    Case(
        "created",
        "not read yet",
        report(environment(), changes=(CreateEnvironment("environment staging of chain abcd1234", {}, ()),)),
        ("False", "Creating"),
    ),
    Case(
        "types sent", "a deployment was started", report(environment(), changes=(UpdateInstanceTypes({}, DRIFT),)), ("False", "RollingOut")
    ),
    Case("promoted", "a deployment was started", report(environment(), changes=(Promote("d", None),)), ("False", "RollingOut")),
    Case("deactivated", "not read yet", report(environment(), changes=(Deactivate("d"),)), ("False", "Deleting")),
    Case("waiting", "not yet", report(environment(), WAITING), ("False", "Correcting")),
    Case("the worst is reported", "what needs a poll comes first", report(environment(), WAITING, BLOCKED, STALLED), ("False", "Refused")),
    Case("paused", "no call, no claim", paused(), ("Unknown", "Paused")),
)
def test_synced(case: Case) -> None:
    assert said(case.given, "Synced") == case.expected, case.why


def test_synced_tells_every_finding_once_and_what_was_sent() -> None:
    twice = report(environment(), BLOCKED, BLOCKED, finding("WAITING", Reason.CORRECTING, "later"), changes=(Promote("dep9", None),))
    message = conditions(twice)["Synced"].message
    assert message.count("because") == 1
    assert "later" in message
    assert "promote deployment dep9" in message


def test_synced_names_chainlets_and_fields_that_were_sent() -> None:
    message = conditions(report(environment(), changes=(UpdateInstanceTypes({"A": LARGE}, DRIFT),)))["Synced"].message
    assert "A instanceTypeID 2x8 -> A10Gx8x32" in message


def test_what_stands_in_the_way_of_a_deletion_is_reported_even_when_paused() -> None:
    message = conditions(paused(finding("WAITING", Reason.PAUSED, "set deletionPolicy")))["Synced"].message
    assert message == "set deletionPolicy"


# -- Reconciling, Stalled, kstatus ---------------------------------------------------------------------------------

ROWS: list[tuple[str, Report, str, str]] = [
    ("settled", report(environment()), "", "Current"),
    ("blocked", report(environment(), BLOCKED), "", "Current"),
    ("scaled to zero", at("SCALED_TO_ZERO"), "", "Current"),
    ("no deployment", report(environment(bare=True)), "", "InProgress"),
    ("unhealthy", at("UNHEALTHY"), "", "InProgress"),
    ("building", at("BUILDING"), "Reconciling", "InProgress"),
    ("unknown", at("TELEPORTING"), "Reconciling", "InProgress"),
    ("waiting", report(environment(), WAITING), "Reconciling", "InProgress"),
    ("sent", report(environment(), changes=(Promote("d", None),)), "Reconciling", "InProgress"),
    ("candidate", report(environment(candidate=deployment("n", "BUILDING"))), "Reconciling", "InProgress"),
    ("candidate ramping up", report(environment(candidate=deployment("n", "ACTIVE"))), "Reconciling", "InProgress"),
    ("transient", report(environment(), UNAVAILABLE, acted_on=False, failing_for=1), "Reconciling", "InProgress"),
    ("refused", report(environment(), STALLED), "Stalled", "Failed"),
    ("refused and waiting", report(environment(), STALLED, WAITING), "Stalled", "Failed"),
    ("failed", at("BUILD_FAILED"), "Stalled", "Failed"),
    (
        "failed, next one coming",
        report(environment(current=deployment(status="FAILED"), candidate=deployment("n", "BUILDING"))),
        "Reconciling",
        "InProgress",
    ),
    ("no key", unread(finding("STALLED", Reason.NO_API_KEY)), "Stalled", "Failed"),
    ("never observed", unread(UNAVAILABLE, acted_on=False), "Reconciling", "InProgress"),
    ("paused", paused(), "", "InProgress"),
]


@pytest.mark.parametrize(("given", "extra", "expected"), [pytest.param(*row[1:], id=row[0]) for row in ROWS])
def test_kstatus(given: Report, extra: str, expected: str) -> None:
    status = project(FRESH, given)
    assert {c.type for c in status.conditions} == {"Ready", "Synced", *([extra] if extra else [])}
    assert all(c.status == "True" for c in status.conditions if c.type == extra), "present only while true"
    assert kstatus(status) == expected


@pytest.mark.parametrize("given", [pytest.param(row[1], id=row[0]) for row in ROWS])
def test_every_condition_is_whole(given: Report) -> None:
    known = {reason.value for reason in Reason}
    for condition in project(FRESH, replace(given, generation=4)).conditions:
        assert condition.observed_generation == 4
        assert condition.reason in known
        assert condition.message
        assert condition.last_transition_time == NOW


def test_a_new_generation_that_could_not_be_acted_on_is_in_progress() -> None:
    before = project(FRESH, report(environment()))
    after = project(before, report(environment(), UNAVAILABLE, generation=2, acted_on=False))
    assert (after.observed_generation, kstatus(after, generation=2)) == (1, "InProgress")


@pytest.mark.parametrize(
    ("then", "moved"),
    [
        pytest.param(at("SCALED_TO_ZERO"), set(), id="another reason"),
        pytest.param(at("BUILD_FAILED"), {"Ready", "Stalled"}, id="another status"),
        pytest.param(report(environment(), BLOCKED), {"Synced"}, id="drifted"),
    ],
)
def test_last_transition_time_moves_only_when_status_does(then: Report, moved: set[str]) -> None:
    before = project(FRESH, at("ACTIVE"))
    later = NOW + timedelta(hours=1)
    after = project(before, replace(then, now=later)).conditions
    assert {c.type for c in after if c.last_transition_time == later} == moved


def test_what_comes_back_has_a_new_time() -> None:
    status = FRESH
    for hours, what in enumerate(["BUILD_FAILED", "ACTIVE", "BUILD_FAILED"]):
        status = project(status, replace(at(what), now=NOW + timedelta(hours=hours)))
    assert next(c for c in status.conditions if c.type == "Stalled").last_transition_time == NOW + timedelta(hours=2)


def test_a_message_has_an_end() -> None:
    long = report(environment(), finding("BLOCKED", Reason.NOT_CONVERGING, "x" * 100_000))
    assert len(conditions(long)["Synced"].message) <= 32768


def test_the_times_of_conditions_are_whole_seconds() -> None:
    given: dict[str, Any] = {"now": NOW.replace(microsecond=999_999)}
    assert all(c.last_transition_time == NOW for c in project(FRESH, replace(report(environment()), **given)).conditions)
