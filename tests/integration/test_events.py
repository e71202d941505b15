"""What ``kubectl describe`` shows: what was done, what failed, each once, and counted when it comes again."""

from __future__ import annotations

import pytest

from .harness.case import Case
from .harness.manifests import chainlet
from .harness.observing import reported
from .harness.stage import Stage, is_settled
from .harness.waiting import wait_until

LONG = 1000.0
"""Baseten's clock is moved on by so much at the end: a candidate is not promoted before."""


@pytest.fixture(scope="module")
def running(shared_stage: Stage) -> Stage:
    shared_stage.run_operator()
    return shared_stage


def event_lines(case: Case) -> list[list[str]]:
    """Type, reason and what follows, of each line under Events."""
    _, _, below = case.describe().partition("\nEvents:\n")
    lines = [line.split() for line in below.splitlines()]
    return [words for words in lines if words and words[0] in ("Normal", "Warning")]


def reasons(case: Case) -> set[tuple[str, str]]:
    return {(words[0], words[1]) for words in event_lines(case)}


def wait_described(case: Case, *wanted: tuple[str, str]) -> None:
    wait_until(f"kubectl describe shows {wanted}", lambda: set(wanted) <= reasons(case))


def test_describe_shows_how_an_environment_came_to_be(running: Stage) -> None:
    case = Case(running, "described").with_chain()
    case.apply(chainletSettings=[chainlet("RandInt", "1x2")]).wait_settled()
    wait_described(case, ("Normal", "EnvironmentCreated"), ("Normal", "DeploymentStatusChanged"))
    text = case.describe()
    assert "created environment described of chain of-described" in text
    assert f"deployment {case.current()} is ACTIVE" in text
    assert "chainenv-operator" in text, "who says so"


def test_a_change_of_instance_types_is_reported_with_old_and_new(running: Stage) -> None:
    case = Case(running, "retyped").existing()
    with running.options(promotion_seconds=LONG):
        case.apply(chainletSettings=[chainlet("RandInt", "4x16")])
        message = case.wait_event("InstanceTypesChanged")["message"]
        for word in ("RandInt", "1x2", "4x16"):
            assert word in message
        case.wait_event("DeploymentStatusChanged", "candidate")
    running.simulator.advance(LONG)
    case.wait_settled()


def test_a_promotion_is_reported(running: Stage) -> None:
    case = Case(running, "promoted").existing()
    case.pushed("dep-told")
    case.apply(deploymentID="dep-told").wait_settled()
    case.wait_event("Promoted", "dep-told")


def test_corrections_are_reported_with_chainlet_field_old_and_new_value(running: Stage) -> None:
    case = Case(running, "corrected").existing()
    case.apply(promotionSettings={"rampUpDurationSeconds": 30}, chainletSettings=[chainlet("RandInt", maxReplica=4)])
    case.wait_settled()
    case.wait_event("AutoscalingCorrected", "RandInt maxReplica 1 -> 4")
    case.wait_event("PromotionSettingsCorrected", "rampUpDurationSeconds 600 -> 30")


def test_an_adoption_is_reported_once(running: Stage) -> None:
    case = Case(running, "adopted").existing()
    case.apply().wait_settled()
    case.wait_event("EnvironmentAdopted")
    case.wait_polls(3)
    assert [count for text, count in reported(case).items() if "Adopted" in text] == [1]


def test_the_same_correction_again_is_the_same_event_counted(running: Stage) -> None:
    case = Case(running, "stubborn").existing()
    case.apply(chainletSettings=[chainlet("RandInt", maxReplica=4)]).wait_settled()
    for times in (1, 2, 3):
        case.by_hand(autoscaling={"RandInt": {"max_replica": 9}})
        _wait_count(case, "maxReplica 9 -> 4", times)
        case.wait_settled()
    assert sum("maxReplica 9 -> 4" in text for text in reported(case)) == 1
    line = next(words for words in event_lines(case) if words[1] == "AutoscalingCorrected" and "maxReplica 9 -> 4" in " ".join(words))
    assert "(x3" in line, "as kubectl shows a count"


def _wait_count(case: Case, words: str, times: int) -> None:
    wait_until(f"reported {times} times", lambda: sum(count for text, count in reported(case).items() if words in text) == times)


@pytest.mark.parametrize(
    ("name", "declared", "reason", "words"),
    [
        ("refused", [chainlet("RandInt", "9x9")], "Refused", ("9x9",)),
        ("misnamed", [chainlet("RandomInt", maxReplica=3)], "ChainletNotFound", ("RandomInt",)),
    ],
)
def test_what_fails_is_a_warning_and_is_reported_once(
    running: Stage, name: str, declared: list[dict[str, object]], reason: str, words: tuple[str, ...]
) -> None:
    case = Case(running, name).existing()
    case.apply(chainletSettings=declared)
    assert case.wait_event(reason, *words)["type"] == "Warning"
    case.wait_polls(4)
    wait_described(case, ("Warning", reason))
    assert [count for text, count in reported(case).items() if words[0] in text] == [1]


def test_a_failed_deployment_is_a_warning(running: Stage) -> None:
    case = Case(running, "failing").with_chain()
    running.simulator.fail_next(case.chain, "DEPLOY_FAILED", environment=case.name)
    case.apply()
    assert case.wait_event("DeploymentStatusChanged", "DEPLOY_FAILED")["type"] == "Warning"
    assert case.wait_event("DeploymentFailed")["type"] == "Warning"


def test_a_poll_that_finds_nothing_new_tells_nothing(running: Stage) -> None:
    settled = Case(running, "calm").existing()
    broken = Case(running, "broken").existing()
    settled.apply().wait_settled()
    broken.apply(chainletSettings=[chainlet("RandomInt", maxReplica=3)])
    broken.wait_event("ChainletNotFound")
    settled.wait_event("EnvironmentAdopted")
    before = {case.name: reported(case) for case in (settled, broken)}
    for case in (settled, broken):
        case.wait_polls(6)
    assert {case.name: reported(case) for case in (settled, broken)} == before
    assert is_settled(settled.see())
