"""The commands that change a resource: what is written, and where Git is asked instead."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..integration.harness.cluster import Json
from ..integration.harness.manifests import resource
from ..integration.harness.stage import Stage, is_settled
from .typed import Typed, set_status

GROUP = "chains.baseten.co"
HISTORY = [{"deploymentID": name, "cause": "Promotion", "since": "2026-11-20T10:00:00Z"} for name in ("dep3", "dep2", "dep1")]


def spec(stage: Stage) -> Json:
    found: Json = stage.see()["spec"]
    return found


def annotation(stage: Stage, name: str) -> str | None:
    value: str | None = (stage.see()["metadata"].get("annotations") or {}).get(f"{GROUP}/{name}")
    return value


def served(stage: Stage, **more: Any) -> None:
    """A resource whose environment has had three deployments; the third serves."""
    if not stage.cluster.resources(stage.namespace):
        stage.apply(resource())
    set_status(stage, currentDeployment={"id": "dep3", "status": "ACTIVE"}, history=HISTORY, **more)


def by_git(stage: Stage, manager: str, **fields: Any) -> None:
    """As a GitOps controller applies it."""
    arguments = ("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-")
    stage.cluster.kubectl(*arguments, namespace=stage.namespace, input=json.dumps(resource(**fields)))


def test_rollback_goes_to_what_served_before(stage: Stage, typed: Typed) -> None:
    served(stage)
    said = typed("rollback", "staging").stdout
    assert said == f"{stage.namespace}/staging: spec.deploymentID unset -> dep2 (rollback from dep3)\n"
    assert spec(stage)["deploymentID"] == "dep2"


def test_rollback_to_an_older_one(stage: Stage, typed: Typed) -> None:
    served(stage)
    result = typed.read("rollback", "staging", "--to", "dep1")
    assert ("old" in result, result["new"], result["changed"]) == (False, "dep1", True)
    assert spec(stage)["deploymentID"] == "dep1"


def test_a_dry_run_changes_nothing(stage: Stage, typed: Typed) -> None:
    served(stage)
    before = stage.see()
    assert "dry run, nothing changed: spec.deploymentID unset -> dep2" in typed("rollback", "staging", "--dry-run").stdout
    assert "dry run, nothing changed: spec.deploymentID unset -> other" in typed("promote", "staging", "other", "--dry-run").stdout
    assert "dry run" in typed("pause", "staging", "--dry-run").stdout
    assert stage.see() == before


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("dep3", "serves"),
        ("other", "is not in the history"),
        ("dep2", "is dep2 already, and a value is promoted once"),
    ],
)
def test_rollback_refuses_what_would_not_happen(stage: Stage, typed: Typed, to: str, says: str) -> None:
    stage.apply(resource(deploymentID="dep2"))
    served(stage)
    assert says in typed.fails("rollback", "staging", "--to", to)
    assert spec(stage)["deploymentID"] == "dep2"


def test_without_a_history_there_is_nothing_to_go_back_to(stage: Stage, typed: Typed) -> None:
    stage.apply(resource())
    assert "has no earlier deployment in its history: name one with chainenv promote staging ID" in typed.fails("rollback", "staging")


@pytest.mark.parametrize(
    ("manager", "owner"), [("argocd-controller", "Argo CD"), ("kustomize-controller", "Flux"), ("helm-controller", "Flux")]
)
def test_where_git_keeps_the_field_the_patch_is_printed_and_nothing_changed(stage: Stage, typed: Typed, manager: str, owner: str) -> None:
    by_git(stage, manager, deploymentID="dep9", managementPolicy="Observe")
    served(stage)
    before = stage.see()
    for arguments, wanted in (
        (("rollback", "staging"), {"deploymentID": "dep2"}),
        (("promote", "staging", "dep5"), {"deploymentID": "dep5"}),
        (("pause", "staging"), {"managementPolicy": "Pause"}),
    ):
        done = typed(*arguments, code=1)
        assert f"{owner} keeps spec.{next(iter(wanted))}; commit the patch above to Git, or give --force" in done.stderr
        patch = yaml.safe_load(done.stdout)
        assert (patch["kind"], patch["metadata"]) == ("ChainEnvironment", {"name": "staging", "namespace": stage.namespace})
        assert patch["spec"] == wanted
    assert stage.see() == before


def test_force_writes_beside_git_and_warns(stage: Stage, typed: Typed) -> None:
    by_git(stage, "argocd-controller", deploymentID="dep9")
    served(stage)
    done = typed("rollback", "staging", "--force")
    assert "warning: Argo CD keeps spec.deploymentID and puts Git's value back" in done.stderr
    assert spec(stage)["deploymentID"] == "dep2"


def test_a_field_that_git_does_not_have_is_written(stage: Stage, typed: Typed) -> None:
    by_git(stage, "argocd-controller")
    served(stage)
    typed("rollback", "staging")
    assert spec(stage)["deploymentID"] == "dep2"


def test_promote_writes_the_deployment_once(stage: Stage, typed: Typed) -> None:
    stage.apply(resource())
    assert "spec.deploymentID unset -> dep7 (promotion)" in typed("promote", "staging", "dep7").stdout
    assert spec(stage)["deploymentID"] == "dep7"
    version = stage.see()["metadata"]["resourceVersion"]
    assert "is dep7 already: nothing to change" in typed("promote", "staging", "dep7").stdout
    assert stage.see()["metadata"]["resourceVersion"] == version


def test_what_the_api_server_refuses_is_said_in_one_line(stage: Stage, typed: Typed) -> None:
    stage.apply(resource())
    assert "spec.deploymentID" in typed.fails("promote", "staging", "not/an/id")


@pytest.mark.parametrize("before", [None, "Reconcile", "Observe"])
def test_resume_restores_what_pause_found(stage: Stage, typed: Typed, before: str | None) -> None:
    stage.apply(resource(**({"managementPolicy": before} if before else {})))
    typed("pause", "staging")
    assert spec(stage)["managementPolicy"] == "Pause"
    assert "paused already" in typed("pause", "staging").stdout
    typed("resume", "staging")
    assert spec(stage).get("managementPolicy") == before
    assert annotation(stage, "policy-before-pause") is None
    assert f"not paused, managementPolicy is {before or 'Reconcile'}" in typed("resume", "staging").stdout


def test_a_pause_by_hand_ends_with_reconcile(stage: Stage, typed: Typed) -> None:
    stage.apply(resource(managementPolicy="Pause"))
    typed("resume", "staging")
    assert spec(stage)["managementPolicy"] == "Reconcile"


def test_approve_approves_the_plan_that_waits(stage: Stage, typed: Typed) -> None:
    stage.apply(resource(rollout={"approval": "Manual"}))
    assert "no rollout waits for an approval" in typed.fails("approve", "staging")
    set_status(stage, rollout={"waitsFor": "Approval", "plan": "9f3c1a2b", "message": "HelloWorld 2x8 -> 4x16"})
    assert "plan 9f3c1a2b waits, not 11111111" in typed.fails("approve", "staging", "--plan", "11111111")
    assert annotation(stage, "approve") is None
    assert "approved plan 9f3c1a2b: HelloWorld 2x8 -> 4x16" in typed("approve", "staging").stdout
    assert annotation(stage, "approve") == "9f3c1a2b"
    assert typed.read("approve", "staging")["changed"] is False


def test_abort_names_the_candidate_and_never_what_serves(stage: Stage, typed: Typed) -> None:
    stage.apply(resource())
    set_status(stage, currentDeployment={"id": "dep1", "status": "ACTIVE"})
    assert "there is no candidate" in typed.fails("abort", "staging")
    set_status(stage, candidateDeployment={"id": "dep1", "status": "ACTIVE"})
    assert "there is no candidate" in typed.fails("abort", "staging")
    set_status(stage, candidateDeployment={"id": "dep2", "status": "BUILDING"})
    assert "deactivate candidate dep2 (BUILDING)" in typed("abort", "staging").stdout
    assert annotation(stage, "abort-rollout") == "dep2"


def test_reconcile_is_answered_by_the_operator(stage: Stage, typed: Typed) -> None:
    stage.run_operator()
    stage.apply(resource())
    stage.wait_for("settled", is_settled)
    result = typed.read("reconcile", "staging")
    stage.wait_for("the request is handled", lambda seen: seen["status"].get("lastHandledReconcileAt") == result["requestedAt"])
    assert "Synced and Ready" in typed("reconcile", "staging", "--wait", "--timeout", "60s").stdout
    seen = stage.see()
    assert seen["status"]["lastHandledReconcileAt"] == seen["metadata"]["annotations"][f"{GROUP}/reconcile-requested-at"]


def test_kubectl_finds_the_plugin(stage: Stage, typed: Typed, tmp_path: Path) -> None:
    stage.apply(resource())
    installed = Path(sys.executable).with_name("kubectl-chainenv")
    (tmp_path / "kubectl-chainenv").symlink_to(installed)
    kubectl = stage.cluster.plane.kubectl_program
    path = os.pathsep.join([str(tmp_path), os.path.dirname(shutil.which("env") or "/usr/bin/env")])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = typed.environment({"PATH": path})
        return subprocess.run([kubectl, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120)

    assert str(tmp_path / "kubectl-chainenv") in run("plugin", "list").stdout
    shown = run("chainenv", "status", "staging", "-n", stage.namespace)
    assert shown.returncode == 0, shown.stderr
    assert f"{stage.namespace}/staging" in shown.stdout
    assert run("chainenv", "--help").stdout.startswith("Usage: kubectl chainenv ")
    failed = run("chainenv", "status", "nobody", "-n", stage.namespace)
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
