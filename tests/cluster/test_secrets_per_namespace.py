"""`rbac.secrets: perNamespace`: the operator watches everywhere, and reads Secrets where a namespace's own admin lets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chainenv_sandbox.baseten.client import Simulator

from ..integration.harness.case import Case
from ..integration.harness.cluster import OPERATOR, Cluster
from ..integration.harness.fixtures import KEYS
from ..integration.harness.observing import secret
from ..integration.harness.stage import Stage
from ..integration.harness.waiting import wait_until
from .shop import CHART, HOME, Helm, aggregate
from .test_tenancy import grant, may, put

pytestmark = pytest.mark.xdist_group("helm")

ENVIRONMENTS = "chains.baseten.co/chainenvironments"
REFERENCE = {"name": "baseten", "key": "api-key"}


@pytest.fixture
def stage(fresh: Cluster, helm_at: Callable[[Cluster | None], Helm], simulator: Simulator, tmp_path: Path) -> Iterator[Stage]:
    helm = helm_at(fresh)
    helm(
        "upgrade",
        "--install",
        f"--namespace={HOME}",
        "--create-namespace",
        "chainenv-operator",
        str(CHART),
        "--set=rbac.secrets=perNamespace",
    )
    wait_until("the CRD is established", fresh._is_established)
    wait_until("the schema is published", lambda: "apis/chains.baseten.co/v1alpha1" in fresh.get("/openapi/v3")["paths"])
    aggregate(fresh)
    stage = Stage(fresh, simulator, tmp_path, KEYS)
    yield stage
    stage.close()


def test_each_namespace_lets_the_operator_read_its_secrets_or_not(stage: Stage) -> None:
    cluster, ours, theirs = stage.cluster, stage.namespace, stage.cluster.new_namespace()
    for role in ("admin", "edit"):
        grant(cluster, role, f"{role}-of-{ours}", ours)
    for namespace in (ours, theirs):
        put(stage, namespace, secret("baseten", **{"api-key": stage.keys["team"]}))
    operator = stage.run_operator(CHAINENV_NAMESPACES="", CHAINENV_DEFAULT_KEY_NAMESPACES=HOME)
    case = Case(stage, "bound").existing().apply(apiKeySecretRef=REFERENCE)
    unbound = Case(stage, "unbound", namespace=theirs).existing().apply(apiKeySecretRef=REFERENCE)
    for each in (case, unbound):
        each.wait_condition("Stalled", "True", "SecretNotFound", "bind its ClusterRole for Secrets there")
    assert not any(may(cluster, OPERATOR.name, "get", "secrets", namespace) for namespace in (ours, theirs, HOME, "kube-system"))
    assert all(may(cluster, OPERATOR.name, "watch", ENVIRONMENTS, namespace) for namespace in (ours, theirs, ""))

    assert "forbidden" in bind(cluster, f"edit-of-{ours}", ours)
    assert "created" in bind(cluster, f"admin-of-{ours}", ours)
    case.wait_settled()
    assert may(cluster, OPERATOR.name, "get", "secrets", ours)
    assert not any(may(cluster, OPERATOR.name, verb, "secrets", ours) for verb in ("list", "watch", "update"))
    assert not may(cluster, OPERATOR.name, "get", "secrets", theirs)
    unbound.wait_condition("Stalled", "True", "SecretNotFound")
    assert operator.wanted, "it was not started anew"
    cluster.clear(theirs)


def bind(cluster: Cluster, user: str, namespace: str) -> str:
    """What the line of docs/security.md comes to, typed by a tenant."""
    account = OPERATOR.name.removeprefix("system:serviceaccount:")
    words = ("create", "rolebinding", "chainenv-secrets", "--clusterrole=chainenv-operator-secrets", f"--serviceaccount={account}")
    done = cluster.kubectl(*words, f"--as={user}", namespace=namespace, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("namespaces", [[], ["one", "other"]])
def test_the_chart_grants_no_secret_by_itself(helm: Helm, namespaces: list[str]) -> None:
    things = helm.with_values({"rbac": {"secrets": "perNamespace"}, "namespaces": namespaces})
    with_secrets = {
        each["metadata"]["name"]
        for each in things
        if each["kind"] in ("Role", "ClusterRole") and any("secrets" in rule["resources"] for rule in each["rules"])
    }
    assert with_secrets == {"chainenv-operator-secrets"}
    bound = {each["roleRef"]["name"] for each in things if each["kind"].endswith("RoleBinding")}
    assert not bound & with_secrets
