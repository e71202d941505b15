"""What the metrics say of runs: each resource counts once for each of its conditions, and each drift once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chainenv.core.changes import UpdateAutoscaling, UpdatePromotionSettings
from chainenv.core.status import Report, project
from chainenv.crd.types import ChainEnvironmentStatus, Drift, ScheduleStatus
from chainenv.engine.ports import Key
from chainenv.kube.measures import Measures
from chainenv.metrics import REGISTRY

from ..core.helpers import deployment, environment, report, running, state

ONE, OTHER = Key("team", "one"), Key("team", "other")
RAMP = Drift(path="promotionSettings.rampUpDurationSeconds", desired="300", actual="10")
REPLICAS = Drift(path="chainletSettings[a.b].autoscalingSettings.maxReplica", desired="2", actual="9")
TYPE = Drift(path="chainletSettings[a.b].instanceTypeID", desired="1x2", actual="8x32")
DEPLOYMENT = Drift(path="deploymentID", desired="dep-2", actual="not promoted")


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def found(kind: str) -> float:
    return value("chainenv_drift_found_total", kind=kind)


def serving(status: str = "ACTIVE", replicas: int = 1) -> Report:
    chainlet = running("HelloWorld", status=status, replicas=replicas)
    return report(environment(state("HelloWorld"), current=deployment("dep-1", status, chainlet)))


def run(measures: Measures, key: Key, one: Report) -> None:
    measures(key, project(ChainEnvironmentStatus(observed_generation=-1), one), one)


@pytest.mark.parametrize(
    ("drift", "kind"), [(RAMP, "promotion_settings"), (REPLICAS, "autoscaling"), (TYPE, "instance_types"), (DEPLOYMENT, "deployment")]
)
def test_drift_that_is_only_observed_is_found_once_until_it_is_gone(drift: Drift, kind: str) -> None:
    measures, before = Measures(chainlets=False), found(kind)
    seen = environment(state("HelloWorld"))
    for _ in range(3):
        run(measures, ONE, report(seen, drift=(drift,)))
    assert found(kind) - before == 1
    run(measures, ONE, report(seen))
    run(measures, ONE, report(seen, drift=(drift,)))
    assert found(kind) - before == 2


def test_what_is_corrected_is_found_and_corrected() -> None:
    measures, before = Measures(chainlets=False), found("autoscaling")
    corrected = value("chainenv_drift_corrected_total", kind="autoscaling")
    seen = environment(state("HelloWorld"))
    run(measures, ONE, report(seen, changes=(UpdateAutoscaling({}, (REPLICAS,)),)))
    run(measures, ONE, report(seen, drift=(REPLICAS,)))  # sent, and not shown yet
    assert found("autoscaling") - before == 1
    assert value("chainenv_drift_corrected_total", kind="autoscaling") - corrected == 1
    run(measures, OTHER, report(seen, changes=(UpdatePromotionSettings({}, (RAMP,)), UpdateAutoscaling({}, (REPLICAS,)))))
    assert found("autoscaling") - before == 2


def ready() -> Mapping[str, float]:
    labels = {"True": "Active", "False": "DeploymentFailed"}
    return {s: value("chainenv_resources_condition", type="Ready", status=s, reason=r) for s, r in labels.items()}


def test_a_resource_counts_for_the_conditions_that_it_has_now() -> None:
    measures = Measures(chainlets=False)
    run(measures, ONE, serving())
    run(measures, OTHER, serving())
    assert ready() == {"True": 2, "False": 0}
    run(measures, ONE, serving("DEPLOY_FAILED"))
    assert ready() == {"True": 1, "False": 1}
    measures(ONE, None, None)
    measures(OTHER, None, None)
    assert ready() == {"True": 0, "False": 0}


def chainlet(status: str) -> tuple[float | None, float | None]:
    labels = {"resource_namespace": "team", "resource": "one", "chainlet": "HelloWorld"}
    shown = REGISTRY.get_sample_value("chainenv_chainlet_status", {**labels, "status": status})
    return shown, REGISTRY.get_sample_value("chainenv_chainlet_replicas", labels)


def test_the_series_of_a_chainlet_go_with_it() -> None:
    measures = Measures(chainlets=True)
    run(measures, ONE, serving(replicas=3))
    assert chainlet("ACTIVE") == (1, 3)
    run(measures, ONE, serving("UNHEALTHY", replicas=0))
    assert (chainlet("ACTIVE"), chainlet("UNHEALTHY")) == ((None, 0), (1, 0))
    measures(ONE, None, None)
    assert chainlet("UNHEALTHY") == (None, None)


def test_switched_off_there_is_no_series_of_a_chainlet() -> None:
    run(Measures(chainlets=False), ONE, serving(replicas=3))
    assert chainlet("ACTIVE") == (None, None)


def attention(name: str) -> set[tuple[str, str, str]]:
    """Type, status and reason of each series of this resource."""
    [family] = [each for each in REGISTRY.collect() if each.name == "chainenv_resource_condition"]
    shown = [sample.labels for sample in family.samples if sample.labels["resource"] == name and sample.value == 1]
    return {(labels["type"], labels["status"], labels["reason"]) for labels in shown}


NAMED = Key("team", "needs-attention")


def test_a_resource_is_named_while_it_needs_attention() -> None:
    measures = Measures(chainlets=False)
    run(measures, NAMED, serving())
    assert {each for each in attention("needs-attention") if each[0] in ("Ready", "Stalled")} == set()
    run(measures, NAMED, serving("DEPLOY_FAILED"))
    assert {("Ready", "False", "DeploymentFailed"), ("Stalled", "True", "DeploymentFailed")} <= attention("needs-attention")
    run(measures, NAMED, serving("UNHEALTHY"))
    assert {each for each in attention("needs-attention") if each[0] in ("Ready", "Stalled")} == {("Ready", "False", "Unhealthy")}
    measures(NAMED, None, None)
    assert attention("needs-attention") == set()


def test_switched_off_no_resource_is_named() -> None:
    measures = Measures(chainlets=False, resources=False)
    run(measures, NAMED, serving("DEPLOY_FAILED"))
    assert attention("needs-attention") == set()
    measures(NAMED, None, None)


def schedules() -> dict[str, float]:
    """By name, those of ONE."""
    samples = [s for metric in REGISTRY.collect() if metric.name == "chainenv_schedule_active" for s in metric.samples]
    return {s.labels["schedule"]: s.value for s in samples if (s.labels["resource_namespace"], s.labels["resource"]) == ONE}


def test_the_active_schedule_is_named_and_taken_back() -> None:
    measures, seen = Measures(chainlets=False), environment(state("HelloWorld"))
    run(measures, ONE, report(seen, schedule=ScheduleStatus(active="day")))
    run(measures, OTHER, report(seen, schedule=ScheduleStatus(active="night")))
    assert schedules() == {"day": 1}
    run(measures, ONE, report(seen, schedule=ScheduleStatus(active="night")))
    assert schedules() == {"night": 1}
    run(measures, ONE, report(seen, schedule=ScheduleStatus()))
    assert schedules() == {}
    run(measures, ONE, report(seen, schedule=ScheduleStatus(active="x" * 500)))
    assert schedules() == {"x" * 128: 1}
    measures(ONE, None, None)
    measures(OTHER, None, None)
    assert schedules() == {}


def test_schedules_can_be_switched_off() -> None:
    run(Measures(chainlets=False, resources=False), ONE, report(environment(), schedule=ScheduleStatus(active="day")))
    assert schedules() == {}
