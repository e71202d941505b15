"""Rate limits: kept, and obeyed by all who share the key and the endpoint when Baseten says to wait."""

from __future__ import annotations

import secrets
from email.utils import formatdate
from time import time
from typing import Any, NamedTuple

import pytest

from chainenv_sandbox.baseten.journal import Entry

from .harness.case import Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.observing import secret, together, version
from .harness.stage import ENVIRONMENT, Stage, condition, is_settled
from .harness.waiting import wait_until

LONG = 900
"""Seconds to wait that no test sits through."""
TEAM = 4
"""Resources under each key."""
SAID = {"error": "Rate limit exceeded. Please try again later."}


class Ban(NamedTuple):
    """How Baseten says to wait."""

    body: Json
    headers: dict[str, str]


BANS = {
    "in the body": Ban({**SAID, "retry_after": LONG}, {}),
    "seconds in the header": Ban(SAID, {"Retry-After": str(LONG)}),
    "a date in the header": Ban(SAID, {"Retry-After": formatdate(time() + LONG, usegmt=True)}),
}


class Team:
    """Resources that share a key of their own."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.name = name
        self.cases = [Case(stage, f"{name}-{number}") for number in range(TEAM)]

    def manifests(self) -> list[Json]:
        ref = {"name": self.name, "key": "api-key"}
        return [each.manifest(apiKeySecretRef=ref) for each in self.cases]

    def calls(self, since: int = 0, **more: Any) -> list[Entry]:
        return self.stage.simulator.journal(since=since, key=self.name, **more)

    def wait_polls(self, count: int = 8) -> int:
        """Waits until Baseten has been asked so many times more with this key; the mark before that."""
        mark = self.stage.mark()
        wait_until(f"{self.name} goes on", lambda: len(self.calls(mark, method="GET")) >= count)
        return mark


class Teams(NamedTuple):
    banned: dict[str, Team]
    short: Team
    patching: Team
    others: Team

    def all(self) -> list[Team]:
        return [*self.banned.values(), self.short, self.patching, self.others]


@pytest.fixture(scope="module")
def teams(shared_stage: Stage) -> Teams:
    names = [f"team-{letter}" for letter in "abcdef"]
    made = [Team(shared_stage, name) for name in names]
    teams = Teams(dict(zip(BANS, made, strict=False)), *made[3:])
    keys = {name: f"key-of-{name}-{secrets.token_hex(8)}" for name in names}
    shared_stage.keys = {**shared_stage.keys, **keys}
    for name, value in keys.items():
        shared_stage.simulator.add_key(name, value)
    for team in teams.all():
        for case in team.cases:
            case.existing()
    shared_stage.apply(together(secret(name, **{"api-key": value}) for name, value in keys.items()))
    shared_stage.run_operator()
    shared_stage.apply(together(each for team in teams.all() for each in team.manifests()))
    for team in teams.all():
        for case in team.cases:
            case.wait_settled()
    return teams


@pytest.mark.parametrize("how", BANS)
def test_all_who_share_the_key_and_the_endpoint_wait_when_baseten_says_so(teams: Teams, how: str) -> None:
    team, ban = teams.banned[how], BANS[how]
    mark = team.stage.mark()
    team.stage.simulator.add_fault("answer", method="GET", key=team.name, status=429, body=ban.body, headers=ban.headers)
    wait_until("the limit is reached", lambda: team.calls(mark, status=429))
    refused = next(entry for entry in team.calls(mark) if entry.status == 429)
    assert len(team.calls(refused.seq)) < TEAM, "only what was in flight"
    teams.others.wait_polls()  # what was in flight has ended
    quiet = teams.others.wait_polls()
    assert team.calls(quiet) == []
    assert [entry.status for entry in team.calls(mark)].count(429) == 1


def test_while_it_is_reported_to_wait_no_condition_changes_and_nothing_is_written(teams: Teams) -> None:
    """Waiting for the rate limit is no fault of any resource of the key."""
    team = teams.banned["in the body"]
    mark = team.stage.mark()
    before = [version(case) for case in team.cases]
    body = {**SAID, "retry_after": LONG}
    team.stage.simulator.add_fault("answer", method="GET", key=team.name, status=429, body=body)
    teams.others.wait_polls()
    assert len(team.calls(mark)) <= 1
    assert [version(case) for case in team.cases] == before
    for case in team.cases:
        assert (case.condition("Synced")["status"], case.condition("Ready")["status"]) == ("True", "True")


def test_a_short_wait_is_kept_and_is_nobodys_concern(teams: Teams) -> None:
    team = teams.short
    before = [version(case) for case in team.cases]
    mark = team.stage.mark()
    team.stage.simulator.add_fault("answer", method="GET", key=team.name, status=429, body={**SAID, "retry_after": 1.5})
    wait_until("it is refused", lambda: team.calls(mark, status=429))
    refused = team.calls(mark, status=429)[0]
    team.wait_polls()
    at_once = [entry for entry in team.calls(refused.seq) if entry.time < refused.time + 1.5]
    assert len(at_once) < TEAM, "only what was in flight"
    assert [version(case) for case in team.cases] == before


def test_another_endpoint_of_the_same_key_goes_on(teams: Teams) -> None:
    team = teams.patching
    body = {**SAID, "retry_after": LONG}
    team.stage.simulator.add_fault("answer", method="PATCH", key=team.name, status=429, body=body, times=2)  # both may be under way
    first, second, *others = team.cases
    changed = {"apiKeySecretRef": {"name": team.name, "key": "api-key"}, "chainletSettings": [chainlet("RandInt", maxReplica=7)]}
    team.stage.apply(together(case.manifest(**changed) for case in (first, second)))
    for case in (first, second):
        seen = case.wait_for("held back", lambda now: condition(now, "Synced")["reason"] == "RateLimited")
        assert seen["status"]["observedGeneration"] == 1, "the new spec has not been acted on"
    assert len(team.calls(method="PATCH")) <= 2
    mark = others[0].wait_polls()
    assert {entry.endpoint for entry in team.calls(mark)} == {ENVIRONMENT}
    assert all(is_settled(case.see()) for case in others)


def test_as_many_creates_as_there_are_get_not_one_429(apart: Stage) -> None:
    """Twice as many as Baseten takes in a second, all at once."""
    limit = 30
    apart.simulator.set_rate_limit(limit)
    cases = [Case(apart, f"many-{number}").with_chain() for number in range(2 * limit)]
    refused = apart.simulator.state()["rate_limited"]
    try:
        apart.apply(together(case.manifest() for case in cases))
        apart.run_operator(CHAINENV_RATE_LIMIT=str(0.5 * limit), CHAINENV_PROGRESS_SECONDS="2", CHAINENV_POLL_SECONDS="30")
        for case in cases:
            case.wait_for("created", lambda seen: seen["status"].get("environment"))
        assert apart.simulator.state()["rate_limited"] == refused
    finally:
        apart.simulator.set_rate_limit(0)
    assert [case.names_sent() for case in cases] == [["create"]] * len(cases)
