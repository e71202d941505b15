"""Argo CD and Flux see each phase as it is, and see no difference where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from chainenv_sandbox.gotools import ensure_crds

from ..integration.harness.cluster import SAMPLES, Cluster
from ..integration.harness.looking import together
from ..integration.harness.manifests import chainlet, resource
from ..integration.harness.stage import Stage
from .phases import Phase, phases
from .shop import DEPLOY, Helm, Json, judged, objects

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


def test_as_the_api_server_hands_it_out(blank: Cluster, installed: Helm) -> None:
    """An object that nobody has looked at: its status is what the CRD defaults."""
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


def test_no_difference_before_and_after_the_operator_ran(tenants: Stage) -> None:
    """kubectl makes the same patches as Argo CD: of three ways, for a kind without a Go type, or the server's dry run."""
    full = yaml.safe_load((SAMPLES / "staging.yaml").read_text())["spec"]
    bare = {"deletionPolicy": "Deactivate", "chainletSettings": [chainlet("HelloWorld", minReplica=1)]}
    manifests = {way: together([resource(f"{way}-full", **full), resource(f"{way}-bare", **bare)]) for way in WAYS}

    def kubectl(*arguments: str, way: str) -> str:
        return tenants.cluster.kubectl(*arguments, "-f", "-", namespace=tenants.namespace, input=json.dumps(manifests[way])).stdout

    for way, (apply, diff) in WAYS.items():
        kubectl("apply", *apply, way=way)
        assert kubectl(*diff, way=way) == ""
    tenants.run_operator()
    names = [f"{way}-{kind}" for way in WAYS for kind in ("full", "bare")]
    for name in names:
        tenants.wait_settled(name)
    for way, (_, diff) in WAYS.items():
        assert kubectl(*diff, way=way) == ""
    seen = [tenants.see(name) for name in names]
    assert {each["status"] for each in judged("health", seen, str(ARGO / "health.lua"))} == {"Healthy"}
    assert {each["status"] for each in judged("kstatus", seen)} == {"Current"}


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
