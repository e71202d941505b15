"""A plan for people: what differs first, and nothing in it is markup."""

from __future__ import annotations

from decimal import Decimal

import pytest

from chainenv.cli.cost import Scale, Span, hourly, span
from chainenv.cli.output import plain_tree
from chainenv.cli.plan_text import markdown, nodes, summary
from chainenv.cli.planned import Call, Planned
from chainenv.crd.types import Drift

CHANGE = Drift(path="chainletSettings[A].instanceTypeID", desired="4x16", actual="2x8")
ROLLOUT = Planned(
    "team-a",
    "staging",
    "environment staging of chain abcd1234",
    calls=(Call("UpdateInstanceTypes", "A instanceTypeID 2x8 -> 4x16", (CHANGE,), True),),
    notes=("a note",),
    cost=Decimal("1.5"),
    before=Span(Decimal(0), Decimal(3)),
    after=Span(Decimal(0), None),
    starts=1,
)
QUIET = Planned("team-a", "production", "environment production of chain abcd1234")
BROKEN = Planned("team-b", "qa", "environment qa of chain abcd1234", problem="no key")
HOSTILE = Planned("team-c", "x", "@everyone [link](http://x) <b> `code` | \x1b[2J", notes=("**bold** @team",))


def test_a_plan_for_a_terminal() -> None:
    assert list(plain_tree(nodes([ROLLOUT, QUIET, BROKEN]))) == [
        "team-a/staging     environment staging of chain abcd1234",
        "  1. UpdateInstanceTypes (starts a deployment)",
        "    chainletSettings[A].instanceTypeID  2x8  ->  4x16",
        "  note: a note",
        "  cost: 1.50 USD an hour now; from fewest to most replicas 0.00-3.00 before, 0.00-? after",
        "team-a/production  environment production of chain abcd1234",
        "  nothing to do",
        "team-b/qa          environment qa of chain abcd1234",
        "  error: no key",
    ]
    assert summary([ROLLOUT, QUIET, BROKEN]) == "3 environments, 1 call, 1 deployment started, 1 could not be planned"


def test_a_plan_for_a_pull_request() -> None:
    text = markdown([QUIET, ROLLOUT])
    assert "| `chainletSettings[A].instanceTypeID` | `2x8` | `4x16` |" in text
    assert "1. **UpdateInstanceTypes** (starts a deployment)" in text
    assert text.endswith("Nothing to do: `team-a/production`\n")


def test_nothing_of_a_name_or_a_message_is_markup() -> None:
    text = markdown([HOSTILE])
    assert "\\[link\\](http://x) \\<b\\> \\`code\\` \\|" in text
    assert "@everyone" not in text
    assert "\\*\\*bold\\*\\*" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ([], Decimal(0)),
        ([("2x8", 2), ("1x2", 1)], Decimal("0.30")),
        ([("2x8", 0), ("unknown", 0)], Decimal(0)),
        ([("2x8", 1), ("unknown", 1)], None),
        ([(None, 1)], None),
    ],
)
def test_what_replicas_cost(counted: list[tuple[str | None, int]], expected: Decimal | None) -> None:
    prices = {"2x8": Decimal("0.002"), "1x2": Decimal("0.001")}
    assert hourly(counted, prices) == expected


def test_the_span_is_from_the_fewest_to_the_most_replicas() -> None:
    assert span([Scale("2x8", 1, 4)], {"2x8": Decimal("0.01")}) == Span(Decimal("0.60"), Decimal("2.40"))
