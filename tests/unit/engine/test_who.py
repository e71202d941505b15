"""Who made what was corrected, by the chain's audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chainenv.api import ApiKey
from chainenv.api import models as m
from chainenv.core.findings import EventRecord
from chainenv.core.reasons import Event
from chainenv.engine.who import of_correction

KEY = ApiKey("abcdefgh.0123456789")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AUTOSCALING, TYPES, SETTINGS = "CHAINLET_AUTOSCALING_SETTINGS_CHANGED", "CHAINLET_INSTANCE_TYPE_CHANGED", "CHAIN_ENVIRONMENT_UPDATED"


def entry(who: str, seconds_ago: float, kind: str = AUTOSCALING, deployment: str = "dep-a") -> m.AuditEntry:
    """``own``: made with the operator's key; else by a person of that name. As published: only what is about the environment names it."""
    actor = m.AuditActor("API_KEY", api_key_prefix="abcdefgh") if who == "own" else m.AuditActor("USER", email=who)
    about_it = {"environment_name": "staging"} if kind == SETTINGS else {"chain_deployment_id": deployment}
    data = m.AuditEvent(**about_it)
    return m.AuditEntry(f"{seconds_ago:06}", NOW - timedelta(seconds=seconds_ago), kind, data, "UI", actor)


def who(*entries: m.AuditEntry, event: Event = Event.AUTOSCALING_CORRECTED) -> str | None:
    found = of_correction(entries, EventRecord(event, "corrected"), KEY, "staging", {"dep-a", "dep-b"})
    return found.actor.email if found and found.actor else None


def test_the_last_one_before_the_correction() -> None:
    assert who(entry("own", 0), entry("ann", 30), entry("bob", 90)) == "ann"
    assert who(entry("bob", 90), entry("ann", 30)) == "ann", "the log is late with the correction itself, and in another order"


def test_a_call_for_two_chainlets_is_two_entries() -> None:
    assert who(entry("own", 0), entry("own", 1), entry("ann", 30)) == "ann"


def test_somebody_whose_change_was_corrected_before_did_not_do_it_again() -> None:
    assert who(entry("own", 0), entry("own", 7200), entry("ann", 7230)) is None


def test_a_change_of_another_kind_or_place_explains_nothing() -> None:
    assert who(entry("ann", 30, deployment="dep-b")) == "ann"
    assert who(entry("ann", 30, TYPES), entry("bob", 40, SETTINGS), entry("eve", 50, deployment="dep-x")) is None
    assert who(entry("ann", 30), entry("bob", 40, SETTINGS), event=Event.PROMOTION_SETTINGS_CORRECTED) == "bob"
    assert who(entry("ann", 30), entry("eve", 40, TYPES), event=Event.INSTANCE_TYPES_CHANGED) == "eve"


def test_an_empty_log_names_nobody() -> None:
    assert who() is None
