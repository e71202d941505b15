"""One resource among many under one operator: a chain of its own, so that what the others do does not show in what it sees."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from chainenv_sandbox.baseten.journal import Entry

from .cluster import Json
from .manifests import resource
from .stage import ENVIRONMENT, Sent, Stage, condition, is_handled, is_settled
from .waiting import PATIENCE_SECONDS, wait_until

CHAINLETS = ("HelloWorld", "RandInt")
RECONCILE = "chains.baseten.co/reconcile-requested-at"
ABANDON = "chains.baseten.co/abandon"


class Case:
    """``name`` is the resource's name, and the environment's where the spec gives no other."""

    def __init__(self, stage: Stage, name: str, *, namespace: str | None = None, chain: str | None = None) -> None:
        self.stage = stage
        self.name = name
        self.namespace = namespace or stage.namespace
        self.chain = chain or f"of-{name}"

    # -- Baseten ---------------------------------------------------------------------------------------------------

    def with_chain(self, chainlets: Sequence[str] = CHAINLETS) -> Case:
        """Its chain exists, pushed once, without this environment."""
        self.stage.simulator.add_chain(self.chain, chainlets)
        return self

    def existing(self, **settings: Any) -> Case:
        """Its chain exists, and somebody made the environment: it serves, and has these settings."""
        self.with_chain()
        self.stage.simulator.add_environment(self.chain, self.name, deployed=True)
        if settings:
            self.by_hand(**settings)
        return self

    def by_hand(self, **settings: Any) -> None:
        """A person changes settings on Baseten."""
        self.stage.simulator.edit_environment(self.chain, self.name, **settings)

    def on_baseten(self) -> Json:
        return self.stage.simulator.environment(self.chain, self.name)

    def current(self) -> str:
        """The id of the deployment that serves, as Baseten says."""
        found: str = self.on_baseten()["current_deployment"]["id"]
        return found

    def status_of(self, deployment: str) -> str:
        found: str = self.stage.simulator.deployment(deployment)["status"]
        return found

    def pushed(self, *deployments: str) -> None:
        """They are active outside of any environment, and wait to be promoted."""
        for each in deployments:
            self.stage.simulator.add_deployment(self.chain, active=True, deployment_id=each)

    def started(self) -> list[str]:
        """What made each deployment that was ever started through the API: create, instance_types, promote."""
        return [each["origin"] for each in self.stage.simulator.started_deployments(self.chain)]

    @property
    def _path(self) -> str:
        return f"/chains/{self.chain}/"

    def fault(self, kind: Any, *, path: str = "", **more: Any) -> int:
        """Calls about this chain go wrong from now on; the id for ``clear_faults``."""
        return self.stage.simulator.add_fault(kind, path=f"{self._path}.*{path}", times=None, **more)

    def mark(self) -> int:
        return self.stage.mark()

    def calls(self, since: int = 0) -> list[Entry]:
        return self.stage.simulator.journal(since=since, path=self._path)

    def sent(self, since: int = 0) -> list[Sent]:
        """Every call about this chain that could change something, in order."""
        return self.stage.sent(since, self._path)

    def names_sent(self, since: int = 0) -> list[str]:
        return [each.call for each in self.sent(since)]

    def wait_sent(self, call: str, *, since: int = 0) -> None:
        wait_until(f"{self.name}: a call to Baseten: {call}", lambda: call in self.names_sent(since))

    def wait_names_sent(self, names: list[str]) -> None:
        wait_until(f"{self.name}: calls to Baseten: {names}", lambda: self.names_sent() == names)

    def wait_polls(self, count: int = 3) -> int:
        """Waits until its environment has been polled so many times more; the mark before that."""
        mark = self.mark()
        poll = {"method": "GET", "endpoint": ENVIRONMENT, "path": self._path}
        self.stage.simulator.wait_journal(count, since=mark, timeout=PATIENCE_SECONDS, **poll)  # type: ignore[arg-type]
        return mark

    @contextmanager
    def read_once_after(self, change: Callable[[], object]) -> Iterator[None]:
        """What one read after the change makes of it stays to be seen: the next read waits until the end of the block."""
        one, more = f"{self.name}: the read", f"{self.name}: the reads after it"
        reads: dict[str, Any] = {"method": "GET", "path": f"{self._path}environments/[^/]*$"}
        self.stage.simulator.hold(one, **reads)
        self.stage.simulator.wait_held(one)
        change()
        self.stage.simulator.hold(more, times=None, **reads)
        self.stage.simulator.release(one)
        yield
        self.stage.simulator.release(more)

    # -- what a person does ----------------------------------------------------------------------------------------

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        return self.stage.cluster.kubectl(*arguments, namespace=self.namespace, input=input).stdout

    def apply(self, **spec: Any) -> Case:
        """``kubectl apply``, strictly validated; this is the whole spec."""
        self.kubectl("apply", "--validate=strict", "-f", "-", input=json.dumps(self.manifest(**spec)))
        return self

    def manifest(self, **spec: Any) -> Json:
        return resource(self.name, **{"chainID": self.chain, **spec})

    def annotate(self, annotation: str, value: str) -> None:
        self.kubectl("annotate", "--overwrite", "chenv", self.name, f"{annotation}={value}")

    def delete(self) -> None:
        """``kubectl delete``, without waiting for finalizers."""
        self.kubectl("delete", "chenv", self.name, "--wait=false")

    def row(self) -> dict[str, str]:
        """Its line of ``kubectl get chenv -o wide``, by column; a cell without a value is left out."""
        head, line = self.kubectl("get", "chenv", self.name, "-o", "wide").splitlines()
        starts = [found.start() for found in re.finditer(r"\S+", head)]
        ends = [*starts[1:], None]
        cells = {head[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True)}
        return {name: cell for name, cell in cells.items() if cell}

    def describe(self) -> str:
        return self.kubectl("describe", "chenv", self.name)

    # -- what a person sees ----------------------------------------------------------------------------------------

    def see(self) -> Json:
        return self.stage.cluster.resource(self.namespace, self.name)

    def condition(self, kind: str) -> Json:
        """Empty when it is not there."""
        return condition(self.see(), kind)

    def wait_for(self, what: str, fits: Callable[[Json], object]) -> Json:
        """The resource, once it fits."""

        def poll() -> Json | None:
            seen = self.see()
            return seen if fits(seen) else None

        found = wait_until(f"{self.name}: {what}", poll)
        assert found is not None
        return found

    def wait_settled(self) -> Json:
        return self.wait_for("settled: Ready, Synced and nothing under way", is_settled)

    def wait_condition(self, kind: str, status: str, reason: str, *words: str) -> Json:
        """The condition, once the spec as it is now has been acted on and the message has these words."""

        def fits(seen: Json) -> bool:
            found = condition(seen, kind)
            said = (found.get("status"), found.get("reason")) == (status, reason)
            return is_handled(seen) and said and all(word in found["message"] for word in words)

        return condition(self.wait_for(f"{kind}={status} {reason} {words}", fits), kind)

    def wait_echo(self, value: str) -> Json:
        """The resource, once the operator says that it has acted on the annotation."""
        return self.wait_for(f"{value} is echoed", lambda seen: seen["status"].get("lastHandledReconcileAt") == value)

    def events(self, reason: str | None = None) -> list[Json]:
        """Events about this resource, in the order in which they were first written."""
        items: list[Json] = self.stage.cluster.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        mine = [each for each in items if each["involvedObject"]["name"] == self.name and reason in (None, each["reason"])]
        return sorted(mine, key=lambda each: int(each["metadata"]["resourceVersion"]))

    def wait_event(self, reason: str, *words: str) -> Json:
        """An event of that reason whose message has these words."""

        def fitting() -> list[Json]:
            return [each for each in self.events(reason) if all(word in each["message"] for word in words)]

        return wait_until(f"{self.name}: event {reason} {words}; there are {self.events()}", fitting)[0]

    def is_gone(self) -> bool:
        try:
            self.see()
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 404:
                raise
            return True
        return False

    def wait_gone(self) -> None:
        wait_until(f"{self.name} is gone", self.is_gone)


def wait_all(cases: Collection[Case], done: Callable[[Case], object]) -> None:
    """Each in turn; the time is that of the slowest."""
    for each in cases:
        done(each)
