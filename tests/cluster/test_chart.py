"""The chart: what it renders for many values is taken by the API server, and a mistake in the values is refused in clear words."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from chainenv import __version__
from chainenv.settings import Settings, variable_of

from ..integration.harness.cluster import CRDS, Cluster, wait_until
from .shop import CHART, DEPLOY, HOME, ROOT, VALUES, Helm, as_list, environment, identity, judged, one, stub_crds

pytestmark = pytest.mark.xdist_group("cluster")

KEY = {"existingSecret": "baseten", "key": "token"}
EVERYTHING: dict[str, Any] = {
    "replicas": 3,
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
        "serviceMonitor": {"enabled": True, "interval": "15s", "scrapeTimeout": "10s", "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True, "annotations": {"grafana_folder": "Baseten"}},
    },
}
MATRIX: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": EVERYTHING,
    **{path.stem: yaml.safe_load(path.read_text()) for path in sorted(VALUES.glob("*.yaml"))},
    "nothing but the Deployment": {
        "crds": {"install": False},
        "rbac": {"create": False, "aggregate": False},
        "serviceAccount": {"create": False, "name": "default"},
        "metrics": {"service": {"enabled": False}},
        "leaderElection": {"enabled": False},
    },
    "a key for all": {"apiKey": {**KEY, "namespaces": ["*"]}},
    "other names": {"fullnameOverride": "envs", "nameOverride": "chains"},
    "a CRD that goes with the release": {"crds": {"keep": False}},
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
    "text for a number": ({"replicas": "two"}, ["/replicas", "want integer"]),
    "a key in the values": ({"apiKey": {"value": "secret"}}, ["/apiKey", "value", "not allowed"]),
    "a key in the environment": ({"extraEnv": [{"name": "BASETEN_API_KEY", "value": "secret"}]}, ["/extraEnv/0/name"]),
    "an unknown setting": ({"settings": {"poll": 3}}, ["/settings", "poll", "not allowed"]),
    "a setting out of range": ({"settings": {"pollSeconds": 0}}, ["/settings/pollSeconds", "exclusiveMinimum"]),
    "an unknown level": ({"settings": {"logLevel": "loud"}}, ["/settings/logLevel", "'debug', 'info', 'warning', 'error'"]),
    "http for Baseten": ({"baseten": {"url": "http://api.baseten.co"}}, ["/baseten/url", "https://"]),
    "not a namespace": ({"namespaces": ["Team_A"]}, ["/namespaces/0", "does not match pattern"]),
    "a namespace twice": ({"namespaces": ["a", "a"]}, ["/namespaces", "equal"]),
    "two that act": ({"replicas": 2, "leaderElection": {"enabled": False}}, ["set leaderElection.enabled"]),
    "a monitor without a Service": (
        {"metrics": {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}},
        ["needs metrics.service.enabled"],
    ),
    "users of a key that is not there": ({"apiKey": {"namespaces": ["a"]}}, ["name its Secret in apiKey.existingSecret"]),
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


def test_all_values_have_a_type_and_no_other_is_allowed() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def compare(values: dict[str, Any], within: dict[str, Any], where: str) -> None:
        if "properties" not in within or where.endswith(("resources.", "extraEnv.")):
            return
        assert within["additionalProperties"] is False, where
        assert within["properties"].keys() - {"global"} == values.keys(), where
        for name, value in values.items():
            if isinstance(value, dict):
                compare(value, within["properties"][name], f"{where}{name}.")

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "")


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
