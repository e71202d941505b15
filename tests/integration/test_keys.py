"""API keys: whose they are, what is said when one is missing or bad, and that none is ever shown."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from chainenv_sandbox.baseten.journal import Entry
from chainenv_sandbox.controlplane.components import free_ports

from .harness.case import RECONCILE, Case
from .harness.cluster import Json
from .harness.manifests import chainlet
from .harness.observing import audited, secret, together
from .harness.stage import Stage, is_settled
from .harness.waiting import wait_until

CROWD = 30
"""Resources that share one key that Baseten does not take."""


def made_up(what: str) -> str:
    return f"key-{what}-{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Trouble:
    """A Secret that is no good: what it holds (None: it is not there), and what is said of it."""

    data: Mapping[str, str | bytes] | None
    reason: str
    words: tuple[str, ...]


TROUBLES = {
    "missing": Trouble(None, "SecretNotFound", ("Secret of-missing", "kubectl create secret generic of-missing", "--from-file=api-key")),
    "elsewhere": Trouble(None, "SecretNotFound", ("Secret of-elsewhere",)),
    "keyless": Trouble({"apikey": made_up("misnamed"), "other": "x"}, "SecretKeyNotFound", ("no key api-key",)),
    "hollow": Trouble({}, "SecretKeyNotFound", ("no key api-key",)),
    "empty": Trouble({"api-key": ""}, "InvalidAPIKey", ("of-empty", "api-key", "the key alone")),
    "only-newline": Trouble({"api-key": "\n"}, "InvalidAPIKey", ("the key alone",)),
    "scheme": Trouble({"api-key": f"Api-Key {made_up('scheme')}"}, "InvalidAPIKey", ("without spaces", "the key alone")),
    "two-lines": Trouble({"api-key": f"{made_up('first')}\n{made_up('second')}"}, "InvalidAPIKey", ("without spaces",)),
    "not-ascii": Trouble({"api-key": f"{made_up('clé')}"}, "InvalidAPIKey", ("printable ASCII",)),
    "control": Trouble({"api-key": f"{made_up('bell')}\x07"}, "InvalidAPIKey", ("printable ASCII",)),
    "binary": Trouble({"api-key": b"\xff\xfe\x00key"}, "InvalidAPIKey", ("not a usable API key",)),
    "refused": Trouble({"api-key": made_up("refused")}, "CredentialsRefused", ("of-refused", "api-key", "put a valid key")),
}
GOOD = {name: made_up(name) for name in ("mended", "newline", "before", "after", "steady", "reader", "leaving")}
BAD = {
    f"{name} {number}": found
    for name, trouble in TROUBLES.items()
    for number, found in enumerate(re.findall(r"key-[\w-]+", " ".join(map(str, (trouble.data or {}).values()))))
}
CROWDED = made_up("crowd")
TEAM = made_up("team-of-ten")
TEN = 10
"""Resources that share a good key; Baseten refuses it for one or two of them."""


def using(case: Case, name: str | None = None) -> Json:
    return case.manifest(apiKeySecretRef={"name": name or f"of-{case.name}", "key": "api-key"})


def encoded(name: str, data: Mapping[str, str | bytes]) -> Json:
    """Any bytes, as nobody would type them."""
    values = {key: value if isinstance(value, bytes) else value.encode() for key, value in data.items()}
    body = {key: base64.b64encode(value).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": body}


@dataclass
class Scene:
    """One operator on two namespaces; only ``other`` may use the operator's own key."""

    stage: Stage
    other: Stage
    metrics: int

    def case(self, name: str) -> Case:
        return Case(self.stage, name)

    @property
    def crowd(self) -> list[Case]:
        return [Case(self.stage, f"crowd-{number}") for number in range(CROWD)]

    @property
    def ten(self) -> list[Case]:
        return [Case(self.stage, f"ten-{number}") for number in range(TEN)]

    @property
    def steady(self) -> Case:
        return self.case("steady")


@pytest.fixture(scope="module")
def scene(shared_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    stage, simulator = shared_stage, shared_stage.simulator
    stage.keys = {**stage.keys, **GOOD, **BAD, "crowd": CROWDED, "ten": TEAM}
    other = Stage(stage.cluster, simulator, tmp_path_factory.mktemp("other"), stage.keys)
    (port,) = free_ports(1)
    scene = Scene(stage, other, port)
    for name, value in GOOD.items():
        simulator.add_key(name, value, read_only=name == "reader")
    simulator.add_key("ten", TEAM)
    singles = [*TROUBLES, "newline", "rotated", "steady", "reader", "unkeyed", "another-type", "leaving"]
    for case in (*map(scene.case, singles), *scene.crowd, *scene.ten, Case(other, "own")):
        case.existing()
    stage.apply(together(_secrets()))
    other.apply(together([secret("of-elsewhere", **{"api-key": GOOD["mended"]}), Case(other, "own").manifest()]))
    namespaces = f"{stage.namespace},{other.namespace}"
    own = {"CHAINENV_NAMESPACES": namespaces, "CHAINENV_DEFAULT_KEY_NAMESPACES": other.namespace}
    stage.as_command = True
    stage.run_operator(**own, CHAINENV_METRICS_PORT=str(port), CHAINENV_LOG_LEVEL="debug")
    keyed = [using(scene.case(name)) for name in singles if name != "unkeyed"]
    stage.apply(together([*keyed, scene.case("unkeyed").manifest(), *(using(each, "of-crowd") for each in scene.crowd)]))
    stage.apply(together(using(each, "of-ten") for each in scene.ten))
    return scene


def _secrets() -> list[Json]:
    bad = [encoded(f"of-{name}", trouble.data) for name, trouble in TROUBLES.items() if trouble.data is not None]
    good = {
        "newline": GOOD["newline"] + "\n",
        "rotated": GOOD["before"],
        "steady": GOOD["steady"],
        "reader": GOOD["reader"],
        "crowd": CROWDED,
        "ten": TEAM,
        "leaving": GOOD["leaving"],
    }
    other_type = {**encoded("of-another-type", {"api-key": GOOD["steady"]}), "type": "example.com/token"}
    return [*bad, other_type, *(secret(f"of-{name}", **{"api-key": value}) for name, value in good.items())]


def asked(scene: Scene, cases: list[Case], since: int = 0) -> list[Entry]:
    """The calls about these resources' chains."""
    chains = {case.chain for case in cases}
    return [entry for entry in scene.stage.simulator.journal(since=since) if set(entry.path.split("/")[3:4]) & chains]


# -- what is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TROUBLES)
def test_what_is_wrong_with_a_key_is_reported_with_what_to_do(scene: Scene, name: str) -> None:
    trouble, case = TROUBLES[name], scene.case(name)
    case.wait_condition("Stalled", "True", trouble.reason, *trouble.words)
    case.wait_condition("Synced", "False", trouble.reason)
    assert case.condition("Ready")["status"] == "Unknown"
    case.wait_event(trouble.reason)


@pytest.mark.parametrize("name", [name for name, trouble in TROUBLES.items() if trouble.reason != "CredentialsRefused"])
def test_without_a_usable_key_no_call_is_made(scene: Scene, name: str) -> None:
    case = scene.case(name)
    case.wait_condition("Stalled", "True", TROUBLES[name].reason)
    assert case.calls() == []


def test_a_secret_of_another_namespace_cannot_be_asked_for(scene: Scene) -> None:
    ref = {"name": "of-elsewhere", "key": "api-key", "namespace": scene.other.namespace}
    manifest = json.dumps(scene.case("thief").manifest(apiKeySecretRef=ref))
    done = scene.stage.cluster.kubectl(
        "apply", "--validate=strict", "-f", "-", namespace=scene.stage.namespace, input=manifest, check=False
    )
    assert done.returncode != 0
    assert "namespace" in done.stderr


def test_a_newline_at_the_end_of_a_key_does_no_harm(scene: Scene) -> None:
    case = scene.case("newline")
    case.wait_settled()
    assert {entry.key for entry in case.calls()} == {"newline"}


# -- whose key -------------------------------------------------------------------------------------------------------


def test_a_namespace_that_may_use_the_operators_key_is_served_with_it(scene: Scene) -> None:
    case = Case(scene.other, "own")
    case.wait_settled()
    assert {entry.key for entry in case.calls()} == {"default"}


def test_a_namespace_that_may_not_use_it_is_informed_and_no_call_is_made(scene: Scene) -> None:
    case = scene.case("unkeyed")
    case.wait_condition("Stalled", "True", "NoAPIKey", scene.stage.namespace, "apiKeySecretRef")
    assert case.calls() == []


# -- a key that Baseten refuses --------------------------------------------------------------------------------------


def test_a_refused_key_means_few_calls_however_many_use_it(scene: Scene) -> None:
    for case in scene.crowd:
        case.wait_condition("Stalled", "True", "CredentialsRefused")
    tried = asked(scene, scene.crowd)
    assert {entry.status for entry in tried} == {403}
    assert len(tried) <= CROWD, "more than one each: what is in flight before the first refusal"
    mark = scene.steady.wait_polls(8)
    assert len(asked(scene, scene.crowd, mark)) <= 1


def test_a_secret_that_many_wait_for_is_not_read_for_each_of_them(scene: Scene) -> None:
    for case in scene.crowd:
        case.wait_condition("Stalled", "True", "CredentialsRefused")

    def reads() -> int:
        mine = [e["objectRef"] for e in audited(scene.stage.cluster, "secrets")]
        return sum((ref.get("namespace"), ref.get("name")) == (scene.stage.namespace, "of-crowd") for ref in mine)

    before = reads()
    wait_until("it is polled again", lambda: reads() > before)
    scene.steady.wait_polls(2)
    assert reads() < before + CROWD


def test_resources_under_other_keys_go_on(scene: Scene) -> None:
    assert is_settled(scene.steady.wait_settled())
    assert {entry.key for entry in asked(scene, [scene.steady], scene.steady.wait_polls())} == {"steady"}


# -- a key that Baseten refuses for one of those who share it --------------------------------------------------------


@pytest.mark.parametrize(("which", "ramp"), [("one read", 75), ("one write", 76), ("two of them", 77)])
def test_what_is_refused_for_one_is_nobody_elses_affair(scene: Scene, which: str, ramp: int) -> None:
    ten = scene.ten
    for case in ten:
        case.wait_settled()
    bad, good = (ten[:2], ten[2:]) if which == "two of them" else (ten[:1], ten[1:])
    before = {case.name: case.see()["metadata"]["resourceVersion"] for case in good}
    wrong = {"method": "PATCH", "status": 401} if which == "one write" else {"status": 403}
    faults = [case.fault("answer", body={"error": "Unauthorized"}, **wrong) for case in bad]
    if which == "one write":
        for case in bad:
            scene.stage.apply(using_more(case, rampUpDurationSeconds=60))
    for case in bad:
        case.wait_condition("Stalled", "True", "CredentialsRefused")
    mark = bad[0].mark()
    good[-1].wait_polls(8)
    assert len(asked(scene, bad, mark)) <= len(bad), "tried seldom"
    assert {case.name: case.see()["metadata"]["resourceVersion"] for case in good} == before, "nobody else noticed"
    scene.stage.apply(using_more(good[0], rampUpDurationSeconds=ramp))
    good[0].wait_sent("promotion settings", since=mark)
    good[0].wait_settled()
    for fault in faults:
        scene.stage.simulator.clear_faults(fault)
    for case in bad:
        scene.stage.apply(using(case, "of-ten"))
        case.annotate(RECONCILE, f"after {which}")
        case.wait_settled()
    scene.stage.apply(using(good[0], "of-ten"))
    good[0].wait_settled()


def using_more(case: Case, **promotion: int) -> Json:
    return case.manifest(apiKeySecretRef={"name": "of-ten", "key": "api-key"}, promotionSettings=promotion)


def test_a_secret_of_another_type_is_not_sent_until_it_is_labelled(scene: Scene) -> None:
    case = scene.case("another-type")
    reported = case.wait_condition(
        "Stalled", "True", "InvalidAPIKey", "kubectl label secret of-another-type", "chains.baseten.co/api-key=true"
    )
    assert case.calls() == []
    assert "example.com/token" not in reported["message"]
    scene.stage.cluster.kubectl("label", "secret", "of-another-type", "chains.baseten.co/api-key=true", namespace=scene.stage.namespace)
    case.wait_settled()


# -- a key that may only read ----------------------------------------------------------------------------------------


def writing(scene: Scene) -> Case:
    """A resource whose key may not do what its spec asks for."""
    case = scene.case("reader")
    scene.stage.apply(case.manifest(apiKeySecretRef={"name": "of-reader", "key": "api-key"}, chainletSettings=[MORE]))
    return case


MORE = chainlet("RandInt", maxReplica=7)


def test_a_key_that_may_only_read_is_reported_and_reads_go_on(scene: Scene) -> None:
    case = writing(scene)
    case.wait_condition("Stalled", "True", "Forbidden", "may read but not change the autoscaling settings", "Use a key that may")
    case.wait_condition("Ready", "True", "Active")
    mark = case.wait_polls(4)
    assert case.names_sent() == ["autoscaling"], "it is not asked for again and again"
    assert {entry.status for entry in case.calls(mark) if entry.status} == {200}


# -- the annotation --------------------------------------------------------------------------------------------------


def test_the_annotation_tries_a_refused_key_again_at_once(scene: Scene) -> None:
    case = scene.case("refused")
    case.wait_condition("Stalled", "True", "CredentialsRefused")
    mark = case.mark()
    case.annotate(RECONCILE, "try")
    wait_until("Baseten is asked", lambda: case.calls(mark))


# -- another key in the Secret ---------------------------------------------------------------------------------------


def test_a_rotated_key_is_picked_up_without_a_word(scene: Scene) -> None:
    case = scene.case("rotated")
    settled = case.wait_settled()
    scene.stage.apply(secret("of-rotated", **{"api-key": GOOD["after"]}))
    mark = case.mark()
    scene.stage.simulator.revoke_key("before")
    wait_until("the new key is used", lambda: any(entry.key == "after" for entry in case.calls(mark)))
    case.wait_polls(2)
    assert case.see()["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]
    refusals = [entry for entry in case.calls(mark) if entry.status == 403]
    assert len(refusals) == 1, "the older key is tried once"


def test_a_good_key_put_in_the_place_of_a_bad_one_is_noticed(scene: Scene) -> None:
    broken = [name for name in TROUBLES if name != "control"]
    for name, trouble in TROUBLES.items():
        scene.case(name).wait_condition("Stalled", "True", trouble.reason)
    scene.stage.apply(together(secret(f"of-{name}", **{"api-key": GOOD["mended"]}) for name in broken))
    for name in broken:
        case = scene.case(name)
        case.wait_settled()
        assert {entry.key for entry in case.calls() if entry.key_ok} == {"mended"}


def test_a_key_that_may_write_put_in_the_place_of_one_that_may_not_is_noticed(scene: Scene) -> None:
    case = writing(scene)
    case.wait_condition("Stalled", "True", "Forbidden")
    scene.stage.apply(secret("of-reader", **{"api-key": GOOD["mended"]}))
    scene.stage.simulator.revoke_key("reader")
    case.wait_settled()


# -- a deletion without the Secret ---------------------------------------------------------------------------------


def test_a_deletion_goes_on_with_the_last_key_when_the_secret_went_first(scene: Scene) -> None:
    case = scene.case("leaving")
    scene.stage.apply(case.manifest(apiKeySecretRef={"name": "of-leaving", "key": "api-key"}, deletionPolicy="Deactivate"))
    case.wait_settled()
    current = case.current()
    case.wait_for("it has the finalizer", lambda seen: seen["metadata"].get("finalizers"))
    scene.stage.cluster.kubectl("delete", "secret", "of-leaving", namespace=scene.stage.namespace)
    case.annotate(RECONCILE, "without the Secret")
    case.wait_condition("Stalled", "True", "SecretNotFound")
    case.delete()
    case.wait_gone()
    assert case.status_of(current) in ("DEACTIVATING", "INACTIVE")
    assert {entry.key for entry in case.calls()} == {"leaving"}


# -- nothing shown, nothing listed -----------------------------------------------------------------------------------


def test_secrets_are_read_one_by_one_and_never_listed_or_watched(scene: Scene) -> None:
    scene.case("newline").wait_settled()
    asked_for = audited(scene.stage.cluster, "secrets")
    assert {entry["verb"] for entry in asked_for} == {"get"}
    assert all(entry["objectRef"].get("name") for entry in asked_for)


def test_no_key_is_shown_anywhere(scene: Scene) -> None:
    """Output, events, status, metrics and every process's command line; a process's own environment is where a key may be."""
    scene.case("newline").wait_settled()
    scene.case("control").wait_condition("Stalled", "True", "InvalidAPIKey")
    places = _places(scene)
    assert "chainenv_baseten_calls" in places["/metrics"]
    assert any("chainenv\0run" in text for where, text in places.items() if where.endswith("/cmdline"))
    every = {name: value for name, value in scene.stage.keys.items() if value}
    secret_parts = {f"{name}, encoded": base64.b64encode(value.encode()).decode() for name, value in every.items()}
    shown = [(name, where) for name, value in {**every, **secret_parts}.items() for where, text in places.items() if value in text]
    assert shown == []


def _places(scene: Scene) -> dict[str, str]:
    cluster = scene.stage.cluster
    metrics = httpx.get(f"http://127.0.0.1:{scene.metrics}/metrics", trust_env=False).text
    found = {"/metrics": metrics, "output": scene.stage.operators[0].log}
    for stage in (scene.stage, scene.other):
        reported = cluster.get(f"/api/v1/namespaces/{stage.namespace}/events")
        found[f"events of {stage.namespace}"] = json.dumps(reported, ensure_ascii=False)
        found[f"resources of {stage.namespace}"] = json.dumps(cluster.resources(stage.namespace), ensure_ascii=False)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found[str(process / "cmdline")] = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
    return found
