"""Writes what is made from something else under deploy/ and docs/ (make generate), or says what is stale (make check: --check).

One source each: the CRD and the API reference (crds/), the alerts (prometheus/alerts.yaml), the health check (argocd/health.lua), the
dashboard (grafana/dashboard.py), the krew plugin (krew/manifest.py) and the chart's values (values.yaml). helm and kustomize read only
below their own folder, hence copies.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent / "grafana"))
sys.path.insert(0, str(Path(__file__).parent / "krew"))
from api_reference import reference
from chart_values import Values
from dashboard import dashboard
from manifest import manifest

DEPLOY = Path(__file__).parent
CRD = DEPLOY.parent / "crds" / "chains.baseten.co_chainenvironments.yaml"
CHART = DEPLOY / "helm" / "chainenv-operator"
BEGIN, END = "<!-- values: made from values.yaml -->\n", "<!-- end of values -->\n"
MADE = "# Made by `make generate` from {}; do not edit.\n"
HEALTH_KEY = "resource.customizations.health.chains.baseten.co_ChainEnvironment"


def outputs() -> Iterator[tuple[Path, str]]:
    alerts = (DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8")
    lua = (DEPLOY / "argocd" / "health.lua").read_text(encoding="utf-8")
    picture = json.dumps(dashboard(), indent=1) + "\n"
    yield CHART / "files" / "crd.yaml", CRD.read_text(encoding="utf-8")
    yield DEPLOY.parent / "docs" / "api-reference.md", reference(CRD.read_text(encoding="utf-8"))
    yield CHART / "files" / "alerts.yaml", MADE.format("deploy/prometheus/alerts.yaml") + without_comments(alerts)
    yield CHART / "files" / "dashboard.json", picture
    yield DEPLOY / "grafana" / "dashboard.json", picture
    yield DEPLOY / "prometheus" / "prometheus-rule.yaml", prometheus_rule(alerts)
    yield DEPLOY / "argocd" / "argocd-cm.yaml", config_map(lua)
    values = Values((CHART / "values.yaml").read_text(encoding="utf-8"))
    renamed = yaml.safe_load((CHART / "files" / "renamed.yaml").read_text(encoding="utf-8"))
    yield CHART / "values.schema.json", json.dumps(values.schema(renamed), indent=2) + "\n"
    yield DEPLOY / "krew" / "chainenv.yaml", MADE.format("deploy/krew/manifest.py") + manifest()
    readme = CHART / "README.md"
    yield readme, with_table(readme.read_text(encoding="utf-8"), values)


def without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def prometheus_rule(alerts: str) -> str:
    head = """\
        apiVersion: monitoring.coreos.com/v1
        kind: PrometheusRule
        metadata:
          name: chainenv-operator
        spec:
        """
    return MADE.format("deploy/prometheus/alerts.yaml") + textwrap.dedent(head) + textwrap.indent(without_comments(alerts), "  ")


def config_map(lua: str) -> str:
    head = f"""\
        # kubectl patch configmap argocd-cm -n argocd --patch-file deploy/argocd/argocd-cm.yaml
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: argocd-cm
          namespace: argocd
          labels:
            app.kubernetes.io/name: argocd-cm
            app.kubernetes.io/part-of: argocd
        data:
          {HEALTH_KEY}: |
        """
    return MADE.format("deploy/argocd/health.lua") + textwrap.dedent(head) + textwrap.indent(lua, "    ")


# -- the chart's values ----------------------------------------------------------------------------------------------


def with_table(readme: str, values: Values) -> str:
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = "".join(f"| `{name}` | {default} | {text} |\n" for name, default, text in values.table())
    return f"{before}{BEGIN}\n| value | default | |\n|---|---|---|\n{rows}\n{END}{after}"


def main(check: bool) -> None:
    stale = [(path, text) for path, text in outputs() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if check and stale:
        sys.exit("\n".join(f"{path.relative_to(DEPLOY.parent)} is stale: run make generate" for path, _ in stale))
    for path, text in stale:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
