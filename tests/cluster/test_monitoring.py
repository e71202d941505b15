"""promtool reads what the operator says and what asks for it: metrics, alerts, the dashboard's queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from chainenv.core.reasons import Reason
from chainenv.metrics import REGISTRY
from chainenv_sandbox.gotools import ensure_tool

from ..unit.pages import anchors
from .shop import DEPLOY, Json, dashboard_queries, run

pytestmark = pytest.mark.xdist_group("tools")

ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
RULES = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
DASHBOARD: Json = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",), "gauge": ("",)}
NAMED = re.compile(r"\b(chainenv_\w+)(?:\{([^}]*)\})?")
ADDED = {"namespace", "pod", "instance", "job"}
"""Labels that the scrape adds."""


def existing() -> dict[str, set[str]]:
    """Every name that a query may use, with its labels."""
    found: dict[str, set[str]] = {}
    for collector in set(REGISTRY._names_to_collectors.values()):
        for family in collector.collect():
            labels = set(getattr(collector, "_labelnames", ())) | ({"le"} if family.type == "histogram" else set())
            labels |= {label for sample in family.samples for label in sample.labels}
            for suffix in SUFFIXES[family.type]:
                found[family.name + suffix] = labels
    return found


def queries() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from ((rule["alert"], rule["expr"]) for rule in group["rules"])
    yield from dashboard_queries().items()


QUERIES = dict(queries())


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_asks_for_what_there_is(name: str) -> None:
    known = existing()
    used = NAMED.findall(QUERIES[name])
    assert used
    for metric, matchers in used:
        assert metric in known
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= known[metric] | ADDED
    grouped = {label.strip() for found in re.findall(r"\bby \(([^)]*)\)", QUERIES[name]) for label in found.split(",")}
    assert grouped <= set.union(*(known[metric] for metric, _ in used)) | ADDED


def test_nothing_is_shown_that_could_name_a_person_or_a_key() -> None:
    assert {label for labels in existing().values() for label in labels} & {"key", "key_id", "message", "token"} == set()


def promtool(*arguments: str, input: str | None = None) -> str:
    done = run(ensure_tool("promtool"), *arguments, input=input)
    return done.stdout + done.stderr


def test_the_exposition_is_well_formed() -> None:
    assert promtool("check", "metrics", input=generate_latest(REGISTRY).decode()) == ""


def test_the_alerts() -> None:
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS))
    assert "SUCCESS" in promtool("test", "rules", str(DEPLOY / "prometheus" / "alerts.test.yaml"))
    tested = yaml.safe_load((DEPLOY / "prometheus" / "alerts.test.yaml").read_text())["tests"]
    fired = {case["alertname"] for test in tested for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}


def test_the_alerts_are_the_same_for_the_prometheus_operator() -> None:
    rule = yaml.safe_load((DEPLOY / "prometheus" / "prometheus-rule.yaml").read_text())
    assert rule["spec"] == yaml.safe_load(ALERTS.read_text())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_its_part_of_the_runbook(rule: Json) -> None:
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page.endswith("/docs/troubleshooting.md")
    assert anchor in anchors(DEPLOY.parent / "docs" / "troubleshooting.md")


@pytest.mark.parametrize("rule", [rule for rule in RULES if "chainenv_resource_condition" in rule["expr"]], ids=lambda rule: rule["alert"])
def test_an_alert_about_a_resource_names_it_and_wakes_nobody(rule: Json) -> None:
    assert {"resource_namespace", "resource"} <= set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"]))
    assert rule["labels"]["severity"] == "warning"


def test_the_dashboards_queries_are_well_formed(tmp_path: Path) -> None:
    filled = {
        name: text.replace("$__rate_interval", "5m").replace("$namespace", ".*").replace("$resource_namespace", ".*")
        for name, text in QUERIES.items()
    }
    rules = [{"record": f"chainenv:query_{number}", "expr": text} for number, text in enumerate(filled.values())]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in promtool("check", "rules", str(file))


def test_the_dashboard_is_as_grafanas_own_schema_wants_it() -> None:
    """Strictly: nothing that the schema does not know, nothing missing that it requires, every panel by its kind."""
    run(ensure_tool("dashboard"), input=json.dumps(DASHBOARD))


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ({"tittle": "x"}, "tittle"),
        ({"refresh": 30}, "refresh"),
        ({"panels": [DASHBOARD["panels"][1] | {"options": {"colour": 1}}]}, "colour"),
    ],
    ids=["unknown field", "wrong type", "an option that the panel's kind does not have"],
)
def test_that_check_can_fail(part: Json, wrong: str) -> None:
    done = run(ensure_tool("dashboard"), input=json.dumps(DASHBOARD | part), check=False)
    assert done.returncode == 1
    assert wrong in done.stderr


def test_the_dashboard_is_whole() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert all(panel["description"] and panel["targets"] for panel in panels if panel["type"] != "row")
    assert {each["name"] for each in DASHBOARD["templating"]["list"]} == {"datasource", "namespace", "resource_namespace"}


@pytest.mark.parametrize("condition", ["Ready", "Synced"])
def test_the_colours_are_of_reasons_that_exist(condition: str) -> None:
    [panel] = [each for each in DASHBOARD["panels"] if each["title"] == f"{condition}, by reason"]
    coloured = [name for each in panel["fieldConfig"]["overrides"] for name in re.findall(r"\w+", each["matcher"]["options"])]
    assert {"Ready": "Active", "Synced": "InSync"}[condition] in coloured
    assert set(coloured) <= set(Reason)


def test_the_page_has_every_metric_and_alert() -> None:
    page = (DEPLOY.parent / "docs" / "monitoring.md").read_text(encoding="utf-8")
    tables = page[page.index("## Metrics") : page.index("## Dashboard")]
    shown = set(re.findall(r"^\| `(\w+)`", tables, re.MULTILINE))
    names = {re.sub("_(bucket|sum|count)$", "", name) for name in existing() if name.startswith("chainenv_")}
    assert shown == names | {rule["alert"] for rule in RULES}
