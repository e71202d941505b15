"""promoteFrom, by what the cluster shows of the source."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from chainenv.core.sources import Member, resolve
from chainenv.crd.types import ChainEnvironmentSpec, ChainEnvironmentStatus

from .helpers import CHAIN, NOW, Case, ago, table


def member(name: str, follows: str | None = None, *, soak: int | None = None, **more: Any) -> Member:
    """A resource that is Ready with its deployment for an hour, served since two; ``more`` says what is otherwise."""
    given = {"chain": CHAIN, "serves": "dep-b", "since": ago(7200), "ready": "True", "ready_since": ago(3600), "generation": 3, **more}
    generation = given["generation"]
    spec: dict[str, Any] = {
        "chainID": given["chain"],
        "managementPolicy": given.get("management"),
        "environmentName": given.get("environment"),
    }
    if follows:
        spec["promoteFrom"] = {"name": follows, "soakSeconds": soak}
    condition = {"type": "Ready", "status": given["ready"], "reason": "Unhealthy", "message": "failing health checks"}
    condition |= {"lastTransitionTime": given["ready_since"], "observedGeneration": given.get("ready_of", generation)}
    status: dict[str, Any] = {"observedGeneration": given.get("observed", generation), "conditions": [condition]}
    if given["serves"]:
        status["currentDeployment"] = {"id": given["serves"], "status": "ACTIVE"}
        entry = {
            "deploymentID": given.get("history", given["serves"]),
            "cause": "External",
            "since": given["since"],
            "until": given.get("until"),
        }
        status["history"] = [entry]
    return Member(
        name,
        generation,
        ChainEnvironmentSpec.model_validate(spec),
        ChainEnvironmentStatus.model_validate(status),
        given.get("deleting", False),
        given.get("confirmed"),
    )


def resolved(source: Member | None, *others: Member, soak: int | None = None, promoted: str | None = None, now: datetime = NOW) -> Any:
    """Deployment, what it waits for, the reason, until when."""
    follower = member("production", "staging", soak=soak)
    found = resolve(follower, {each.name: each for each in (follower, *((source,) if source else ()), *others)}, promoted, now)
    hold = found.hold
    return (found.deployment, *((hold.waits_for.value, hold.reason.value, hold.until) if hold else (None, None, None)))


def said(source: Member | None, *others: Member, soak: int | None = None) -> str:
    follower = member("production", "staging", soak=soak)
    hold = resolve(follower, {each.name: each for each in (follower, *((source,) if source else ()), *others)}, None, NOW).hold
    assert hold is not None
    return hold.message


GO = ("dep-b", None, None, None)
WAIT = (None, "Source", "WaitingForSource", None)
REFUSED = (None, "Source", "SourceNotFound", None)


@table(
    Case("ready", "no soak", {}, GO),
    Case("not ready", "", {"ready": "False"}, WAIT),
    Case("unknown", "its observation is stale", {"ready": "Unknown"}, WAIT),
    Case("nothing deployed", "", {"serves": None, "ready": "False"}, WAIT),
    Case("nothing deployed, yet Ready", "a status that somebody wrote", {"serves": None}, WAIT),
    Case("an edit not acted on", "stale for its generation", {"observed": 2}, WAIT),
    Case("Ready of an earlier generation", "", {"ready_of": 2}, WAIT),
    Case("paused", "may be stale", {"management": "Pause"}, WAIT),
    Case("observed", "reads are enough", {"management": "Observe"}, GO),
    Case("deleted", "", {"deleting": True}, WAIT),
    Case("a history of another deployment", "not folded yet", {"history": "dep-a"}, WAIT),
    Case("a history that has ended", "", {"until": ago(1)}, WAIT),
    Case("another chain", "", {"chain": "other"}, REFUSED),
    Case("the same environment", "by another resource", {"environment": "production"}, REFUSED),
)
def test_what_is_promoted(case: Case) -> None:
    assert resolved(member("staging", **case.given)) == case.expected, case.why


def test_no_such_source() -> None:
    assert resolved(None) == REFUSED
    assert said(None) == "promoteFrom staging not found in this namespace: create that ChainEnvironment, or correct the name"


def test_without_promote_from_nothing_is_asked_for() -> None:
    found = resolve(member("production"), {}, None, NOW)
    assert (found.deployment, found.hold) == (None, None)


@table(
    Case("ready for an hour, an hour asked for", "", (3600, {}), GO),
    Case("a second more", "from when it became Ready", (3601, {}), ("dep-b", "Soak", "WaitingForSource", NOW + timedelta(seconds=1))),
    Case(
        "a later deployment",
        "from when it began to serve",
        (3600, {"since": ago(60)}),
        ("dep-b", "Soak", "WaitingForSource", NOW + timedelta(seconds=3540)),
    ),
    Case(
        "it failed in between",
        "the soak starts anew",
        (3600, {"ready_since": ago(1)}),
        ("dep-b", "Soak", "WaitingForSource", NOW + timedelta(seconds=3599)),
    ),
    Case("it fails now", "the soak is broken", (3600, {"ready": "False"}), WAIT),
)
def test_the_soak(case: Case) -> None:
    soak, more = case.given
    assert resolved(member("staging", **more), soak=soak) == case.expected, case.why


@table(
    Case("at its end", "", {"confirmed": NOW}, GO),
    Case("later", "", {"confirmed": NOW + timedelta(seconds=9)}, GO),
    Case("before its end", "the status is of a poll ago", {"confirmed": ago(1)}, ("dep-b", "Soak", "WaitingForSource", None)),
    Case("not since a restart", "", {"confirmed": ago(86400)}, ("dep-b", "Soak", "WaitingForSource", None)),
    Case("by nobody", "a plan of the command line", {"confirmed": None}, GO),
    Case("and it failed", "", {"confirmed": NOW, "ready": "False"}, WAIT),
)
def test_a_soak_is_over_when_a_read_confirms_it(case: Case) -> None:
    assert resolved(member("staging", **case.given), soak=3600) == case.expected, case.why


def test_without_a_soak_a_restart_waits_for_the_first_read() -> None:
    assert resolved(member("staging", confirmed=ago(86400))) == ("dep-b", "Soak", "WaitingForSource", None)
    assert resolved(member("staging", confirmed=ago(3600))) == GO


def test_exactly_at_the_end_of_the_soak_it_goes() -> None:
    waiting = resolved(member("staging"), soak=9000)
    assert resolved(member("staging"), soak=9000, now=waiting[3]) == GO
    assert resolved(member("staging"), soak=9000, now=waiting[3] - timedelta(microseconds=1)) == waiting


@table(
    Case("promoted already", "a copy of it serves; no new wish", ("dep-b", {}), GO),
    Case("promoted, soak anew", "nothing is wanted", ("dep-b", {"ready_since": ago(1)}), GO),
    Case("promoted, the source fails", "nothing waits", ("dep-b", {"ready": "False"}), GO),
    Case("promoted, the source is paused", "nothing waits", ("dep-b", {"management": "Pause"}), GO),
    Case("promoted, the source goes", "nothing waits", ("dep-b", {"deleting": True}), GO),
    Case("the source has gone back", "followed", ("dep-c", {}), GO),
    Case("another one, not ready", "", ("dep-a", {"ready": "False"}), WAIT),
    Case("promoted, now of another chain", "the spec is wrong all the same", ("dep-b", {"chain": "other"}), REFUSED),
)
def test_what_was_promoted_is_no_new_wish(case: Case) -> None:
    promoted, more = case.given
    assert resolved(member("staging", **more), soak=60, promoted=promoted) == case.expected, case.why


# -- circles -------------------------------------------------------------------------------------------------------


def test_a_pipeline_of_three_is_no_circle() -> None:
    assert resolved(member("staging", "dev"), member("dev")) == GO


def test_a_circle_of_two_is_refused() -> None:
    assert resolved(member("staging", "production")) == REFUSED
    message = said(member("staging", "production"))
    assert message == "promoteFrom staging is a circle: production <- staging <- production: remove promoteFrom from one of them"


def test_a_circle_of_three_is_refused() -> None:
    assert "is a circle: production <- staging <- dev <- production:" in said(member("staging", "dev"), member("dev", "production"))


def test_a_circle_of_others_ends_the_search() -> None:
    assert resolved(member("staging", "dev"), member("dev", "staging")) == GO


def test_a_source_that_follows_nobody_there_is_no_circle() -> None:
    assert resolved(member("staging", "gone")) == GO


# -- messages ------------------------------------------------------------------------------------------------------


@table(
    Case(
        "soak",
        "",
        ({}, 9000),
        "the promotion of deployment dep-b waits until 2026-03-01T13:30Z: staging is Ready with it since 2026-03-01T11:00Z,"
        " soakSeconds is 9000",
    ),
    Case("not ready", "", ({"ready": "False"}, 0), "waiting for promoteFrom staging: it is not Ready (Unhealthy: failing health checks)"),
    Case("stale", "", ({"observed": 2}, 0), "waiting for promoteFrom staging: its status does not describe its generation 3 yet"),
    Case("paused", "", ({"management": "Pause"}, 0), "waiting for promoteFrom staging: it is paused, so its status may be stale"),
    Case("deleted", "", ({"deleting": True}, 0), "waiting for promoteFrom staging: it is being deleted"),
    Case(
        "other chain",
        "",
        ({"chain": "efgh"}, 0),
        "promoteFrom staging belongs to chain efgh, this resource to chain abcd1234: name one of the same chain",
    ),
    Case(
        "itself",
        "",
        ({"environment": "production"}, 0),
        "promoteFrom staging is this environment itself: name the ChainEnvironment of another environment",
    ),
)
def test_the_message_says_why(case: Case) -> None:
    more, soak = case.given
    assert said(member("staging", **more), soak=soak) == case.expected
