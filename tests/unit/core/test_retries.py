"""When a call is sent, when its effect is waited for, when trying stops."""

from __future__ import annotations

from typing import Any

import pytest

from chainenv.core.findings import Severity
from chainenv.core.journal import begin, unsettled
from chainenv.core.messages import refused
from chainenv.core.retries import GiveUp, RetryDecision, Send, Wait, retry_decision
from chainenv.core.values import digest
from chainenv.core.world import Timing
from chainenv.crd.enums import Operation
from chainenv.crd.types import Drift, JournalEntry

from .helpers import NOW, Case, answered, deployment, desired, environment, opened, reasons, table, world

HASH = digest("wanted")
DIFFERENCES = (Drift(path="chainletSettings[A].autoscalingSettings.minReplica", desired="2", actual="1"),)
AUTOSCALING, PROMOTE, TYPES = Operation.AUTOSCALING, Operation.PROMOTE, Operation.INSTANCE_TYPES


def judged(
    entry: JournalEntry | None, *, forced: bool = False, generation: int = 1, hashed: str = HASH
) -> tuple[type[RetryDecision], list[str]]:
    there = world(desired(generation=generation), environment(), forced=forced)
    decision = retry_decision(there, entry, hashed, patience=60, differences=DIFFERENCES)
    return type(decision), [] if isinstance(decision, Send) or decision.finding is None else reasons([decision.finding])


def sent(seconds: float, **more: Any) -> JournalEntry:
    return answered(AUTOSCALING, seconds, "wanted", **more)


@table(
    Case("never sent", "a difference is corrected", None, (Send, [])),
    Case("other values", "the last try was for another spec", answered(AUTOSCALING, 1, "other"), (Send, [])),
    Case("open", "the answer was lost: observe first", opened(AUTOSCALING, 1, "wanted"), (Wait, ["SettlingIntent"])),
    Case("young", "accepted, applied later: poll", sent(59), (Wait, ["Correcting"])),
    Case("second try", "accepted but not applied", sent(60, attempts=1), (Send, [])),
    Case("third try", "accepted but not applied", sent(60, attempts=2), (Send, [])),
    Case("a fourth try", "sent 3 times, still differs: stop", sent(60, attempts=3), (GiveUp, ["NotConverging"])),
    Case("nearly an hour", "hourly", sent(3599, attempts=3), (GiveUp, ["NotConverging"])),
    Case("an hour", "try again hourly", sent(3600, attempts=3), (Send, [])),
    Case("refused", "the same request is refused again", sent(1, outcome="Refused"), (GiveUp, ["Refused"])),
    Case("forbidden", "the key may not write", sent(1, outcome="Forbidden"), (GiveUp, ["Forbidden"])),
    Case("refused a minute ago", "it may have been busy", sent(60, outcome="Refused"), (Send, [])),
    Case("refused again", "less and less often", sent(359, outcome="Refused", attempts=2), (GiveUp, ["Refused"])),
    Case("refused often", "hourly at last", sent(3599, outcome="Refused", attempts=9), (GiveUp, ["Refused"])),
    Case("refused an hour ago", "hourly at last", sent(3600, outcome="Refused", attempts=9), (Send, [])),
    Case("failed", "the rule that follows the rollout says it", sent(1, outcome="Failed"), (GiveUp, [])),
)
def test_retry_decision(case: Case) -> None:
    assert judged(case.given) == case.expected, case.why


@table(
    Case("three times", "a spec change starts afresh", sent(61, attempts=3, generation=1), Send),
    Case("refused", "until the spec changes", sent(1, outcome="Refused", generation=1), Send),
    Case("young", "what was sent is still being applied", sent(5, generation=1), Wait),
    Case("open", "the answer is not known yet", opened(AUTOSCALING, 5, "wanted", generation=1), Wait),
)
def test_after_a_spec_change_with_the_same_values(case: Case) -> None:
    assert judged(case.given, generation=2)[0] is case.expected, case.why


@table(
    Case("three times", "a person asked", sent(61, attempts=3), Send),
    Case("refused", "a person asked", sent(1, outcome="Refused"), Send),
    Case("failed", "a person asked", sent(1, outcome="Failed", deployment_id="d"), Send),
    Case("with a deployment", "a person asked", sent(61, deployment_id="d", settled=True), Send),
    Case("open", "not even then: it may have happened", opened(AUTOSCALING, 5, "wanted"), Wait),
)
def test_when_a_person_asks(case: Case) -> None:
    assert judged(case.given, forced=True)[0] is case.expected, case.why


def rollout(seconds: float, **more: Any) -> JournalEntry:
    return answered(TYPES, seconds, "wanted", settled=True, **more)


STOPPED = (GiveUp, ["NotConverging"])


@table(
    Case("answered with a start", "each rollout costs GPUs", rollout(9999, started=True), STOPPED),
    Case("another generation", "the same values, so the same rollout", rollout(61, started=True, generation=0), STOPPED),
    Case("by the first edition", "a deployment was answered", rollout(9999, deployment_id="d"), STOPPED),
    Case("concluded", "it may have been somebody else's", rollout(61, deployment_id="d", unconfirmed=1), (Send, [])),
    Case("concluded twice", "wrong once, not twice", rollout(9999, deployment_id="d", unconfirmed=2), STOPPED),
    Case("lost", "it may have been lost on its way", rollout(61, outcome="Lost", unconfirmed=1), (Send, [])),
    Case("lost twice", "both may have arrived", rollout(99999, outcome="Lost", unconfirmed=2), STOPPED),
    Case("refused", "busy, or too new", rollout(1, outcome="Refused"), (GiveUp, ["Correcting"])),
    Case("refused after a lost try", "still running?", rollout(1, outcome="Refused", unconfirmed=1), (GiveUp, ["SettlingIntent"])),
    Case("refused after two lost", "both may have arrived", rollout(99, outcome="Refused", unconfirmed=2), STOPPED),
)
def test_a_rollout_is_not_repeated_like_a_correction(case: Case) -> None:
    assert judged(case.given) == case.expected, case.why


def test_a_rollout_that_is_given_up_stalls_unless_one_is_under_way() -> None:
    for seen, expected in (
        (environment(), Severity.STALLED),
        (environment(candidate=deployment("other", "BUILDING", created=1)), Severity.BLOCKED),
    ):
        decision = retry_decision(world(desired(), seen), rollout(9999, started=True), HASH)
        assert isinstance(decision, GiveUp)
        assert decision.finding is not None
        assert decision.finding.severity is expected


def test_not_converging_names_field_desired_actual_and_the_next_try() -> None:
    decision = retry_decision(world(desired(), environment()), sent(61, attempts=3), HASH, patience=60, differences=DIFFERENCES)
    assert isinstance(decision, GiveUp)
    finding = decision.finding
    assert finding is not None
    assert finding.severity is Severity.BLOCKED
    for word in ("3 times", "chainletSettings[A].autoscalingSettings.minReplica", "is 1", "wanted 2", "at 12:59Z"):
        assert word in finding.message


@table(
    Case("first", "nothing before", None, 1),
    Case("second", "the same values", sent(61, attempts=1), 2),
    Case("other values", "counted afresh", answered(AUTOSCALING, 61, "other", attempts=2), 1),
    Case("an hour later", "counted afresh", sent(3600, attempts=3), 1),
)
def test_begin_counts(case: Case) -> None:
    entry = begin(world(desired(), environment()), AUTOSCALING, HASH, case.given)
    assert entry.attempts == case.expected, case.why
    assert (entry.hash, entry.generation, entry.started_at, entry.finished_at, entry.outcome) == (HASH, 1, NOW, None, None)


@pytest.mark.parametrize("more", [{"forced": True}, {}], ids=["forced", "other generation"])
def test_begin_counts_afresh_for_a_person_or_another_spec(more: dict[str, Any]) -> None:
    there = world(desired(generation=1 if more else 2), environment(), **more)
    assert begin(there, AUTOSCALING, HASH, sent(61, attempts=2)).attempts == 1


def test_begin_remembers_what_was_there_and_what_was_asked_for() -> None:
    entry = begin(world(desired(), environment()), PROMOTE, HASH, None, known=("a", "b"), target="t")
    assert (entry.known_deployments, entry.target) == (("a", "b"), "t")


@table(
    Case("open", "not known", opened(PROMOTE, 1), True),
    Case("open setting", "not known", opened(AUTOSCALING, 1), True),
    Case("accepted rollout", "it has not come to its end", answered(PROMOTE, 1, deployment_id="d"), True),
    Case("accepted types", "it has not come to its end", answered(TYPES, 1), True),
    Case("accepted setting", "the next read shows it", sent(1), False),
    Case("settled", "a poll showed it", answered(PROMOTE, 1, settled=True), False),
    Case("refused", "nothing is under way", answered(PROMOTE, 1, outcome="Refused"), False),
    Case("failed", "nothing is under way", answered(PROMOTE, 1, outcome="Failed"), False),
)
def test_unsettled(case: Case) -> None:
    assert unsettled(case.given) is case.expected, case.why


@table(
    Case("refused", "invalid: Stalled", answered(AUTOSCALING, 1, outcome="Refused", message="no such GPU"), ("Refused", Severity.STALLED)),
    Case("forbidden", "Stalled", answered(AUTOSCALING, 1, outcome="Forbidden", message="no"), ("Forbidden", Severity.STALLED)),
    Case(
        "no deployment",
        "the rest goes on",
        answered(PROMOTE, 1, outcome="NotFound", target="d", message="no", attempts=2),
        ("DeploymentNotFound", Severity.BLOCKED),
    ),
    Case("404 of a patch", "as any refusal", answered(AUTOSCALING, 1, outcome="NotFound", message="no"), ("Refused", Severity.STALLED)),
    Case(
        "deactivate",
        "an operation of its own for each deployment",
        answered(Operation.DEACTIVATE, 1, outcome="Refused", message="no"),
        ("Refused", Severity.STALLED),
    ),
)
def test_refusal(case: Case) -> None:
    finding = refused(case.given, Timing())
    assert (finding.reason.value, finding.severity) == case.expected, case.why
    assert str(case.given.message) in finding.message
