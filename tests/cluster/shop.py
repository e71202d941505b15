"""The tools, and what they make of the files under deploy/."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from chainenv_sandbox.controlplane import ensure_kubectl
from chainenv_sandbox.gotools import ensure_tool

from ..integration.harness.cluster import Cluster

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "chainenv-operator"
VALUES = DEPLOY / "helm" / "values"
OVERLAYS = DEPLOY / "kustomize" / "overlays"
HOME = "chainenv-system"

Json = dict[str, Any]
Done = subprocess.CompletedProcess[str]


def run(program: Path, *arguments: str, input: str | None = None, check: bool = True, **environment: str) -> Done:
    done = subprocess.run(
        [program, *arguments], input=input, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, f"{program.name} {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done


class Helm:
    """With a home of its own, so that nobody's repositories and plugins play a part."""

    chart = CHART

    def __init__(self, home: Path, kubeconfig: Path | None) -> None:
        self.environment = {
            **{f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")},
            "KUBECONFIG": str(kubeconfig or home / "none"),
        }

    def __call__(self, *arguments: str, check: bool = True, input: str | None = None) -> Done:
        return run(ensure_tool("helm"), *arguments, check=check, input=input, **self.environment)

    def rendered(self, *arguments: str, namespace: str = HOME) -> list[Json]:
        done = self("template", f"--namespace={namespace}", "chainenv-operator", str(CHART), *arguments)
        return objects(done.stdout)

    def with_values(self, values: Mapping[str, Any]) -> list[Json]:
        done = self("template", f"--namespace={HOME}", "chainenv-operator", str(CHART), "--values=-", input=json.dumps(values))
        return objects(done.stdout)


def objects(text: str) -> list[Json]:
    return [each for each in yaml.safe_load_all(text) if each]


def built(directory: Path) -> list[Json]:
    """By kubectl kustomize."""
    return objects(run(ensure_kubectl(), "kustomize", str(directory)).stdout)


def judged(what: str, things: Iterable[Json], *arguments: str) -> list[Json]:
    """Status and message of each thing: kstatus, health (of Argo CD, by a script) or strict (the Prometheus operator's types)."""
    done = run(ensure_tool("judge"), what, *arguments, input=json.dumps(list(things)))
    verdicts: list[Json] = json.loads(done.stdout)
    return verdicts


def argo_differences(openapi: Json, pairs: Iterable[Json]) -> list[Json]:
    """What Argo CD finds different, as merge patches: each pair has a manifest (`config`), the object (`live`) and, for its
    server-side diff, what the API server would make of it (`predicted`)."""
    done = run(ensure_tool("argodiff"), input=json.dumps({"openapi": openapi, "pairs": list(pairs)}))
    found: list[Json] = json.loads(done.stdout)
    return found


def identity(thing: Json) -> tuple[str, str, str]:
    metadata = thing["metadata"]
    return thing["kind"], metadata.get("namespace", ""), metadata["name"]


def one(things: Iterable[Json], kind: str, name: str = "chainenv-operator") -> Json:
    [found] = [each for each in things if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def environment(things: Iterable[Json]) -> Json:
    """Environment variables of the operator's container, by name."""
    [container] = one(things, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container.get("env", [])}


def as_list(things: Iterable[Json]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(things)})


def dashboard_queries() -> dict[str, str]:
    """Expressions by panel and letter."""
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    return {f"{panel['title']} {target['refId']}": target["expr"] for panel in panels for target in panel.get("targets", ())}


STUBS = (("ServiceMonitor", "servicemonitors"), ("PrometheusRule", "prometheusrules"))


def stub_crds() -> list[Json]:
    """Kinds of the Prometheus operator without their fields: those are checked with its own types (`judged("strict")`)."""
    return [_stub("monitoring.coreos.com", kind, plural) for kind, plural in STUBS]


def _stub(group: str, kind: str, plural: str) -> Json:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def commands(page: Path) -> list[str]:
    """What follows `$ ` in the page's console blocks; a line that ends with a backslash goes on."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+", " ", line[2:].partition("  #")[0]).strip() for line in lines if line.startswith("$ ")]


ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def aggregate(cluster: Cluster) -> None:
    """The work of the controller that fills view, edit and admin: here no controller runs."""
    roles: list[Json] = cluster.get(ROLES)["items"]
    for name in ("view", "edit", "admin"):  # edit takes in view, and admin edit: their labels say so
        [role] = [each for each in roles if each["metadata"]["name"] == name]
        wanted = [selector["matchLabels"] for selector in role["aggregationRule"]["clusterRoleSelectors"]]
        parts = [each for each in roles if any(labels.items() <= each["metadata"].get("labels", {}).items() for labels in wanted)]
        role["rules"] = [rule for part in parts if part is not role for rule in part["rules"] or []]
        cluster.kubectl("patch", "clusterrole", name, "--type=merge", "-p", json.dumps({"rules": role["rules"]}))
