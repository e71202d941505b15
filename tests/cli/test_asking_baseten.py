"""logs, deployments and export: what they read from Baseten, and with whose key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ..integration.harness.fixtures import KEYS
from ..integration.harness.manifests import CHAIN, resource
from ..integration.harness.stage import Stage
from .typed import Typed

KEY = {"BASETEN_API_KEY": KEYS["default"]}
HOSTILE = "\x1b[2Jred\x07 \x9b31m\u202e\rstart\nforged line"


def only_reads(stage: Stage) -> bool:
    return not stage.sent()


def serving(stage: Stage) -> str:
    """The deployment that serves production."""
    found: str = stage.simulator.environment(CHAIN, "production")["current_deployment"]["id"]
    return found


def put_secret(stage: Stage, name: str = "baseten", *more: str, value: str = KEYS["team"]) -> None:
    stage.cluster.kubectl("create", "secret", "generic", name, f"--from-literal=api-key={value}", *more, namespace=stage.namespace)


# -- logs ----------------------------------------------------------------------------------------------------------


def test_logs_of_all_chainlets_come_in_order(stage: Stage, typed: Typed) -> None:
    stage.apply(resource("production"))
    current = serving(stage)
    for number in range(1, 4):
        stage.simulator.add_log(current, "HelloWorld" if number % 2 else "RandInt", f"line {number}", level="INFO")
    lines = typed("logs", "production", **KEY).stdout.splitlines()
    ours = [line for line in lines if " line " in line]
    assert [line.split()[2:] for line in ours] == [
        ["HelloWorld", "INFO", "line", "1"],
        ["RandInt", "INFO", "line", "2"],
        ["HelloWorld", "INFO", "line", "3"],
    ]
    assert [line[:24] for line in lines] == sorted(line[:24] for line in lines)
    assert only_reads(stage)


def test_logs_of_one_chainlet_from_a_level_on(stage: Stage, typed: Typed) -> None:
    stage.apply(resource("production"))
    current = serving(stage)
    stage.simulator.add_log(current, "HelloWorld", "broken", level="ERROR")
    stage.simulator.add_log(current, "HelloWorld", "fine", level="INFO")
    stage.simulator.add_log(current, "RandInt", "broken too", level="ERROR")
    (line,) = typed("logs", "production", "HelloWorld", "--level", "error", "-o", "json", **KEY).stdout.splitlines()
    entry = json.loads(line)
    assert (entry["chainlet"], entry["level"], entry["message"]) == ("HelloWorld", "ERROR", "broken")


def test_a_log_line_cannot_steer_the_terminal_or_forge_another(stage: Stage, typed: Typed) -> None:
    stage.apply(resource("production"))
    stage.simulator.add_log(serving(stage), "HelloWorld", HOSTILE)
    for shown in (
        typed("logs", "production", "HelloWorld", **KEY).stdout,
        typed.on_terminal("logs", "production", "HelloWorld", columns=80, **KEY).replace("\r\n", "\n"),
        typed("logs", "production", "HelloWorld", "-o", "json", **KEY).stdout,
    ):
        assert all(c.isprintable() or c == "\n" for c in shown)
    shown = typed("logs", "production", "HelloWorld", **KEY).stdout
    assert "    forged line" in shown.splitlines()


def test_logs_of_the_candidate_and_of_another_deployment(stage: Stage, typed: Typed) -> None:
    stage.apply(resource("production"))
    assert "has no candidate deployment" in typed.fails("logs", "production", "--candidate", **KEY)
    other = stage.simulator.add_deployment(CHAIN, active=True)["id"]
    stage.simulator.add_log(other, "RandInt", "from elsewhere")
    assert "from elsewhere" in typed("logs", "production", "--deployment", other, **KEY).stdout
    assert "from elsewhere" not in typed("logs", "production", **KEY).stdout
    with stage.options(promotion_seconds=3600):
        candidate = stage.simulator.add_deployment(CHAIN, environment="production")["id"]
        stage.simulator.add_log(candidate, "RandInt", "of the candidate")
        assert "of the candidate" in typed("logs", "production", "--candidate", **KEY).stdout


def test_logs_are_followed_until_they_are_interrupted(stage: Stage, typed: Typed) -> None:
    stage.apply(resource("production"))
    current = serving(stage)
    stage.simulator.add_log(current, "HelloWorld", "the first")
    command = typed.command(("logs", "production", "HelloWorld", "-f"))
    environment = typed.environment({**KEY, "PYTHONUNBUFFERED": "1"})
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        seen = ""
        while "the first" not in seen:
            seen += following.stdout.readline()
        stage.simulator.add_log(current, "HelloWorld", "the second")
        while "the second" not in seen:
            seen += following.stdout.readline()
        os.kill(following.pid, signal.SIGINT)
        out, problem = following.communicate(timeout=60)
    assert following.returncode == 130
    assert "Traceback" not in problem
    assert (seen + out).count("the first") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("Nobody",), "has no chainlet Nobody: it has HelloWorld, RandInt"),
        (("--deployment", "nosuch"), "not found"),
        (("--candidate", "--deployment", "x"), "exclude each other"),
        (("--since", "200h"), "write 168h at most"),
        (("--level", "loud"), "is not one of"),
    ],
)
def test_what_there_are_no_logs_of(stage: Stage, typed: Typed, arguments: tuple[str, ...], says: str) -> None:
    stage.apply(resource("production"))
    assert says in typed.fails("logs", "production", *arguments, **KEY)


# -- whose key -----------------------------------------------------------------------------------------------------


def test_the_key_of_the_secret_that_the_resource_names(stage: Stage, typed: Typed) -> None:
    put_secret(stage)
    stage.apply(resource("production", apiKeySecretRef={"name": "baseten", "key": "api-key"}))
    typed("logs", "production")
    assert "production" in typed("deployments", "--chain", CHAIN).stdout
    assert typed("export", "--chain", CHAIN, "--all", "--secret", "baseten/api-key").stdout


def test_the_variable_wins_over_the_file_and_the_file_over_the_secret(stage: Stage, typed: Typed, tmp_path: Path) -> None:
    put_secret(stage, value="a-key-that-is-not-known")
    stage.apply(resource("production", apiKeySecretRef={"name": "baseten", "key": "api-key"}))
    refused = typed.fails("logs", "production")
    assert refused.startswith("error: Baseten refuses the API key of Secret baseten, key api-key")
    assert "a-key-that-is-not-known" not in refused
    file = tmp_path / "key"
    file.write_text(KEYS["default"] + "\n")
    typed("logs", "production", "--api-key-file", str(file))
    wrong = typed.fails("logs", "production", "--api-key-file", str(file), BASETEN_API_KEY="another-unknown-key")
    assert wrong.startswith("error: Baseten refuses the API key of BASETEN_API_KEY")
    assert "another-unknown-key" not in wrong


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "names no Secret (it uses the operator's own key): set BASETEN_API_KEY, or give --api-key-file"),
        ({"apiKeySecretRef": {"name": "missing", "key": "k"}}, "cannot read Secret missing in namespace"),
        ({"apiKeySecretRef": {"name": "baseten", "key": "other"}}, "Secret baseten has no key other"),
        ({"apiKeySecretRef": {"name": "login", "key": "api-key"}}, "is not of type Opaque"),
    ],
)
def test_without_a_key_it_says_how_to_give_one(stage: Stage, typed: Typed, spec: dict[str, Any], says: str) -> None:
    put_secret(stage)
    put_secret(stage, "login", "--type=example.com/token")
    stage.apply(resource("production", **spec))
    line = typed.fails("logs", "production")
    assert says in line
    assert "set BASETEN_API_KEY, or give --api-key-file" in line


def test_a_key_that_cannot_be_one_is_not_repeated(stage: Stage, typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("Bearer secret-value")
    line = typed.fails("deployments", "--chain", CHAIN, "--api-key-file", str(file))
    assert "whitespace" in line
    assert "secret-value" not in line
    assert "no-such-file" in typed.fails("deployments", "--chain", CHAIN, "--api-key-file", str(tmp_path / "no-such-file"))


# -- deployments ---------------------------------------------------------------------------------------------------


def test_what_nobody_uses_is_marked(stage: Stage, typed: Typed) -> None:
    unused = stage.simulator.add_deployment(CHAIN, active=True)["id"]
    off = stage.simulator.add_deployment(CHAIN, active=True)["id"]
    stage.simulator.set_deployment(off, status="INACTIVE")
    found = {row["id"]: row for row in typed.read("deployments", "--chain", CHAIN, **KEY)}
    assert {name: (row["unused"], row["serves"]) for name, row in found.items()} == {
        serving(stage): (False, ["production"]),
        unused: (True, []),
        off: (False, []),
    }
    for line in typed("deployments", "--chain", CHAIN, **KEY).stdout.splitlines():
        assert line.endswith("unused") is (unused in line)
    assert only_reads(stage)


def test_the_cost_is_that_of_the_replicas_that_run(stage: Stage, typed: Typed) -> None:
    current = serving(stage)
    stage.simulator.set_deployment(current, chainlets={"HelloWorld": {"active_replica_count": 3}, "RandInt": {"active_replica_count": 0}})
    (row,) = typed.read("deployments", "--chain", CHAIN, **KEY)
    prices = prices_of(stage)
    assert row["replicas"] == 3
    assert float(row["costPerHour"]) == pytest.approx(3 * 60 * prices["1x2"])
    stage.simulator.add_fault("answer", path="instance_type_prices", status=404, times=None)
    assert typed.read("deployments", "--chain", CHAIN, **KEY)[0]["costPerHour"] is None


def prices_of(stage: Stage) -> dict[str, float]:
    url = f"{stage.simulator.base_url}/v1/instance_type_prices"
    answer = httpx.get(url, headers={"Authorization": f"Api-Key {KEYS['default']}"}, trust_env=False)
    return {each["instance_type"]["id"]: float(each["price"]) for each in answer.json()["instance_types"]}


# -- export --------------------------------------------------------------------------------------------------------


def exported(typed: Typed, *arguments: str) -> list[dict[str, Any]]:
    text = typed("export", "--chain", CHAIN, *arguments, **KEY).stdout
    return [each for each in yaml.safe_load_all(text) if each]


@pytest.mark.parametrize("policy", ["Reconcile", "Observe"])
def test_what_is_exported_and_applied_is_in_sync_without_a_write(stage: Stage, typed: Typed, tmp_path: Path, policy: str) -> None:
    stage.simulator.add_environment(CHAIN, "staging", deployed=True)
    stage.simulator.add_environment(CHAIN, "empty")
    stage.simulator.edit_environment(
        CHAIN,
        "staging",
        autoscaling={"HelloWorld": {"min_replica": 2, "max_replica": 7, "concurrency_target": 3}},
        promotion={"redeploy_on_promotion": True, "ramp_up_duration_seconds": 60},
    )
    written = typed("export", "--chain", CHAIN, "--all", "--policy", policy, "-o", str(tmp_path / "out"), **KEY).stdout.splitlines()
    assert [Path(line).name for line in written] == ["empty.yaml", "production.yaml", "staging.yaml"]
    mark = stage.mark()
    stage.run_operator()
    stage.cluster.kubectl("apply", "--validate=strict", "-f", str(tmp_path / "out"), namespace=stage.namespace)
    stage.wait_condition("Synced", "True", "InSync", name="staging")
    stage.wait_settled("production")
    stage.wait_condition("Synced", "True", "InSync", name="empty")
    stage.wait_polls()
    assert stage.sent(since=mark) == []
    assert not stage.see("staging")["status"].get("drift")


def test_ids_and_names_that_look_like_numbers_stay_what_they_are(stage: Stage, typed: Typed) -> None:
    names = ["1e5", "089", "0o17", "0x1e", "1-2", "y", "null", "123", "0b1"]
    stage.simulator.add_chain("08912345", ["1e5", "n"])
    for each in names:
        stage.simulator.add_environment("08912345", each)
    text = typed("export", "--chain", "08912345", "--environment", *names, **KEY).stdout
    taken = stage.cluster.kubectl("apply", "-f", "-", "-o", "json", namespace=stage.namespace, input=text)
    objects = json.loads(taken.stdout)["items"]
    assert [each["metadata"]["name"] for each in objects] == names
    assert {each["spec"]["chainID"] for each in objects} == {"08912345"}
    assert {c["chainletName"] for each in objects for c in each["spec"]["chainletSettings"]} == {"1e5", "n"}


def test_names_one_after_the_other_or_each_with_its_option(stage: Stage, typed: Typed) -> None:
    stage.simulator.add_environment(CHAIN, "staging")
    for arguments in (("--environment", "staging", "production"), ("--environment", "staging", "--environment", "production")):
        assert [each["metadata"]["name"] for each in exported(typed, *arguments)] == ["staging", "production"]
    listed = json.loads(typed("export", "--chain", CHAIN, "--environment", "staging", "-o", "json", **KEY).stdout)
    assert (listed["kind"], [each["metadata"]["name"] for each in listed["items"]]) == ("List", ["staging"])


def test_secret_policy_and_prefix_are_written(stage: Stage, typed: Typed) -> None:
    arguments = ("--environment", "production", "--secret", "baseten/api-key", "--policy", "Observe", "--prefix", "shop-")
    (document,) = exported(typed, *arguments)
    assert document["metadata"] == {"name": "shop-production", "namespace": stage.namespace}
    spec = document["spec"]
    assert (spec["environmentName"], spec["managementPolicy"]) == ("production", "Observe")
    assert spec["apiKeySecretRef"] == {"name": "baseten", "key": "api-key"}
    assert "deploymentID" not in spec


def test_what_a_resource_cannot_say_is_left_out_with_a_warning_and_the_rest_is_accepted(stage: Stage, typed: Typed) -> None:
    stage.simulator.edit_environment(
        CHAIN,
        "production",
        autoscaling={"HelloWorld": {"min_replica": 5, "max_replica": 2}, "RandInt": {"autoscaling_window": 5, "max_replica": 10**9}},
        promotion={"rolling_deploy": True, "rolling_deploy_config": {"max_surge_percent": 0, "max_unavailable_percent": 0}},
    )
    done = typed("export", "--chain", CHAIN, "--all", **KEY)
    warned = done.stderr.splitlines()
    for what in ("[HelloWorld].autoscalingSettings.minReplica 5", "[RandInt].autoscalingSettings.autoscalingWindow 5", "maxSurgePercent 0"):
        assert any(line.startswith("warning: production: ") and what in line for line in warned)
    stage.cluster.kubectl("apply", "--validate=strict", "--dry-run=server", "-f", "-", namespace=stage.namespace, input=done.stdout)


def test_what_cannot_be_exported_does_not_keep_back_the_rest(stage: Stage, typed: Typed) -> None:
    done = typed("export", "--chain", CHAIN, "--environment", "nosuch", "--environment", "production", code=1, **KEY)
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(done.stdout)] == ["production"]
    assert done.stderr == f"error: environment nosuch of chain {CHAIN} not found, or not accessible with this API key\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name environments with --environment NAME, or give --all"),
        (("--all", "--environment", "staging"), "name environments with --environment NAME, or give --all"),
        (("staging",), "name environments with --environment NAME, or give --all"),
        (("--all", "--secret", "baseten"), "write it as NAME/KEY"),
        (("--all", "--policy", "Ignore"), "is not one of"),
        (("--all", "-o", "/dev/null/out"), "cannot be written"),
    ],
)
def test_a_wrong_export_says_what_to_write(stage: Stage, typed: Typed, arguments: tuple[str, ...], says: str) -> None:
    assert says in typed.fails("export", "--chain", CHAIN, *arguments, **KEY)


@pytest.mark.parametrize(
    ("chain", "settings", "says"),
    [
        ("nosuch", {}, "not found: chain nosuch"),
        ("a/../b", {}, "chain"),
        (CHAIN, {"BASETEN_BASE_URL": "http://api.baseten.co"}, "BASETEN_BASE_URL cannot be used: it would send keys unencrypted"),
        (CHAIN, {"BASETEN_BASE_URL": "http://127.0.0.1:1"}, "check the network, the proxy and BASETEN_BASE_URL"),
    ],
)
def test_what_baseten_cannot_answer(stage: Stage, typed: Typed, chain: str, settings: dict[str, str], says: str) -> None:
    for command in (("deployments",), ("export", "--all")):
        assert says in typed.fails(*command, "--chain", chain, **{**KEY, **settings})


def test_a_refusal_of_the_rate_is_said(stage: Stage, typed: Typed) -> None:
    stage.simulator.add_fault("answer", status=429, times=None)
    assert "try again in" in typed.fails("deployments", "--chain", CHAIN, **KEY)
