"""A real Prometheus scrapes a real operator: what it is given it can read, and the alerts' and the dashboard's queries find it."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

import httpx
import pytest
import yaml

from chainenv_sandbox.controlplane.components import LOOPBACK, free_ports
from chainenv_sandbox.prometheus import Answer, Prometheus, Target, start_prometheus

from ..integration.harness.case import Case
from ..integration.harness.cluster import Json
from ..integration.harness.manifests import chainlet
from ..integration.harness.stage import Stage
from ..integration.harness.waiting import wait_until
from .shop import DEPLOY, HOME, dashboard_queries

pytestmark = pytest.mark.xdist_group("cluster")

ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
RULES: list[Json] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
QUERIES = dashboard_queries()
EVERY_SECONDS = 0.5
NEVER = "0001-01-01T00:00:00Z"
DECLARED: Json = {"chainletSettings": [chainlet("HelloWorld", maxReplica=3), chainlet("RandInt", "1x2")]}


@pytest.fixture(scope="module")
def operator(shared_stage: Stage) -> str:
    """Where it can be scraped: host and port."""
    (port,) = free_ports(1)
    shared_stage.run_operator(CHAINENV_METRICS_PORT=str(port))
    return f"{LOOPBACK}:{port}"


@pytest.fixture(scope="module")
def prometheus(operator: str, shared_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has seen the whole story."""
    target = Target(operator, {"namespace": HOME, "pod": "chainenv-operator-0"})
    with start_prometheus(tmp_path_factory.mktemp("prometheus"), [target], every=EVERY_SECONDS, rules=ALERTS) as prometheus:
        wait_until("the operator is scraped", lambda: numbers(prometheus.query("chainenv_build_info")))
        play(shared_stage)
        yield prometheus


def play(stage: Stage) -> None:
    """A resource in each of some phases: created, corrected, of another type, failed, without a deployment, out of reach."""
    Case(stage, "settled").with_chain().apply(**DECLARED).wait_settled()
    corrected(Case(stage, "drifting").existing())
    failed = Case(stage, "failed").existing().apply()
    failed.wait_settled()
    stage.simulator.set_deployment(failed.current(), status="FAILED")
    failed.wait_condition("Ready", "False", "DeploymentFailed")
    bare = Case(stage, "bare").with_chain()
    stage.simulator.add_environment(bare.chain, bare.name)
    bare.apply().wait_condition("Ready", "False", "NoDeployment")
    away = Case(stage, "away").existing().apply()
    away.wait_settled()
    away.fault("answer", status=503)
    away.wait_condition("Synced", "False", "Unavailable")


def corrected(case: Case) -> None:
    """Everything that can drift did, and was put back."""
    case.apply(**DECLARED, promotionSettings={"rampUpDurationSeconds": 300}).wait_settled()
    case.by_hand(autoscaling={"HelloWorld": {"max_replica": 9}}, promotion={"ramp_up_duration_seconds": 10})
    case.by_hand(instance_types={"RandInt": "8x32"})
    for event in ("AutoscalingCorrected", "PromotionSettingsCorrected", "InstanceTypesChanged"):
        case.wait_event(event)
    case.wait_settled()


def asked(expression: str) -> str:
    """As Grafana asks when all namespaces are chosen; the interval takes in the whole story."""
    return expression.replace("$namespace", ".*").replace("$resource_namespace", ".*").replace("$__rate_interval", "2m")


def numbers(answer: Answer) -> list[float]:
    """The values that are numbers: a quantile of nothing is none."""
    found = (float(each["value"][1]) for each in answer.series)
    return [each for each in found if not isnan(each)]


# -- the scrape ----------------------------------------------------------------------------------------------------


def test_the_operator_is_up_and_can_be_read(prometheus: Prometheus) -> None:
    """A busy machine may miss a scrape; what cannot be read stays so."""
    wait_until("it is up", lambda: [(each["health"], each["lastError"]) for each in prometheus.targets()] == [("up", "")])
    assert prometheus.log.read_text() == "", "warnings and errors"


def test_no_key_is_in_what_it_gives(prometheus: Prometheus, operator: str, shared_stage: Stage) -> None:
    given = httpx.get(f"http://{operator}/metrics", trust_env=False).text
    recorded = str(prometheus.query('{__name__=~"chainenv_.*"}').series)
    assert "chainenv_baseten_calls_total" in given
    assert "chainenv_baseten_calls_total" in recorded
    for name, value in shared_stage.keys.items():
        assert value not in given, name
        assert value not in recorded, name


# -- the alerts ----------------------------------------------------------------------------------------------------


def test_every_alert_is_evaluated(prometheus: Prometheus) -> None:
    wait_until("each has been evaluated", lambda: NEVER not in [rule["lastEvaluation"] for rule in prometheus.rules()])
    rules = prometheus.rules()
    assert [rule["name"] for rule in rules] == [rule["alert"] for rule in RULES]
    assert [(rule["health"], rule.get("lastError")) for rule in rules] == [("ok", None)] * len(RULES)


def test_the_one_that_the_story_deserves_is_on_its_way(prometheus: Prometheus) -> None:
    """None fires within minutes."""
    wait_until("the failed deployment is noticed, and nothing else", lambda: pending(prometheus) == {"ChainenvDeploymentFailed"})


def pending(prometheus: Prometheus) -> set[str]:
    return {rule["name"] for rule in prometheus.rules() if rule["state"] != "inactive"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_prometheus_has_nothing_to_remark_about_an_alert(prometheus: Prometheus, rule: Json) -> None:
    assert prometheus.query(rule["expr"]).remarks == []


# -- the dashboard -------------------------------------------------------------------------------------------------


def test_the_namespaces_to_choose_from(prometheus: Prometheus) -> None:
    found = prometheus.query("group by (namespace) (chainenv_build_info)").series
    assert [each["metric"] for each in found] == [{"namespace": HOME}]


@pytest.mark.parametrize("name", QUERIES)
def test_every_panel_shows_something(prometheus: Prometheus, name: str) -> None:
    query = asked(QUERIES[name])
    wait_until(f"data for {query}", lambda: numbers(prometheus.query(query)))
    assert prometheus.query(query).remarks == []


AT_THE_END = {"ChainEnvironments": 5, "Not ready": 2, "Not synced": 1, "Stalled": 1, "Acting": 1, "Version": 1}


@pytest.mark.parametrize("title", AT_THE_END)
def test_the_numbers_above_are_those_of_the_story(prometheus: Prometheus, title: str) -> None:
    wait_until("the number", lambda: numbers(prometheus.query(asked(QUERIES[f"{title} A"]))) == [AT_THE_END[title]])
