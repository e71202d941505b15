"""Each command of the pages is typed as it stands there, page by page, into one cluster."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chainenv_sandbox.controlplane import ensure_kubectl
from chainenv_sandbox.gotools import ensure_tool

from ..integration.harness.cluster import Cluster
from ..integration.harness.waiting import wait_until
from .shop import CHART, ROOT, Helm, aggregate, as_list, commands, stub_crds

pytestmark = pytest.mark.xdist_group("docs")

PAGES = [ROOT / "docs" / name for name in ("install.md", "gitops.md", "monitoring.md", "security.md", "troubleshooting.md")]
CRD_GOES_SECONDS = 240.0
"""The API server looks for resources that are left for a minute before it tries again."""
BY_HAND = {
    "make sbom": "asks the package index; run by hand",
    "make audit": "asks the vulnerability service; run by hand",
    "make wheel": "test_supply.py builds it",
    "kubectl logs --namespace chainenv-system deployment/chainenv-operator --tail=50": "no pod runs here",
    "kubectl get lease --namespace chainenv-system chainenv-operator": "no operator runs here",
    "kubectl wait --namespace default --for=condition=Synced chenv/staging --timeout=30m": "no operator runs here; see tests/integration",
    "kubectl wait --namespace default --for=condition=Ready chenv/staging --timeout=30m": "no operator runs here; see tests/integration",
}


@pytest.fixture(scope="module")
def bench(fresh: Cluster, helm_at: Callable[[Cluster | None], Helm], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who types: helm and kubectl on PATH, a kubeconfig."""
    programs = tmp_path_factory.mktemp("bin")
    for program in (ensure_tool("helm"), ensure_kubectl()):
        (programs / program.name).symlink_to(program)
    (programs / "FILE").write_text("key")
    fresh.kubectl("apply", "-f", "-", input=as_list(stub_crds()))
    for name in ("team-a", "team-b", "argocd"):
        fresh.kubectl("create", "namespace", name)
    fresh.kubectl("create", "configmap", "argocd-cm", namespace="argocd")
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **helm_at(fresh).environment, "PATH": path, "KEY_FILE": str(programs / "FILE")}


def before_the_page(page: Path, cluster: Cluster, helm: Helm) -> None:
    """Only the namespace is left of the page before. A page that is read once all is installed finds it installed."""
    for release in ("chainenv-operator", "chains"):
        helm("uninstall", "--ignore-not-found", "--namespace=chainenv-system", release)
    ours = "--selector=app.kubernetes.io/part-of=chainenv"
    kinds = "serviceaccount,role,rolebinding,deployment,poddisruptionbudget,networkpolicy,service,configmap,servicemonitor,prometheusrule"
    cluster.kubectl("delete", kinds, ours, namespace="chainenv-system")
    cluster.kubectl("delete", "clusterrole,clusterrolebinding,crd", ours, "--wait=false")
    wait_until("the CRD has gone", lambda: not cluster.kubectl("get", "crd", ours, "--output=name").stdout, timeout=CRD_GOES_SECONDS)
    if page.name in ("gitops.md", "security.md", "troubleshooting.md"):
        helm("install", "--namespace=chainenv-system", "--create-namespace", "chainenv-operator", str(CHART))
        aggregate(cluster)
    if page.name == "troubleshooting.md":
        wait_until("the kind is served", lambda: cluster.kubectl("get", "chenv", check=False).returncode == 0)
        cluster.kubectl("apply", "--namespace=default", "-f", str(ROOT / "deploy" / "samples" / "staging.yaml"))


@pytest.mark.parametrize("page", [*PAGES, CHART / "README.md"], ids=lambda page: page.name)
def test_every_command_works(page: Path, bench: dict[str, str], fresh: Cluster, helm_at: Callable[[Cluster | None], Helm]) -> None:
    said = commands(page)
    assert said
    before_the_page(page, fresh, helm_at(fresh))
    for command in said:
        if command in BY_HAND:
            continue
        typed = re.sub(r"=FILE\b", f"={bench['KEY_FILE']}", command)
        done = subprocess.run(["/bin/sh", "-c", typed], cwd=ROOT, env=bench, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_nothing_is_left_to_the_hand_that_is_not_on_a_page() -> None:
    assert BY_HAND.keys() <= {command for page in PAGES for command in commands(page)}


@pytest.mark.parametrize("page", [*PAGES, CHART / "README.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for target in re.findall(r"`((?:deploy|overlays|requirements|crds)/[\w./-]+)`", text):
        assert (ROOT / target).exists() or (ROOT / "deploy" / "kustomize" / target).exists(), target
