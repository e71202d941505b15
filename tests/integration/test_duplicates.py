"""Two resources for one environment: the oldest that has read it has it. Polls are five minutes apart here: nothing waits for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from .harness.case import RECONCILE, Case
from .harness.stage import Stage, condition, is_handled
from .harness.waiting import wait_until

OWN = {"promotionSettings": {"rampUpDurationSeconds": 300}}
OTHERS = {"promotionSettings": {"rampUpDurationSeconds": 5}}
NAMES = ("seen", "far", "chain-of-three", "released", "watched-owner", "paused-owner", "kept")


class Rivals(NamedTuple):
    """Three resources for one environment, the oldest first; ``far`` is in another namespace than the other two."""

    owner: Case
    second: Case
    far: Case


class Scene(NamedTuple):
    rivals: dict[str, Rivals]
    elsewhere: str


def rivals(stage: Stage, name: str, elsewhere: str) -> Rivals:
    owner = Case(stage, name).existing()
    second = Case(stage, f"{name}-second", chain=owner.chain)
    return Rivals(owner, second, Case(stage, f"{name}-elsewhere", chain=owner.chain, namespace=elsewhere))


def wait_next_second(case: Case) -> None:
    """Creation times are whole seconds: what is created after this is younger."""
    created = datetime.fromisoformat(case.see()["metadata"]["creationTimestamp"])
    wait_until("the next second", lambda: datetime.now(UTC).timestamp() >= created.timestamp() + 1)


def apply_all(namespace: str, manifests: list[tuple[Case, dict[str, object]]]) -> None:
    items = [case.manifest(**spec) for case, spec in manifests]
    first = manifests[0][0]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    first.stage.cluster.kubectl("apply", "-f", "-", namespace=namespace, input=text)


@pytest.fixture(scope="module")
def scene(shared_stage: Stage) -> Iterator[Scene]:
    """All rivals, in the order of their age; one operator watches both namespaces."""
    stage, elsewhere = shared_stage, shared_stage.cluster.new_namespace()
    settings = {"CHAINENV_POLL_SECONDS": "300", "CHAINENV_VANISH_SECONDS": "0.5"}
    stage.run_operator(CHAINENV_NAMESPACES=f"{stage.namespace},{elsewhere}", **settings)
    all_rivals = {name: rivals(stage, name, elsewhere) for name in NAMES}
    special: dict[str, dict[str, object]] = {
        "watched-owner": {"managementPolicy": "Observe"},
        "paused-owner": {"managementPolicy": "Pause"},
        "kept": {"deletionPolicy": "DeactivateWhenIdle"},
    }
    for position in (0, 1, 2):
        chosen = [each[position] for each in all_rivals.values()]
        spec = OTHERS if position else OWN
        wanted = [(case, {"environmentName": name, **spec}) for name, case in zip(all_rivals, chosen, strict=True)]
        apply_all(chosen[0].namespace, [(case, {**one, **(special.get(case.name, {}))}) for case, one in wanted])
        wait_next_second(chosen[-1])
    yield Scene(all_rivals, elsewhere)
    stage.cluster.clear(elsewhere)


def test_the_oldest_owns_and_the_other_one_in_its_namespace_is_reported_whose_it_is(scene: Scene) -> None:
    owner, second, _ = scene.rivals["seen"]
    reported = second.wait_condition("Stalled", "True", "DuplicateTarget")
    assert "environment seen of chain of-seen is managed by ChainEnvironment seen, which is older" in reported["message"]
    second.wait_condition("Synced", "False", "DuplicateTarget")
    second.wait_condition("Ready", "False", "DuplicateTarget")
    owner.wait_settled()
    assert owner.names_sent() == ["promotion settings"]
    assert owner.on_baseten()["promotion_settings"]["ramp_up_duration_seconds"] == 300
    row = second.row()
    assert (row["STATUS"], row["READY"]) == ("DuplicateTarget", "False")
    assert "DEPLOYMENT" not in row
    second.wait_event("DuplicateTarget", "ChainEnvironment seen")


def test_in_another_namespace_no_more_is_reported_than_the_fact(scene: Scene) -> None:
    owner, second, far = scene.rivals["far"]
    reported = far.wait_condition("Stalled", "True", "DuplicateTarget")
    assert "is managed by a ChainEnvironment in another namespace, which is older" in reported["message"]
    event = far.wait_event("DuplicateTarget")
    owner.wait_settled()
    assert "currentDeployment" not in far.see()["status"]
    everything = json.dumps([far.see()["status"], event["message"], far.describe()])
    for secret in (second.name, owner.namespace, owner.see()["metadata"]["uid"]):
        assert secret not in everything


def test_a_duplicate_makes_no_call_whatever_happens_to_its_spec(scene: Scene) -> None:
    owner, second, far = scene.rivals["seen"]
    owner.wait_settled()
    mark = owner.mark()
    for each in (second, far):
        each.apply(environmentName=owner.name, promotionSettings={"rampUpDurationSeconds": 6}, deploymentID="some")
        each.annotate(RECONCILE, "please")
        each.wait_for("handled", is_handled)
        each.wait_condition("Stalled", "True", "DuplicateTarget")
    assert owner.calls(mark) == []


def test_when_the_owner_goes_the_next_oldest_takes_over_and_so_on(scene: Scene) -> None:
    owner, second, far = scene.rivals["chain-of-three"]
    owner.wait_settled()
    for each in (second, far):
        each.wait_condition("Stalled", "True", "DuplicateTarget")
    owner.delete()
    seen = second.wait_settled()
    assert seen["status"]["promotionSettings"]["rampUpDurationSeconds"] == 5
    second.wait_event("EnvironmentAdopted", "chain-of-three")
    far.wait_condition("Stalled", "True", "DuplicateTarget", "another namespace")
    second.delete()
    far.wait_settled()
    assert not condition(far.see(), "Stalled")
    assert far.row()["STATUS"] == "ACTIVE"


def test_the_owner_s_going_in_one_namespace_is_noticed_in_the_other(scene: Scene) -> None:
    owner, second, far = scene.rivals["released"]
    far.wait_condition("Stalled", "True", "DuplicateTarget")
    second.delete()
    owner.delete()
    far.wait_settled()
    assert owner.on_baseten()["promotion_settings"]["ramp_up_duration_seconds"] == 5


@pytest.mark.parametrize("name", ["watched-owner", "paused-owner"])
def test_one_that_writes_nothing_owns_nothing(scene: Scene, name: str) -> None:
    idle, second, far = scene.rivals[name]
    second.wait_settled()
    far.wait_condition("Stalled", "True", "DuplicateTarget")
    assert idle.on_baseten()["promotion_settings"]["ramp_up_duration_seconds"] == 5
    assert idle.names_sent() == ["promotion settings"]


def test_one_that_only_reads_goes_on_reading(scene: Scene) -> None:
    watching, second, _ = scene.rivals["watched-owner"]
    second.wait_settled()
    watching.annotate(RECONCILE, "please")
    watching.wait_for("handled", is_handled)
    watching.wait_condition("Synced", "False", "Drifted")
    watching.wait_condition("Ready", "True", "Active")


def test_an_owner_that_is_being_deleted_is_the_owner_until_it_has_gone(scene: Scene) -> None:
    owner, second, _ = scene.rivals["kept"]
    owner.wait_settled()
    mark = owner.mark()
    owner.delete()
    owner.wait_condition("Synced", "False", "WaitingForIdle")
    second.wait_condition("Stalled", "True", "DuplicateTarget")
    assert owner.sent(mark) == []
    owner.apply(environmentName="kept", deletionPolicy="Retain", **OWN)
    owner.wait_gone()
    second.wait_settled()
    assert second.names_sent(mark) == ["promotion settings"]


def test_a_younger_resource_goes_without_a_trace(scene: Scene) -> None:
    owner, second, far = scene.rivals["far"]
    owner.wait_settled()
    mark = owner.mark()
    for each in (second, far):
        each.apply(environmentName=owner.name, deletionPolicy="Deactivate")
        each.wait_for("it has a finalizer", lambda seen: seen["metadata"].get("finalizers"))
        each.delete()
        each.wait_gone()
    assert owner.sent(mark) == []


def test_of_those_made_in_one_second_the_one_that_has_the_environment_keeps_it(scene: Scene) -> None:
    stage = scene.rivals["seen"].owner.stage
    owner = Case(stage, "one-second").existing()
    wait_until("a second begins", lambda: datetime.now(UTC).microsecond < 100_000, interval=0.01)
    owner.apply(environmentName="one-second", **OWN)
    owner.wait_settled()
    others = [Case(stage, f"one-second-{number}", chain=owner.chain) for number in range(8)]
    mark = owner.mark()
    apply_all(stage.namespace, [(each, {"environmentName": "one-second", **OTHERS}) for each in others])
    for each in others:
        each.wait_condition("Stalled", "True", "DuplicateTarget", "ChainEnvironment one-second,")
    assert owner.sent(mark) == []
    owner.wait_settled()
