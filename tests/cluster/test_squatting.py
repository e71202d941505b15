"""Who declares somebody else's environment gets nothing and takes nothing: tenants of one cluster, asked in their own names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ..integration.harness.case import Case
from ..integration.harness.cluster import Cluster
from ..integration.harness.observing import secret
from ..integration.harness.stage import Stage, condition
from ..integration.harness.waiting import wait_until
from .shop import Helm, aggregate
from .test_tenancy import apply, grant, put

pytestmark = pytest.mark.xdist_group("cluster")

REFERENCE = {"name": "baseten", "key": "api-key"}


def editor(cluster: Cluster, namespace: str) -> str:
    user = f"edit-of-{namespace}"
    grant(cluster, "edit", user, namespace)
    return user


class Rivals:
    """A squatter in a namespace of its own, and who the environment belongs to. Each applies as its own namespace's editor."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.theirs = stage.cluster.new_namespace()
        self.users = {namespace: editor(stage.cluster, namespace) for namespace in (stage.namespace, self.theirs)}

    def run(self, **settings: str) -> None:
        self.stage.run_operator(
            CHAINENV_NAMESPACES=f"{self.stage.namespace},{self.theirs}",
            CHAINENV_DEFAULT_KEY_NAMESPACES=self.stage.namespace,
            CHAINENV_POLL_SECONDS="300",
            **settings,
        )

    def squatter(self, name: str, **spec: object) -> Case:
        return self.applied(Case(self.stage, f"{name}-squatter", namespace=self.theirs, chain=f"of-{name}"), environmentName=name, **spec)

    def applied(self, case: Case, **spec: object) -> Case:
        done = apply(self.stage.cluster, self.users[case.namespace], case.namespace, case.manifest(**spec))
        assert done.returncode == 0, done.stderr
        return case


@pytest.fixture
def rivals(tenants: Stage, installed: Helm) -> Iterator[Rivals]:
    aggregate(tenants.cluster)
    rivals = Rivals(tenants)
    yield rivals
    tenants.cluster.clear(rivals.theirs)


def wait_next_second(case: Case) -> None:
    """Creation times are whole seconds: what is created after this is younger."""
    created = datetime.fromisoformat(case.see()["metadata"]["creationTimestamp"])
    wait_until("the next second", lambda: datetime.now(UTC).timestamp() >= created.timestamp() + 1)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [("Reconcile", "NoAPIKey"), ("Observe", "NoAPIKey"), ("Pause", "Paused")],
)
def test_an_older_resource_that_read_nothing_owns_nothing(rivals: Rivals, policy: str, reason: str) -> None:
    rivals.run()
    name = f"ours-{policy.lower()}"
    ours = Case(rivals.stage, name).existing()
    older = rivals.squatter(name, managementPolicy=policy, deletionPolicy="Deactivate")
    older.wait_for("tried", lambda seen: condition(seen, "Synced").get("reason") == reason)
    wait_next_second(older)
    rivals.applied(ours, promotionSettings={"rampUpDurationSeconds": 300})
    ours.wait_settled()
    assert ours.on_baseten()["promotion_settings"]["ramp_up_duration_seconds"] == 300
    if policy == "Reconcile":
        older.wait_condition("Stalled", "True", "DuplicateTarget", "another namespace, which was the first to observe it")
    mark = ours.mark()
    older.delete()
    if policy != "Pause":
        older.wait_gone()
    assert ours.sent(mark) == []
    ours.wait_settled()


def test_the_deletion_of_the_real_one_acts_although_an_older_one_wants_its_environment(rivals: Rivals) -> None:
    rivals.run()
    ours = Case(rivals.stage, "switched-off").existing()
    older = rivals.squatter("switched-off")
    wait_next_second(older)
    rivals.applied(ours, deletionPolicy="Deactivate")
    ours.wait_settled()
    ours.delete()
    ours.wait_gone()
    [sent] = ours.names_sent()
    assert sent.endswith("/deactivate")


def test_a_key_that_cannot_see_the_chain_claims_nothing_not_even_what_is_not_there_yet(rivals: Rivals) -> None:
    """The squatter's key is of another workspace: whatever it asks about the chain is a 404."""
    rivals.run()
    put(rivals.stage, rivals.theirs, secret("baseten", **{"api-key": rivals.stage.keys["team"]}))
    ours = Case(rivals.stage, "new").with_chain()
    ours.fault("answer", key="team", status=404, body={"error": "not found"})
    older = rivals.squatter("new", apiKeySecretRef=REFERENCE, deletionPolicy="Deactivate")
    older.wait_condition("Stalled", "True", "ChainNotFound")
    wait_next_second(older)
    rivals.applied(ours)
    ours.wait_for("created", lambda seen: condition(seen, "Synced").get("status") == "True")
    assert [each for each in ours.calls() if each.method == "POST" and each.key == "team" and each.status != 404] == []
    assert not condition(ours.see(), "Stalled")
    older.wait_condition("Stalled", "True", "DuplicateTarget")


def test_of_two_that_read_it_at_once_one_acts(rivals: Rivals) -> None:
    """Each of them alone would start a deployment of its own."""
    stage = rivals.stage
    put(stage, rivals.theirs, secret("baseten", **{"api-key": stage.keys["team"]}))
    ours = Case(stage, "at-once").existing()
    ours.fault("delay", seconds=1.0, path="environments/at-once$")

    def wanted(kind: str) -> list[dict[str, str]]:
        return [{"chainletName": "RandInt", "instanceTypeID": kind}]

    rivals.applied(ours, chainletSettings=wanted("8x32"))
    other = rivals.squatter("at-once", apiKeySecretRef=REFERENCE, chainletSettings=wanted("4x16"))
    rivals.run()
    stalled = wait_until("one is informed that the other has it", lambda: next((c for c in (ours, other) if is_duplicate(c)), None))
    owner = other if stalled is ours else ours
    owner.wait_settled()
    assert ours.started() == ["instance_types"]
    assert owner.see()["status"]["environment"]["managed"] is True


def is_duplicate(case: Case) -> bool:
    return condition(case.see(), "Stalled").get("reason") == "DuplicateTarget"


def test_a_tenant_cannot_write_the_proof_of_its_claim(rivals: Rivals) -> None:
    """Neither with the resource nor afterwards: the status is the operator's alone."""
    cluster, user = rivals.stage.cluster, rivals.users[rivals.theirs]
    forged = Case(rivals.stage, "forged", namespace=rivals.theirs)
    proof = {"environment": {"name": "forged", "chainID": forged.chain, "managed": True}}
    assert apply(cluster, user, rivals.theirs, {**forged.manifest(), "status": proof}).returncode == 0
    assert "environment" not in forged.see()["status"]
    for verb in ("patch", "update"):
        status = ("auth", "can-i", verb, "chainenvironments.chains.baseten.co", "--subresource=status", f"--as={user}")
        assert cluster.kubectl(*status, namespace=rivals.theirs, check=False).stdout.strip() == "no"
