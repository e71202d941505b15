"""deploy/policies/ on a real API server: what a tenant is refused, and what is accepted as before."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ..integration.harness.cluster import Cluster, Json
from ..integration.harness.manifests import resource
from ..integration.harness.waiting import wait_until
from .shop import DEPLOY, Done, Helm, aggregate
from .test_tenancy import apply, grant

pytestmark = pytest.mark.xdist_group("cluster")

POLICIES = DEPLOY / "policies"
COUNT = "count/chainenvironments.chains.baseten.co"


class Tenant:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.namespace = cluster.new_namespace()
        self.user = f"edit-of-{self.namespace}"
        grant(cluster, "edit", self.user, self.namespace)

    def applies(self, name: str, *flags: str, **metadata: object) -> Done:
        thing: Json = resource(name)
        thing["metadata"] |= metadata
        words = ("create", "-f", "-", f"--as={self.user}", *flags)  # without the annotation that kubectl apply makes
        return self.cluster.kubectl(*words, namespace=self.namespace, input=json.dumps(thing), check=False)


@pytest.fixture
def tenant(blank: Cluster, installed: Helm) -> Iterator[Tenant]:
    aggregate(blank)
    tenant = Tenant(blank)
    yield tenant
    blank.clear(tenant.namespace)


def annotated(characters: int) -> dict[str, str]:
    return {"example.com/note": "x" * (characters - len("example.com/note"))}


def test_a_resource_with_more_metadata_than_anybody_needs_is_refused(tenant: Tenant) -> None:
    cluster = tenant.cluster
    assert tenant.applies("before", annotations=annotated(65_537)).returncode == 0
    cluster.kubectl("apply", "-f", str(POLICIES / "size.yaml"))
    try:
        wait_until("the policy is in force", lambda: "at most 64 labels" in refused_labels(tenant))
        assert "at most 65536 characters" in tenant.applies("large", annotations=annotated(65_537)).stderr
        assert "at most 16 finalizers" in tenant.applies("kept", finalizers=[f"example.com/f{n}" for n in range(17)]).stderr
        assert tenant.applies("fits", annotations=annotated(65_536), labels={f"l{n}": "x" for n in range(64)}).returncode == 0
        assert apply(cluster, tenant.user, tenant.namespace, resource("plain")).returncode == 0
        grown = {"metadata": {"annotations": {"example.com/more": "x" * 10}}}
        patch = ("patch", "chenv", "fits", "--type=merge", "-p", json.dumps(grown), f"--as={tenant.user}")
        assert "at most 65536 characters" in cluster.kubectl(*patch, namespace=tenant.namespace, check=False).stderr
        kept = ("patch", "chenv", "before", "--type=merge", "-p", '{"metadata": {"finalizers": ["example.com/kept"]}}')
        assert cluster.kubectl(*kept, namespace=tenant.namespace).returncode == 0, "what was there before can be worked with"
        gone = ("patch", "chenv", "before", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        assert cluster.kubectl(*gone, namespace=tenant.namespace).returncode == 0
        deleted = cluster.kubectl("delete", "chenv", "before", f"--as={tenant.user}", namespace=tenant.namespace)
        assert deleted.returncode == 0, "what was there before may go"
    finally:
        cluster.kubectl("delete", "-f", str(POLICIES / "size.yaml"))


def refused_labels(tenant: Tenant) -> str:
    return tenant.applies("labelled", "--dry-run=server", labels={f"l{n}": "x" for n in range(65)}).stderr


def test_a_namespace_has_as_many_resources_as_its_quota_says(tenant: Tenant) -> None:
    cluster, namespace = tenant.cluster, tenant.namespace
    cluster.kubectl("apply", "-f", str(POLICIES / "resource-quota.yaml"), namespace=namespace)
    quota = {"spec": {"hard": {COUNT: "2"}}, "status": {"hard": {COUNT: "2"}, "used": {COUNT: "0"}}}
    cluster.kubectl("patch", "quota", "chainenvironments", "--type=merge", "-p", json.dumps(quota), namespace=namespace)
    status = ("--subresource=status", "--type=merge", "-p", json.dumps(quota))  # the work of a controller that does not run here
    cluster.kubectl("patch", "quota", "chainenvironments", *status, namespace=namespace)
    assert [tenant.applies(name).returncode for name in ("one", "two")] == [0, 0]
    assert f"exceeded quota: chainenvironments, requested: {COUNT}=1" in tenant.applies("three").stderr
