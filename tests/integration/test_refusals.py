"""What Baseten refuses is reported in the words of the spec, with Baseten's own answer."""

from __future__ import annotations

import pytest

from chainenv_sandbox.baseten.catalogue import CATALOGUE

from .harness.case import Case
from .harness.manifests import chainlet
from .harness.stage import Stage

DEFAULT = "chainlet RandInt: minReplica 5 is above Baseten's default maxReplica 1: set maxReplica (Baseten answered 400: "


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    shared_stage.run_operator()
    return shared_stage


def types_read(case: Case) -> int:
    return sum(entry.path == "/v1/instance_types" for entry in case.stage.simulator.journal())


def test_a_create_against_a_default_names_chainlet_field_and_default(stage: Stage) -> None:
    case = Case(stage, "refused-default").with_chain()
    case.apply(chainletSettings=[chainlet("RandInt", minReplica=5)])
    case.wait_condition("Stalled", "True", "Refused", f"refused to create the environment: {DEFAULT}", "Correct the spec; next try at ")
    case.wait_condition("Synced", "False", "Refused", DEFAULT)
    assert case.wait_event("Refused", DEFAULT)["type"] == "Warning"
    case.apply(chainletSettings=[chainlet("RandInt", minReplica=5, maxReplica=5)]).wait_settled()
    assert "cause" not in str(case.see()["status"].get("operations"))


def test_a_correction_names_what_the_spec_omits(stage: Stage) -> None:
    case = Case(stage, "refused-there").existing(autoscaling={"RandInt": {"max_replica": 3}})
    case.apply(chainletSettings=[chainlet("RandInt", minReplica=5)])
    words = "chainlet RandInt: minReplica 5 is above maxReplica 3 as set on Baseten: set maxReplica"
    case.wait_condition("Stalled", "True", "Refused", "refused to change the autoscaling settings", words, "min_replica (5)")


@pytest.mark.parametrize("there", [True, False])
def test_an_unknown_instance_type_is_reported_with_those_that_exist(stage: Stage, there: bool) -> None:
    case = Case(stage, f"refused-type-{there}".lower())
    (case.existing if there else case.with_chain)()
    case.apply(chainletSettings=[chainlet("RandInt", "A10Gx8x33")])
    words = (
        "chainlet RandInt: no instance type A10Gx8x33, the nearest is A10Gx8x32 (others: ",
        "A10Gx4x16",
        "Instance type A10Gx8x33 not found",
    )
    message = case.wait_condition("Stalled", "True", "Refused", *words)["message"]
    assert "It may be too new" not in message
    assert f" and {len(CATALOGUE) - 11} more)" in message
    case.apply(chainletSettings=[chainlet("RandInt", "A10Gx8x32")]).wait_settled()
    assert len(case.started()) == 1


def test_what_else_an_answer_names_is_reported_with_its_place_in_the_spec(stage: Stage) -> None:
    case = Case(stage, "refused-limit").existing()
    said = {"code": "VALIDATION_ERROR", "message": "body.updates.1.autoscaling_settings.max_replica: 40 is above your limit of 10."}
    case.fault("answer", method="PATCH", status=400, body=said)
    case.apply(chainletSettings=[chainlet("HelloWorld", maxReplica=30), chainlet("RandInt", maxReplica=40)])
    case.wait_condition(
        "Stalled", "True", "Refused", f"{said['message'].rstrip('.')} (in the spec: chainlet RandInt: maxReplica 40). Correct"
    )


def test_the_instance_types_are_read_for_nothing_else(stage: Stage) -> None:
    case = Case(stage, "quiet").with_chain()
    before = types_read(case)
    case.apply(chainletSettings=[chainlet("RandInt", "2x8", minReplica=1)]).wait_settled()
    case.apply(chainletSettings=[chainlet("RandInt", "4x16", minReplica=5)])
    case.wait_condition("Stalled", "True", "Refused", "minReplica 5")
    assert types_read(case) == before
