"""The tree of a resource, line by line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainenv.cli.output import plain_tree
from chainenv.cli.tree import tree

from .helpers import condition, resource


def lines(seen: Any) -> list[str]:
    return [" ".join(line.split()) for line in plain_tree([tree(seen)])]


FULL = resource(
    spec={"environmentName": "production"},
    conditions=[condition("Synced", "False", "WaitingForApproval", "a plan waits"), condition("Ready")],
    currentDeployment={
        "id": "dep2",
        "status": "ACTIVE",
        "createdAt": "2026-11-24T10:00:00Z",
        "chainlets": [
            {"name": "LLM", "status": "ACTIVE", "activeReplicaCount": 2, "autoscalingSettings": {"minReplica": 1, "maxReplica": 4}}
        ],
    },
    candidateDeployment={
        "id": "dep3",
        "status": "BUILDING",
        "chainlets": [{"name": "LLM", "status": "BUILDING", "activeReplicaCount": 0}],
        "chainletsOmitted": 7,
    },
    chainletSettings=[
        {
            "chainletName": "LLM",
            "instanceType": {"id": "4x16", "name": "4 vCPUs"},
            "autoscalingSettings": {"minReplica": 0, "maxReplica": 9},
        }
    ],
    promotion={"state": "RAMPING_UP", "trafficPercent": 40, "message": "slowly"},
    rollout={"waitsFor": "Approval", "plan": "9f3c1a2b", "message": "LLM instance type 4x16 -> 8x32", "nextWindow": "2026-11-25T09:00:00Z"},
    drift=[{"path": "chainletSettings[LLM].autoscalingSettings.minReplica", "desired": "2", "actual": "0"}],
    driftOmitted=3,
    history=[
        {"deploymentID": "dep2", "cause": "Promotion", "source": "API", "since": "2026-11-24T10:00:00Z", "by": "ci"},
        {"deploymentID": "dep1", "cause": "Created", "since": "2026-11-20T10:00:00Z", "until": "2026-11-24T10:00:00Z"},
    ],
    cost={"currency": "USD", "perHour": "12.40", "minPerHour": "3.10", "maxPerHour": "31.00"},
    schedule={"active": "office-hours", "nextChange": "2026-11-24T18:00:00+01:00"},
    endpoints={"run": "https://chain-a.api.baseten.co/run", "async": "https://chain-a.api.baseten.co/async"},
)


def test_everything_there_is_to_see() -> None:
    assert lines(FULL) == [
        "team-a/staging environment production of chain abcd1234",
        "Ready True Because, since 2026-11-24 10:00:00Z: so it is",
        "Synced False WaitingForApproval, since 2026-11-24 10:00:00Z: a plan waits",
        "Rollout waits for Approval plan 9f3c1a2b",
        "LLM instance type 4x16 -> 8x32",
        "next window: 2026-11-25 09:00:00Z",
        "to approve it: chainenv approve staging -n team-a",
        "Current ACTIVE dep2 created 2026-11-24 10:00:00Z",
        "LLM ACTIVE 2 replicas (1-4) 4 vCPUs",
        "Candidate BUILDING dep3 promotion RAMPING_UP, 40% of the traffic: slowly",
        "LLM BUILDING 0 replicas (0-9) 4 vCPUs",
        "and 7 more",
        "Drift not corrected",
        "chainletSettings[LLM].autoscalingSettings.minReplica 0 wanted 2",
        "and 3 more",
        "History",
        "dep2 2026-11-24 10:00:00Z - now Promotion API ci",
        "dep1 2026-11-20 10:00:00Z - 2026-11-24 10:00:00Z Created",
        "Schedule office-hours, next change 2026-11-24 17:00:00Z",
        "Cost 12.40 USD an hour (from 3.10 to 31.00)",
        "Run https://chain-a.api.baseten.co/run",
        "Async https://chain-a.api.baseten.co/async",
    ]


def test_a_new_resource_says_that_it_is_new() -> None:
    assert lines({"metadata": {"name": "a", "namespace": "b", "generation": 1}, "spec": {"chainID": "c"}}) == [
        "b/a environment a of chain c",
        "Pending the operator has not acted on it yet",
    ]


def test_policies_and_deletion_are_said_first() -> None:
    seen = resource(
        spec={"managementPolicy": "Pause"},
        meta={"deletionTimestamp": "2026-11-24T10:00:00Z", "finalizers": ["chains.baseten.co/deactivate"]},
        conditions=[condition("Ready", generation=0)],
    )
    assert lines(seen)[1:] == [
        "Deleting since 2026-11-24 10:00:00Z (waits for the operator's cleanup)",
        "Pause no call is made; this is the last observed state",
        "Ready True Because, since 2026-11-24 10:00:00Z: so it is (of an earlier generation)",
    ]


NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OFFICE = {
    "name": "office-hours",
    "weekdays": ["Mon", "Tue"],
    "start": "07:45",
    "end": "19:00",
    "timeZone": "Europe/Berlin",
    "chainletSettings": [{"chainletName": "LLM", "autoscalingSettings": {"minReplica": 4}}],
}


def test_the_next_five_edges_are_listed() -> None:
    seen = resource(spec={"autoscalingSchedules": [OFFICE]}, schedule={"active": "office-hours", "nextChange": "2026-11-24T18:00:00Z"})
    shown = [" ".join(line.split()) for line in plain_tree([tree(seen, NOW)])]
    assert shown[2:] == [
        "Schedule office-hours, next change 2026-11-24 18:00:00Z",
        "2026-11-24 18:00:00Z none active",
        "2026-11-30 06:45:00Z office-hours",
        "2026-11-30 18:00:00Z none active",
        "2026-12-01 06:45:00Z office-hours",
        "2026-12-01 18:00:00Z none active",
    ]


@pytest.mark.parametrize("wrong", [{**OFFICE, "timeZone": "Europe/Atlantis"}, {"name": "office-hours"}, {**OFFICE, "weekdays": "Mon"}])
def test_schedules_that_cannot_be_read_have_no_edges(wrong: dict[str, Any]) -> None:
    seen = resource(spec={"autoscalingSchedules": [wrong]}, schedule={"active": "office-hours"})
    assert list(plain_tree([tree(seen, NOW)]))[1:] == list(plain_tree([tree(seen)]))[1:]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=3
)
FIELDS = [*FULL["status"], "chainletSettings"]


@given(
    st.dictionaries(st.sampled_from(FIELDS), ANYTHING | st.dictionaries(st.sampled_from(["id", "name", "chainlets", "state"]), ANYTHING))
)
def test_a_status_that_another_version_wrote_is_shown_as_far_as_it_can_be(status: dict[str, Any]) -> None:
    shown = list(plain_tree([tree({**FULL, "status": {**FULL["status"], **status}})]))
    assert shown[0].startswith("team-a/staging")
    assert all(line.replace("\t", "").isprintable() for line in shown)
