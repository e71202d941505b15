"""One test's world: a namespace, a Baseten, and the operators that the test starts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from chainenv_sandbox.baseten.client import Simulator

from .cluster import OPERATOR, Cluster, Json
from .manifests import CHAIN
from .operator import FAST, OperatorProcess
from .waiting import PATIENCE_SECONDS, wait_until

ENVIRONMENTS = "/v1/chains/{chain_id}/environments"
ENVIRONMENT = f"{ENVIRONMENTS}/{{env_name}}"
_CALLS = {
    ("POST", ENVIRONMENTS): "create",
    ("PATCH", ENVIRONMENT): "promotion settings",
    ("PATCH", f"{ENVIRONMENT}/chainlet_settings/autoscaling_settings"): "autoscaling",
    ("POST", f"{ENVIRONMENT}/chainlet_settings/instance_types/update"): "instance types",
    ("POST", f"{ENVIRONMENT}/promote"): "promote",
}


class Sent(NamedTuple):
    """One call that could change something."""

    call: str
    body: Any


def condition(seen: Json, kind: str) -> Json:
    """Empty when it is not there."""
    return next((c for c in seen.get("status", {}).get("conditions", ()) if c["type"] == kind), {})


def is_handled(seen: Json) -> bool:
    """Whether the operator has acted on the spec as it is now."""
    return bool(seen["status"].get("observedGeneration") == seen["metadata"]["generation"])


def is_settled(seen: Json) -> bool:
    """As declared, serving, and nothing under way."""
    under_way = condition(seen, "Reconciling") or condition(seen, "Stalled")
    good = all(condition(seen, kind).get("status") == "True" for kind in ("Ready", "Synced"))
    return is_handled(seen) and good and not under_way


class Stage:
    def __init__(self, cluster: Cluster, simulator: Simulator, directory: Path, keys: Mapping[str, str]) -> None:
        self.cluster = cluster
        self.simulator = simulator
        self.namespace = cluster.new_namespace()
        self.keys = keys
        self.operators: list[OperatorProcess] = []
        self.as_command = False
        self._directory = directory

    # -- the operator ----------------------------------------------------------------------------------------------

    def run_operator(self, hurry: Mapping[str, float] | None = None, /, **settings: str) -> OperatorProcess:
        """With the service account's kubeconfig, on this test's namespace. ``settings`` are environment variables; "" unsets one."""
        log = self._directory / f"operator-{len(self.operators)}.log"
        operator = OperatorProcess(self.settings(settings), log, hurry, as_command=self.as_command)
        self.operators.append(operator)
        operator.start()
        return operator

    def settings(self, settings: Mapping[str, str]) -> dict[str, str]:
        chosen = {
            **FAST,
            "KUBECONFIG": str(self.cluster.plane.kubeconfig_for(OPERATOR)),
            "CHAINENV_NAMESPACES": self.namespace,
            "BASETEN_BASE_URL": self.simulator.base_url,
            "BASETEN_API_KEY": self.keys["default"],
            **settings,
        }
        return {name: value for name, value in chosen.items() if value}

    # -- the resource ----------------------------------------------------------------------------------------------

    def apply(self, what: Json | Path) -> None:
        """``kubectl apply``, strictly validated."""
        text = what.read_text() if isinstance(what, Path) else json.dumps(what)
        self.cluster.kubectl("apply", "--validate=strict", "-f", "-", namespace=self.namespace, input=text)

    def see(self, name: str = "staging") -> Json:
        return self.cluster.resource(self.namespace, name)

    def wait_for(self, what: str, fits: Callable[[Json], object], *, name: str = "staging", timeout: float = PATIENCE_SECONDS) -> Json:
        """The resource, once it fits."""

        def poll() -> Json | None:
            seen = self.see(name)
            return seen if fits(seen) else None

        found = wait_until(what, poll, timeout=timeout)
        assert found is not None
        return found

    def wait_settled(self, name: str = "staging") -> Json:
        return self.wait_for("settled: Ready, Synced and nothing under way", is_settled, name=name)

    def wait_condition(self, kind: str, status: str, reason: str, *, name: str = "staging") -> Json:
        """The condition, once the spec as it is now has been acted on."""

        def fits(seen: Json) -> bool:
            found = condition(seen, kind)
            return is_handled(seen) and (found.get("status"), found.get("reason")) == (status, reason)

        return condition(self.wait_for(f"{kind}={status} {reason}", fits, name=name), kind)

    # -- Baseten ---------------------------------------------------------------------------------------------------

    def mark(self) -> int:
        """What arrives at Baseten from now on has a greater number."""
        return max((entry.seq for entry in self.simulator.journal()), default=0)

    def sent(self, since: int = 0, path: str | None = None) -> list[Sent]:
        """Every call that could change something, in order; ``path``: only those where this regular expression is found."""
        entries = (e for e in self.simulator.journal(since=since, path=path) if e.method != "GET")
        return [Sent(_CALLS.get((e.method, e.endpoint), f"{e.method} {e.path}"), e.request) for e in entries]

    def wait_sent(self, call: str) -> None:
        wait_until(f"a call to Baseten: {call}", lambda: call in [each.call for each in self.sent()])

    def wait_polls(self, count: int = 3) -> int:
        """Waits until Baseten has been polled so many times more; the mark before that."""
        mark = self.mark()
        self.simulator.wait_journal(count, since=mark, method="GET", endpoint=ENVIRONMENT, timeout=PATIENCE_SECONDS)
        return mark

    def started(self) -> list[str]:
        """What made each deployment that was ever started through the API: create, instance_types, promote."""
        return [each["origin"] for each in self.simulator.started_deployments(CHAIN)]

    @contextmanager
    def options(self, **changes: Any) -> Iterator[None]:
        """Baseten behaves so inside."""
        before = self.simulator.options()
        self.simulator.set_options(**changes)
        try:
            yield
        finally:
            self.simulator.set_options(**{name: before[name] for name in changes})

    # -- the end ---------------------------------------------------------------------------------------------------

    def report(self) -> str:
        """What a person wants to see of a failed test."""
        resources = self.cluster.resources(self.namespace)
        for each in resources:
            each["metadata"].pop("managedFields", None)
        journal = [
            f"{e.seq} {e.method} {e.path} {e.status} {json.dumps(e.request)} {e.effect or ''}" for e in self.simulator.journal()[-40:]
        ]
        logs = [line for operator in self.operators for line in operator.log.splitlines()[-60:]]
        return "\n".join(["# resources", yaml.safe_dump(resources), "# calls to Baseten", *journal, "# operator", *logs])

    def close(self) -> None:
        """Ends what runs; then fails the test if an operator did not end well, had a bug, or wrote a key to its log."""
        self.simulator.release()
        self.simulator.clear_faults()
        try:
            codes = [operator.terminate() for operator in self.operators if operator.wanted]
        finally:
            for operator in self.operators:
                operator.kill()
            self.cluster.clear(self.namespace)
        log = "\n".join(operator.log for operator in self.operators)
        assert not [code for code in codes if code], f"the operator did not end well on SIGTERM: exit codes {codes}"
        assert "Traceback" not in log, f"the operator's log has a traceback:\n{log[-5000:]}"
        for name, value in self.keys.items():
            assert value not in log, f"the operator's log shows the API key {name}"
