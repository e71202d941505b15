"""What the status shows of Baseten, how it is stored, and the events that tell its changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from chainenv.core.changes import CreateEnvironment, Deactivate, Promote, UpdatePromotionSettings
from chainenv.core.environment import ChainletState, Environment, PromotionProgress
from chainenv.core.findings import Finding, Severity
from chainenv.core.reasons import Reason
from chainenv.core.status import Paused, changes, project, to_json
from chainenv.crd.enums import Operation
from chainenv.crd.types import ChainEnvironmentStatus, Drift, InstanceType

from .helpers import CHAIN, NAME, NOW, Case, ago, answered, deployment, environment, report, running, state, table, unread

FRESH = ChainEnvironmentStatus(observed_generation=-1)
TYPE = InstanceType(id="A10Gx8x32", name="A10G", memory_limit_mib=32768, millicpu_limit=8000, gpu_count=1, gpu_type="A10G")
FULL = environment(
    ChainletState("B", TYPE, {"min_replica": 0, "max_replica": 3}),
    state("A"),
    current=deployment("dep1", "ACTIVE", running("B", replicas=2, autoscaling={"min_replica": 0}), running("A", replicas=0)),
    candidate=deployment("dep2", "BUILDING", created=None),
    promotion={"rolling_deploy": False, "rolling_deploy_config.max_surge_percent": 10, "promotion_cleanup_strategy": "KEEP"},
)


def shown(seen: Environment | None = FULL, previous: ChainEnvironmentStatus = FRESH, **more: Any) -> dict[str, Any]:
    return to_json(project(previous, report(seen, **more)))


def test_everything_of_the_environment_is_shown_in_kubernetes_names() -> None:
    status = shown()
    assert status["environment"] == {"name": NAME, "chainID": CHAIN, "createdAt": "2026-02-28T12:00:00Z", "managed": False}
    current = status["currentDeployment"]
    assert (current["id"], current["status"], current["environment"], current["createdAt"]) == (
        "dep1",
        "ACTIVE",
        NAME,
        "2026-02-28T12:00:00Z",
    )
    chainlet = next(c for c in current["chainlets"] if c["name"] == "B")
    assert chainlet == {
        "id": "id-B",
        "name": "B",
        "status": "ACTIVE",
        "activeReplicaCount": 2,
        "instanceTypeName": "2 vCPU",
        "autoscalingSettings": {"minReplica": 0},
    }
    assert status["candidateDeployment"] == {"id": "dep2", "status": "BUILDING", "environment": NAME}
    settings = {c["chainletName"]: c for c in status["chainletSettings"]}
    assert settings["B"]["instanceType"] == {
        "id": "A10Gx8x32",
        "name": "A10G",
        "memoryLimitMiB": 32768,
        "millicpuLimit": 8000,
        "gpuCount": 1,
        "gpuType": "A10G",
    }
    assert settings["B"]["autoscalingSettings"] == {"minReplica": 0, "maxReplica": 3}
    assert "autoscalingSettings" not in settings["A"]
    assert status["promotionSettings"] == {
        "rollingDeploy": False,
        "rollingDeployConfig": {"maxSurgePercent": 10},
        "promotionCleanupStrategy": "KEEP",
    }
    assert (status["activeReplicas"], status["state"], status["observedGeneration"]) == (2, "ACTIVE", 1)


def test_zero_and_false_are_shown() -> None:
    idle = environment(current=deployment("d", "SCALED_TO_ZERO", running("A", replicas=0)))
    status = shown(idle)
    assert status["activeReplicas"] == 0
    assert status["currentDeployment"]["chainlets"][0]["activeReplicaCount"] == 0


@table(
    Case("paused", "no look", {"observation": Paused()}, "Paused"),
    Case("absent", "in a word", {"seen": None}, "EnvironmentNotFound"),
    Case("no deployment", "in a word", {"seen": environment(bare=True)}, "NoDeployment"),
    Case("unknown", "keep it, show it", {"seen": environment(current=deployment(status="ODD_ONE"))}, "ODD_ONE"),
    Case(
        "a stranger's",
        "not ours to tell of",
        {"findings": (Finding(Severity.STALLED, Reason.ENVIRONMENT_EXISTS, "m"),)},
        "EnvironmentExists",
    ),
)
def test_state(case: Case) -> None:
    assert shown(**case.given)["state"] == case.expected, case.why


def test_what_was_not_looked_at_stays() -> None:
    before = project(FRESH, report(FULL))
    after = project(before, unread(Finding(Severity.BLOCKED, Reason.UNAVAILABLE, "m"), acted_on=False))
    for name in ("environment", "current_deployment", "candidate_deployment", "chainlet_settings", "promotion_settings", "state"):
        assert getattr(after, name) == getattr(before, name), name


def test_an_environment_that_is_gone_keeps_its_name_and_shows_no_deployment() -> None:
    after = project(project(FRESH, report(FULL)), report(None))
    assert after.environment is not None, "that it was there before is what makes a 404 doubtful"
    assert (after.current_deployment, after.candidate_deployment, after.active_replicas) == (None, None, None)


def test_an_environment_that_is_not_ours_does_not_become_known() -> None:
    assert "environment" not in shown(findings=(Finding(Severity.STALLED, Reason.ENVIRONMENT_EXISTS, "m"),))


def test_the_order_in_which_baseten_lists_chainlets_is_nothing_a_person_could_see() -> None:
    """docs/behaviour.md: a settled environment costs no write; Baseten promises no order."""
    assert FULL.current is not None
    turned = replace(
        FULL,
        chainlets=FULL.chainlets[::-1],
        current=replace(FULL.current, chainlets=FULL.current.chainlets[::-1]),
    )
    assert shown(turned) == shown()


@table(
    Case("acted on", "echoed", {"reconcile_request": "t1"}, "t1"),
    Case("not acted on", "the person still waits for it", {"reconcile_request": "t1", "acted_on": False}, "t0"),
    Case("none", "the last one stays", {}, "t0"),
)
def test_last_handled_reconcile_at(case: Case) -> None:
    before = ChainEnvironmentStatus(last_handled_reconcile_at="t0")
    assert shown(previous=before, **case.given)["lastHandledReconcileAt"] == case.expected, case.why


def test_drift_and_journal_are_those_of_the_run() -> None:
    drift = (Drift(path="deploymentID", desired="d", actual="not promoted"),)
    journal = (answered(Operation.PROMOTE, 5, target="d"),)
    status = project(FRESH, report(FULL, drift=drift, journal=journal))
    assert (status.drift, status.operations) == (drift, journal)


# -- as stored -----------------------------------------------------------------------------------------------------


def test_times_are_utc_to_the_second() -> None:
    east = timezone(timedelta(hours=2))
    there = replace(environment(), created_at=datetime(2026, 3, 1, 14, 0, 5, 900_000, tzinfo=east))
    assert shown(there)["environment"]["createdAt"] == "2026-03-01T12:00:05Z"


@pytest.mark.parametrize("year", [1, 999, 9999])
def test_any_year_is_written_as_the_api_server_reads_it(year: int) -> None:
    """RFC 3339 has four digits; "1-01-01T00:00:00Z" (Go's zero time) would be refused with the whole status, each time."""
    there = replace(environment(), created_at=datetime(year, 1, 1, tzinfo=UTC))
    assert shown(there)["environment"]["createdAt"] == f"{year:04}-01-01T00:00:00Z"


def test_nothing_empty_is_stored() -> None:
    def empty(value: Any) -> bool:
        if isinstance(value, dict):
            return any(v in (None, [], {}) or empty(v) for v in value.values())
        return isinstance(value, list) and any(empty(v) for v in value)

    assert not empty(shown())
    assert not empty(shown(environment(state("A", None), bare=True)))


def test_what_is_stored_reads_back_as_the_same() -> None:
    stored = json.loads(json.dumps(shown(journal=(answered(Operation.PROMOTE, 5, target="d", deployment_id="e", settled=True),))))
    assert to_json(ChainEnvironmentStatus.model_validate(stored)) == stored


def test_projecting_again_changes_nothing() -> None:
    once = project(FRESH, report(FULL))
    again = project(once, replace(report(FULL), now=NOW + timedelta(minutes=5)))
    assert to_json(again) == to_json(once)


# -- events --------------------------------------------------------------------------------------------------------


def events(before: Environment | None, after: Environment | None, *findings: Finding) -> list[tuple[str, bool]]:
    old = project(FRESH, report(before)) if before else FRESH
    return [(e.reason.value, e.warning) for e in changes(old, project(old, report(after, *findings)))]


NOT_FOUND = Finding(Severity.BLOCKED, Reason.CHAINLET_NOT_FOUND, "m")
REFUSED = Finding(Severity.STALLED, Reason.REFUSED, "m")
WAITING = Finding(Severity.WAITING, Reason.CORRECTING, "m")
ACTIVE, BUILDING = environment(), environment(current=deployment(status="BUILDING"))
FAILED = environment(candidate=deployment("n", "BUILD_FAILED"))
ROLLING = environment(candidate=deployment("n", "BUILDING"))
CANDIDATE = [("DeploymentStatusChanged", False)]


@table(
    Case("nothing new", "repeated ones are not repeated", (ACTIVE, ACTIVE), []),
    Case("first look", "a deployment is there", (None, ACTIVE), [("DeploymentStatusChanged", False)]),
    Case("on its way", "its creation was told", (None, BUILDING), []),
    Case("another status", "told", (BUILDING, ACTIVE), [("DeploymentStatusChanged", False)]),
    Case("a candidate fails", "a warning", (ACTIVE, FAILED), [("DeploymentStatusChanged", True), ("RolloutFailed", True)]),
    Case("blocked", "a warning", (ACTIVE, ACTIVE, NOT_FOUND), [("ChainletNotFound", True)]),
    Case("stalled", "a warning, once", (ACTIVE, ACTIVE, REFUSED, NOT_FOUND), [("Refused", True)]),
    Case("waiting", "passes by itself", (ACTIVE, ACTIVE, WAITING), []),
    Case("becomes final", "was described while the rollout ran", (ACTIVE, ROLLING, NOT_FOUND), [*CANDIDATE, ("ChainletNotFound", True)]),
)
def test_events(case: Case) -> None:
    assert events(*case.given) == case.expected, case.why


def test_an_event_says_what_it_was_before() -> None:
    old = project(FRESH, report(BUILDING))
    (event,) = changes(old, project(old, report(ACTIVE)))
    assert event.message == "current deployment dep-old changed from BUILDING to ACTIVE"


def test_a_trouble_that_stays_is_told_once() -> None:
    old = project(FRESH, report(ACTIVE, NOT_FOUND))
    assert list(changes(old, project(old, report(ACTIVE, NOT_FOUND)))) == []


@table(
    Case("create", "what was done", CreateEnvironment("environment staging of chain abcd1234", {}, ()), "create the environment"),
    Case("promote", "what was done", Promote("d1", True), "promote deployment d1"),
    Case("deactivate", "what was done", Deactivate("d1"), "deactivate deployment d1"),
    Case("settings", "old and new", UpdatePromotionSettings({}, (Drift(path="p", desired="1", actual="2"),)), "p 2 -> 1"),
)
def test_changes_in_words(case: Case) -> None:
    assert case.given.describe() == case.expected, case.why


def test_the_journal_keeps_its_times() -> None:
    status = shown(journal=(answered(Operation.PROMOTE, 5),))
    assert status["operations"][0]["startedAt"] == ago(5).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_trouble_that_becomes_final_is_described_once() -> None:
    rolling = project(FRESH, report(ROLLING, NOT_FOUND))
    assert [e.reason for e in changes(rolling, project(rolling, report(ACTIVE, NOT_FOUND)))] == []


# -- the promotion, and sizes --------------------------------------------------------------------------------------


@table(
    Case("no such field", "an older server", None, None),
    Case("running", "as described", PromotionProgress("RAMPING_UP", 30), {"state": "RAMPING_UP", "trafficPercent": 30}),
    Case("failed", "with the error", PromotionProgress("FAILED", 0, "boom"), {"state": "FAILED", "trafficPercent": 0, "message": "boom"}),
)
def test_the_promotion_is_shown(case: Case) -> None:
    there = replace(environment(), promotion_progress=case.given)
    assert shown(there).get("promotion") == case.expected, case.why
    assert "promotion" not in shown(None, previous=project(FRESH, report(there)))


def test_drift_is_capped_and_the_rest_is_counted() -> None:
    many = tuple(Drift(path=f"p{i}", desired="x" * 5000, actual="y") for i in range(130))
    finding = Finding(Severity.BLOCKED, Reason.DRIFTED, "m")
    status = project(FRESH, report(FULL, finding, drift=many))
    assert (len(status.drift), status.drift_omitted) == (100, 30)
    assert len(status.drift[0].desired) <= 256
    blind = unread(finding, drift=status.drift)
    assert project(status, blind).drift_omitted == 30, "what was not observed stays as it was"
    assert project(status, report(FULL)).drift_omitted is None


@pytest.mark.parametrize("letter", ["n", "\u20ac", "\U0001f4a5"])
def test_the_largest_status_fits(letter: str) -> None:
    """200 chainlets with names of 256 characters, a candidate, every setting different, and the journal of it all."""
    names = [letter * 250 + f"{i:06}" for i in range(200)]
    settings = dict.fromkeys(
        ("min_replica", "max_replica", "autoscaling_window", "scale_down_delay", "concurrency_target", "target_in_flight_tokens"), 1_000_000
    )
    type_ = TYPE.model_copy(update={"id": "A100:8x12x144x8x640", "name": "A100:8x12x144x8x640 - 8 A100s, 640 GiB VRAM"})
    states = tuple(ChainletState(name, type_, settings) for name in names)
    ones = tuple(
        replace(running(name, autoscaling=settings, status="UNHEALTHY"), id="abcd1234", instance_type_name=type_.name) for name in names
    )
    seen = environment(*states, current=deployment("c" * 20, "UNHEALTHY", *ones), candidate=deployment("n" * 20, "BUILDING", *ones))
    drift = tuple(
        Drift(path=f"chainletSettings[{name}].autoscalingSettings.{field}", desired="1000000", actual="1000000")
        for name in names
        for field in settings
    )
    values = tuple(f"{name}={type_.id}" for name in names) if letter == "n" else ()
    journal = (answered(Operation.INSTANCE_TYPES, 5, values=values), answered(Operation.PROMOTE, 5, message="x" * 1024))
    finding = Finding(Severity.BLOCKED, Reason.DRIFTED, "x" * 100_000)
    status = shown(seen, findings=(finding,), drift=drift, journal=journal)
    assert len(json.dumps(status, ensure_ascii=False).encode()) < 500 * 1024
    for name in ("currentDeployment", "candidateDeployment"):
        assert len(status[name]["chainlets"]) + status[name].get("chainletsOmitted", 0) == 200
    assert len(status["chainletSettings"]) + status.get("chainletSettingsOmitted", 0) == 200
    assert len(status["drift"]) + status["driftOmitted"] == 1200
    if letter == "n":
        assert (len(status["chainletSettings"]), len(status["currentDeployment"]["chainlets"])) == (200, 200)
