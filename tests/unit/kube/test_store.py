"""What watch and lists say, in whatever order they are heard: the store comes to hold what is there."""

from __future__ import annotations

from typing import Any

from kubernetes.aio import client

from chainenv.engine.ports import Key
from chainenv.kube.cluster import Cluster, goes_through_proxy
from chainenv.kube.store import MOST_PARSED, SMALL_BYTES, ObjectStore

HERE, THERE = "team", "other"


def raw(version: int, name: str = "staging", namespace: str = HERE) -> dict[str, Any]:
    meta = {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}", "resourceVersion": str(version), "generation": 1}
    return {"metadata": {**meta, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"chainID": f"of-{name}"}}


def new_store(reported: list[Key] | None = None) -> ObjectStore:
    heard: list[Key] = [] if reported is None else reported
    return ObjectStore(Cluster(client.ApiClient(client.Configuration(host="http://127.0.0.1:1"))), heard.append, lambda: None)


def test_a_list_that_was_made_before_a_deletion_does_not_bring_it_back() -> None:
    store = new_store()
    assert store.put(raw(5))
    store.deleted(raw(12))
    assert not store.put(raw(5)), "a page of a list as of 10, handled late"
    assert store.complete({Key(HERE, "staging")}, 10, None) == 0
    assert not store.put(raw(5)), "and of another one"
    assert store.known() == ()
    assert store.put(raw(13)), "made anew with the same name"


def test_what_is_not_in_a_list_is_gone_unless_it_came_later() -> None:
    reported: list[Key] = []
    store = new_store(reported)
    for version, name in ((5, "old"), (7, "kept"), (12, "young")):
        store.put(raw(version, name))
    reported.clear()
    assert store.complete({Key(HERE, "kept")}, 10, None) == 1
    assert {key.name for key in store.known()} == {"kept", "young"}
    assert [key.name for key in reported] == ["old"]


def test_a_list_of_one_namespace_says_nothing_of_another() -> None:
    """Each watched namespace is listed at another version: what was made between the two lists is in neither."""
    store = new_store()
    store.put(raw(15, namespace=HERE))
    store.put(raw(3, namespace=THERE))
    assert store.complete(set(), 10, HERE) == 0
    assert store.complete(set(), 20, THERE) == 1
    assert store.known() == (Key(HERE, "staging"),)


def test_the_same_again_is_no_news() -> None:
    reported: list[Key] = []
    store = new_store(reported)
    assert [store.put(raw(version)) for version in (5, 5, 4, 6)] == [True, False, False, True]
    assert len(reported) == 1, "another version with nothing that a decision is made from changes nothing"


def test_only_a_proxy_for_the_api_server_is_one(monkeypatch: Any) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert not goes_through_proxy("https://10.0.0.1:443")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert goes_through_proxy("https://10.0.0.1:443")
    assert not goes_through_proxy("http://10.0.0.1:8080")
    monkeypatch.setenv("NO_PROXY", "10.0.0.1")
    assert not goes_through_proxy("https://10.0.0.1:443")


def test_what_the_watch_echoes_is_known() -> None:
    store = new_store()
    assert not store.knows(raw(5)), "never heard of"
    store.put(raw(5))
    assert [store.knows(raw(version)) for version in (4, 5, 6)] == [True, True, False]
    store.deleted(raw(7))
    assert not store.knows(raw(8))


def test_an_object_is_parsed_once_for_each_version() -> None:
    store, key = new_store(), Key(HERE, "staging")
    store.put(raw(5))
    first = store.get(key)
    assert store.get(key) is first
    store.put(raw(6))
    second = store.get(key)
    assert (first and first.resource_version, second and second.resource_version) == ("5", "6")
    store.deleted(raw(7))
    assert store.get(key) is None


def test_only_small_objects_and_the_last_ones_are_kept_parsed() -> None:
    store = new_store()
    large = raw(5, "large")
    large["spec"]["environmentName"] = "x" * SMALL_BYTES
    store.put(large)
    assert store.get(Key(HERE, "large")) is not store.get(Key(HERE, "large"))
    store.put(raw(6, "first"))
    first = store.get(Key(HERE, "first"))
    for number in range(MOST_PARSED):
        store.put(raw(7 + number, f"n{number}"))
        store.get(Key(HERE, f"n{number}"))
    assert len(store._parsed) == MOST_PARSED
    assert store.get(Key(HERE, "first")) is not first
