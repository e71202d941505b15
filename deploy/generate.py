"""Writes what is made from something else under deploy/ (make generate), or says what is stale (make check: --check).

One source each: the CRD (crds/), the alerts (prometheus/alerts.yaml), the health check (argocd/health.lua), the dashboard
(grafana/dashboard.py) and the chart's values (values.yaml). helm and kustomize read only below their own folder, hence copies.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent / "grafana"))
from dashboard import dashboard, mark

DEPLOY = Path(__file__).parent
CRD = DEPLOY.parent / "crds" / "chains.baseten.co_chainenvironments.yaml"
CHART = DEPLOY / "helm" / "chainenv-operator"
BEGIN, END = "<!-- values: made from values.yaml -->\n", "<!-- end of values -->\n"
MADE = "# Made by `make generate` from {}; do not edit.\n"
PICTURE = DEPLOY.parent / "docs" / "images" / "dashboard.png"
HEALTH_KEY = "resource.customizations.health.chains.baseten.co_ChainEnvironment"


def outputs() -> Iterator[tuple[Path, str]]:
    alerts = (DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8")
    lua = (DEPLOY / "argocd" / "health.lua").read_text(encoding="utf-8")
    picture = json.dumps(dashboard(), indent=1) + "\n"
    yield CHART / "files" / "crd.yaml", CRD.read_text(encoding="utf-8")
    yield CHART / "files" / "alerts.yaml", MADE.format("deploy/prometheus/alerts.yaml") + without_comments(alerts)
    yield CHART / "files" / "dashboard.json", picture
    yield DEPLOY / "grafana" / "dashboard.json", picture
    yield DEPLOY / "prometheus" / "prometheus-rule.yaml", prometheus_rule(alerts)
    yield DEPLOY / "argocd" / "argocd-cm.yaml", config_map(lua)
    readme = CHART / "README.md"
    yield readme, with_table(readme.read_text(encoding="utf-8"), (CHART / "values.yaml").read_text(encoding="utf-8"))


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


def with_table(readme: str, values: str) -> str:
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = "".join(f"| `{name}` | {default} | {text} |\n" for name, default, text in table(values))
    return f"{before}{BEGIN}\n| value | default | |\n|---|---|---|\n{rows}\n{END}{after}"


def table(values: str) -> Iterator[tuple[str, str, str]]:
    """Each value with a comment above it, and everything without one down to the values themselves."""
    root = yaml.compose(values, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    yield from _rows(root, values.splitlines(), "")


def _rows(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[tuple[str, str, str]]:
    for key, value in node.value:
        name, text = prefix + key.value, _comment(lines, key.start_mark.line)
        if isinstance(value, yaml.MappingNode) and value.value and not text:
            yield from _rows(value, lines, f"{name}.")
        elif not text:
            raise SystemExit(f"values.yaml: {name} has no comment")
        else:
            yield name, _shown(_plain(value)), text


def _comment(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line > 0 and lines[line - 1].strip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(found)


def _plain(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    return loader.construct_document(node)


def _shown(default: Any) -> str:
    return "" if default in ("", None, [], {}) else f"`{json.dumps(default) if not isinstance(default, str) else default}`"


def main(check: bool) -> None:
    stale = [(path, text) for path, text in outputs() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if check and stale:
        sys.exit("\n".join(f"{path.relative_to(DEPLOY.parent)} is stale: run make generate" for path, _ in stale))
    if check and mark().encode() not in PICTURE.read_bytes():
        sys.exit(f"{PICTURE.relative_to(DEPLOY.parent)} is of another dashboard: run make dashboard-picture")
    for path, text in stale:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
