"""Refusals in the words of the spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainenv.core.changes import CreateEnvironment, UpdateAutoscaling, UpdateInstanceTypes, UpdatePromotionSettings
from chainenv.core.desired import DesiredChainlet
from chainenv.core.environment import Environment
from chainenv.core.refusals import LONGEST, cause, fields_named
from chainenv.core.world import World

from .helpers import Case, desired, environment, state, table, world

TYPES = {
    "1x2": "1 vCPU, 2 GiB RAM",
    "2x8": "2 vCPUs, 8 GiB RAM",
    "A10Gx8x32": "A10G, 8 vCPUs, 32 GiB RAM",
    "H100": "H100",
    "H100:2": "2 H100",
}


def scaled(name: str = "LLM", /, **autoscaling: int) -> DesiredChainlet:
    return DesiredChainlet(name, None, autoscaling)


def scaling(there: Environment | None, *chainlets: DesiredChainlet) -> tuple[Any, World]:
    """The call that asks for all of it, and the world it is made in."""
    if there is None:
        return CreateEnvironment(
            "environment staging of chain abcd1234", {}, tuple((c.name, None, c.autoscaling) for c in chainlets)
        ), world(desired(*chainlets), None)
    return UpdateAutoscaling({c.name: c.autoscaling for c in chainlets}, ()), world(desired(*chainlets), there)


@table(
    Case(
        "created",
        "Baseten's default",
        scaling(None, scaled(min_replica=5)),
        "chainlet LLM: minReplica 5 is above Baseten's default maxReplica 1: set maxReplica",
    ),
    Case("both are set", "no default counts", scaling(None, scaled(min_replica=5, max_replica=5)), None),
    Case("one replica", "the default allows it", scaling(None, scaled(min_replica=1)), None),
    Case("only the maximum", "the default minimum is 0", scaling(None, scaled(max_replica=1)), None),
    Case("neither", "not about replicas", scaling(None, scaled(scale_down_delay=1)), None),
    Case(
        "not scaled yet",
        "Baseten shows nothing",
        scaling(environment(state("LLM")), scaled(min_replica=2)),
        "chainlet LLM: minReplica 2 is above Baseten's default maxReplica 1: set maxReplica",
    ),
    Case(
        "the maximum that is there",
        "omitted in the spec",
        scaling(environment(state("LLM", min_replica=0, max_replica=3)), scaled(min_replica=5)),
        "chainlet LLM: minReplica 5 is above maxReplica 3 as set on Baseten: set maxReplica",
    ),
    Case(
        "the maximum that is there is enough",
        "",
        scaling(environment(state("LLM", min_replica=0, max_replica=9)), scaled(min_replica=5)),
        None,
    ),
    Case(
        "the minimum that is there",
        "omitted in the spec",
        scaling(environment(state("LLM", min_replica=4, max_replica=9)), scaled(max_replica=2)),
        "chainlet LLM: maxReplica 2 is below minReplica 4 as set on Baseten: set minReplica",
    ),
    Case(
        "many",
        "three are reported, the rest counted",
        scaling(None, *(scaled(f"C{n}", min_replica=2) for n in range(5))),
        "; ".join(f"chainlet C{n}: minReplica 2 is above Baseten's default maxReplica 1: set maxReplica" for n in range(3))
        + "; and 2 more",
    ),
)
def test_replicas_beside_what_the_spec_omits(case: Case) -> None:
    call, around = case.given
    assert cause(call, around, {}) == case.expected


def rolling(there: Mapping[str, Any], **wanted: Any) -> tuple[Any, World]:
    settings = {n if n == "rolling_deploy" else f"rolling_deploy_config.{n}": v for n, v in wanted.items()}
    before = {n if n == "rolling_deploy" else f"rolling_deploy_config.{n}": v for n, v in there.items()}
    return UpdatePromotionSettings(settings, ()), world(desired(promotion=settings), environment(promotion=before))


ZEROES = {"max_surge_percent": 0, "max_unavailable_percent": 0}


@table(
    Case(
        "surge is declared as zero, as the other is there",
        "one must be above zero",
        rolling({"rolling_deploy": True, **ZEROES, "max_surge_percent": 10}, max_surge_percent=0),
        "promotionSettings: with rollingDeploy (as set on Baseten), exactly one of rollingDeployConfig.maxSurgePercent 0"
        " and rollingDeployConfig.maxUnavailablePercent 0 (as set on Baseten) must be above 0: set both",
    ),
    Case(
        "rolling begins with what is there",
        "both zero",
        rolling(ZEROES, rolling_deploy=True),
        "promotionSettings: with rollingDeploy, exactly one of rollingDeployConfig.maxSurgePercent 0 (as set on Baseten)"
        " and rollingDeployConfig.maxUnavailablePercent 0 (as set on Baseten) must be above 0: set both",
    ),
    Case(
        "the other is sent as zero",
        "so it is no cause",
        rolling({"rolling_deploy": True, "max_unavailable_percent": 5}, max_surge_percent=5),
        None,
    ),
    Case(
        "the other is nowhere",
        "surge alone is zero",
        rolling({}, rolling_deploy=True, max_surge_percent=0),
        "promotionSettings: with rollingDeploy, exactly one of rollingDeployConfig.maxSurgePercent 0"
        " and rollingDeployConfig.maxUnavailablePercent unset must be above 0: set both",
    ),
    Case("surge is nowhere", "Baseten has a default for it", rolling({}, rolling_deploy=True, max_unavailable_percent=0), None),
    Case("nothing rolls", "the rule is not asked", rolling(ZEROES, max_surge_percent=0), None),
    Case("not shown", "unknown is no cause", rolling({}, rolling_deploy=True), None),
)
def test_rolling_beside_what_the_spec_omits(case: Case) -> None:
    call, around = case.given
    assert cause(call, around, {}) == case.expected


OTHERS = "(others: "


@table(
    Case("misspelt", "the nearest", {"LLM": "A10Gx8x33"}, "chainlet LLM: no instance type A10Gx8x33, the nearest is A10Gx8x32 (others: "),
    Case(
        "a part of it",
        "what begins so is nearest",
        {"LLM": "A10G"},
        "chainlet LLM: no instance type A10G, the nearest is A10Gx8x32 (others: ",
    ),
    Case(
        "by its size",
        "display names count",
        {"LLM": "2vCPUs,8GiB"},
        "chainlet LLM: no instance type 2vCPUs,8GiB, the nearest is 2x8 (others: ",
    ),
    Case("it exists", "something else is wrong", {"LLM": "H100"}, None),
    Case("case of letters", "may be the same to Baseten", {"LLM": "h100"}, None),
)
def test_instance_types_that_do_not_exist(case: Case) -> None:
    reported = cause(UpdateInstanceTypes(case.given, ()), world(desired(), environment()), TYPES)
    assert reported == case.expected if case.expected is None else (reported or "").startswith(case.expected)


def test_the_instance_types_that_exist_are_reported_once_and_the_most_alike_first() -> None:
    reported = cause(UpdateInstanceTypes({"A": "H100:8", "B": "H200"}, ()), world(desired(), environment()), TYPES) or ""
    assert reported.count(OTHERS) == 1
    assert "the nearest is H100:2 (others: H100, " in reported
    assert all(type_id in reported for type_id in TYPES)


def test_without_the_list_of_instance_types_no_cause_is_made_up() -> None:
    assert cause(UpdateInstanceTypes({"LLM": "9x9"}, ()), world(desired(), environment()), {}) is None


CREATE = CreateEnvironment(
    "environment staging of chain abcd1234",
    {"ramp_up_duration_seconds": 5, "rolling_deploy_config.max_surge_percent": 50},
    (("LLM", "H100", {"max_replica": 50}), ("Rand-Int", "1x2", {"max_replica": 60})),
)
LLM, RAND = "chainlet LLM: maxReplica 50", "chainlet Rand-Int: maxReplica 60"


@table(
    Case("a field", "every chainlet that has it", "max_replica is too large", f"{LLM}; {RAND}"),
    Case("a field and a chainlet", "that one", "LLM: max_replica is too large", LLM),
    Case("a field and a place", "that one", "body.chainlet_settings.1.autoscaling_settings.max_replica: at most 10", RAND),
    Case("a place in brackets", "that one", "chainlet_settings[0].autoscaling_settings.max_replica: at most 10", LLM),
    Case("a place that is not there", "no place", "chainlet_settings[9].autoscaling_settings.max_replica", f"{LLM}; {RAND}"),
    Case("an instance type", "by its value", "Your organization does not have access to H100.", "chainlet LLM: instanceTypeID H100"),
    Case("a nested field", "its path", "max_surge_percent: at most 25", "rollingDeployConfig.maxSurgePercent 50"),
    Case("a field of nobody", "nothing is added", "min_replica and xmax_replica and max_replicas are not for you", None),
    Case("prose", "nothing is added", "A promotion is in progress.", None),
)
def test_fields_that_an_answer_names(case: Case) -> None:
    assert fields_named(CREATE, case.given) == case.expected


@given(st.text(max_size=300), st.lists(st.text(min_size=1, max_size=300), max_size=5), st.lists(st.text(max_size=300), max_size=30))
def test_whatever_they_are_called_it_is_bounded(answer: str, chainlets: list[str], types: list[str]) -> None:
    call = CreateEnvironment(
        "environment staging of chain abcd1234", {}, tuple((name, "no-such", {"max_replica": 5, "min_replica": 7}) for name in chainlets)
    )
    around = world(desired(*(scaled(name, min_replica=7) for name in chainlets)), None)
    for reported in (cause(call, around, dict.fromkeys(types, "")), fields_named(call, answer + " max_replica")):
        assert reported is None or 0 < len(reported) <= LONGEST


@pytest.mark.parametrize("call", [UpdateAutoscaling({}, ()), UpdateInstanceTypes({}, ()), UpdatePromotionSettings({}, ())])
def test_a_call_without_content_has_no_cause(call: Any) -> None:
    assert cause(call, world(desired(), environment()), TYPES) is None
    assert fields_named(call, "max_replica") is None
