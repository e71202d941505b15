"""The Grafana dashboard, panel by panel; deploy/generate.py writes it as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

WIDTH = 24
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
HERE = 'namespace=~"$namespace"'
"""Each series of a replica, in the namespaces chosen above the dashboard."""


@dataclass(frozen=True)
class Panel:
    """`queries`: expression and legend. {here} stands for the choice of namespaces."""

    title: str
    text: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 7
    options: Json = field(default_factory=dict)


def quantiles(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    labels, legend = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    return tuple(
        (f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{{{{here}}}}[$__rate_interval])))", f"{legend}p{q[2:]}")
        for q in ("0.50", "0.99")
    )


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Resources",
        (
            Panel("ChainEnvironments", "How many there are.", (("max(chainenv_resources{here})", ""),), "stat", width=4),
            Panel(
                "Not ready",
                "Ready is False or Unknown.",
                (('sum(max by (status, reason) (chainenv_resources_condition{type="Ready", status!="True", {inside}})) or vector(0)', ""),),
                "stat",
                width=4,
            ),
            Panel(
                "Not synced",
                "Synced is False or Unknown.",
                (
                    (
                        'sum(max by (status, reason) (chainenv_resources_condition{type="Synced", status!="True", {inside}})) or vector(0)',
                        "",
                    ),
                ),
                "stat",
                width=4,
            ),
            Panel("Acting", "Replicas that hold the Lease: one.", (("sum(chainenv_leader{here})", ""),), "stat", width=4),
            Panel(
                "Version",
                "Of each replica.",
                (("sum by (version) (chainenv_build_info{here})", "{{version}}"),),
                "stat",
                width=8,
                options={"textMode": "name"},
            ),
            Panel(
                "Ready, by reason",
                "What the current deployments do.",
                (('max by (reason) (chainenv_resources_condition{type="Ready", {inside}})', "{{reason}}"),),
                width=12,
            ),
            Panel(
                "Synced, by reason",
                "Whether Baseten holds what the specs say.",
                (('max by (reason) (chainenv_resources_condition{type="Synced", {inside}})', "{{reason}}"),),
                width=12,
            ),
            Panel(
                "Drift",
                "Fields found different, and corrections sent, a minute.",
                (
                    ("60 * sum(rate(chainenv_drift_found_total{here}[$__rate_interval]))", "found"),
                    ("60 * sum by (kind) (rate(chainenv_drift_corrected_total{here}[$__rate_interval]))", "corrected: {{kind}}"),
                ),
                width=12,
            ),
            Panel(
                "Replicas",
                "Active replicas of each chainlet (unless switched off).",
                (
                    (
                        "max by (resource_namespace, resource, chainlet) (chainenv_chainlet_replicas{here})",
                        "{{resource_namespace}}/{{resource}} {{chainlet}}",
                    ),
                ),
                width=12,
            ),
        ),
    ),
    (
        "Work",
        (
            Panel(
                "Runs of the reconcile function",
                "A second, by outcome.",
                (("sum by (outcome) (rate(chainenv_reconciles_total{here}[$__rate_interval]))", "{{outcome}}"),),
                unit="ops",
            ),
            Panel("Duration of a run", "With the calls it makes.", quantiles("chainenv_reconcile_seconds"), unit="s"),
            Panel(
                "Queue",
                "Resources waiting or being handled, and how late the latest is.",
                (
                    ("max(chainenv_queue_length{here})", "length"),
                    ("max(chainenv_queue_late_seconds{here} and (chainenv_leader{here} == 1))", "late (s)"),
                ),
            ),
        ),
    ),
    (
        "Baseten",
        (
            Panel(
                "Calls",
                "A second, by endpoint.",
                (("sum by (endpoint) (rate(chainenv_baseten_calls_total{here}[$__rate_interval]))", "{{endpoint}}"),),
                unit="ops",
            ),
            Panel(
                "Calls that failed",
                "A second, by outcome.",
                (('sum by (outcome) (rate(chainenv_baseten_calls_total{outcome!="2xx", {inside}}[$__rate_interval]))', "{{outcome}}"),),
                unit="ops",
            ),
            Panel("Duration of a call", "Without the wait for a turn.", quantiles("chainenv_baseten_call_seconds", "endpoint"), unit="s"),
            Panel(
                "Wait for a turn",
                "Under the operator's own rate limit.",
                quantiles("chainenv_baseten_limiter_wait_seconds", "endpoint"),
                unit="s",
                width=12,
            ),
            Panel(
                "Changes that the watch missed",
                "Found by the periodic list; should be none.",
                (("sum(increase(chainenv_relist_missed_total{here}[$__rate_interval]))", "missed"),),
                width=12,
            ),
        ),
    ),
)


def dashboard() -> Json:
    panels: list[Json] = []
    y = 0
    for title, row in ROWS:
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": _grid(0, y, WIDTH, 1)})
        y += 1
        placed, y = _place(row, y)
        panels += placed
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "uid": "chainenv",
        "title": "Baseten chain environments",
        "description": "What chainenv-operator keeps and how it fares.",
        "tags": ["baseten", "chainenv"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "timezone": "",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), _namespaces()]},
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def _place(row: Iterable[Panel], y: int) -> tuple[list[Json], int]:
    """From left to right, in lines; and where the next row begins."""
    placed, x, height = [], 0, 0
    for panel in row:
        if x + panel.width > WIDTH:
            x, y, height = 0, y + height, 0
        placed.append(_panel(panel, _grid(x, y, panel.width, panel.height)))
        x, height = x + panel.width, max(height, panel.height)
    return placed, y + height


def _grid(x: int, y: int, width: int, height: int) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, grid: Json) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": PROMETHEUS,
        "gridPos": grid,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": panel.options,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": PROMETHEUS, "expr": _chosen(expression), "legendFormat": legend or "__auto"}
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _chosen(expression: str) -> str:
    return expression.replace("{{here}}", "{here}").replace("{here}", f"{{{HERE}}}").replace("{inside}", HERE)


def _datasource() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _namespaces() -> Json:
    query = "label_values(chainenv_build_info, namespace)"
    return {
        "name": "namespace",
        "label": "Operator's namespace",
        "type": "query",
        "datasource": PROMETHEUS,
        "definition": query,
        "query": {"query": query, "refId": "namespace"},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }
