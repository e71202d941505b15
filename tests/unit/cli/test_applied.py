"""What an object becomes when a manifest is applied to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chainenv.cli.applied import LAST_APPLIED, applied

NOW = datetime(2026, 12, 1, tzinfo=UTC)
MANIFEST = {"metadata": {"name": "staging"}, "spec": {"chainID": "abcd1234"}}


def live(spec: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    notes = {LAST_APPLIED: json.dumps({"spec": last})} if last is not None else {}
    meta = {"name": "staging", "namespace": "team-a", "uid": "u1", "generation": 4, "annotations": notes}
    return {"metadata": meta, "spec": spec, "status": {"observedGeneration": 4}}


def entry(name: str, **scaling: int) -> dict[str, Any]:
    return {"chainletName": name, **({"autoscalingSettings": scaling} if scaling else {})}


@pytest.mark.parametrize(
    ("there", "last", "wanted", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, {"a": 1}, {"a": 1}, id="the same"),
        pytest.param({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}, id="another value"),
        pytest.param({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1}, {"a": 1}, id="what was taken out of the manifest is removed"),
        pytest.param({"a": 1, "b": 2}, {"a": 1}, {"a": 1}, {"a": 1, "b": 2}, id="what somebody else has set stays"),
        pytest.param({"a": 1}, None, {"b": None, "a": 1}, {"a": 1}, id="null is nothing that was said"),
        pytest.param({"p": {"x": 1, "y": 2}}, {"p": {"x": 1}}, {"p": {"z": 3}}, {"p": {"y": 2, "z": 3}}, id="inside as well"),
        pytest.param(
            {"chainletSettings": [entry("A", minReplica=1, maxReplica=5), entry("Z")]},
            {"chainletSettings": [entry("A", minReplica=1)]},
            {"chainletSettings": [entry("A", minReplica=2)]},
            {"chainletSettings": [entry("A", minReplica=2)]},
            id="kubectl replaces a list as a whole",
        ),
        pytest.param(
            {"chainletSettings": [entry("A"), entry("B")]},
            {"chainletSettings": [entry("A"), entry("B")]},
            {"chainletSettings": [entry("B")]},
            {"chainletSettings": [entry("B")]},
            id="a chainlet that was taken out is removed",
        ),
    ],
)
def test_the_spec_that_results(
    there: dict[str, Any], last: dict[str, Any] | None, wanted: dict[str, Any], expected: dict[str, Any]
) -> None:
    result = applied({"metadata": {"name": "staging"}, "spec": wanted}, live(there, last), "team-a", NOW)
    assert result["spec"] == expected
    assert result["metadata"]["generation"] == (4 if expected == there else 5)
    assert result["status"] == {"observedGeneration": 4}


def test_a_new_resource_has_no_status() -> None:
    result = applied(MANIFEST, None, "team-a", NOW)
    assert (result["metadata"]["namespace"], result["metadata"]["generation"]) == ("team-a", 1)
    assert "status" not in result


def test_annotations_of_the_manifest_join_those_that_are_there() -> None:
    manifest = {"metadata": {"name": "staging", "annotations": {"new": "1"}}, "spec": {}}
    assert applied(manifest, live({}, {}), "team-a", NOW)["metadata"]["annotations"].keys() == {"new", LAST_APPLIED}
