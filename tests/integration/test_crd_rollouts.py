"""What the API server itself refuses of rollouts, schedules, budgets and cleanup, each with what to write instead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chainenv.crd.types import ChainEnvironmentStatus
from chainenv_sandbox.controlplane.kubectl import KubectlError

from .harness.applying import Kubectl
from .harness.cluster import Json
from .harness.manifests import chainlet, resource

SETTINGS = {
    "minReplica": 1,
    "maxReplica": 9,
    "autoscalingWindow": 60,
    "scaleDownDelay": 60,
    "concurrencyTarget": 2,
    "targetUtilizationPercentage": 50,
    "targetInFlightTokens": 7,
    "maxScaleDownRate": 20,
}
"""Every field of autoscaling settings, with values that fit each other."""


def window(**more: Any) -> Json:
    return {"rollout": {"windows": [{"start": "09:00", "end": "16:00", **more}]}}


def schedule(name: str = "day", /, **settings: Any) -> Json:
    return {
        "name": name,
        "start": "07:45",
        "end": "19:00",
        "chainletSettings": [{"chainletName": "LLM", "autoscalingSettings": settings}],
    }


def scheduled(base: Json, *schedules: Json) -> Json:
    """With one chainlet LLM that has these settings in chainletSettings."""
    return {"chainletSettings": [chainlet("LLM", None, **base)], "autoscalingSchedules": list(schedules)}


def day(**more: Any) -> Json:
    """A schedule in which nothing is wrong but what is given."""
    return scheduled({"minReplica": 1}, {**schedule(minReplica=2), **more})


def budget(text: Any) -> Json:
    return {"budget": {"maxUSDPerHour": text}}


TIME = 'write the time of day as HH:MM, from "00:00" to "23:59"'
ZONE = "write the IANA name of the time zone, for example Europe/Berlin"
DAYS = 'supported values: "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"'
MONEY = 'write US dollars an hour as decimal text above 0, for example "50.00"'
NAME = "write the metadata.name of another ChainEnvironment of this namespace"
ORDER = "minReplica must not be greater than maxReplica"

MISTAKES: dict[str, tuple[Json, str]] = {
    "deploymentID and promoteFrom": (
        {"deploymentID": "dep1", "promoteFrom": {"name": "dev"}},
        "deploymentID and promoteFrom exclude each other: write deploymentID to promote one deployment, promoteFrom to follow another",
    ),
    "promoteFrom itself": ({"promoteFrom": {"name": "staging"}}, "promoteFrom.name is this resource itself: write the metadata.name"),
    "promoteFrom without name": ({"promoteFrom": {"soakSeconds": 1}}, "spec.promoteFrom.name: Required value"),
    "promoteFrom another namespace": ({"promoteFrom": {"name": "other/staging"}}, NAME),
    "promoteFrom in capitals": ({"promoteFrom": {"name": "Dev"}}, NAME),
    "a soak before now": ({"promoteFrom": {"name": "dev", "soakSeconds": -1}}, "greater than or equal to 0"),
    "a soak of more than a year": ({"promoteFrom": {"name": "dev", "soakSeconds": 31622401}}, "less than or equal to 31622400"),
    "unknown approval": ({"rollout": {"approval": "Always"}}, 'supported values: "Automatic", "Manual"'),
    "no time to roll out": ({"rollout": {"deadlineSeconds": 0}}, "greater than or equal to 1"),
    "windows that never open": ({"rollout": {"windows": []}}, "spec.rollout.windows in body should have at least 1 items"),
    "more than 20 windows": ({"rollout": {"windows": [{"start": "09:00", "end": "10:00"}] * 21}}, "must have at most 20 items"),
    "a window without end": ({"rollout": {"windows": [{"start": "09:00"}]}}, "spec.rollout.windows[0].end: Required value"),
    "a window at 24:00": (window(end="24:00"), TIME),
    "a window at 9:00": (window(start="9:00"), TIME),
    "a window with seconds": (window(start="09:00:00"), TIME),
    "a window at no time": (window(start=""), TIME),
    "a window at 12:60": (window(end="12:60"), TIME),
    "a window with a line break": (window(end="09:00\n"), TIME),
    "an unknown weekday": (window(weekdays=["Monday"]), DAYS),
    "a weekday twice": (window(weekdays=["Mon", "Mon"]), 'Duplicate value: "Mon"'),
    "no weekday": (window(weekdays=[]), "weekdays in body should have at least 1 items"),
    "an offset for a zone": (window(timeZone="UTC+02:00"), ZONE),
    "a path for a zone": (window(timeZone="../etc/passwd"), ZONE),
    "no zone": (window(timeZone=""), ZONE),
    "budget as a number": (budget(50), "must be of type string"),
    "budget of 0": (budget("0.00"), MONEY),
    "budget below 0": (budget("-1"), MONEY),
    "budget with a currency": (budget("50 USD"), MONEY),
    "budget with a comma": (budget("50,00"), MONEY),
    "budget as a power": (budget("5e1"), MONEY),
    "budget without amount": ({"budget": {}}, "spec.budget.maxUSDPerHour: Required value"),
    "cleanup without keepLast": ({"cleanup": {"action": "Delete"}}, "spec.cleanup.keepLast: Required value"),
    "cleanup that keeps less than nothing": ({"cleanup": {"keepLast": -1}}, "greater than or equal to 0"),
    "cleanup before it served": ({"cleanup": {"keepLast": 1, "afterSeconds": -1}}, "greater than or equal to 0"),
    "unknown cleanup": ({"cleanup": {"keepLast": 1, "action": "Retain"}}, 'supported values: "Deactivate", "Delete"'),
    "a schedule at 24:00": (day(start="24:00"), TIME),
    "a schedule on an unknown weekday": (day(weekdays=["mon"]), DAYS),
    "a schedule in no zone": (day(timeZone="Middle Earth"), ZONE),
    "a schedule without name": (day(name=""), "write letters, digits, '-', '_' and '.', for example office-hours"),
    "a schedule with a space": (day(name="office hours"), "write letters, digits, '-', '_' and '.', for example office-hours"),
    "a schedule without chainlets": (day(chainletSettings=[]), "chainletSettings in body should have at least 1 items"),
    "two schedules of one name": (
        scheduled({"minReplica": 1}, schedule(minReplica=2), schedule(minReplica=3)),
        'spec.autoscalingSchedules[1]: Duplicate value: {"name":"day"}',
    ),
    "more than 20 schedules": (scheduled({"minReplica": 1}, *(schedule(f"s{n}", minReplica=2) for n in range(21))), "at most 20 items"),
    "a schedule out of order": (scheduled(SETTINGS, schedule(minReplica=5, maxReplica=4)), "raise maxReplica or lower minReplica"),
    "a schedule's minReplica above the usual maxReplica": (scheduled({"minReplica": 1, "maxReplica": 3}, schedule(minReplica=4)), ORDER),
    "a schedule's maxReplica below the usual minReplica": (scheduled({"minReplica": 3, "maxReplica": 9}, schedule(maxReplica=2)), ORDER),
    "the second schedule out of order": (
        scheduled({"minReplica": 1, "maxReplica": 3}, schedule(minReplica=2), schedule("night", minReplica=4)),
        ORDER,
    ),
    "a schedule of an unknown chainlet": (
        {"chainletSettings": [chainlet("Other", None, minReplica=1)], "autoscalingSchedules": [schedule(minReplica=2)]},
        "needs minReplica in chainletSettings too: write there what holds while no schedule is active",
    ),
    "a schedule without any chainletSettings": (
        {"autoscalingSchedules": [schedule(minReplica=2)]},
        "needs minReplica in chainletSettings too",
    ),
    "a schedule over a chainlet without autoscaling": (
        {"chainletSettings": [chainlet("LLM", "1x2")], "autoscalingSchedules": [schedule(minReplica=2)]},
        "needs minReplica in chainletSettings too",
    ),
    **{
        f"a schedule's {field} that has no usual value": (
            scheduled({name: value for name, value in SETTINGS.items() if name != field}, schedule(**{field: SETTINGS[field]})),
            f"a chainlet that has {field} in autoscalingSchedules needs {field} in chainletSettings too",
        )
        for field in SETTINGS
    },
}


@pytest.mark.parametrize(("spec", "help_given"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused_with_what_to_write(kubectl: Kubectl, spec: Json, help_given: str) -> None:
    assert help_given in kubectl.refusal(resource(**spec))
    assert kubectl("get", "chenv", "-o", "name") == ""


TAKEN: dict[str, Json] = {
    "nothing of it": {},
    "an empty rollout": {"rollout": {}},
    "promoteFrom alone": {"promoteFrom": {"name": "dev.eu-1"}},
    "a window that is open all day": window(start="00:00", end="00:00"),
    "a window past midnight": window(start="22:00", end="06:00", weekdays=["Sat", "Sun"], timeZone="America/Argentina/Buenos_Aires"),
    "a zone with an offset in its name": window(timeZone="Etc/GMT+5"),
    "a zone that nobody knows": window(timeZone="Mars/Olympus_Mons"),
    "a small budget": budget("0.000001"),
    "a large budget": budget("999999999"),
    "cleanup that keeps nothing": {"cleanup": {"keepLast": 0}},
    "an empty list of schedules": {"autoscalingSchedules": []},
    "a schedule of every field": scheduled(SETTINGS, schedule(**SETTINGS)),
    "a schedule that moves both bounds": scheduled({"minReplica": 1, "maxReplica": 3}, schedule(minReplica=4, maxReplica=20)),
    "a schedule's minReplica where maxReplica is not managed": scheduled({"minReplica": 1}, schedule(minReplica=50)),
    "a schedule's maxReplica where minReplica is not managed": scheduled({"maxReplica": 9}, schedule(maxReplica=1)),
    "a schedule of bounds that are equal": scheduled({"minReplica": 1, "maxReplica": 3}, schedule(minReplica=3)),
    "a schedule that overlaps another": scheduled(SETTINGS, schedule(minReplica=2), schedule("lunch.1_a", minReplica=3)),
}


@pytest.mark.parametrize("spec", TAKEN.values(), ids=TAKEN)
def test_what_is_right_is_taken_as_it_is_written(kubectl: Kubectl, spec: Json) -> None:
    manifest = resource(**spec)
    assert kubectl.apply(manifest)["spec"] == manifest["spec"]


def test_null_means_omitted(kubectl: Kubectl) -> None:
    absent = dict.fromkeys(("promoteFrom", "budget", "cleanup", "autoscalingSchedules"))
    rollout = {"approval": None, "deadlineSeconds": None, "windows": None}
    assert kubectl.apply(resource(**absent, rollout=rollout))["spec"] == resource(rollout={})["spec"]
    hours = {"weekdays": None, "start": "09:00", "end": "16:00", "timeZone": None}
    changed = kubectl.apply(resource(rollout={"windows": [hours]}, cleanup={"keepLast": 1, "afterSeconds": None, "action": None}))
    assert changed["spec"] == resource(**window(), cleanup={"keepLast": 1})["spec"]


@pytest.mark.parametrize("fields", [["minReplica"], ["maxReplica"], ["minReplica", "maxReplica"], list(SETTINGS)], ids="-".join)
def test_20_schedules_of_200_chainlets_stay_within_what_an_api_server_checks(kubectl: Kubectl, fields: list[str]) -> None:
    names = [f"Chainlet{number}" for number in range(200)]
    values = {field: SETTINGS[field] for field in fields}
    entries = [{"chainletName": name, "autoscalingSettings": values} for name in names]
    whole = resource(
        chainletSettings=[chainlet(name, None, **SETTINGS) for name in names],
        autoscalingSchedules=[{"name": f"s{n}", "start": "07:00", "end": "08:00", "chainletSettings": entries} for n in range(20)],
    )
    kubectl.create(whole, dry_run=True)
    whole["spec"]["chainletSettings"][199]["autoscalingSettings"] = {}
    assert f"needs {fields[0]} in chainletSettings too" in kubectl.refused_to_create(whole)


def test_an_edit_of_a_large_resource_is_checked_as_well(kubectl: Kubectl) -> None:
    names = [f"Chainlet{number}" for number in range(100)]
    entries = [{"chainletName": name, "autoscalingSettings": {"minReplica": 2}} for name in names]
    whole = resource(
        chainletSettings=[chainlet(name, None, minReplica=1, maxReplica=3) for name in names],
        autoscalingSchedules=[{"name": f"s{n}", "start": "07:00", "end": "08:00", "chainletSettings": entries} for n in range(20)],
    )
    kubectl.create(whole)
    edit = [{"op": "replace", "path": "/spec/chainletSettings/99/autoscalingSettings/maxReplica", "value": 1}]
    assert "minReplica in autoscalingSchedules does not fit maxReplica" in kubectl.refused_edit("staging", edit)
    edit[0]["value"] = 2
    kubectl.edit("staging", edit)
    assert kubectl.cluster.resource(kubectl.namespace, "staging")["metadata"]["generation"] == 2


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["merged by kubectl", "merged by the API server"])
def test_the_order_of_schedules_is_the_order_they_are_written_in(kubectl: Kubectl, how: tuple[str, ...]) -> None:
    """Of several that are active the last in the list wins."""
    for order in ("ab", "ba", "cab", "bca"):
        manifest = resource(**scheduled(SETTINGS, *(schedule(name, minReplica=2) for name in order)))
        kubectl("apply", *how, "-f", "-", input=json.dumps(manifest))
        spec = kubectl.cluster.resource(kubectl.namespace, "staging")["spec"]
        assert [each["name"] for each in spec["autoscalingSchedules"]] == list(order)


STATUS: Json = {
    "observedGeneration": 1,
    "promotion": {"state": "RAMPING_UP", "trafficPercent": 40, "message": "no capacity"},
    "rollout": {"waitsFor": "Window", "plan": "9f3c1a2b", "message": "waits", "nextWindow": "2026-12-01T08:00:00Z"},
    "history": [
        {"deploymentID": "b", "cause": "Promotion", "source": "a", "since": "2026-11-24T08:00:00Z", "by": "API key abcd"},
        {"deploymentID": "a", "cause": "Created", "since": "2026-11-23T08:00:00Z", "until": "2026-11-24T08:00:00Z"},
    ],
    "cost": {"currency": "USD", "perHour": "12.40", "minPerHour": "3.10", "maxPerHour": "31.00"},
    "schedule": {"active": "office-hours", "nextChange": "2026-11-24T18:00:00Z"},
    "endpoints": {"run": "https://example.com/run_remote", "async": "https://example.com/async_run_remote"},
}


def test_the_status_is_kept_as_it_is_written_and_read(kubectl: Kubectl) -> None:
    kubectl.apply(resource())
    kubectl("patch", "chenv", "staging", "--subresource=status", "--type=merge", "-p", json.dumps({"status": STATUS}))
    found = kubectl.cluster.resource(kubectl.namespace, "staging")["status"]
    assert found == STATUS
    read = ChainEnvironmentStatus.model_validate(found)
    assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == STATUS
    header, row = kubectl("get", "chenv", "-o", "wide").splitlines()
    assert row[header.index("COST") :].split()[0] == "12.40"


def test_a_history_of_more_than_ten_is_refused(kubectl: Kubectl) -> None:
    kubectl.apply(resource())
    entry = STATUS["history"][1]
    merge = ("patch", "chenv", "staging", "--subresource=status", "--type=merge", "-p")
    kubectl(*merge, json.dumps({"status": {"history": [entry] * 10}}))
    with pytest.raises(KubectlError, match="must have at most 10 items"):
        kubectl(*merge, json.dumps({"status": {"history": [entry] * 11}}))
