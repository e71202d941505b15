"""deploy/policies/guard-rails.yaml on a real API server: each rule refuses and accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ..integration.harness.cluster import Cluster
from ..integration.harness.manifests import chainlet, resource
from ..integration.harness.waiting import wait_until
from .shop import DEPLOY, Done, Helm, aggregate
from .test_tenancy import grant

pytestmark = pytest.mark.xdist_group("cluster")

RAILS = DEPLOY / "policies" / "guard-rails.yaml"
CALM: dict[str, Any] = {"rollout": {"approval": "Manual"}}


class Tenant:
    """Who may edit ChainEnvironments in a namespace; ``approver`` may approve as well."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.namespace = cluster.new_namespace()
        self.user, self.approver = f"edit-of-{self.namespace}", f"approver-of-{self.namespace}"
        for user in (self.user, self.approver):
            grant(cluster, "edit", user, self.namespace)
        make = ("create", "role", "approver", "--verb=approve", "--resource=chainenvironments.chains.baseten.co")
        cluster.kubectl(*make, namespace=self.namespace)
        cluster.kubectl("create", "rolebinding", "approver", "--role=approver", f"--user={self.approver}", namespace=self.namespace)

    def tries(self, name: str, **spec: Any) -> Done:
        words = ("create", "--dry-run=server", "-f", "-", f"--as={self.user}")
        return self.cluster.kubectl(*words, namespace=self.namespace, input=json.dumps(resource(name, **spec)), check=False)

    def annotates(self, name: str, annotation: str, *, user: str = "") -> Done:
        words = ("annotate", "--overwrite", "chenv", name, f"chains.baseten.co/{annotation}", f"--as={user or self.user}")
        return self.cluster.kubectl(*words, namespace=self.namespace, check=False)


@pytest.fixture
def tenant(blank: Cluster, installed: Helm) -> Iterator[Tenant]:
    aggregate(blank)
    tenant = Tenant(blank)
    blank.kubectl("apply", "-f", str(RAILS))
    try:
        wait_until("capacity is in force", lambda: "one of" in tenant.tries("dear", chainletSettings=[chainlet("Llm", "H100:8")]).stderr)
        wait_until("production is in force", lambda: "Manual" in tenant.tries("production").stderr)
        blank.kubectl("apply", "-f", "-", namespace=tenant.namespace, input=json.dumps(resource("staging")))
        wait_until("approvers are in force", lambda: "verb approve" in tenant.annotates("staging", "approve=probe").stderr)
        yield tenant
    finally:
        blank.kubectl("delete", "-f", str(RAILS))
        blank.clear(tenant.namespace)


def test_the_guard_rails_refuse_and_accept(tenant: Tenant) -> None:
    refused = {
        "at most 20 replicas": tenant.tries("wide", chainletSettings=[chainlet("Llm", maxReplica=21)]),
        "also in autoscalingSchedules": tenant.tries(
            "busy",
            chainletSettings=[chainlet("Llm", maxReplica=2)],
            autoscalingSchedules=[{"name": "day", "start": "08:00", "end": "18:00", "chainletSettings": [chainlet("Llm", maxReplica=30)]}],
        ),
        "instanceTypeID is one of": tenant.tries("dear", chainletSettings=[chainlet("Llm", "H100:8")]),
        "deletionPolicy Retain": tenant.tries("production", deletionPolicy="Deactivate", **CALM),
        "rollout.approval Manual": tenant.tries("live", environmentName="production", rollout={"approval": "Automatic"}),
    }
    for words, done in refused.items():
        assert done.returncode != 0, words
        assert words in done.stderr
    accepted = (
        tenant.tries("wide", chainletSettings=[chainlet("Llm", "2x8", maxReplica=20)]),
        tenant.tries("production", deletionPolicy="Retain", **CALM),
        tenant.tries("production", **CALM),
        tenant.tries("canary", deletionPolicy="Deactivate"),
    )
    assert [done.stderr for done in accepted if done.returncode] == []


def test_who_may_approve_abandon_and_abort(tenant: Tenant) -> None:
    for annotation in ("approve=9f3c1a2b", "abandon=true", "abort-rollout=dep123"):
        name = annotation.partition("=")[0]
        assert "verb approve" in tenant.annotates("staging", annotation).stderr
        assert tenant.annotates("staging", annotation, user=tenant.approver).returncode == 0
        assert tenant.annotates("staging", "reconcile-requested-at=now").returncode == 0, (
            "what somebody else has set stands in nobody's way"
        )
        assert tenant.annotates("staging", f"{name}-").returncode == 0, "to take it back asks for nothing"
