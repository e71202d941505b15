"""deploy/kustomize/base as the API server sees it: accepted without a warning, and no right more than the operator uses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chainenv import __version__
from chainenv.app.supervision import GRACE_SECONDS

from .harness.cluster import BASE, OPERATOR, Cluster, Json

NAMESPACE = "chainenv-system"
OPEN_TO_ALL = {"authorization.k8s.io", "authentication.k8s.io"}
"""Groups in which every user may ask about himself."""

CHAINS = "chains.baseten.co"
EVERYWHERE = {
    (CHAINS, "chainenvironments", "", verb) for verb in ("get", "list", "watch", "patch")
} | {
    (CHAINS, "chainenvironments/status", "", "update"),
    ("", "secrets", "", "get"),
    ("", "events", "", "create"),
    ("", "events", "", "patch"),
}  # fmt: skip
AT_HOME = EVERYWHERE | {
    ("coordination.k8s.io", "leases", "", "create"),
    ("coordination.k8s.io", "leases", "chainenv-operator", "get"),
    ("coordination.k8s.io", "leases", "chainenv-operator", "update"),
}


def deployment(cluster: Cluster) -> Json:
    return cluster.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/chainenv-operator")


def rights(cluster: Cluster, namespace: str) -> set[tuple[str, str, str, str]]:
    """Group, resource, name and verb of all that the operator's service account may do."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    answer = cluster.plane.kubectl(
        "create", "--validate=false", "-f", "-", "-o", "json", user=OPERATOR, input=json.dumps(review), check=True
    )
    status = json.loads(answer.stdout)["status"]
    assert not status["incomplete"]
    return {
        (group, resource, name, verb)
        for rule in status["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
        if group not in OPEN_TO_ALL
    }


def test_applied_again_it_is_taken_without_a_word_of_warning(cluster: Cluster) -> None:
    done = cluster.kubectl("apply", "-k", str(BASE), "--dry-run=server")
    assert done.stderr == ""
    assert {line.split()[0] for line in done.stdout.splitlines()} == {
        f"namespace/{NAMESPACE}",
        "serviceaccount/chainenv-operator",
        "role.rbac.authorization.k8s.io/chainenv-operator-lease",
        "rolebinding.rbac.authorization.k8s.io/chainenv-operator-lease",
        "clusterrole.rbac.authorization.k8s.io/chainenv-operator",
        "clusterrolebinding.rbac.authorization.k8s.io/chainenv-operator",
        "deployment.apps/chainenv-operator",
    }
    assert {line.split()[1] for line in done.stdout.splitlines()} == {"unchanged"}


def test_its_pod_is_admitted_where_only_restricted_pods_are(cluster: Cluster) -> None:
    labels = cluster.get(f"/api/v1/namespaces/{NAMESPACE}")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    pod: Any = {"apiVersion": "v1", "kind": "Pod", **deployment(cluster)["spec"]["template"]}
    pod["metadata"]["name"] = "operator"
    create = ("create", "--dry-run=server", "-f", "-")
    assert cluster.kubectl(*create, namespace=NAMESPACE, input=json.dumps(pod)).stderr == ""

    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    refused = cluster.kubectl(*create, namespace=NAMESPACE, input=json.dumps(pod), check=False)
    assert 'violates PodSecurity "restricted' in refused.stderr


def test_one_operator_at_a_time_with_time_to_finish(cluster: Cluster) -> None:
    spec = deployment(cluster)["spec"]
    pod = spec["template"]["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    assert pod["terminationGracePeriodSeconds"] >= GRACE_SECONDS + 10
    assert pod["securityContext"]["runAsUser"] == 65532
    [container] = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["image"] == f"chainenv-operator:{__version__}"
    assert container["env"] == [
        {"name": "BASETEN_API_KEY", "valueFrom": {"secretKeyRef": {"name": "chainenv-operator", "key": "api-key", "optional": True}}},
        {"name": "CHAINENV_DEFAULT_KEY_NAMESPACES", "value": NAMESPACE},
    ]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"metrics": 8080, "probes": 8081}
    probes = {probe["path"]: probe["port"] for probe in (container[kind]["httpGet"] for kind in ("livenessProbe", "readinessProbe"))}
    assert probes == {"/livez": "probes", "/readyz": "probes"}


@pytest.mark.parametrize(("namespace", "expected"), [("default", EVERYWHERE), (NAMESPACE, AT_HOME)])
def test_the_service_account_may_do_exactly_what_the_operator_does(
    cluster: Cluster, namespace: str, expected: set[tuple[str, str, str, str]]
) -> None:
    assert rights(cluster, namespace) == expected


@pytest.mark.parametrize(
    ("question", "namespace", "answer"),
    [
        ("list chainenvironments -A", None, "yes"),
        ("watch chainenvironments -A", None, "yes"),
        ("patch chainenvironments", "default", "yes"),
        ("update chainenvironments --subresource=status", "default", "yes"),
        ("get secrets/baseten", "default", "yes"),
        ("create events", "default", "yes"),
        ("get /version", None, "yes"),
        ("get leases/chainenv-operator", NAMESPACE, "yes"),
        ("update leases/chainenv-operator", NAMESPACE, "yes"),
        ("create chainenvironments", "default", "no"),
        ("update chainenvironments", "default", "no"),
        ("delete chainenvironments", "default", "no"),
        ("patch chainenvironments --subresource=status", "default", "no"),
        ("list secrets", "default", "no"),
        ("watch secrets -A", None, "no"),
        ("create secrets", "default", "no"),
        ("list events", "default", "no"),
        ("get pods", "default", "no"),
        ("create pods", NAMESPACE, "no"),
        ("list namespaces", None, "no"),
        ("get customresourcedefinitions", None, "no"),
        ("get leases/another", NAMESPACE, "no"),
        ("list leases", NAMESPACE, "no"),
        ("get leases/chainenv-operator", "default", "no"),
        ("create leases", "default", "no"),
        ("impersonate users", None, "no"),
    ],
)
def test_asked_as_an_admin_would(cluster: Cluster, question: str, namespace: str | None, answer: str) -> None:
    done = cluster.kubectl("auth", "can-i", *question.split(), f"--as={OPERATOR.name}", namespace=namespace, check=False)
    assert done.stdout.strip() == answer, done.stderr
