"""Installed, upgraded and uninstalled with helm: what the users made stays as it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from chainenv_sandbox.baseten.client import Simulator
from chainenv_sandbox.up import ESTABLISHED

from ..integration.harness.cluster import CRDS, OPERATOR, Cluster, Json, wait_until
from ..integration.harness.fixtures import KEYS
from ..integration.harness.manifests import chainlet, resource
from ..integration.harness.stage import Stage
from .shop import CHART, HOME, Helm

pytestmark = pytest.mark.xdist_group("helm")

CRD = "chainenvironments.chains.baseten.co"
OWNED = "invalid ownership metadata"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The chart as it might have been a release ago: another version, and a CRD without scaleDownPreviousDeployment."""
    chart = tmp_path / "older"
    shutil.copytree(CHART, chart)
    text = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(text.replace("version: 0.1.0", "version: 0.0.9", 1))
    crd = yaml.safe_load((chart / "files" / "crd.yaml").read_text())
    del _spec(crd)["scaleDownPreviousDeployment"]
    rules = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].get("x-kubernetes-validations", [])
    rules[:] = [rule for rule in rules if "scaleDownPreviousDeployment" not in rule["rule"]]
    (chart / "files" / "crd.yaml").write_text(yaml.safe_dump(crd))
    return chart


def _spec(crd: Json) -> Json:
    found: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return found


def crd(cluster: Cluster) -> Json:
    return cluster.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD}")


def release(helm: Helm, *more: str) -> Json:
    [found] = json.loads(helm("list", "--all", "--namespace", HOME, "--output=json", *more).stdout)
    return dict(found)


def test_the_whole_life(fresh: Cluster, helm_at: Callable[[Cluster | None], Helm], older: Path) -> None:
    helm, where = helm_at(fresh), f"--namespace={HOME}"
    helm("install", where, "--create-namespace", "chainenv-operator", str(older))
    fresh.kubectl("wait", ESTABLISHED, f"crd/{CRD}", "--timeout=60s")
    wait_until("the kind is served", lambda: fresh.kubectl("get", "chenv", check=False).returncode == 0)

    namespace = fresh.new_namespace()
    mine = resource(chainletSettings=[chainlet("HelloWorld", minReplica=1)])
    fresh.kubectl("apply", "-f", "-", namespace=namespace, input=json.dumps(mine))
    before = fresh.resource(namespace, "staging")

    # The new chart brings the new CRD.
    helm("upgrade", where, "chainenv-operator", str(CHART), "--set=replicaCount=2")
    assert "scaleDownPreviousDeployment" in _spec(crd(fresh))
    assert (release(helm)["chart"], release(helm)["status"]) == ("chainenv-operator-0.1.0", "deployed")
    assert fresh.get(f"/apis/apps/v1/namespaces/{HOME}/deployments/chainenv-operator")["spec"]["replicas"] == 2
    assert fresh.resource(namespace, "staging") == before

    # And back.
    helm("rollback", where, "chainenv-operator", "1")
    assert fresh.resource(namespace, "staging") == before

    # Gone, but for the CRD and what the users made.
    said = helm("uninstall", where, "chainenv-operator").stdout
    assert f"[CustomResourceDefinition] {CRD}" in said
    assert fresh.get(f"/apis/apps/v1/namespaces/{HOME}/deployments")["items"] == []
    roles = fresh.get("/apis/rbac.authorization.k8s.io/v1/clusterroles")["items"]
    assert [each for each in roles if "chainenv" in each["metadata"]["name"]] == []
    assert fresh.resource(namespace, "staging") == before

    # Installed again under the same name it takes up where it was; under another one only when told so.
    helm("install", where, "chainenv-operator", str(CHART))
    helm("uninstall", where, "chainenv-operator")
    refused = helm("install", where, "another", str(CHART), check=False)
    assert refused.returncode
    assert OWNED in refused.stderr
    helm("install", where, "another", str(CHART), "--take-ownership")
    assert release(helm)["name"] == "another"
    assert fresh.resource(namespace, "staging") == before


def test_a_crd_that_kubectl_brought(fresh: Cluster, helm_at: Callable[[Cluster | None], Helm]) -> None:
    helm = helm_at(fresh)
    fresh.kubectl("delete", "crd", CRD, "--ignore-not-found")
    fresh.kubectl("apply", "--server-side", "-f", str(CRDS))
    install = ("install", "--namespace=second", "--create-namespace", "second", str(CHART))
    assert OWNED in helm(*install, check=False).stderr
    helm(*install, "--set=crds.enabled=false")
    assert "annotations" not in crd(fresh)["metadata"]
    helm("upgrade", "--namespace=second", "second", str(CHART), "--set=crds.enabled=true", "--take-ownership")
    assert crd(fresh)["metadata"]["annotations"]["meta.helm.sh/release-name"] == "second"


def test_roles_in_its_namespaces_are_enough(
    fresh: Cluster, helm_at: Callable[[Cluster | None], Helm], simulator: Simulator, tmp_path: Path
) -> None:
    """Watching one namespace, with leader election, and no right anywhere else: as the chart installs it."""
    stage, helm = Stage(fresh, simulator, tmp_path, KEYS), helm_at(fresh)
    flags = (f"--namespace={HOME}", "--set=crds.enabled=false", f"--set=namespaces={{{stage.namespace}}}", "--set=rbac.aggregate=false")
    fresh.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    fresh.kubectl("wait", ESTABLISHED, f"crd/{CRD}", "--timeout=60s")
    helm("install", "--create-namespace", *flags, "chainenv-operator", str(CHART))
    rights = fresh.kubectl("auth", "can-i", "--list", f"--as={OPERATOR.name}", namespace="default").stdout
    assert "chains.baseten.co" not in rights
    stage.run_operator(CHAINENV_LEADER_ELECTION="true", CHAINENV_LEASE_NAMESPACE=HOME)
    stage.apply(resource())
    stage.wait_settled()
    stage.close()
    denied = [
        entry["requestURI"]
        for entry in map(json.loads, fresh.plane.audit_log.read_text().splitlines() if fresh.plane.audit_log else [])
        if entry["user"]["username"] == OPERATOR.name and entry.get("responseStatus", {}).get("code") == 403
    ]
    assert denied == []
