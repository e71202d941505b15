"""The chart: what it renders for many values is taken by the API server, and a mistake in the values is refused in clear words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from chainenv import __version__
from chainenv.settings import Settings, variable_of

from ..integration.harness.cluster import CRDS, Cluster, wait_until
from .shop import CHART, DEPLOY, HOME, ROOT, VALUES, Helm, as_list, environment, identity, judged, one, stub_crds

pytestmark = pytest.mark.xdist_group("cluster")

KEY = {"existingSecret": "baseten", "key": "token"}
RELABELED = {
    "namespace": "chains-production",
    "relabelings": [{"targetLabel": "cluster", "replacement": "here"}],
    "metricRelabelings": [{"action": "labeldrop", "regex": "pod"}],
}
EVERYTHING: dict[str, Any] = {
    "global": {"imagePullSecrets": ["shared"], "storageClass": "of another chart"},
    "replicaCount": 3,
    "revisionHistoryLimit": 2,
    "deploymentAnnotations": {"example.com/reload": "true"},
    "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
    "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["api.baseten.co"]}],
    "extraArgs": ["--log-level=debug"],
    "extraEnvFrom": [{"configMapRef": {"name": "proxy"}}],
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more", "namespace": HOME}},
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: as-text, namespace: '{{ .Release.Namespace }}'}",
    ],
    "image": {"repository": "registry.example.com/team/chainenv", "digest": f"sha256:{'0a' * 32}", "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "apiKey": {**KEY, "optional": True, "namespaces": ["chains-staging", "chains-production:abcd1234"]},
    "namespaces": ["chains-staging", "chains-production"],
    "baseten": {"url": "https://baseten.example.com"},
    "settings": {
        "pollSeconds": 60,
        "progressSeconds": 2.5,
        "vanishSeconds": 40,
        "settleSeconds": 90,
        "backoffMaxSeconds": 120,
        "requestTimeoutSeconds": 20,
        "rateLimit": 50,
        "logFormat": "json",
        "logLevel": "debug",
        "chainletMetrics": False,
        "resourceMetrics": False,
        "audit": "off",
    },
    "crds": {"annotations": {"example.com/owner": "platform"}},
    "serviceAccount": {"name": "custom", "annotations": {"example.com/role": "x"}},
    "extraLabels": {"example.com/team": "platform"},
    "extraAnnotations": {"example.com/contact": "platform@example.com"},
    "podLabels": {"example.com/pod": "yes"},
    "podAnnotations": {"example.com/pod": "true"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "priorityClassName": "system-cluster-critical",
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
    "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"},
    "networkPolicy": {
        "enabled": True,
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "egressPorts": [443, 16443],
        "extraEgress": [{"ports": [{"port": 3128, "protocol": "TCP"}]}],
    },
    "metrics": {
        "service": {"annotations": {"prometheus.io/scrape": "true"}},
        "serviceMonitor": {"enabled": True, "interval": "15s", "scrapeTimeout": "10s", "labels": {"release": "prometheus"}, **RELABELED},
        "prometheusRule": {
            "enabled": True,
            "namespace": "chains-staging",
            "additionalLabels": {"release": "prometheus"},
            "disabled": ["ChainenvQueueLate"],
            "additionalRules": [{"alert": "Mine", "expr": "chainenv_resources > 100", "labels": {"severity": "info"}}],
            "severities": {"ChainenvNoLeader": "warning"},
            "criticalNamespaces": "prod-.*",
            "runbookURL": "https://wiki.example.com/chainenv",
        },
        "dashboard": {"enabled": True, "annotations": {"grafana_folder": "Baseten"}},
    },
}
MATRIX: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": EVERYTHING,
    **{path.stem: yaml.safe_load(path.read_text()) for path in sorted(VALUES.glob("*.yaml"))},
    "nothing but the Deployment": {
        "crds": {"enabled": False},
        "rbac": {"create": False, "aggregate": False},
        "serviceAccount": {"create": False, "name": "default"},
        "metrics": {"service": {"enabled": False}},
        "leaderElection": {"enabled": False},
    },
    "a key for all": {"apiKey": {**KEY, "namespaces": ["*"]}},
    "other names": {"fullnameOverride": "envs", "nameOverride": "chains"},
    "a CRD that goes with the release": {"crds": {"keep": False}},
    "some that stay": {"podDisruptionBudget": {"enabled": True, "minAvailable": "50%"}},
}


@pytest.fixture(scope="module")
def furnished(blank: Cluster) -> Cluster:
    """With the namespaces and the foreign kinds that charts and overlays name."""
    restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    for name in (HOME, "chains-staging", "chains-production"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": restricted}}
        blank.kubectl("apply", "-f", "-", input=json.dumps(namespace))
    blank.kubectl("apply", "-f", "-", input=as_list(stub_crds()))
    wait_until("the kinds are published", lambda: "apis/monitoring.coreos.com/v1" in blank.get("/openapi/v3")["paths"])
    return blank


@pytest.mark.parametrize("name", MATRIX)
def test_the_api_server_takes_what_is_rendered(furnished: Cluster, helm: Helm, name: str) -> None:
    things = helm.with_values(MATRIX[name])
    assert len({identity(each) for each in things}) == len(things)
    done = furnished.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-", input=as_list(things)
    )
    assert done.stderr == "", "warnings, such as of Pod Security"
    foreign = [each for each in things if each["apiVersion"].startswith("monitoring.coreos.com/")]
    assert [verdict for verdict in judged("strict", foreign) if verdict["status"] != "Valid"] == []


@pytest.mark.parametrize("values", [[], *[[f"--values={path}"] for path in sorted(VALUES.glob("*.yaml"))]], ids=str)
def test_lint(helm: Helm, values: list[str]) -> None:
    done = helm("lint", "--strict", str(CHART), *values)
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


MISTAKES = {
    "a typing mistake": ({"replicaz": 2}, ["replicaz", "not allowed"]),
    "a typing mistake inside": ({"metrics": {"serviceMonitor": {"enable": True}}}, ["/metrics/serviceMonitor", "enable", "not allowed"]),
    "text for a number": ({"replicaCount": "two"}, ["/replicaCount", "want integer"]),
    "a key in the values": ({"apiKey": {"value": "secret"}}, ["/apiKey", "value", "not allowed"]),
    "a key in the environment": ({"extraEnv": [{"name": "BASETEN_API_KEY", "value": "secret"}]}, ["/extraEnv/0/name"]),
    "an unknown setting": ({"settings": {"poll": 3}}, ["/settings", "poll", "not allowed"]),
    "a setting out of range": ({"settings": {"pollSeconds": 0}}, ["/settings/pollSeconds", "exclusiveMinimum"]),
    "an unknown level": ({"settings": {"logLevel": "loud"}}, ["/settings/logLevel", "'debug', 'info', 'warning', 'error'"]),
    "http for Baseten": ({"baseten": {"url": "http://api.baseten.co"}}, ["/baseten/url", "https://"]),
    "not a namespace": ({"namespaces": ["Team_A"]}, ["/namespaces/0", "does not match pattern"]),
    "a namespace twice": ({"namespaces": ["a", "a"]}, ["/namespaces", "equal"]),
    "two that act": ({"replicaCount": 2, "leaderElection": {"enabled": False}}, ["set leaderElection.enabled"]),
    "a monitor without a Service": (
        {"metrics": {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}},
        ["needs metrics.service.enabled"],
    ),
    "users of a key that is not there": ({"apiKey": {"namespaces": ["a"]}}, ["name its Secret in apiKey.existingSecret"]),
    "an alert that does not exist": (
        {"metrics": {"prometheusRule": {"disabled": {"ChainenvLate": True}}}},
        ["ChainenvLate", "does not exist", "ChainenvQueueLate"],
    ),
    "a key for nobody knows whom": ({"apiKey": KEY}, ["apiKey.existingSecret needs apiKey.namespaces", "namespace:chainID"]),
    "a user of the key that is no namespace": (
        {"apiKey": {**KEY, "namespaces": ["Team_A"]}},
        ["/apiKey/namespaces/0", "does not match pattern"],
    ),
    "a service account without a name": ({"serviceAccount": {"create": False}}, ["serviceAccount.name"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_where_and_what(helm: Helm, mistake: str) -> None:
    values, words = MISTAKES[mistake]
    done = helm("template", "x", str(CHART), "--values=-", input=json.dumps(values), check=False)
    assert done.returncode
    assert [word for word in words if word not in done.stderr] == [], done.stderr
    assert "secret" not in done.stderr.replace("existingSecret", "").replace("Secret", "")


RENAMED: dict[str, str] = yaml.safe_load((CHART / "files" / "renamed.yaml").read_text())


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_refused_with_the_new_one(helm: Helm, old: str) -> None:
    value: Any = 1
    for name in reversed(old.split(".")):
        value = {name: value}
    done = helm("template", "x", str(CHART), "--values=-", input=json.dumps(value), check=False)
    assert done.returncode
    assert f"{old} is called {RENAMED[old]} now" in done.stderr
    assert "--reset-then-reuse-values" in done.stderr


def test_the_schema_has_each_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def names(within: dict[str, Any], where: str = "") -> set[str]:
        if "properties" not in within or where == "resources.":
            return {where.removesuffix(".")}
        if where != "global.":
            assert within["additionalProperties"] is False, where
        return {found for name, more in within["properties"].items() for found in names(more, f"{where}{name}.")}

    def written(values: dict[str, Any], where: str = "") -> set[str]:
        found: set[str] = set()
        for name, value in values.items():
            full = f"{where}{name}"
            deeper = isinstance(value, dict) and value and any(each.startswith(f"{full}.") for each in known)
            found |= written(value, f"{full}.") if deeper else {full}
        return found

    known = names(schema)
    assert known - set(RENAMED) == written(yaml.safe_load((CHART / "values.yaml").read_text()))


IMAGES = {
    "ghcr.io/team/chainenv": "mirror.example.com:5000/team/chainenv:0.1.0",
    "localhost/chainenv": "mirror.example.com:5000/chainenv:0.1.0",
    "team/chainenv": "mirror.example.com:5000/team/chainenv:0.1.0",
    "registry:5000/chainenv": "mirror.example.com:5000/chainenv:0.1.0",
}


@pytest.mark.parametrize("repository", IMAGES)
def test_a_registry_for_all_stands_in_place_of_the_images_own(helm: Helm, repository: str) -> None:
    values = {"global": {"imageRegistry": "mirror.example.com:5000/"}, "image": {"repository": repository}}
    assert pod(helm.with_values(values))["containers"][0]["image"] == IMAGES[repository].replace("0.1.0", __version__)


def pod(things: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = one(things, "Deployment")["spec"]["template"]["spec"]
    return found


def test_the_pod_is_as_the_values_say(helm: Helm) -> None:
    things = helm.with_values(EVERYTHING)
    deployment, [container] = one(things, "Deployment"), pod(things)["containers"]
    assert (deployment["spec"]["replicas"], deployment["spec"]["revisionHistoryLimit"]) == (3, 2)
    assert deployment["metadata"]["annotations"]["example.com/reload"] == "true"
    assert "example.com/reload" not in deployment["spec"]["template"]["metadata"]["annotations"]
    assert container["args"] == ["run", "--log-level=debug"]
    assert container["envFrom"] == EVERYTHING["extraEnvFrom"]
    assert pod(things)["imagePullSecrets"] == [{"name": "registry"}, {"name": "shared"}]
    assert pod(things)["dnsConfig"] == EVERYTHING["dnsConfig"]
    assert pod(things)["hostAliases"] == EVERYTHING["hostAliases"]
    assert {each["metadata"]["name"] for each in things if each["kind"] == "ConfigMap"} >= {"chainenv-operator-more", "as-text"}
    assert "revisionHistoryLimit" not in one(helm.with_values({}), "Deployment")["spec"]


@pytest.mark.parametrize(
    ("values", "spec"),
    [({}, {"maxUnavailable": 1}), ({"minAvailable": 0}, {"minAvailable": 0}), ({"minAvailable": "50%"}, {"minAvailable": "50%"})],
)
def test_a_budget_says_how_many_may_be_away_or_must_stay(helm: Helm, values: dict[str, Any], spec: dict[str, Any]) -> None:
    found = one(helm.with_values({"podDisruptionBudget": {"enabled": True, **values}}), "PodDisruptionBudget")["spec"]
    assert {name: value for name, value in found.items() if name != "selector"} == spec


def alerts(things: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    [group] = one(things, "PrometheusRule")["spec"]["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def test_alerts_are_chosen_and_their_severity_too(helm: Helm) -> None:
    things = helm.with_values(EVERYTHING)
    shipped = {rule["alert"]: rule for rule in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"][0]["rules"]}
    found = alerts(things)
    assert found.keys() == shipped.keys() - {"ChainenvQueueLate"} | {"Mine"}
    assert found["ChainenvNoLeader"]["labels"]["severity"] == "warning"
    assert {name: rule["expr"] for name, rule in found.items() if name in shipped} == {
        name: shipped[name]["expr"] for name in found if name in shipped
    }
    assert one(things, "PrometheusRule")["metadata"]["namespace"] == "chains-staging"
    assert one(things, "PrometheusRule")["metadata"]["labels"]["release"] == "prometheus"
    monitor = one(things, "ServiceMonitor")
    assert monitor["metadata"]["namespace"] == "chains-production"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [HOME]}
    [endpoint] = monitor["spec"]["endpoints"]
    assert (endpoint["relabelings"], endpoint["metricRelabelings"]) == (RELABELED["relabelings"], RELABELED["metricRelabelings"])
    as_map = {"metrics": {"prometheusRule": {"enabled": True, "disabled": {"ChainenvQueueLate": True, "ChainenvNoLeader": False}}}}
    assert alerts(helm.with_values(as_map)).keys() == shipped.keys() - {"ChainenvQueueLate"}


def test_an_alert_is_critical_where_the_values_say_so(helm: Helm) -> None:
    found = alerts(helm.with_values(EVERYTHING))
    template = '{{ if match "^(?:prod-.*)$" $labels.resource_namespace }}critical{{ else }}warning{{ end }}'
    assert found["ChainenvStalled"]["labels"]["severity"] == template
    assert found["ChainenvBasetenUnreachable"]["labels"]["severity"] == "critical"
    assert found["ChainenvStalled"]["annotations"]["runbook_url"] == "https://wiki.example.com/chainenv#stalled"
    assert (
        alerts(helm.with_values({"metrics": {"prometheusRule": {"enabled": True}}}))["ChainenvStalled"]["labels"]["severity"] == "warning"
    )


def notes(helm: Helm, *values: str) -> str:
    return helm("install", "x", str(CHART), "--dry-run=client", f"--namespace={HOME}", *values).stdout.partition("NOTES:")[2]


def test_the_notes_lead_to_the_first_environment(blank: Cluster, helm_at: Callable[[Cluster | None], Helm]) -> None:
    helm = helm_at(blank)
    said = notes(helm, "--set=apiKey.existingSecret=baseten", "--set=apiKey.namespaces={team-a}")
    assert "WARNING: the image chainenv-operator:" in said
    assert f"kubectl --namespace {HOME} rollout status deployment/x-chainenv-operator" in said
    assert f"kubectl --namespace {HOME} create secret generic baseten --from-file=api-key=api-key" in said
    assert "who may: team-a" in said
    assert "--for=condition=Synced" in said
    assert "Documentation: https://" in said
    said = notes(helm, "--set=image.repository=registry.example.com/chainenv-operator")
    assert "WARNING" not in said
    assert "spec: {chainID: abcd1234, apiKeySecretRef: {name: baseten, key: api-key}}" in said


def test_every_setting_reaches_the_operator(helm: Helm) -> None:
    found = environment(helm.with_values(EVERYTHING))
    known = {variable_of(field) for field in Settings.model_fields}
    assert found.keys() - known == {"HTTPS_PROXY"}
    assert found["CHAINENV_NAMESPACES"] == "chains-staging,chains-production"
    assert found["CHAINENV_PROGRESS_SECONDS"] == "2.5"
    assert found["BASETEN_API_KEY"] == {"secretKeyRef": {"name": "baseten", "key": "token", "optional": True}}
    fitting = {"CHAINENV_LEADER_ELECTION", "CHAINENV_LEASE_NAMESPACE", "CHAINENV_METRICS_PORT", "CHAINENV_PROBE_PORT"}
    assert known - found.keys() == fitting, "the default of those is right here"
    assert environment(helm.with_values({})) == {}


def test_watching_some_namespaces_needs_no_right_of_the_cluster(helm: Helm) -> None:
    things = helm.with_values(MATRIX["namespaced"])
    assert [identity(each) for each in things if each["kind"].startswith("Cluster")] == []
    roles = {each["metadata"]["namespace"] for each in things if each["kind"] == "Role"}
    assert roles == {HOME, "chains-staging", "chains-production"}


def test_the_crd_is_the_generated_one(helm: Helm) -> None:
    [original] = [yaml.safe_load(path.read_text()) for path in CRDS.glob("*.yaml")]
    shipped = one(helm.with_values({}), "CustomResourceDefinition", original["metadata"]["name"])
    assert shipped["spec"] == original["spec"]
    assert shipped["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_what_is_generated_is_fresh() -> None:
    done = subprocess.run([sys.executable, str(DEPLOY / "generate.py"), "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
