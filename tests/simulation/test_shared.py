"""What several resources or several processes have in common: a key, and the Lease."""

from __future__ import annotations

from typing import Any

import pytest

from .runner import NAME, Simulation
from .scenario import HOUR, START, call, edit, restrict, run, spec, stranger, trouble, types
from .story import Step

# -- one resource harms the others -----------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [{}, {"apiKeySecretRef": {"name": "baseten", "key": "token"}}], ids=["own key", "from a Secret"])
@pytest.mark.parametrize("becomes", ["unreadable", "unwritable", "reader"])
def test_a_credential_that_is_refused_for_one_is_its_own_affair(becomes: str, secret: dict[str, Any]) -> None:
    """Nine others with the same key go on, whatever is corrected in them: an invariant asks each half hour."""
    declared = spec(chainletSettings=[{"chainletName": "Llm", "autoscalingSettings": {"maxReplica": 7}}], **secret)
    steps = [restrict(START, becomes, 9 * HOUR), *(stranger(START + n * 600, "autoscale") for n in range(1, 40))]
    seen: list[str] = []

    def note(done: Simulation) -> None:
        for name, raw in done.api.objects.items():
            synced = next(c for c in raw["status"]["conditions"] if c["type"] == "Synced")
            seen.append(synced["reason"] if name == NAME else "" if synced["status"] == "True" else f"{name}: {synced}")

    done = run(declared, *steps, Step(START + 4 * HOUR - 60, "call", {"does": note}), hours=10, neighbours=9)
    assert seen[0] in ("CredentialsRefused", "Forbidden")
    assert set(seen[1:]) == {""}
    assert done.conditions["Synced"]["status"] == "True"


def test_two_that_are_refused_do_not_put_the_key_in_doubt_for_the_others() -> None:
    steps = [restrict(START + n, "unreadable", 9 * HOUR, name) for n, name in enumerate(("staging", "beside-1", "beside-2", "beside-3"))]
    run(spec(), *steps, hours=10, neighbours=7)


# -- the Lease -------------------------------------------------------------------------------------------------------


def hang(at: float, seconds: float, *endpoints: str, share: float = 1.0) -> Step:
    return trouble(at, "hang", seconds, *endpoints, share=share)


def test_a_renewal_that_hangs_does_not_cost_the_lease() -> None:
    """One request of each kind without an answer, again and again."""
    steps = [hang(START + n * 60, 1.9, "kube_lease") for n in range(20)]
    done = run(spec(deploymentID="d1"), *steps, hours=1, elects=True)
    assert not [line for line in done.timeline if "has lost the Lease" in line]
    assert len(done.rollouts()) == len(done.processes) == 1


@pytest.mark.parametrize("kind", ["lost_request", "lost_answer", "hang"])
@pytest.mark.parametrize("points", range(1, 6))
def test_a_leader_cut_off_from_its_lease_acts_no_more_and_the_next_one_repeats_nothing(kind: str, points: int) -> None:
    """The real Lease decides; the stand-by waits for its whole duration, and the old leader has ended by then."""
    acting: list[list[str]] = []

    def sample(done: Simulation) -> None:
        acting.append([p.name for p in done.processes if p.alive and p.leader is not None and p.leader.leading])

    watch = [Step(START + n, "call", {"does": sample}) for n in range(120)]
    steps = [
        Step(START - 60, "call", {"does": lambda s: s.start(600.0)}),
        trouble(START + points, kind, 60, "kube_lease op-1"),
        trouble(START, "gateway", 60, "promote"),
        edit(START + points + 1, "deploymentID", "d1"),
    ]
    done = run(spec(), *steps, *watch, hours=1, elects=True)
    assert max(map(len, acting)) == 1, "never two at once"
    assert ["op-2"] in acting
    assert len(done.rollouts("promote")) == 1
    assert done.conditions["Synced"]["status"] == "True"


@pytest.mark.parametrize("seed", range(1, 6))
def test_two_that_act_at_once_promote_once(seed: int) -> None:
    """Two replicas without a Lease, by mistake: who comes second meets the intent of the first in the object."""
    steps = [
        call(START - 60, lambda s: s.start(0.0)),
        edit(START, "deploymentID", "d1"),
        edit(START + HOUR, "chainlet", *types(Llm="2x8"), "Llm"),
    ]
    done = run(spec(), *steps, seed=seed)
    assert len(done.processes) == 2
    assert len(done.rollouts("promote")) == len(done.rollouts("update_instance_types")) == 1
