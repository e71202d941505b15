"""status, history and wait, in a real cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from typing import Any

import pytest

from chainenv_sandbox.controlplane import User

from ..integration.harness.manifests import chainlet, resource
from ..integration.harness.stage import Stage
from ..integration.harness.waiting import wait_until
from .typed import Typed, set_status

COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HOSTILE = "\x1b]0;owned\x07\x9b2Jnext\rline"


def condition(kind: str, status: str = "True", reason: str = "Because", message: str = "so it is", generation: int = 1) -> dict[str, Any]:
    fixed = {"lastTransitionTime": "2026-11-24T10:00:00Z", "observedGeneration": generation}
    return {"type": kind, "status": status, "reason": reason, "message": message, **fixed}


SERVING: dict[str, Any] = {
    "observedGeneration": 1,
    "conditions": [condition("Ready"), condition("Synced")],
    "currentDeployment": {
        "id": "dep2",
        "status": "ACTIVE",
        "chainlets": [
            {
                "id": "c1",
                "name": "HelloWorld",
                "status": "ACTIVE",
                "activeReplicaCount": 2,
                "autoscalingSettings": {"minReplica": 1, "maxReplica": 3},
            },
        ],
    },
    "history": [
        {"deploymentID": "dep2", "cause": "Promotion", "source": "API", "since": "2026-11-24T10:00:00Z", "by": "ci"},
        {"deploymentID": "dep1", "cause": "Created", "since": "2026-11-20T10:00:00Z", "until": "2026-11-24T10:00:00Z"},
    ],
}


@pytest.fixture
def serving(stage: Stage) -> Stage:
    stage.apply(resource())
    set_status(stage, **SERVING)
    return stage


def test_what_an_operator_wrote_is_shown(stage: Stage, typed: Typed) -> None:
    stage.run_operator()
    stage.apply(resource(chainletSettings=[chainlet("HelloWorld", "2x8", minReplica=1, maxReplica=3)]))
    assert typed("wait", "staging", "--timeout", "60s").stdout.startswith(f"{stage.namespace}/staging: Synced and Ready: deployment ")
    text = typed("status", "staging").stdout
    current = stage.see()["status"]["currentDeployment"]["id"]
    for part in (
        f"{stage.namespace}/staging",
        "abcd1234",
        "Ready",
        "Synced",
        "InSync",
        current,
        "ACTIVE",
        "HelloWorld",
        "(1-3)",
        "RandInt",
    ):
        assert part in text


def test_plain_output_is_not_cut_and_has_no_colour(serving: Stage, typed: Typed) -> None:
    text = typed("status", COLUMNS="20").stdout
    assert "\x1b" not in text
    assert "  Ready    True    Because, since 2026-11-24 10:00:00Z: so it is\n" in text
    assert "    HelloWorld  ACTIVE  2 replicas (1-3)" in text


@pytest.mark.parametrize("columns", [40, 200], ids=["narrow", "wide"])
def test_a_terminal_gets_a_tree_in_colour_within_its_width(serving: Stage, typed: Typed, columns: int) -> None:
    shown = typed.on_terminal("status", "staging", columns=columns)
    assert "\x1b[32m" in shown
    lines = COLOUR.sub("", shown).splitlines()
    assert any(line.startswith("├── Ready") for line in lines)
    assert max(map(len, lines)) <= columns
    for word in ("dep2", "HelloWorld", "(1-3)"):
        assert word in " ".join(lines)


def test_no_color_is_heeded_on_a_terminal(serving: Stage, typed: Typed) -> None:
    shown = typed.on_terminal("status", columns=100, NO_COLOR="1")
    assert "├── " in shown
    assert not re.search(r"\x1b\[(3\d|9\d|38;[\d;]*)m", shown)


@pytest.mark.parametrize("columns", [30, 200], ids=["narrow", "wide"])
def test_a_table_on_a_terminal_loses_nothing(serving: Stage, typed: Typed, columns: int) -> None:
    shown = COLOUR.sub("", typed.on_terminal("history", "staging", columns=columns))
    assert max(map(len, shown.splitlines())) <= columns
    assert shown.count("dep1") == 1
    assert "2026-11-20 10:00:00Z" in " ".join(shown.split())


def test_history_is_a_table_for_people_and_a_list_for_programs(serving: Stage, typed: Typed) -> None:
    assert typed("history", "staging").stdout.splitlines() == [
        "DEPLOYMENT   CAUSE       SOURCE   SINCE                  UNTIL                  BY",
        "dep2         Promotion   API      2026-11-24 10:00:00Z                          ci",
        "dep1         Created              2026-11-20 10:00:00Z   2026-11-24 10:00:00Z",
    ]
    assert typed.read("history", "staging") == SERVING["history"]


def test_programs_get_the_resource(serving: Stage, typed: Typed) -> None:
    one = typed.read("status", "staging")
    assert (one["kind"], one["status"]["currentDeployment"]["id"]) == ("ChainEnvironment", "dep2")
    assert "managedFields" not in one["metadata"]
    many = typed.read("status")
    assert [each["metadata"]["name"] for each in many["items"]] == ["staging"]
    assert many["kind"] == "List"
    assert typed("-o", "yaml", "status", "staging").stdout.startswith("apiVersion: chains.baseten.co/v1alpha1\n")


def test_what_comes_from_elsewhere_cannot_steer_a_terminal(stage: Stage, typed: Typed) -> None:
    stage.apply(resource())
    set_status(stage, conditions=[condition("Ready", "False", "Failed", HOSTILE)], endpoints={"run": HOSTILE, "async": HOSTILE})
    for shown in (typed("status").stdout, COLOUR.sub("", typed.on_terminal("status", columns=200))):
        assert r"\x1b]0;owned\x07\x9b2Jnext\rline" in shown
        assert not {"\x1b", "\x07", "\x9b"} & set(shown)


def test_all_namespaces_and_names_that_are_in_several(serving: Stage, typed: Typed) -> None:
    other = serving.cluster.new_namespace()
    serving.cluster.kubectl("apply", "-f", "-", namespace=other, input=json.dumps(resource()))
    found = typed.read("status", "-A")["items"]
    assert {serving.namespace, other} <= {each["metadata"]["namespace"] for each in found}
    assert f"({serving.namespace}, {other})" in typed.fails("status", "-A", "staging")
    serving.cluster.clear(other)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("status", "nobody"), "not found (see chainenv status, or name another namespace with -n)"),
        (("status", ".."), "cannot be the name"),
        (("status", "--context", "nowhere"), "context nowhere"),
        (("history", "a/b"), "cannot be the name"),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(typed: Typed, arguments: tuple[str, ...], says: str) -> None:
    assert says in typed.fails(*arguments)


@pytest.mark.parametrize("name", ["", "a/../b", "Staging", "a" * 254, "\x1b[31m", "-"])
def test_what_cannot_be_a_name_is_not_asked_for(typed: Typed, name: str) -> None:
    for command in ("status", "history"):
        line = typed.fails(command, "--", name)
        assert "cannot be the name of a ChainEnvironment" in line
        assert "\x1b" not in line
    assert "cannot be the name of a namespace" in typed.fails("status", f"--namespace={name}")


def test_a_full_disk_is_said_in_one_line(serving: Stage, typed: Typed) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        settings = typed.environment({})
        done = subprocess.run(typed.command(("status",)), env=settings, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


def test_an_empty_namespace_says_so(typed: Typed) -> None:
    done = typed("status")
    assert (done.stdout, done.stderr) == ("", "No ChainEnvironments found in this namespace (-A: in all namespaces).\n")
    assert typed.read("status") == {"apiVersion": "v1", "kind": "List", "items": []}


@pytest.mark.parametrize("kubeconfig", ["missing", "empty", "nonsense"])
def test_a_kubeconfig_that_cannot_be_used(typed: Typed, kubeconfig: str) -> None:
    file = typed.stage._directory / "kubeconfig"
    if kubeconfig != "missing":
        file.write_text({"empty": "", "nonsense": "a: [b"}[kubeconfig])
    line = typed.fails("status", KUBECONFIG=str(file))
    assert str(file) in line


def test_a_cluster_that_is_away(typed: Typed) -> None:
    file = typed.stage._directory / "kubeconfig"
    text = typed.stage.cluster.plane.kubeconfig.read_text()
    file.write_text(text.replace(typed.stage.cluster.plane.url, "https://127.0.0.1:1"))
    assert "check the kubeconfig and --context" in typed.fails("status", KUBECONFIG=str(file))


def test_the_role_view_is_enough_to_read(serving: Stage, typed: Typed) -> None:
    viewer = viewer_of(serving)
    assert "dep2" in typed("status", KUBECONFIG=viewer).stdout
    assert "dep1" in typed("history", "staging", KUBECONFIG=viewer).stdout
    assert "Synced and Ready" in typed("wait", "staging", KUBECONFIG=viewer).stdout
    assert "view in all namespaces, or leave out -A" in typed.fails("status", "-A", KUBECONFIG=viewer)
    assert "ask for the ClusterRole edit in this namespace" in typed.fails("pause", "staging", KUBECONFIG=viewer)


def test_without_rights_it_says_which_role_is_missing(serving: Stage, typed: Typed) -> None:
    stranger = str(serving.cluster.plane.kubeconfig_for(User.service_account("default", "stranger")))
    assert "ask for the ClusterRole view" in typed.fails("status", "staging", KUBECONFIG=stranger)


def viewer_of(stage: Stage) -> str:
    """The kubeconfig of somebody who may read ChainEnvironments of the namespace, and nothing else."""
    rules = [{"apiGroups": ["chains.baseten.co"], "resources": ["chainenvironments"], "verbs": ["get", "list", "watch"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "viewer"}, "rules": rules}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "viewer"}
    subjects = [{"kind": "ServiceAccount", "name": "stranger", "namespace": "default"}]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "viewer"},
        "roleRef": reference,
        "subjects": subjects,
    }
    listed = {"apiVersion": "v1", "kind": "List", "items": [role, binding]}
    stage.cluster.kubectl("apply", "-f", "-", namespace=stage.namespace, input=json.dumps(listed))
    viewer = str(stage.cluster.plane.kubeconfig_for(User.service_account("default", "stranger")))
    may = ("auth", "can-i", "list", "chenv", "--as=system:serviceaccount:default:stranger")
    wait_until("the role is in effect", lambda: stage.cluster.kubectl(*may, namespace=stage.namespace, check=False).returncode == 0)
    return viewer


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"conditions": [condition("Stalled", reason="ChainNotFound", message="chain not found")]}, "ChainNotFound: chain not found"),
        ({"conditions": [condition("Ready"), condition("Synced", generation=0)]}, "the operator has not acted on this generation yet"),
        (
            {"conditions": [condition("Ready"), condition("Synced", "False", "Progressing", "under way")]},
            "Synced is False, Progressing: under way",
        ),
    ],
)
def test_wait_fails_with_the_reason(stage: Stage, typed: Typed, status: dict[str, Any], says: str) -> None:
    stage.apply(resource())
    set_status(stage, observedGeneration=1, **status)
    assert says in typed.fails("wait", "staging", "--timeout", "0")


def test_wait_ends_when_it_gets_there(stage: Stage, typed: Typed) -> None:
    stage.apply(resource())
    with subprocess.Popen(
        typed.command(("wait", "staging")), env=typed.environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        set_status(stage, **SERVING)
        out, problem = waiting.communicate(timeout=120)
    assert (waiting.returncode, problem) == (0, "")
    assert "Synced and Ready: deployment dep2 is ACTIVE" in out


def test_watch_shows_each_state_once_until_it_is_interrupted(serving: Stage, typed: Typed) -> None:
    with subprocess.Popen(
        typed.command(("status", "staging", "-w")), env=typed.environment({"PYTHONUNBUFFERED": "1"}), stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        seen = ""
        while "dep1" not in seen:
            seen += watching.stdout.readline()
        set_status(serving, currentDeployment={"id": "dep3"})
        while "dep3" not in seen:
            seen += watching.stdout.readline()
        os.kill(watching.pid, signal.SIGINT)
        assert watching.wait(60) == 130
    assert seen.count("environment staging of chain") == 2
