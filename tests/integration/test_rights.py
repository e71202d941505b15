"""The role that is shipped and what the operator asks of the API server are the same, to the last verb.

One run does everything the operator can do; the API server's audit log records what it asked for, and with which answer.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
import yaml

from .harness.case import Case
from .harness.cluster import BASE, OPERATOR, Cluster, Json
from .harness.fixtures import ELECTING, LEASE_NAMESPACE
from .harness.manifests import chainlet
from .harness.observing import secret
from .harness.stage import Stage
from .harness.waiting import wait_until

LEASE_IS_MISSING = 404
RAMP = {"rampUpDurationSeconds": 60}


class Right(NamedTuple):
    group: str
    resource: str
    verb: str


@pytest.fixture
def stage(without_lease: Stage) -> Stage:
    return without_lease


def granted() -> set[Right]:
    """By every role of the kustomize base."""
    rules = [rule for file in BASE.glob("*role.yaml") for role in yaml.safe_load_all(file.read_text()) for rule in role.get("rules", ())]
    return {Right(g, r, v) for rule in rules for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}


def asked(cluster: Cluster) -> list[Json]:
    """Every request of the operator's service account about objects; the discovery documents are open to all users."""
    assert cluster.plane.audit_log is not None
    entries = map(json.loads, cluster.plane.audit_log.read_text().splitlines())
    return [e for e in entries if e["user"]["username"] == OPERATOR.name and e.get("objectRef", {}).get("resource")]


def is_of(stage: Stage, entry: Json) -> bool:
    """Other tests of this process use the same API server."""
    return entry["objectRef"].get("namespace") in (stage.namespace, LEASE_NAMESPACE) or "namespace" not in entry["objectRef"]


def right_of(entry: Json) -> Right:
    what: Any = entry["objectRef"]
    resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
    return Right(what.get("apiGroup", ""), resource, entry["verb"])


def create_adopt_correct_and_roll_out(stage: Stage) -> None:
    stage.cluster.kubectl(
        "apply", "-f", "-", namespace=stage.namespace, input=json.dumps(secret("baseten", **{"api-key": stage.keys["team"]}))
    )
    using = {"apiKeySecretRef": {"name": "baseten", "key": "api-key"}}
    made, adopted = Case(stage, "rights-made").with_chain(), Case(stage, "rights-adopted").existing()
    adopted.pushed("dep-rights")
    made.apply(chainletSettings=[chainlet("HelloWorld", "2x8", maxReplica=2)], **using)
    adopted.apply(promotionSettings=RAMP)
    for each in (made, adopted):
        each.wait_settled()
    made.apply(chainletSettings=[chainlet("HelloWorld", "1x4", maxReplica=3)], **using)
    adopted.apply(promotionSettings=RAMP, deploymentID="dep-rights")
    made.wait_sent("instance types")
    made.wait_sent("autoscaling")
    adopted.wait_sent("promote")
    for each in (made, adopted):
        each.wait_settled()


def tell_the_same_twice(stage: Stage) -> None:
    """An event that repeats is counted."""
    case = Case(stage, "rights-adopted")
    for _ in range(2):
        case.by_hand(promotion={"ramp_up_duration_seconds": 5})
        case.wait_polls(2)
        wait_until("corrected", lambda: case.on_baseten()["promotion_settings"]["ramp_up_duration_seconds"] == 60)
    wait_until("an event is counted", lambda: any(each["count"] > 1 for each in case.events()))


def edit_during_a_call(stage: Stage) -> None:
    """What was meant to be written is refused as a conflict, and the newer object is read."""
    case = Case(stage, "rights-adopted")
    stage.simulator.hold("call", method="PATCH", path=f"/chains/{case.chain}/.*autoscaling_settings$", point="after_effect")
    case.apply(promotionSettings=RAMP, deploymentID="dep-rights", chainletSettings=[chainlet("HelloWorld", maxReplica=7)])
    stage.simulator.wait_held("call")
    case.kubectl("label", "chenv", case.name, "edited=meanwhile")
    stage.simulator.release("call")
    case.wait_settled()


def guard_and_delete(stage: Stage) -> None:
    case = Case(stage, "rights-deleted").existing().apply(deletionPolicy="Deactivate")
    case.wait_for("a finalizer", lambda seen: seen["metadata"].get("finalizers"))
    case.wait_settled()
    case.delete()
    case.wait_gone()


def test_every_right_is_used_and_every_use_is_a_right(stage: Stage) -> None:
    operator = stage.run_operator({"chainenv.kube.lister:RELIST_SECONDS": 1.0}, **ELECTING, CHAINENV_NAMESPACES="")
    create_adopt_correct_and_roll_out(stage)
    tell_the_same_twice(stage)
    edit_during_a_call(stage)
    guard_and_delete(stage)
    assert operator.terminate() == 0

    entries = [each for each in asked(stage.cluster) if is_of(stage, each)]
    refused = [e for e in entries if e["responseStatus"]["code"] in (401, 403)]
    assert not refused, f"the role is too small: {sorted({right_of(each) for each in refused})}"
    used = {right for each in entries if (right := right_of(each)).group != "authorization.k8s.io"}  # asked by tests in its name
    assert used - granted() == set(), "used without being granted by this role"
    assert granted() - used == set(), "granted and not used"


def test_what_is_bound_to_one_name_is_used_with_that_name_alone(stage: Stage) -> None:
    before = len(asked(stage.cluster))  # those of others: one that was killed broke a request off (504)
    operator = stage.run_operator(**ELECTING)
    wait_until("it holds the Lease", lambda: "this process holds the Lease" in operator.log)
    assert operator.terminate() == 0
    here = [e for e in asked(stage.cluster)[before:] if e["objectRef"].get("namespace") == LEASE_NAMESPACE]
    leases = [e for e in here if e["objectRef"]["resource"] == "leases"]
    named = {e["objectRef"].get("name") for e in leases if e["verb"] != "create"}
    assert named == {"chainenv-operator"}
    assert {e["responseStatus"]["code"] for e in leases} <= {200, 201, LEASE_IS_MISSING, 409}
