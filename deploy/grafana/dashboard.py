"""The Grafana dashboard, panel by panel; deploy/generate.py writes it as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

WIDTH = 24
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
THERE = 'resource_namespace=~"$resource_namespace"'
"""Each series that names a resource, in the namespaces chosen for resources."""
RUNBOOK = "https://git.example.com/platform/chainenv/blob/main/docs/troubleshooting.md"
HERE = 'namespace=~"$namespace"'
"""Each series of a replica, in the namespaces chosen above the dashboard."""

GREEN, TEAL, BLUE, PURPLE = "#56b870", "#3fc1c0", "#5b9bf5", "#b08df0"
YELLOW, ORANGE, RED, GREY = "#e8c547", "#f0924a", "#ec5f67", "#8b96a5"

Colours = dict[str, str]
"""The series that have a colour, as a regular expression; all others get theirs from Grafana."""

READY: Colours = {
    GREEN: "Active",
    GREY: "ScaledToZero|NoDeployment|DeploymentInactive",
    TEAL: "WakingUp",
    BLUE: "Deploying",
    YELLOW: "NotObserved|ObservationStale",
    ORANGE: "Unhealthy",
    RED: "DeploymentFailed",
}
SYNCED: Colours = {
    GREEN: "InSync",
    GREY: "Paused",
    TEAL: "Correcting|WaitingForApproval|WaitingForWindow|WaitingForSource",
    BLUE: "Creating|RollingOut|PromotionRunning|SettlingIntent",
    PURPLE: "Drifted|WouldCreate|Unconfirmed",
    YELLOW: "RateLimited|Conflict|PriceUnknown|RolloutAborted",
    ORANGE: "Unavailable|EnvironmentMissing|BudgetExceeded",
    RED: "NotConverging|RolloutFailed|RolloutDeadlineExceeded|SourceNotFound|Refused",
}
CHAINLETS: Colours = {
    GREEN: "ACTIVE",
    GREY: "SCALED_TO_ZERO|INACTIVE|DEACTIVATING",
    TEAL: "WAKING_UP|UPDATING",
    BLUE: "BUILDING",
    PURPLE: "DEPLOYING",
    YELLOW: "LOADING_MODEL",
    ORANGE: "UNHEALTHY",
    RED: "BUILD_FAILED|BUILD_STOPPED|DEPLOY_FAILED|FAILED",
}
KINDS: Colours = {TEAL: "autoscaling", PURPLE: "promotion_settings", BLUE: "instance_types", YELLOW: "deployment"}
ROLLOUTS: Colours = {GREEN: "succeeded", YELLOW: "aborted", RED: "failed"}
WAITS: Colours = {TEAL: "Approval", BLUE: "Window", PURPLE: "Soak", YELLOW: "Source", ORANGE: "Budget"}
COSTS: Colours = {GREEN: "now", GREY: "min", ORANGE: "max"}
OUTCOMES: Colours = {GREEN: "settled", TEAL: "acted", BLUE: "waiting", ORANGE: "transient", RED: "stalled"}
ANSWERS: Colours = {GREEN: "2xx", BLUE: "3xx", YELLOW: "4xx", RED: "5xx", GREY: "none"}


@dataclass(frozen=True)
class Panel:
    """`queries`: expression and legend. {here} stands for the choice of namespaces. `limits`: from these values on another colour."""

    title: str
    text: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 7
    options: Json = field(default_factory=dict)
    stacked: bool = False
    colours: Colours = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    """Title and address."""
    limits: tuple[tuple[float | None, str], ...] = ((None, GREEN),)


def quantile(q: str, metric: str, by: str = "") -> tuple[str, str]:
    """`q` with two decimals."""
    labels, legend = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    return f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{{{{here}}}}[$__rate_interval])))", f"{legend}p{q[2:]}"


def quantiles(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """What is usual over all, and the worst of each."""
    return quantile("0.50", metric), quantile("0.99", metric, by)


def number(title: str, text: str, query: str, *, legend: str = "", **more: Any) -> Panel:
    """The value as it is now."""
    return Panel(title, text, ((query, legend),), "stat", width=4, height=4, **more)


def resources(matchers: str) -> str:
    """How many have such a condition; 0 when none ever had."""
    return f"sum(max by (status, reason) (chainenv_resources_condition{{{matchers}, {{inside}}}})) or vector(0)"


def by_reason(condition: str) -> tuple[tuple[str, str], ...]:
    return ((f'max by (reason) (chainenv_resources_condition{{type="{condition}", {{inside}}}})', "{{reason}}"),)


def a_minute(title: str, text: str, metric: str) -> Panel:
    query = f"60 * sum by (kind) (rate({metric}{{here}}[$__rate_interval]))"
    return Panel(title, text, ((query, "{{kind}}"),), width=6, stacked=True, colours=KINDS)


ANY_IS_BAD = ((None, GREEN), (1, ORANGE))

RESOURCES = (
    number("ChainEnvironments", "How many there are.", "max(chainenv_resources{here})"),
    number("Not ready", "Ready is False or Unknown.", resources('type="Ready", status!="True"'), limits=ANY_IS_BAD),
    number("Not synced", "Synced is False or Unknown.", resources('type="Synced", status!="True"'), limits=ANY_IS_BAD),
    number("Stalled", "Nothing goes on until somebody changes something.", resources('type="Stalled"'), limits=((None, GREEN), (1, RED))),
    number(
        "Acting",
        "Replicas that hold the Lease: one.",
        "sum(chainenv_leader{here})",
        limits=((None, RED), (1, GREEN), (2, ORANGE)),
    ),
    number(
        "Version",
        "Of each replica.",
        "sum by (version) (chainenv_build_info{here})",
        legend="{{version}}",
        options={"textMode": "name", "graphMode": "none"},
    ),
    Panel(
        "Needs attention",
        "Each condition that is not as it should be, with the resource; `kubectl describe chenv` has the message.",
        (("max by (resource_namespace, resource, type, status, reason) (chainenv_resource_condition{{there}})", ""),),
        "table",
        width=24,
        options={"cellHeight": "sm", "sortBy": [{"displayName": "resource", "desc": False}]},
        links=(("What to do", RUNBOOK),),
    ),
    Panel("Ready, by reason", "What the current deployments do.", by_reason("Ready"), stacked=True, colours=READY),
    Panel("Synced, by reason", "Whether Baseten holds what the specs say.", by_reason("Synced"), stacked=True, colours=SYNCED),
    Panel(
        "Chainlets, by status",
        "Of the current deployments (unless switched off).",
        (
            (
                "count by (status) (max by (resource_namespace, resource, chainlet, status) (chainenv_chainlet_status{{there}}))",
                "{{status}}",
            ),
        ),
        stacked=True,
        colours=CHAINLETS,
    ),
    a_minute("Drift found", "Fields that became different from the spec, a minute.", "chainenv_drift_found_total"),
    a_minute("Corrections", "Sent to Baseten, a minute.", "chainenv_drift_corrected_total"),
    Panel(
        "Replicas",
        "Active replicas of each environment's chainlets (unless switched off).",
        (
            (
                "sum by (resource_namespace, resource) "
                "(max by (resource_namespace, resource, chainlet) (chainenv_chainlet_replicas{{there}}))",
                "{{resource_namespace}}/{{resource}}",
            ),
        ),
        width=12,
        stacked=True,
    ),
)

NOW = f'chainenv_cost_usd_per_hour{{kind="now", {HERE}, {THERE}}}'

CHANGES = (
    Panel(
        "Rollouts, by outcome",
        "Ended, an hour.",
        (("3600 * sum by (outcome) (rate(chainenv_rollouts_total{here}[$__rate_interval]))", "{{outcome}}"),),
        width=6,
        stacked=True,
        colours=ROLLOUTS,
    ),
    Panel(
        "Rollouts that wait",
        "Wanted and not begun, by what they wait for; `chainenv status` has the plan and the times.",
        (("max by (waits_for) (chainenv_rollouts_waiting{here})", "{{waits_for}}"),),
        width=6,
        stacked=True,
        colours=WAITS,
    ),
    Panel(
        "Oldest rollout under way",
        "Since its call (unless switched off).",
        (("max(chainenv_rollout_age_seconds{there}) or vector(0)", "age"),),
        unit="s",
        width=6,
    ),
    Panel(
        "Cost an hour",
        "Of all environments: now, and at fewest and most replicas (unless switched off).",
        (("sum by (kind) (max by (resource_namespace, resource, kind) (chainenv_cost_usd_per_hour{there}))", "{{kind}}"),),
        unit="currencyUSD",
        width=6,
        colours=COSTS,
    ),
    Panel(
        "Most expensive now",
        "Ten environments, US dollars an hour (unless switched off).",
        ((f"topk(10, max by (resource_namespace, resource) ({NOW}))", "{{resource_namespace}}/{{resource}}"),),
        unit="currencyUSD",
        width=24,
    ),
)

WORK = (
    Panel(
        "Runs of the reconcile function",
        "A second, by outcome.",
        (("sum by (outcome) (rate(chainenv_reconciles_total{here}[$__rate_interval]))", "{{outcome}}"),),
        unit="ops",
        width=6,
        stacked=True,
        colours=OUTCOMES,
    ),
    Panel("Duration of a run", "With the calls it makes.", quantiles("chainenv_reconcile_seconds"), unit="s", width=6),
    Panel(
        "Queue",
        "Resources waiting or being handled, and how late the latest is.",
        (
            ("max(chainenv_queue_length{here})", "length"),
            ("max(chainenv_queue_late_seconds{here} and (chainenv_leader{here} == 1))", "late (s)"),
        ),
        width=6,
    ),
    Panel(
        "Changes that the watch missed",
        "Found by the periodic list; a few an hour are no worry.",
        (("sum(increase(chainenv_relist_missed_total{here}[$__rate_interval]))", "missed"),),
        width=6,
    ),
)

BASETEN = (
    Panel(
        "Calls, by endpoint",
        "A second.",
        (("sum by (endpoint) (rate(chainenv_baseten_calls_total{here}[$__rate_interval]))", "{{endpoint}}"),),
        unit="reqps",
    ),
    Panel(
        "Calls, by answer",
        "A second, by class of the status; none: no answer was read.",
        (("sum by (status_class) (rate(chainenv_baseten_calls_total{here}[$__rate_interval]))", "{{status_class}}"),),
        unit="reqps",
        stacked=True,
        colours=ANSWERS,
    ),
    Panel(
        "Calls that failed",
        "A second, by endpoint and outcome.",
        (
            (
                'sum by (endpoint, outcome) (rate(chainenv_baseten_calls_total{outcome!="2xx", {inside}}[$__rate_interval]))',
                "{{endpoint}} {{outcome}}",
            ),
        ),
        unit="reqps",
    ),
    Panel(
        "Duration of a call",
        "Without the wait for a turn.",
        quantiles("chainenv_baseten_call_seconds", "endpoint"),
        unit="s",
        width=12,
    ),
    Panel(
        "Wait for a turn",
        "Under the operator's own rate limit.",
        quantiles("chainenv_baseten_limiter_wait_seconds", "endpoint"),
        unit="s",
        width=12,
    ),
)

ROWS = (("Resources", RESOURCES), ("Rollouts and cost", CHANGES), ("Work", WORK), ("Baseten", BASETEN))


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
        "templating": {"list": [_datasource(), _namespaces(), _resource_namespaces()]},
        "annotations": {"list": []},
        "links": [_link("Troubleshooting", RUNBOOK)],
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
        "fieldConfig": {"defaults": _look(panel), "overrides": list(_overrides(panel.colours))},
        "options": OPTIONS.get(panel.kind, {}) | panel.options,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": PROMETHEUS,
                "expr": _chosen(expression),
                "legendFormat": legend or "__auto",
                **(AS_TABLE if panel.kind == "table" else {}),
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
        **({"transformations": [WITHOUT_TIME]} if panel.kind == "table" else {}),
        **({"links": [_link(title, url) for title, url in panel.links]} if panel.links else {}),
    }


def _link(title: str, url: str) -> Json:
    return {
        "title": title,
        "url": url,
        "targetBlank": True,
        "type": "link",
        "icon": "doc",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
    }


OPTIONS: dict[str, Json] = {
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    },
    "table": {"frameIndex": 0, "showHeader": True},
    "timeseries": {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
}
"""What Grafana's schema wants of each kind of panel, spelled out: tests check the whole against it."""

AS_TABLE = {"format": "table", "instant": True}
WITHOUT_TIME = {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}
STACKED = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40, "lineInterpolation": "stepAfter"}


def _look(panel: Panel) -> Json:
    if panel.kind == "stat":
        steps = [{"color": colour, "value": value} for value, colour in panel.limits]
        return {"unit": panel.unit, "color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "table":
        return {"custom": {"align": "auto", "filterable": True, "inspect": False}}
    return {"unit": panel.unit, "min": 0, "custom": {"showPoints": "never", **(STACKED if panel.stacked else {})}}


def _overrides(colours: Colours) -> Iterator[Json]:
    for colour, names in colours.items():
        fixed = {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}
        yield {"matcher": {"id": "byRegexp", "options": f"/^({names})$/"}, "properties": [fixed]}


def _chosen(expression: str) -> str:
    plain = expression.replace("{{here}}", "{here}").replace("{{there}}", "{there}")
    return plain.replace("{there}", f"{{{HERE}, {THERE}}}").replace("{here}", f"{{{HERE}}}").replace("{inside}", HERE)


def _datasource() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _namespaces() -> Json:
    return _choice("namespace", "Operator's namespace", "label_values(chainenv_build_info, namespace)")


def _resource_namespaces() -> Json:
    """Of the resources that have chainlets or need attention: both are metrics that name the resource."""
    query = 'label_values({__name__=~"chainenv_chainlet_status|chainenv_resource_condition"}, resource_namespace)'
    return _choice("resource_namespace", "Namespace", query)


def _choice(name: str, label: str, query: str) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": PROMETHEUS,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }
