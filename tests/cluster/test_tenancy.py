"""Tenants of one cluster: what the shipped roles let each of them do, asked of the API server in their names."""

from __future__ import annotations

import json

import pytest

from ..integration.harness.case import Case
from ..integration.harness.cluster import Cluster, Json
from ..integration.harness.manifests import resource
from ..integration.harness.observing import secret
from ..integration.harness.stage import Stage
from .shop import HOME, Done, Helm, aggregate, as_list

pytestmark = pytest.mark.xdist_group("cluster")


def grant(cluster: Cluster, role: str, user: str, namespace: str) -> None:
    cluster.kubectl("create", "rolebinding", f"{user}-{role}", f"--clusterrole={role}", f"--user={user}", namespace=namespace)


@pytest.fixture(scope="module")
def teams(blank: Cluster, installed: Helm) -> tuple[str, str]:
    """Two namespaces: in each an editor, a viewer and an admin, named after it."""
    aggregate(blank)
    ours, theirs = blank.new_namespace(), blank.new_namespace()
    for namespace in (ours, theirs):
        for role in ("edit", "view", "admin"):
            grant(blank, role, f"{role}-of-{namespace}", namespace)
    return ours, theirs


def may(cluster: Cluster, user: str, verb: str, resource: str, namespace: str) -> bool:
    """As `kubectl auth can-i --as` asks; without its tenth of a second."""
    group, _, kind = resource.rpartition("/")
    kind, _, subresource = kind.partition(":")
    asked = {"namespace": namespace, "verb": verb, "group": group, "resource": kind, "subresource": subresource}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}
    answer = cluster._http.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=body, headers={"Impersonate-User": user})
    answer.raise_for_status()
    return bool(answer.json()["status"]["allowed"])


def apply(cluster: Cluster, user: str, namespace: str, thing: Json) -> Done:
    return cluster.kubectl("apply", "-f", "-", f"--as={user}", namespace=namespace, input=json.dumps(thing), check=False)


def test_an_editor_manages_the_resources_of_its_own_namespace_only(blank: Cluster, teams: tuple[str, str]) -> None:
    ours, theirs = teams
    user = f"edit-of-{ours}"
    assert apply(blank, user, ours, resource()).returncode == 0
    assert apply(blank, user, ours, resource(deletionPolicy="Deactivate")).returncode == 0
    assert "forbidden" in apply(blank, user, theirs, resource()).stderr
    for command in ("get", "delete"):
        assert "forbidden" in blank.kubectl(command, "chenv", "staging", f"--as={user}", namespace=theirs, check=False).stderr
    assert "forbidden" in blank.kubectl("get", "chenv", "-A", f"--as={user}", check=False).stderr
    status = ("patch", "chenv", "staging", "--subresource=status", "--type=merge", "-p", '{"status": {"state": "ACTIVE"}}', f"--as={user}")
    assert "forbidden" in blank.kubectl(*status, namespace=ours, check=False).stderr
    assert blank.kubectl("delete", "chenv", "staging", f"--as={user}", namespace=ours).returncode == 0


ENVS = "chains.baseten.co/chainenvironments"


@pytest.mark.parametrize(
    ("role", "verb", "resource", "answer"),
    [
        ("view", "get", ENVS, True),
        ("view", "watch", ENVS, True),
        ("view", "get", f"{ENVS}:status", True),
        ("view", "create", ENVS, False),
        ("view", "delete", ENVS, False),
        ("view", "get", "secrets", False),
        ("edit", "list", ENVS, True),
        ("edit", "patch", ENVS, True),
        ("edit", "deletecollection", ENVS, True),
        ("edit", "update", f"{ENVS}:status", False),
        ("edit", "patch", f"{ENVS}:status", False),
        ("admin", "create", ENVS, True),
        ("admin", "update", f"{ENVS}:status", False),
        ("admin", "patch", "apiextensions.k8s.io/customresourcedefinitions", False),
    ],
)
def test_what_each_role_may(blank: Cluster, teams: tuple[str, str], role: str, verb: str, resource: str, answer: bool) -> None:
    ours, theirs = teams
    user = f"{role}-of-{ours}"
    assert may(blank, user, verb, resource, ours) is answer
    assert may(blank, user, verb, resource, theirs) is False
    assert may(blank, user, "get", "secrets", theirs) is False
    assert may(blank, user, "update", "coordination.k8s.io/leases", HOME) is False


def test_no_reference_leads_to_another_namespace(blank: Cluster, teams: tuple[str, str]) -> None:
    ours, theirs = teams
    reference = {"name": "baseten", "key": "api-key", "namespace": theirs}
    refused = apply(blank, f"edit-of-{ours}", ours, resource(apiKeySecretRef=reference)).stderr
    assert 'unknown field "spec.apiKeySecretRef.namespace"' in refused


def test_keys_stay_where_they_are(tenants: Stage) -> None:
    """The operator acts for both namespaces; a tenant gets neither the neighbour's key nor, unless allowed, the operator's."""
    ours, theirs = tenants.namespace, tenants.cluster.new_namespace()
    granted = Case(tenants, "granted", namespace=theirs).with_chain()
    tenants.run_operator(CHAINENV_NAMESPACES=f"{ours},{theirs}", CHAINENV_DEFAULT_KEY_NAMESPACES=f"{ours},{theirs}:{granted.chain}")
    reference = {"name": "baseten", "key": "api-key"}
    put(tenants, ours, secret("baseten", **{"api-key": tenants.keys["team"]}))

    borrows = Case(tenants, "borrows", namespace=theirs).with_chain().apply(apiKeySecretRef=reference)
    granted.apply()
    without = Case(tenants, "without", namespace=theirs).with_chain().apply()
    allowed = Case(tenants, "allowed").with_chain().apply()
    own = Case(tenants, "own").with_chain().apply(apiKeySecretRef=reference)
    allowed.wait_settled()
    granted.wait_settled()
    own.wait_settled()
    borrows.wait_condition("Stalled", "True", "SecretNotFound", f"Secret baseten is not in namespace {theirs}")
    without.wait_condition(
        "Stalled", "True", "NoAPIKey", f"namespace {theirs} may not use the operator's own key for chain {without.chain}"
    )
    assert (borrows.calls(), without.calls()) == ([], [])
    tenants.cluster.clear(theirs)


def put(stage: Stage, namespace: str, thing: Json) -> None:
    stage.cluster.kubectl("apply", "-f", "-", namespace=namespace, input=as_list([thing]))
