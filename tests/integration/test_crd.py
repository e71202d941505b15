"""What the API server itself refuses, and what it shows: a mistake in a manifest never reaches Baseten."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from .harness.applying import Kubectl
from .harness.cluster import CRDS, SAMPLES, Cluster, Json
from .harness.manifests import chainlet, resource

CRD = CRDS / "chains.baseten.co_chainenvironments.yaml"


def autoscaled(**settings: int) -> Json:
    return {"chainletSettings": [chainlet("HelloWorld", None, **settings)]}


def rolling(**config: Any) -> Json:
    return {"promotionSettings": {"rollingDeploy": True, "rollingDeployConfig": config}}


def cleanup(outside: str, inside: str) -> Json:
    config = {"promotionCleanupStrategy": inside}
    return {"promotionSettings": {"promotionCleanupStrategy": outside, "rollingDeployConfig": config}}


EXACTLY_ONE = "exactly one of rollingDeployConfig.maxSurgePercent and rollingDeployConfig.maxUnavailablePercent must be above 0"

MISTAKES: dict[str, tuple[Json, str]] = {
    "minReplica above maxReplica": (autoscaled(minReplica=4, maxReplica=3), "raise maxReplica or lower minReplica"),
    "two entries for a chainlet": (
        {"chainletSettings": [chainlet("RandInt", "1x2"), chainlet("RandInt", "2x8")]},
        'spec.chainletSettings[1]: Duplicate value: {"chainletName":"RandInt"}',
    ),
    "unknown management policy": ({"managementPolicy": "Watch"}, 'supported values: "Reconcile", "Observe", "Pause"'),
    "unknown adoption policy": ({"adoptionPolicy": "Take"}, 'supported values: "Adopt", "Fail"'),
    "unknown deletion policy": ({"deletionPolicy": "Delete"}, 'supported values: "Retain", "DeactivateWhenIdle", "Deactivate"'),
    "unknown cleanup strategy": (
        {"promotionSettings": {"promotionCleanupStrategy": "DELETE"}},
        'supported values: "KEEP", "SCALE_TO_ZERO", "DEACTIVATE"',
    ),
    "DEACTIVATE in the older place": (rolling(promotionCleanupStrategy="DEACTIVATE"), 'supported values: "KEEP", "SCALE_TO_ZERO"'),
    "unknown rolling strategy": (rolling(rollingDeployStrategy="BLUE_GREEN"), 'supported values: "REPLICA"'),
    "surge and unavailable above zero": (rolling(maxSurgePercent=10, maxUnavailablePercent=10), EXACTLY_ONE),
    "surge and unavailable zero": (rolling(maxSurgePercent=0, maxUnavailablePercent=0), EXACTLY_ONE),
    "two cleanup strategies": (cleanup("KEEP", "SCALE_TO_ZERO"), "write promotionCleanupStrategy alone, or the same value in both"),
    "no chain id": ({"chainID": None}, "spec.chainID: Required value"),
    "chainlet without name": ({"chainletSettings": [{"instanceTypeID": "1x2"}]}, "spec.chainletSettings[0].chainletName: Required value"),
    "Secret without key": ({"apiKeySecretRef": {"name": "baseten"}}, "spec.apiKeySecretRef.key: Required value"),
    "text for a number": ({"chainletSettings": [chainlet("RandInt", minReplica="two")]}, "must be of type integer"),
}


@pytest.mark.parametrize(("spec", "help_given"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused_with_a_message_that_helps(kubectl: Kubectl, spec: Json, help_given: str) -> None:
    assert help_given in kubectl.refusal(resource(**spec))
    assert kubectl("get", "chenv", "-o", "name") == ""


CHAIN = "chainID is the short id from the URL (.../chains/abcd1234), not the URL, and not the chain's name"
ENVIRONMENT = (
    "environmentName is written with lower-case letters, digits and '-', and begins and ends with a letter or digit:"
    " for example staging-eu, not Staging_EU"
)
DEPLOYMENT = "deploymentID is the short id of a chain deployment (for example abcd1234), not its URL: write the id alone"
CHAINLET = "chainletName is the chainlet's name as in the chain's code (for example HelloWorld): ASCII, in one line and not empty"
INSTANCE_TYPE = (
    "instanceTypeID is the id of an instance type (for example 2x8 or A10Gx8x32), without blanks, not its display name;"
    " omit it to leave the instance type as it is"
)
SECRET = (
    "apiKeySecretRef.name is the name of a Secret in the same namespace: lower-case letters, digits, '-' and '.'"
    " (for example baseten-api-key), without the namespace, and never the API key itself"
)
SECRET_KEY = (
    "apiKeySecretRef.key is the name of an entry of the Secret's data: letters, digits, '-', '_' and '.' (for example api-key),"
    " never the API key itself"
)

MISWRITTEN: dict[str, tuple[str, str, str]] = {
    "chain id, empty": ("chainID", "", CHAIN),
    "chain id, a URL": ("chainID", "https://app.baseten.co/chains/abcd1234/overview", CHAIN),
    "chain id, a path": ("chainID", "abcd/../efgh", CHAIN),
    "chain id and a line end": ("chainID", "abcd1234\n", CHAIN),
    "environment, empty": ("environmentName", "", ENVIRONMENT),
    "environment in capitals": ("environmentName", "Staging", ENVIRONMENT),
    "environment with an underscore": ("environmentName", "staging_eu", ENVIRONMENT),
    "environment with a dot": ("environmentName", "staging.eu", ENVIRONMENT),
    "environment that ends with a dash": ("environmentName", "staging-", ENVIRONMENT),
    "deployment, empty": ("deploymentID", "", DEPLOYMENT),
    "deployment, a URL": ("deploymentID", "https://app.baseten.co/chains/abcd1234/logs/efgh5678", DEPLOYMENT),
    "chainlet, empty": ("chainletSettings[0].chainletName", "", CHAINLET),
    "chainlet of two lines": ("chainletSettings[0].chainletName", "Rand\nInt", CHAINLET),
    "instance type, empty": ("chainletSettings[0].instanceTypeID", "", INSTANCE_TYPE),
    "instance type by its display name": ("chainletSettings[0].instanceTypeID", "A10G, 8 vCPUs, 32 GiB RAM", INSTANCE_TYPE),
    "Secret, empty": ("apiKeySecretRef.name", "", SECRET),
    "Secret with its namespace": ("apiKeySecretRef.name", "team-a/baseten", SECRET),
    "Secret in capitals": ("apiKeySecretRef.name", "Baseten", SECRET),
    "Secret key, empty": ("apiKeySecretRef.key", "", SECRET_KEY),
    "Secret key, a path": ("apiKeySecretRef.key", "data/api-key", SECRET_KEY),
}


def written(path: str, value: str) -> Json:
    """A resource with the text at that place of its spec."""
    field = path.rsplit(".", 1)[-1]
    if path.startswith("chainletSettings"):
        return resource(chainletSettings=[{"chainletName": "RandInt", field: value}])
    if path.startswith("apiKeySecretRef"):
        return resource(apiKeySecretRef={"name": "baseten", "key": "api-key", field: value})
    return resource(**{path: value})


@pytest.mark.parametrize(("path", "value", "message"), MISWRITTEN.values(), ids=MISWRITTEN)
def test_what_is_miswritten_is_answered_with_what_to_write(kubectl: Kubectl, path: str, value: str, message: str) -> None:
    said = kubectl.refusal(written(path, value))
    assert f"spec.{path}: Invalid value" in said
    assert said.strip().endswith(message)


WELL_WRITTEN: dict[str, list[str]] = {
    "chainID": ["a", "abcd1234", "ABC_def-1", "x" * 128],
    "environmentName": ["a", "production", "staging-eu-1", "9"],
    "deploymentID": ["w", "dep123", "ABC_def-1"],
    "chainletSettings[0].chainletName": ["HelloWorld", "Text to speech", "Q'uote"],
    "chainletSettings[0].instanceTypeID": ["1x2", "A10G:2x24x96", "H100MIG", "H100:2", "B200-x/y.z"],
    "apiKeySecretRef.name": ["a", "baseten-api-key", "team.baseten"],
    "apiKeySecretRef.key": ["api-key", "API_KEY", "key.txt"],
}


def test_what_is_well_written_is_taken(kubectl: Kubectl) -> None:
    for path, values in WELL_WRITTEN.items():
        for number, value in enumerate(values):
            manifest = written(path, value)
            manifest["metadata"]["name"] = f"{path.rsplit('.', 1)[-1].lower()}-{number}"
            kubectl.apply(manifest)


def test_no_field_of_a_spec_has_a_pattern_that_an_error_would_show() -> None:
    spec = _schema()["properties"]["spec"]
    texts = {path: node for path, node in _fields(spec, "spec") if node["type"] == "string" and "enum" not in node}
    assert len(texts) >= len(WELL_WRITTEN)
    assert [path for path, node in texts.items() if "pattern" in node] == []
    assert [path for path, node in texts.items() if "maxLength" not in node or "x-kubernetes-validations" not in node] == []


RANGES: dict[str, tuple[int, int | None]] = {
    "minReplica": (0, None),
    "maxReplica": (1, None),
    "autoscalingWindow": (10, 3600),
    "scaleDownDelay": (0, 3600),
    "concurrencyTarget": (1, None),
    "targetUtilizationPercentage": (1, 100),
    "targetInFlightTokens": (1, None),
    "maxScaleDownRate": (1, 50),
    "maxSurgePercent": (0, 50),
    "maxUnavailablePercent": (0, 50),
    "stabilizationTimeSeconds": (0, 3600),
    "replicaOverheadPercent": (0, 500),
    "rampUpDurationSeconds": (0, None),
}
ROLLING = {"maxSurgePercent", "maxUnavailablePercent", "stabilizationTimeSeconds", "replicaOverheadPercent"}
OUT_OF_RANGE = [(name, low - 1) for name, (low, _) in RANGES.items()] + [(n, high + 1) for n, (_, high) in RANGES.items() if high]


def with_numbers(**numbers: int) -> Json:
    """A resource with each number in its place."""
    config = {n: v for n, v in numbers.items() if n in ROLLING}
    outer = {n: v for n, v in numbers.items() if n == "rampUpDurationSeconds"}
    scaling = {n: v for n, v in numbers.items() if n not in ROLLING and n not in outer}
    spec: Json = {}
    if outer or config:
        spec["promotionSettings"] = {**outer, "rollingDeployConfig": config}
    return resource(**spec, **(autoscaled(**scaling) if scaling else {}))


@pytest.mark.parametrize(("name", "number"), OUT_OF_RANGE)
def test_a_number_out_of_its_documented_range_is_refused(kubectl: Kubectl, name: str, number: int) -> None:
    said = kubectl.refusal(with_numbers(**{name: number}))
    low, high = RANGES[name]
    bound = f"greater than or equal to {low}" if number < low else f"less than or equal to {high}"
    assert f"{name}: Invalid value: {number}" in said
    assert bound in said


def test_the_ends_of_every_range_are_taken(kubectl: Kubectl) -> None:
    kubectl.apply(with_numbers(**{name: low for name, (low, _) in RANGES.items()}))
    kubectl.apply(with_numbers(**{name: high or 1000 for name, (_, high) in RANGES.items()}))


IMMUTABLE: dict[str, tuple[Json, Json, str]] = {
    "environmentName changed": ({"environmentName": "blue"}, {"environmentName": "green"}, "environmentName cannot be changed"),
    "environmentName removed": ({"environmentName": "blue"}, {}, "environmentName cannot be changed, removed"),
    "environmentName added later": ({}, {"environmentName": "staging"}, "environmentName cannot be changed, removed or added later"),
    "chainID changed": ({}, {"chainID": "efgh5678"}, "chainID cannot be changed: create another ChainEnvironment"),
}


@pytest.mark.parametrize(("before", "after", "help_given"), IMMUTABLE.values(), ids=IMMUTABLE)
def test_what_names_the_target_cannot_be_changed(kubectl: Kubectl, before: Json, after: Json, help_given: str) -> None:
    first = kubectl.apply(resource(**before))
    assert help_given in kubectl.refusal(resource(**after))
    assert kubectl.cluster.resource(kubectl.namespace, "staging")["spec"] == first["spec"]


@pytest.mark.parametrize(
    ("spec", "misspelt"),
    [
        ({"chainletSetings": []}, "spec.chainletSetings"),
        (autoscaled(minReplicas=1), "minReplicas"),
        ({"promotionSettings": {"rollingDeploy": True, "rollingDeployConfig": {"maxSurge": 1}}}, "maxSurge"),
        ({"chainId": "abcd1234"}, "spec.chainId"),
    ],
)
def test_a_misspelt_field_is_an_error_when_strict(kubectl: Kubectl, spec: Json, misspelt: str) -> None:
    said = kubectl.refusal(resource(**spec), "--validate=strict")
    assert "unknown field" in said
    assert misspelt in said


def everything(index: int) -> Json:
    numbers = {n: 40 for n in RANGES if n not in ROLLING and n != "rampUpDurationSeconds"}
    return chainlet(f"Chainlet{index}", "A10G:2x24x96", **numbers)


def test_a_resource_of_200_chainlets_with_everything_set_is_taken_and_can_be_changed(kubectl: Kubectl) -> None:
    config: Json = {"rollingDeployStrategy": "REPLICA", "maxSurgePercent": 10, "maxUnavailablePercent": 0, "stabilizationTimeSeconds": 60}
    config |= {"replicaOverheadPercent": 100, "promotionCleanupStrategy": "KEEP"}
    promotion: Json = {"redeployOnPromotion": True, "rollingDeploy": True, "rampUpWhilePromoting": True, "rampUpDurationSeconds": 600}
    promotion |= {"promotionCleanupStrategy": "KEEP", "rollingDeployConfig": config}
    whole = resource(
        environmentName="blue",
        managementPolicy="Reconcile",
        adoptionPolicy="Adopt",
        deletionPolicy="Retain",
        apiKeySecretRef={"name": "baseten", "key": "api-key"},
        deploymentID="dep123",
        scaleDownPreviousDeployment=True,
        promotionSettings=promotion,
        chainletSettings=[everything(index) for index in range(200)],
    )
    assert kubectl.apply(whole)["spec"] == whole["spec"]
    whole["spec"]["chainletSettings"][199]["instanceTypeID"] = "1x2"
    assert kubectl.apply(whole)["metadata"]["generation"] == 2


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_samples_are_taken(kubectl: Kubectl, sample: Any) -> None:
    kubectl("apply", "--validate=strict", "-f", str(sample))


def test_a_new_resource_says_that_nobody_has_looked_at_it(kubectl: Kubectl) -> None:
    assert kubectl.apply(resource())["status"] == {"observedGeneration": -1}


def test_null_in_a_manifest_means_omitted(kubectl: Kubectl) -> None:
    nulls = dict.fromkeys(("environmentName", "managementPolicy", "apiKeySecretRef", "deploymentID", "scaleDownPreviousDeployment"))
    promotion = {"rampUpDurationSeconds": 600, "rollingDeploy": None, "rollingDeployConfig": None}
    entry = {**chainlet("RandInt", "1x2"), "autoscalingSettings": {"minReplica": 1, "targetUtilizationPercentage": None}}
    seen = kubectl.apply(resource(**nulls, promotionSettings=promotion, chainletSettings=[entry]))
    expected = resource(promotionSettings={"rampUpDurationSeconds": 600}, chainletSettings=[chainlet("RandInt", "1x2", minReplica=1)])
    assert seen["spec"] == expected["spec"]


def test_the_api_server_adds_nothing_to_a_spec(kubectl: Kubectl) -> None:
    assert kubectl.apply(resource())["spec"] == resource()["spec"]
    schema = _schema()["properties"]["spec"]
    assert [path for path, node in _fields(schema, "spec") if "default" in node] == []


def test_it_is_found_by_its_short_name_and_its_category(kubectl: Kubectl) -> None:
    kubectl.apply(resource())
    expected = "chainenvironment.chains.baseten.co/staging\n"
    assert [kubectl("get", word, "-o", "name") for word in ("chenv", "chainenv", "baseten", "chainenvironments")] == [expected] * 4


def test_a_list_shows_the_columns_a_person_wants(kubectl: Kubectl) -> None:
    kubectl.apply(resource())
    header, row = kubectl("get", "chenv").splitlines()
    assert header.split() == ["NAME", "CHAIN", "ENVIRONMENT", "DEPLOYMENT", "STATUS", "REPLICAS", "SYNCED", "READY", "AGE"]
    assert row.split()[:2] == ["staging", "abcd1234"]
    wide = kubectl("get", "chenv", "-o", "wide").splitlines()[0].split()
    assert wide == [*header.split(), "CANDIDATE", "COST", "REASON", "MESSAGE"]


def test_it_is_selected_by_chain_and_environment(kubectl: Kubectl) -> None:
    for name, chain in (("one", "abcd1234"), ("two", "efgh5678")):
        kubectl.apply(resource(name, chainID=chain, environmentName=f"{name}-env"))
    for selector in ("spec.chainID=efgh5678", "spec.environmentName=two-env"):
        found = kubectl("get", "chenv", "--field-selector", selector, "-o", "name")
        assert found == "chainenvironment.chains.baseten.co/two\n"


def _schema() -> Json:
    crd = yaml.safe_load(CRD.read_text())
    schema: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _fields(node: Json, path: str) -> Iterator[tuple[str, Json]]:
    """Each field below, with its path."""
    for name, child in node.get("items", node).get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _fields(child, f"{path}.{name}")


def test_every_field_that_kubectl_explains_has_a_description(cluster: Cluster) -> None:
    published = cluster.get("/openapi/v3/apis/chains.baseten.co/v1alpha1")["components"]["schemas"]
    (resource_schema,) = [s for name, s in published.items() if name.endswith(".ChainEnvironment")]
    ours = {name: node for name, node in resource_schema["properties"].items() if name in ("spec", "status")}
    fields = list(_fields({"properties": ours}, "chenv"))
    assert len(fields) > 90
    assert [path for path, node in fields if not node.get("description", "").strip()] == []


@pytest.mark.parametrize("field", ["spec", "spec.chainletSettings.autoscalingSettings.minReplica", "status.conditions"])
def test_kubectl_explains_a_field(cluster: Cluster, field: str) -> None:
    said = cluster.kubectl("explain", f"chenv.{field}").stdout
    assert "<no description>" not in said
    node = dict(_fields(_schema(), "chenv"))[f"chenv.{field}"]
    assert node["description"].split(".")[0] in " ".join(said.split())


def test_the_crd_file_is_what_the_command_prints() -> None:
    printed = subprocess.run([sys.executable, "-m", "chainenv", "crd"], capture_output=True, text=True, check=True).stdout
    assert CRD.read_text() == printed
    assert [path.name for path in CRDS.glob("*.yaml")] == [CRD.name]
