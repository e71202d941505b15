"""Argo CD and Flux see each phase as it is, and see no difference where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from chainenv.core.reasons import Reason
from chainenv_sandbox.gotools import ensure_crds

from ..integration.harness.cluster import SAMPLES, Cluster
from ..integration.harness.manifests import chainlet, resource
from ..integration.harness.observing import together
from ..integration.harness.stage import Stage
from .phases import Phase, phases
from .shop import DEPLOY, Helm, Json, argo_differences, judged, objects

pytestmark = pytest.mark.xdist_group("cluster")

ARGO = DEPLOY / "argocd"
PHASES = list(phases())
KEY = "resource.customizations.health.chains.baseten.co_ChainEnvironment"


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Json, Json]]:
    """By name of the phase: health, by the script as it stands in the ConfigMap, and kstatus."""
    script: Path = tmp_path_factory.mktemp("argocd") / "health.lua"
    script.write_text(yaml.safe_load((ARGO / "argocd-cm.yaml").read_text())["data"][KEY])
    things = [phase.thing for phase in PHASES]
    found = zip(judged("health", things, str(script)), judged("kstatus", things), strict=True)
    return {phase.name: both for phase, both in zip(PHASES, found, strict=True)}


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_argo_cd(phase: Phase, verdicts: dict[str, tuple[Json, Json]]) -> None:
    health, _ = verdicts[phase.name]
    assert (health["status"], health.get("error")) == (phase.argo, None), health
    assert [word for word in phase.words if word not in health["message"]] == [], health["message"]


@pytest.mark.parametrize("phase", [each for each in PHASES if each.kstatus], ids=lambda phase: phase.name)
def test_kstatus(phase: Phase, verdicts: dict[str, tuple[Json, Json]]) -> None:
    _, kstatus = verdicts[phase.name]
    assert (kstatus["status"], kstatus.get("error")) == (phase.kstatus, None), kstatus


def test_there_is_a_phase_for_every_reason() -> None:
    shown = {each["reason"] for phase in PHASES for each in phase.thing.get("status", {}).get("conditions", ())}
    assert shown == set(Reason)


def test_as_the_api_server_hands_it_out(blank: Cluster, installed: Helm) -> None:
    """An object that nobody has observed: its status is what the CRD defaults."""
    namespace = blank.new_namespace()
    blank.kubectl("apply", "-f", "-", namespace=namespace, input=json.dumps(resource()))
    seen = blank.resource(namespace, "staging")
    blank.clear(namespace)
    [health], [kstatus] = judged("health", [seen], str(ARGO / "health.lua")), judged("kstatus", [seen])
    assert (health["status"], kstatus["status"]) == ("Progressing", "InProgress")


# -- no difference -------------------------------------------------------------------------------------------------

MANAGER = "--field-manager=argocd-controller"
WAYS = {
    "client": ((), ("diff",)),
    "server": (("--server-side", MANAGER), ("diff", "--server-side", MANAGER, "--force-conflicts")),
}
FULL = yaml.safe_load((SAMPLES / "staging.yaml").read_text())["spec"]
BARE = {"deletionPolicy": "Deactivate", "chainletSettings": [chainlet("HelloWorld", minReplica=1)]}


class Synced:
    """Resources that were applied in each of Argo CD's two ways, and are compared in each of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.manifests = {way: [self._tracked(f"{way}-full", FULL), self._tracked(f"{way}-bare", BARE)] for way in WAYS}
        self.names = [each["metadata"]["name"] for every in self.manifests.values() for each in every]

    def _tracked(self, name: str, spec: Json) -> Json:
        """As Argo CD applies it: with the namespace, and the annotation by which it knows its own."""
        made = resource(name, **spec)
        tracking = f"shop:chains.baseten.co/ChainEnvironment:{self.stage.namespace}/{name}"
        made["metadata"] |= {"namespace": self.stage.namespace, "annotations": {"argocd.argoproj.io/tracking-id": tracking}}
        return made

    def kubectl(self, *arguments: str, way: str) -> str:
        return self.stage.cluster.kubectl(*arguments, "-f", "-", input=json.dumps(together(self.manifests[way]))).stdout

    def apply(self) -> None:
        for way, (apply, _) in WAYS.items():
            self.kubectl("apply", *apply, way=way)

    def kubectl_diff(self) -> dict[str, str]:
        return {way: self.kubectl(*diff, way=way) for way, (_, diff) in WAYS.items()}

    def argo_diff(self) -> list[Json]:
        """Of each resource twice: compared on the client's side, and on the server's."""
        dry_run = ("apply", "--server-side", MANAGER, "--force-conflicts", "--dry-run=server", "-o", "json", "--show-managed-fields")
        pairs = []
        for way, manifests in self.manifests.items():
            predicted = json.loads(self.kubectl(*dry_run, way=way))["items"]
            for config, coming in zip(manifests, predicted, strict=True):
                pair = {"config": config, "live": self.stage.see(config["metadata"]["name"])}
                pairs += [pair, {**pair, "predicted": coming}]
        return argo_differences(self.stage.cluster.get("/openapi/v2"), pairs)


def test_no_difference_before_and_after_the_operator_ran(tenants: Stage) -> None:
    synced = Synced(tenants)
    synced.apply()
    assert (synced.kubectl_diff(), synced.argo_diff()) == ({"client": "", "server": ""}, [{}] * 8)
    tenants.run_operator()
    for name in synced.names:
        tenants.wait_settled(name)
    assert (synced.kubectl_diff(), synced.argo_diff()) == ({"client": "", "server": ""}, [{}] * 8)
    seen = [tenants.see(name) for name in synced.names]
    assert {each["status"] for each in judged("health", seen, str(ARGO / "health.lua"))} == {"Healthy"}
    assert {each["status"] for each in judged("kstatus", seen)} == {"Current"}


def test_a_change_in_git_is_a_difference(tenants: Stage) -> None:
    """Else nothing above would mean anything."""
    synced = Synced(tenants)
    synced.apply()
    for manifests in synced.manifests.values():
        for each in manifests:
            each["spec"]["managementPolicy"] = "Observe"
    assert synced.argo_diff() == [{"spec": {"managementPolicy": "Observe"}}] * 8


# -- the examples --------------------------------------------------------------------------------------------------

EXAMPLES = [
    each for folder in (ARGO / "examples", DEPLOY / "flux") for file in sorted(folder.glob("*.yaml")) for each in objects(file.read_text())
]
FOREIGN = [each for each in EXAMPLES if each["kind"] != "ChainEnvironment"]


@pytest.fixture(scope="module")
def schemas() -> dict[str, Json]:
    """By kind, out of the CRDs that Argo CD and Flux publish; a field that they do not name is refused."""
    load = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = [yaml.load(path.read_text(), load) for path in ensure_crds().glob("*.yaml")]
    return {
        f"{crd['spec']['group']}/{version['name']} {crd['spec']['names']['kind']}": closed(version["schema"]["openAPIV3Schema"])
        for crd in found
        for version in crd["spec"]["versions"]
    }


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items() if name != "x-kubernetes-validations"}
    names = found.get("properties")
    if isinstance(names, dict) and found.get("type") == "object" and not found.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


@pytest.mark.parametrize("example", FOREIGN, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_the_examples_fit(schemas: dict[str, Json], example: Json) -> None:
    validator = jsonschema.Draft202012Validator(schemas[f"{example['apiVersion']} {example['kind']}"])
    assert [error.message for error in validator.iter_errors({**example, "metadata": {}})] == []
    mistaken = {**example, "metadata": {}, "spec": {**example["spec"], "sources_": 1}}
    assert ["sources_" in error.message for error in validator.iter_errors(mistaken)] == [True]


def test_our_own_examples_are_taken(blank: Cluster, installed: Helm) -> None:
    ours = together(each for each in EXAMPLES if each["kind"] == "ChainEnvironment")
    done = blank.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=json.dumps(ours))
    assert done.stderr == ""


def test_what_the_examples_name_is_there() -> None:
    root = DEPLOY.parent
    [operator] = [each for each in EXAMPLES if each["kind"] == "Application" and each["metadata"]["name"] == "chainenv-operator"]
    assert (root / operator["spec"]["source"]["path"] / "Chart.yaml").exists()
    flux = [each for each in EXAMPLES if each["kind"] == "Kustomization"]
    ours = [each for each in flux if each["spec"]["sourceRef"]["name"] == "chainenv"]
    assert len(ours) == 2
    assert all((root / each["spec"]["path"]).is_dir() for each in ours)
