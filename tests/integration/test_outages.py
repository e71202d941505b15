"""Baseten is away, or answers nonsense: it is reported once, what was seen last is kept, and all goes on by itself afterwards."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

import pytest

from .harness.case import Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.observing import reported, status_writes, together
from .harness.stage import Stage, condition, is_settled
from .harness.waiting import wait_until

NEXT_TRY = re.compile(r"next try by \d\d:\d\dZ$")
HTML = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>"


class Outage(NamedTuple):
    fault: Json
    words: tuple[str, ...]


OUTAGES = {
    "error": Outage({"kind": "answer", "status": 500, "body": {"message": "Something broke."}}, ("500", "Something broke")),
    "gateway": Outage({"kind": "answer", "status": 503, "body": HTML}, ("503", "HTML page", "Service Temporarily Unavailable")),
    "silence": Outage({"kind": "delay", "seconds": 20}, ("no complete answer", "within 1 s")),
    "reset": Outage({"kind": "reset"}, ("connection", "lost before the answer came")),
    "html": Outage({"kind": "garbage", "garbage": "html"}, ("answered 200", "HTML page")),
    "truncated": Outage({"kind": "garbage", "garbage": "truncated_json"}, ("answered 200", "cannot be read")),
    "another": Outage({"kind": "garbage", "garbage": "wrong_json"}, ("answered 200", "cannot be read")),
    "nothing": Outage({"kind": "garbage", "garbage": "empty"}, ("answered 200", "cannot be read")),
    "cut": Outage({"kind": "garbage", "garbage": "cut"}, ("broke off",)),
    "trickle": Outage({"kind": "trickle", "seconds": 1}, ("no complete answer", "within 1 s")),
    "redirect": Outage({"kind": "redirect"}, ("307", "redirect to example.com", "BASETEN_BASE_URL")),
}
OTHERS = ("steady", "flapping", "edited", "unsent")
FAILED_OFTEN = 4
CROWD = 30
"""Resources that all miss Baseten at the same time."""


class Scene(NamedTuple):
    cases: dict[str, Case]
    before: dict[str, Json]
    """Ready of each, as it was while Baseten answered."""

    def failing(self, name: str) -> Case:
        """The case, once its outage has been reported."""
        self.cases[name].wait_for("the outage is reported", lambda seen: condition(seen, "Synced")["reason"] == "Unavailable")
        return self.cases[name]


@pytest.fixture(scope="module")
def scene(shared_stage: Stage) -> Scene:
    """Settled, then each with another kind of outage. Retries come quickly, so that many fit into a test."""
    cases = {name: Case(shared_stage, name).existing() for name in (*OUTAGES, *OTHERS)}
    shared_stage.run_operator(CHAINENV_REQUEST_TIMEOUT_SECONDS="1", CHAINENV_BACKOFF_MAX_SECONDS="0.2")
    shared_stage.apply(together(each.manifest() for each in cases.values()))
    for case in cases.values():
        case.wait_settled()
    before = {name: case.condition("Ready") for name, case in cases.items()}
    for name, outage in OUTAGES.items():
        cases[name].fault(**outage.fault)
    return Scene(cases, before)


@pytest.mark.parametrize("kind", OUTAGES)
def test_it_is_reported_with_what_happened_and_when_the_next_try_is(scene: Scene, kind: str) -> None:
    message = scene.failing(kind).condition("Synced")["message"]
    for word in OUTAGES[kind].words:
        assert word in message
    assert NEXT_TRY.search(message)
    assert re.search(r"failed (once|\d+ or more times in a row)", message)


@pytest.mark.parametrize("kind", OUTAGES)
def test_ready_is_kept_from_the_last_poll(scene: Scene, kind: str) -> None:
    case = scene.failing(kind)
    assert case.condition("Ready") == scene.before[kind]
    assert case.see()["status"]["currentDeployment"]["status"] == "ACTIVE"
    assert not case.condition("Stalled"), "it passes by itself"
    assert case.condition("Reconciling")["reason"] == "Unavailable"


def test_the_count_goes_on_and_the_message_does_not_change_at_each_try(scene: Scene, shared_stage: Stage) -> None:
    case = scene.failing("error")
    tries = 16
    wait_until("many tries", lambda: sum(entry.status == 500 for entry in case.calls()) >= tries)
    wait_until("the count is reported", lambda: "16 or more times in a row" in case.condition("Synced")["message"])
    writes, done = status_writes(shared_stage, case.name), sum(entry.status == 500 for entry in case.calls())
    more = 8
    wait_until("more tries", lambda: sum(entry.status == 500 for entry in case.calls()) >= done + more)
    written = status_writes(shared_stage, case.name) - writes
    assert written <= more / 2, "the count when it has doubled, and a minute's change"


def test_it_is_one_warning_however_long_it_takes(scene: Scene) -> None:
    case = scene.failing("error")
    wait_until("many tries", lambda: sum(entry.status == 500 for entry in case.calls()) >= 8)
    case.wait_event("Unavailable")
    assert [count for text, count in reported(case).items() if "Unavailable" in text] == [1]


def test_a_warning_that_comes_back_is_the_same_one_counted(scene: Scene, shared_stage: Stage) -> None:
    case = scene.cases["flapping"]
    for _ in range(2):
        outage = case.fault("answer", status=502)
        case.wait_condition("Synced", "False", "Unavailable")
        shared_stage.simulator.clear_faults(outage)
        case.wait_settled()
    wait_until("both are reported", lambda: sum(count for text, count in reported(case).items() if "Unavailable" in text) == 2)
    warnings = [text for text in reported(case) if "Unavailable" in text]
    assert len(warnings) == 1
    assert not re.search(r"\d\d:\d\dZ", warnings[0]), "a time of day makes it another event at another minute"


def test_other_resources_go_on(scene: Scene) -> None:
    steady = scene.cases["steady"]
    for kind in OUTAGES:
        scene.failing(kind)
    steady.wait_polls(5)
    assert is_settled(steady.see())
    steady.by_hand(autoscaling={"RandInt": {"max_replica": 9}})
    steady.apply(chainletSettings=[chainlet("RandInt", maxReplica=4)])
    steady.wait_settled()
    assert steady.names_sent() == ["autoscaling"]


def test_a_spec_that_changes_meanwhile_is_not_reported_as_acted_on(scene: Scene) -> None:
    case = scene.failing("gateway")
    case.apply(promotionSettings={"rampUpDurationSeconds": 30})
    mark = case.mark()
    wait_until("it is tried with the new spec", lambda: len(case.calls(mark)) >= 3)
    seen = case.see()
    assert seen["metadata"]["generation"] == 2
    assert seen["status"]["observedGeneration"] == 1


def test_when_it_is_over_all_is_as_declared_by_itself(scene: Scene, shared_stage: Stage) -> None:
    for kind in OUTAGES:
        scene.failing(kind)
    shared_stage.simulator.clear_faults()
    for kind in OUTAGES:
        seen = scene.cases[kind].wait_settled()
        assert condition(seen, "Ready")["lastTransitionTime"] == scene.before[kind]["lastTransitionTime"]
    assert {kind: scene.cases[kind].names_sent() for kind in OUTAGES} == {
        kind: ["promotion settings"] if kind == "gateway" and scene.cases[kind].see()["metadata"]["generation"] == 2 else []
        for kind in OUTAGES
    }


# -- calls that change something -------------------------------------------------------------------------------------


LOST: dict[str, dict[str, Any]] = {
    "reset before": {"kind": "reset"},
    "gateway": {"kind": "answer", "status": 502},
    "silence": {"kind": "delay", "seconds": 20},
}


@pytest.mark.parametrize("how", LOST)
def test_a_call_that_changes_something_is_sent_again_only_after_another_poll(scene: Scene, shared_stage: Stage, how: str) -> None:
    case = Case(shared_stage, f"fresh-{how.replace(' ', '-')}").with_chain()
    shared_stage.simulator.add_fault(**LOST[how], method="POST", path=f"{case.chain}/environments$", times=2)
    case.apply().wait_settled()
    methods = "".join("R" if entry.method == "GET" else "w" for entry in case.calls())
    assert "ww" not in methods
    assert methods.count("w") >= 2, "the lost ones are tried again"
    assert case.started() == ["create"]


def test_a_correction_whose_answer_is_lost_is_found_out_by_looking(scene: Scene, shared_stage: Stage) -> None:
    case = scene.cases["edited"]
    path = f"{case.chain}/environments/edited$"
    shared_stage.simulator.add_fault("reset", method="PATCH", path=path, point="after_effect")
    case.apply(promotionSettings={"rampUpDurationSeconds": 30})
    case.wait_settled()
    case.wait_polls(2)
    assert case.names_sent() == ["promotion settings"]


# -- the way back ----------------------------------------------------------------------------------------------------


def test_after_an_outage_of_many_the_comeback_is_spread(apart: Stage) -> None:
    cases = [Case(apart, f"crowd-{number}").existing() for number in range(CROWD)]
    fault = apart.simulator.add_fault("answer", status=503, path="/of-crowd-", times=None)
    apart.run_operator(CHAINENV_BACKOFF_MAX_SECONDS="8", CHAINENV_POLL_SECONDS="30")
    apart.apply(together(case.manifest() for case in cases))
    for case in cases:
        wait_until("it failed often", lambda case=case: sum(entry.status == 503 for entry in case.calls()) >= FAILED_OFTEN)
    mark = apart.mark()
    apart.simulator.clear_faults(fault)
    for case in cases:
        case.wait_settled()
    first = {entry.path: entry.time for entry in reversed(apart.simulator.journal(since=mark, path="/of-crowd-"))}
    slots = Counter(int(when / 0.25) for when in first.values())
    assert len(first) == CROWD
    assert max(slots.values()) < CROWD / 2, f"most came back in the same quarter of a second: {sorted(slots.items())}"
