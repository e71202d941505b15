"""plan: what it shows is what the operator then does, and it makes only reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..integration.harness.cluster import Json
from ..integration.harness.fixtures import KEYS
from ..integration.harness.manifests import CHAIN, chainlet, resource
from ..integration.harness.stage import Stage, is_settled
from .typed import Typed

KEY = {"BASETEN_API_KEY": KEYS["default"]}
CALLS = {
    "CreateEnvironment": "create",
    "UpdatePromotionSettings": "promotion settings",
    "UpdateAutoscaling": "autoscaling",
    "UpdateInstanceTypes": "instance types",
    "Promote": "promote",
}
BASE = resource(
    promotionSettings={"rampUpDurationSeconds": 600},
    chainletSettings=[chainlet("HelloWorld", "2x8", minReplica=1, maxReplica=3), chainlet("RandInt", "1x2")],
)


def changed(**spec: Any) -> Json:
    return {**BASE, "spec": {**BASE["spec"], **spec}}


def plan(typed: Typed, manifest: Json, *arguments: str, code: int = 2) -> list[dict[str, Any]]:
    """As -o json writes it."""
    done = typed("plan", "-f", "-", "-o", "json", *arguments, code=code, input=json.dumps(manifest), **KEY)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("after", "starts"),
    [
        pytest.param(changed(chainletSettings=[chainlet("HelloWorld", "2x8", minReplica=2, maxReplica=9)]), 0, id="autoscaling"),
        pytest.param(changed(promotionSettings={"rampUpDurationSeconds": 60}), 0, id="promotion settings"),
        pytest.param(changed(chainletSettings=[chainlet("HelloWorld", "4x16"), chainlet("RandInt", "2x8")]), 1, id="instance types"),
        pytest.param(
            changed(
                promotionSettings={"redeployOnPromotion": True},
                chainletSettings=[chainlet("HelloWorld", "4x16", minReplica=0, maxReplica=2), chainlet("RandInt", "1x2", maxReplica=4)],
            ),
            1,
            id="everything at once",
        ),
    ],
)
def test_the_operator_does_what_was_planned(stage: Stage, typed: Typed, after: Json, starts: int) -> None:
    (first,) = plan(typed, BASE)
    assert [call["operation"] for call in first["calls"]] == ["CreateEnvironment"]
    assert stage.sent() == []
    stage.run_operator()
    stage.apply(BASE)
    stage.wait_settled()
    assert [sent.call for sent in stage.sent()] == ["create"]
    assert plan(typed, BASE, code=0)[0]["calls"] == []
    mark = stage.mark()
    (second,) = plan(typed, after)
    assert stage.sent(since=mark) == [], "a plan makes only reads"
    generation = stage.see()["metadata"]["generation"]
    stage.apply(after)
    stage.wait_for("settled", lambda seen: seen["metadata"]["generation"] > generation and is_settled(seen))
    assert [CALLS[call["operation"]] for call in second["calls"]] == [sent.call for sent in stage.sent(since=mark)]
    assert (second["deploymentsStarted"], all(call["changes"] for call in second["calls"])) == (starts, True)
    assert plan(typed, after, code=0)[0]["calls"] == []


def test_a_promotion_is_planned(stage: Stage, typed: Typed) -> None:
    stage.simulator.add_environment(CHAIN, "staging", deployed=True)
    deployment = stage.simulator.add_deployment(CHAIN, active=True)["id"]
    (found,) = plan(typed, resource(deploymentID=deployment))
    (call,) = found["calls"]
    assert (call["operation"], call["startsDeployment"]) == ("Promote", True)
    assert call["changes"][0]["new"] == deployment


def test_without_a_cluster_only_the_key_is_needed(stage: Stage, typed: Typed, tmp_path: Path) -> None:
    done = typed("plan", "-f", "-", "--no-cluster", code=2, input=json.dumps(BASE), KUBECONFIG=str(tmp_path / "none"), **KEY)
    assert "1. CreateEnvironment (starts a deployment)" in done.stdout
    assert "chainletSettings[HelloWorld].instanceTypeID" in done.stdout
    assert "1 environment, 1 call, 1 deployment started" in done.stdout
    line = typed("plan", "-f", "-", "--no-cluster", code=1, input=json.dumps(BASE), KUBECONFIG=str(tmp_path / "none")).stderr
    assert "with --no-cluster set BASETEN_API_KEY" in line


def test_files_directories_lists_and_other_kinds(stage: Stage, typed: Typed, tmp_path: Path) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [resource("one"), {"apiVersion": "v1", "kind": "ConfigMap"}]}
    (tmp_path / "deeper").mkdir()
    (tmp_path / "a.json").write_text(json.dumps(listed))
    (tmp_path / "deeper" / "b.yaml").write_text(f"---\n{json.dumps(resource('two'))}\n---\n{json.dumps(resource('three'))}\n")
    (tmp_path / "c.txt").write_text("not: read")
    found = json.loads(typed("plan", "-f", str(tmp_path), "-o", "json", code=2, **KEY).stdout)
    assert [each["name"] for each in found] == ["one", "two", "three"]
    (tmp_path / "broken.yaml").write_text("a: [b")
    assert "broken.yaml, line 1 is not YAML" in typed.fails("plan", "-f", str(tmp_path), **KEY)
    (tmp_path / "deeper" / "b.yaml").write_text("kind: ConfigMap")
    assert "no ChainEnvironment in" in typed.fails("plan", "-f", str(tmp_path / "deeper"), **KEY)
    assert "cannot be read" in typed.fails("plan", "-f", str(tmp_path / "nosuch.yaml"), **KEY)
    for time in ("yesterday", "0001-01-01T00:00+14:00"):
        assert "write it as 2026-12-01T08:00Z" in typed.fails("plan", "-f", str(tmp_path), "--at", time, **KEY)


def test_the_cost_before_and_after(stage: Stage, typed: Typed) -> None:
    stage.simulator.edit_environment(CHAIN, "production", autoscaling={"HelloWorld": {"min_replica": 1, "max_replica": 2}})
    manifest = resource("production", chainletSettings=[chainlet("HelloWorld", minReplica=2, maxReplica=4)])
    (found,) = plan(typed, manifest)
    before, after = (({k: float(v) for k, v in found["cost"][part].items()}) for part in ("before", "after"))
    one = before["minPerHour"]  # of HelloWorld; RandInt scales to zero
    assert after["minPerHour"] == pytest.approx(2 * one, abs=0.02)  # of cents
    assert after["maxPerHour"] - before["maxPerHour"] == pytest.approx(2 * one, abs=0.02)


def test_what_is_not_there_yet_costs_nothing_now(stage: Stage, typed: Typed) -> None:
    assert plan(typed, BASE)[0]["cost"]["perHour"] == "0.00"
    text = typed("plan", "-f", "-", code=2, input=json.dumps(BASE), **KEY).stdout
    assert "cost: 0.00 USD an hour now; from fewest to most replicas 0.00-0.00 before, " in text
    assert "after (of the chainlets that the manifest names)" in text


def test_observe_and_pause_send_nothing(stage: Stage, typed: Typed) -> None:
    settings = [chainlet("HelloWorld", maxReplica=7)]
    (observed,) = plan(typed, resource("production", managementPolicy="Observe", chainletSettings=settings), code=0)
    assert observed["calls"] == []
    assert [each["new"] for each in observed["drift"]] == ["7"]
    (paused,) = plan(typed, resource("production", managementPolicy="Pause", chainletSettings=settings), code=0)
    assert paused["notes"] == ["paused: no call is made"]


def test_a_pull_request_is_shown_a_table(stage: Stage, typed: Typed) -> None:
    manifest = resource("production", chainletSettings=[chainlet("HelloWorld", maxReplica=7)])
    text = typed("plan", "-f", "-", "-o", "markdown", code=2, input=json.dumps(manifest), **KEY).stdout
    assert text.startswith("### chainenv plan: 1 environment, 1 call, 0 deployments started\n")
    assert "| `chainletSettings[HelloWorld].autoscalingSettings.maxReplica` | `1` | `7` |" in text


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (resource("production", chainletSettings="nonsense"), "spec.chainletSettings"),
        ({**resource("x"), "spec": {"chainID": "nosuch"}}, "chain nosuch not found, or not accessible with this API key"),
    ],
)
def test_what_cannot_be_planned(stage: Stage, typed: Typed, manifest: Json, says: str) -> None:
    done = typed("plan", "-f", "-", code=1, input=json.dumps(manifest), **KEY)
    assert says in done.stdout


def test_what_the_api_server_would_refuse_is_an_error_and_the_rest_is_planned(stage: Stage, typed: Typed, tmp_path: Path) -> None:
    stage.apply(resource("production"))
    other = {**resource("production"), "spec": {"chainID": "other"}}
    (tmp_path / "all.yaml").write_text(f"{json.dumps(other)}\n---\n{json.dumps(resource('two'))}\n")
    done = typed("plan", "-f", str(tmp_path), "-o", "json", code=1, **KEY)
    first, second = json.loads(done.stdout)
    assert "chainID cannot be changed" in first["problem"]
    assert [call["operation"] for call in second["calls"]] == ["CreateEnvironment"]
    assert "1 of 2 could not be planned" in done.stderr


def test_what_another_resource_owns_is_not_planned_twice(stage: Stage, typed: Typed) -> None:
    stage.run_operator()
    stage.apply(resource("first", environmentName="staging"))
    stage.wait_settled("first")
    second = resource("second", environmentName="staging", chainletSettings=[chainlet("HelloWorld", maxReplica=7)])
    (planned,) = plan(typed, second, code=1)
    assert planned["calls"] == []
    stage.apply(second)
    assert planned["problem"] in stage.wait_condition("Stalled", "True", "DuplicateTarget", name="second")["message"]
    observing = {**second, "spec": {**second["spec"], "managementPolicy": "Observe"}}
    assert plan(typed, observing, code=0)[0]["problem"] is None
    both = {"apiVersion": "v1", "kind": "List", "items": [resource("first", environmentName="staging", managementPolicy="Observe"), second]}
    assert [len(each["calls"]) for each in plan(typed, both)] == [0, 1], "who only observes, by the same manifests, owns nothing"


@pytest.mark.parametrize("more", [(), ("--no-cluster",)])
def test_of_two_new_ones_for_one_environment_one_is_planned(stage: Stage, typed: Typed, more: tuple[str, ...]) -> None:
    both = [resource(name, environmentName="new") for name in ("zwei", "eins")]
    first, second = plan(typed, {"apiVersion": "v1", "kind": "List", "items": both}, *more, code=1)
    assert [call["operation"] for call in first["calls"]] == ["CreateEnvironment"]
    assert (second["calls"], "ChainEnvironment zwei" in second["problem"]) == ([], True)


def test_a_resource_that_is_declared_twice(stage: Stage, typed: Typed, tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(json.dumps(resource()))
    assert f"{stage.namespace}/staging is declared twice" in typed.fails("plan", "-f", str(tmp_path), **KEY)


SCALED = chainlet("HelloWorld", minReplica=1, maxReplica=3)


def scheduled(**autoscaling: int) -> dict[str, Any]:
    return {"name": "day", "start": "08:00", "end": "18:00", "chainletSettings": [chainlet("HelloWorld", **autoscaling)]}


REFUSED = {
    "unknown field": ({"chainletSetting": []}, 'unknown field "spec.chainletSetting"'),
    "unknown field inside": ({"chainletSettings": [chainlet("HelloWorld", maxReplicas=3)]}, "maxReplicas"),
    "twice": ({"chainletSettings": [SCALED, SCALED]}, "Duplicate value"),
    "two sources": ({"deploymentID": "abc", "promoteFrom": {"name": "other"}}, "exclude each other"),
    "itself": ({"promoteFrom": {"name": "staging"}}, "is this resource itself"),
    "bounds": ({"chainletSettings": [chainlet("HelloWorld", minReplica=5, maxReplica=1)]}, "minReplica must not be greater"),
    "rolling": (
        {"promotionSettings": {"rollingDeploy": True, "rollingDeployConfig": {"maxSurgePercent": 0, "maxUnavailablePercent": 0}}},
        "with rollingDeploy",
    ),
    "strategies": (
        {"promotionSettings": {"promotionCleanupStrategy": "KEEP", "rollingDeployConfig": {"promotionCleanupStrategy": "SCALE_TO_ZERO"}}},
        "are one setting in two places",
    ),
    "no base": ({"autoscalingSchedules": [scheduled(minReplica=1)]}, "needs minReplica in chainletSettings"),
    "above the base": ({"chainletSettings": [SCALED], "autoscalingSchedules": [scheduled(minReplica=9)]}, "does not fit maxReplica"),
    "below the base": ({"chainletSettings": [SCALED], "autoscalingSchedules": [scheduled(maxReplica=0)]}, "does not fit minReplica"),
    "bounds of a schedule": (
        {"chainletSettings": [SCALED], "autoscalingSchedules": [scheduled(minReplica=9, maxReplica=8)]},
        "minReplica must not be greater",
    ),
}


def dry_run(stage: Stage, manifest: Json) -> str:
    """What the API server says against it."""
    applying = ("apply", "--dry-run=server", "-f", "-")
    return stage.cluster.kubectl(*applying, namespace=stage.namespace, input=json.dumps(manifest), check=False).stderr


def test_what_the_api_server_refuses_is_not_planned(stage: Stage, typed: Typed) -> None:
    for case, (spec, says) in REFUSED.items():
        manifest = resource(**spec)
        (planned,) = plan(typed, manifest, code=1)
        assert says in dry_run(stage, manifest), case
        assert "the API server would refuse it" in planned["problem"], case
        (_, _, message) = planned["problem"].partition("refuse it: ")
        assert (says in message) or case in ("unknown field", "twice"), case
    fits = resource(chainletSettings=[SCALED], autoscalingSchedules=[scheduled(minReplica=3)], promoteFrom={"name": "other"})
    assert dry_run(stage, fits) == ""
    assert plan(typed, fits)[0]["problem"] is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested too deeply"),
        (json.dumps({**resource(), "apiVersion": "chains.baseten.co/v2"}), "write chains.baseten.co/v1alpha1"),
        (json.dumps({**resource(), "metadata": {"name": 7}}), "metadata.name 7 is not text"),
        (json.dumps({**resource(), "metadata": {"name": "a", "annotations": {"b": 1}}}), "metadata.annotations of a"),
    ],
    ids=["nested", "version", "name", "annotations"],
)
def test_what_is_no_manifest_is_said_in_one_line(stage: Stage, typed: Typed, text: str, says: str) -> None:
    done = typed("plan", "-f", "-", code=1, input=text, **KEY)
    (line,) = done.stderr.splitlines()
    assert says in line


APPLIED = {
    "by kubectl": ("apply", "--validate=strict"),
    "by the API server": ("apply", "--server-side", "--field-manager=kustomize-controller"),
}


@pytest.mark.parametrize("applying", APPLIED.values(), ids=APPLIED)
def test_what_the_manifest_no_longer_has_is_gone_and_what_others_set_is_as_applying_leaves_it(
    stage: Stage, typed: Typed, applying: tuple[str, ...]
) -> None:
    def apply(manifest: Json, *more: str) -> Json:
        done = stage.cluster.kubectl(*applying, *more, "-o", "json", "-f", "-", namespace=stage.namespace, input=json.dumps(manifest))
        found: Json = json.loads(done.stdout)
        return found

    scaled = [chainlet("HelloWorld", minReplica=1, maxReplica=3), chainlet("RandInt", maxReplica=2)]
    apply(resource("production", promotionSettings={"rampUpDurationSeconds": 60}, chainletSettings=scaled))
    path = "/spec/chainletSettings/0/autoscalingSettings/scaleDownDelay"
    patch = json.dumps([{"op": "add", "path": path, "value": 77}])
    stage.cluster.kubectl("patch", "chenv", "production", "--type=json", "-p", patch, namespace=stage.namespace)
    after = resource("production", chainletSettings=[chainlet("HelloWorld", minReplica=2, maxReplica=3)])
    (found,) = plan(typed, after)
    planned = {each["path"]: each["new"] for call in found["calls"] for each in call["changes"]}
    left = apply(after, "--dry-run=server")["spec"]
    assert "promotionSettings" not in left
    expected = {
        f"chainletSettings[{entry['chainletName']}].autoscalingSettings.{name}": str(value)
        for entry in left["chainletSettings"]
        for name, value in entry["autoscalingSettings"].items()
    }
    assert planned == expected
