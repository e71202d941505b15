"""Whom a change of a resource wakes, and which resources are of one chain."""

from __future__ import annotations

from typing import Any

from chainenv.engine.ports import Key
from chainenv.kube.relations import Relations, relation


def raw(name: str, follows: str | None = None, *, chain: str = "abcd", **status: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"chainID": chain}
    if follows:
        spec["promoteFrom"] = {"name": follows}
    return {"metadata": {"namespace": "apps", "name": name, "uid": name, "generation": 1}, "spec": spec, "status": status}


def put(relations: Relations, *args: Any, **more: Any) -> set[str]:
    made = raw(*args, **more)
    return {key.name for key in relations.put(relation(Key("apps", made["metadata"]["name"]), made))}


def test_a_source_wakes_those_who_follow_it_and_only_when_it_matters() -> None:
    known = Relations()
    for name, source in (("dev", None), ("staging", "dev"), ("production", "staging"), ("canary", "dev")):
        put(known, name, source)
    put(known, "dev")
    assert put(known, "dev") == set()
    assert put(known, "dev", activeReplicas=9) == set(), "nothing that a follower decides from"
    assert put(known, "dev", currentDeployment={"id": "d2"}) == {"staging", "canary"}
    assert put(known, "staging", "dev", currentDeployment={"id": "d3"}) == {"production"}
    assert put(known, "canary") == set()
    assert put(known, "dev", currentDeployment={"id": "d4"}) == {"staging"}, "who follows no more is not woken"


def test_a_source_that_comes_or_goes_wakes_all_behind_it() -> None:
    known = Relations()
    put(known, "production", "staging")
    assert put(known, "staging", "dev") == {"production"}
    assert {key.name for key in known.remove(Key("apps", "staging"))} == {"production"}
    assert put(known, "staging", "dev") == {"production"}
    assert {key.name for key in known.remove(Key("apps", "dev"))} == {"staging", "production"}


def test_a_circle_ends_for_all_who_were_in_it() -> None:
    known = Relations()
    for name, source in (("a", "b"), ("b", "c"), ("c", "a")):
        put(known, name, source)
    assert put(known, "c") == {"a", "b"}


def test_resources_of_a_chain_are_known_by_it() -> None:
    known = Relations()
    put(known, "dev")
    put(known, "other", chain="efgh")
    assert {key.name for key in known.of_chain("abcd")} == {"dev"}
    known.remove(Key("apps", "dev"))
    assert known.of_chain("abcd") == ()


def test_whatever_an_object_holds_it_has_relations() -> None:
    made = {
        "metadata": {"uid": "u"},
        "spec": {"promoteFrom": ["no"]},
        "status": {"conditions": [7], "history": ["no"], "currentDeployment": 1},
    }
    assert relation(Key("apps", "x"), made).follows is None
