"""One kind of call fails for hours, in each way that there is, while everything that can be declared is declared."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from .runner import Simulation
from .scenario import HOUR, START, call, edit, run, spec, stranger, trouble

WAYS: dict[str, tuple[str, Any]] = {
    "403": ("status", 403),
    "409": ("status", 409),
    "500": ("status", 500),
    "lost": ("lost_request", 0),
    "garbage": ("lie", "list"),
}
BESIDE = (
    *("get_instance_type_prices", "list_audit_logs", "list_rollout_audit_logs", "get_deployment", "list_deployments"),
    *("delete_deployment", "deactivate", "promote", "update_environment", "update_instance_types"),
)
"""Whatever becomes of these, autoscaling settings are not held up."""
MOST_AN_HOUR = 250
"""Of one kind, in an hour in which the spec is changed twice."""
SOON = 240.0
"""A run that meets a call without an answer takes half a minute, and the one before it may be under way."""


def scaled(most: int) -> list[dict[str, Any]]:
    return [{"chainletName": "Llm", "instanceTypeID": "2x8", "autoscalingSettings": {"minReplica": 0, "maxReplica": most}}]


DECLARED = spec(
    chainletSettings=scaled(2),
    deploymentID="d1",
    promotionSettings={"rampUpDurationSeconds": 60},
    cleanup={"keepLast": 0, "action": "Delete"},
    budget={"maxUSDPerHour": "900"},
    rollout={"deadlineSeconds": 7200},
)


def counted(simulation: Simulation) -> Counter[tuple[int, str]]:
    return Counter((int(sent.at // HOUR), sent.endpoint) for sent in simulation.sent)


CASES = [
    *((endpoint, way, False) for endpoint in BESIDE for way in WAYS),
    *((e, "500", True) for e in ("get_deployment", "list_deployments")),
]


@pytest.mark.parametrize(("endpoint", "way", "old"), CASES)
def test_what_fails_holds_nothing_else_up(endpoint: str, way: str, old: bool) -> None:
    kind, value = WAYS[way]
    steps = [
        stranger(START, "push"),
        stranger(START + 600, "push"),
        trouble(START + 1100, kind, 3 * HOUR, endpoint, value=value),
        edit(START + 1200, "deploymentID", "d2"),
        edit(START + 1300, "promotionSettings", {"rampUpDurationSeconds": 120}),
    ]
    held: list[int] = []
    for number, at in enumerate((START + 2000, START + 5000, START + 8000), 3):
        steps.append(edit(at, "chainletSettings", scaled(number)))
        steps.append(call(at + SOON, lambda simulation: held.append(_most(simulation))))
    if endpoint in ("list_deployments", "list_rollout_audit_logs"):
        steps.append(trouble(START + 1190, "lost_request", 60, "promote"))
    declared = {k: v for k, v in DECLARED.items() if k != "budget"} if old else DECLARED  # such a server has no prices
    done = run(declared, *steps, hours=6, shape={"old": old, "audit": "true", "build_seconds": 120.0}, audit="full")
    assert held == [3, 4, 5]
    most = max((count, what, hour) for (hour, what), count in counted(done).items() if hour > 1)
    assert most[0] <= MOST_AN_HOUR, most


@pytest.mark.parametrize(("action", "endpoint"), [("Deactivate", "deactivate"), ("Delete", "delete_deployment")])
@pytest.mark.parametrize("way", ["409", "500", "lost"])
def test_what_cannot_be_cleaned_up_is_few_calls_however_much_there_is(action: str, endpoint: str, way: str) -> None:
    """The invariants bound the calls of each hour; after the fault all of it goes."""
    kind, value = WAYS[way]
    pushes = [stranger(START + 300 * n, "push") for n in range(9)]
    cleanup = edit(2 * HOUR, "cleanup", {"keepLast": 0, "action": action})
    declared = spec(promotionSettings={"promotionCleanupStrategy": "KEEP"})
    done = run(declared, *pushes, trouble(2 * HOUR - 1, kind, 3 * HOUR, endpoint, value=value), cleanup, hours=6)
    assert [d.id for d in done.baseten.deployments.values() if d.environment == "staging" and d.status == "ACTIVE"] == ["d13"]
    assert max(count for (_, what), count in counted(done).items() if what == "get_deployment") <= 300


def _most(simulation: Simulation) -> int:
    return int(simulation.baseten.environments["staging"].autoscaling["Llm"]["max_replica"])
