"""What the operator logs: one line for each thing done, with all that a search needs, and nothing when nothing happens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from .harness.case import Case
from .harness.cluster import Json
from .harness.manifests import CHAIN, chainlet
from .harness.stage import Stage
from .harness.waiting import wait_until


def lines(stage: Stage, since: int = 0) -> list[Json]:
    """Of the only operator, from the ``since``-th on; each is one JSON object."""
    return [json.loads(line) for line in stage.operators[0].log.splitlines()[since:]]


def of_calls(found: list[Json]) -> Iterator[Json]:
    yield from (line for line in found if "call" in line)


def settled(stage: Stage) -> Case:
    case = Case(stage, "support", chain=CHAIN)
    case.apply(environmentName="support-eu", chainletSettings=[chainlet("RandInt", maxReplica=2)])
    case.wait_settled()
    return case


def test_each_thing_done_is_one_line_with_its_resource_its_call_and_how_long_it_took(stage: Stage) -> None:
    stage.run_operator()
    case = settled(stage)
    case.apply(environmentName="support-eu", chainletSettings=[chainlet("RandInt", maxReplica=3)])
    case.wait_settled()
    wait_until("both are reported", lambda: len(list(of_calls(lines(stage)))) == 2)
    created, corrected = of_calls(lines(stage))
    about = {"namespace": stage.namespace, "name": "support", "chain": CHAIN, "environment": "support-eu", "level": "INFO"}
    for line, call, generation in ((created, "create_environment", 1), (corrected, "update_autoscaling", 2)):
        expected = {**about, "call": call, "generation": generation}
        assert {name: line.get(name) for name in expected} == expected
        assert line["duration_seconds"] > 0
    assert created["message"] == f"EnvironmentCreated: created environment support-eu of chain {CHAIN}"
    assert corrected["event"] == "AutoscalingCorrected"
    reported = [line["message"] for line in lines(stage)]
    assert [message for message in set(reported) if reported.count(message) > 1] == []


def test_a_call_that_failed_is_reported_with_its_resource_and_the_next_try(stage: Stage) -> None:
    stage.run_operator()
    stage.simulator.add_fault("answer", method="POST", status=503)
    settled(stage)
    [failed] = [line for line in of_calls(lines(stage)) if line["level"] == "WARNING"]
    assert (failed["name"], failed["call"]) == ("support", "create_environment")
    assert failed["duration_seconds"] > 0
    assert failed["retry_seconds"] > 0


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_is_logged_when_nothing_happens(stage: Stage, form: str) -> None:
    operator = stage.run_operator(CHAINENV_LOG_FORMAT=form)
    settled(stage)
    stage.wait_polls(2)
    before = operator.log
    stage.wait_polls(5)
    assert operator.log == before


def test_on_a_terminal_the_same_is_one_line_of_text(stage: Stage) -> None:
    operator = stage.run_operator(CHAINENV_LOG_FORMAT="text")
    settled(stage)
    created = f"{stage.namespace}/support: EnvironmentCreated: created environment support-eu of chain {CHAIN}"
    line = f"{created}  chain={CHAIN} environment=support-eu generation=1"
    assert re.search(re.escape(line) + r" call=create_environment duration_seconds=\d+\.\d+$", operator.log, re.MULTILINE)


@pytest.mark.parametrize(("level", "shown"), [("debug", {"DEBUG", "INFO"}), ("info", {"INFO"}), ("warning", set())])
def test_the_level_is_a_setting(stage: Stage, level: str, shown: set[str]) -> None:
    stage.run_operator(CHAINENV_LOG_LEVEL=level)
    settled(stage)
    stage.wait_polls(2)
    assert {line["level"] for line in lines(stage) if line["logger"].startswith("chainenv")} == shown
    reads = [line for line in of_calls(lines(stage)) if line["call"] == "get_environment"]
    assert bool(reads) == (level == "debug")
