"""Plays a story to its end and says what was violated."""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from . import gated
from .apiserver import ApiServer, Raw
from .baseten import Baseten
from .clock import VirtualLoop, virtual_time, wall
from .hostile import forge
from .invariants import Invariants, Violation
from .model import Shape
from .neighbours import sample, settle_down
from .process import Process
from .rivals import prepare, remove, rival, usable
from .schedules import each_minute
from .story import CHAINLETS, SOURCES, Step, Story, neighbourhood
from .strangers import stranger
from .wire import Network, Sent, Trouble

NAME = ("apps", "web")
SECRET = ("apps", "baseten")
GOOD, OTHER = "good-key", "other-key"


@dataclass
class Outcome:
    story: Story
    violation: Violation | None
    timeline: list[str]
    days: float
    simulation: Simulation

    @property
    def text(self) -> str:
        head = f"seed {self.story.seed}: {self.violation}\n{self.story.shape} skew={self.story.skew:g} existing={self.story.existing}\n"
        return head + f"spec {self.story.spec}\n" + "\n".join(self.timeline)


class Simulation:
    NAME = NAME

    def __init__(self, loop: VirtualLoop, story: Story) -> None:
        self.loop = loop
        self.story = story
        rng = Random(story.seed)
        self.baseten = Baseten(loop, Random(rng.random()), Shape(**story.shape), dict.fromkeys(CHAINLETS, "1x2"))
        self.api = ApiServer(loop, Random(rng.random()))
        self.network = Network(loop, Random(rng.random()), self.baseten, self.api)
        self.network.log = self.log
        self.network.keys = {GOOD: "good", OTHER: "wrong"}
        self.sent: list[Sent] = []
        self.network.on_send.append(self.sent.append)
        self.timeline: list[str] = []
        self.violation: Violation | None = None
        self.invariants = Invariants(self.network, self.baseten, self.api, self._found)
        self.invariants.usable = usable
        self.api.on_change.append(self._show)
        self.good = GOOD
        self._shown: dict[str, str] = {}
        self.processes: list[Process] = []
        self.invariants.skew_of = lambda name: next((p.skew for p in self.processes if p.name == name), 0.0)
        self.invariants.acts = lambda name: any(p.leading for p in self.processes if p.name == name)
        self._rng = rng
        self.over = loop.create_future()

    # -- telling -----------------------------------------------------------------------------------------------------

    def log(self, who: str, what: str) -> None:
        moment = wall(self.loop.now)
        self.timeline.append(f"{int(self.loop.now // 86400)}d {moment:%H:%M:%S.%f}"[:-5] + f"  {who:9} {what}")

    def _found(self, violation: Violation) -> None:
        if self.violation is None:
            self.log("VIOLATED", str(violation))
            self.violation = violation
            if not self.over.done():
                self.over.set_result(None)

    def lost(self, _: Any, about: dict[str, Any]) -> None:
        """An exception that nobody waits for: of a task beside the runs, or of the model itself."""
        error = about.get("exception")
        if error is not None:
            self.invariants.broken("no internal error", "".join(traceback.format_exception(error))[-1500:])

    def _show(self, kind: str, raw: Raw) -> None:
        """Conditions as they change."""
        said = "; ".join(
            f"{c['type']}={c['status']} {c['reason']}" + (f" ({c['message'][:140]})" if c["type"] in ("Synced", "Stalled") else "")
            for c in raw["status"].get("conditions", ())
        )
        journal = ", ".join(
            f"{e['operation']}:{e.get('outcome', 'open')}{'/' + e['deploymentID'] if e.get('deploymentID') else ''}"
            for e in raw["status"].get("operations", ())
        )
        text = f"{said} [{journal}]"
        if kind == "DELETED":
            self.log("resource", "gone")
        elif self._shown.get(raw["metadata"]["uid"]) != text:
            self._shown[raw["metadata"]["uid"]] = text
            self.log("status", text if raw["metadata"]["name"] == NAME[1] else f"{raw['metadata']['name']}: {text}")

    def reported(self, process: str, resource: Any, reported: Any) -> None:
        if reported.reason == "NotDeactivated":
            self.invariants.warned.add(resource.uid)
        whose = "" if resource.name == NAME[1] else f" of {resource.name}"
        self.log(process, f"event{whose} {reported.reason}: {reported.message[:160]}")

    # -- processes ---------------------------------------------------------------------------------------------------

    @property
    def process(self) -> Process | None:
        return self.processes[-1] if self.processes and self.processes[-1].alive else None

    def start(self, skew: float) -> None:
        number = len(self.processes) + 1
        self.invariants.process_started()
        self.log(f"op-{number}", f"starts, its clock is {skew:+g} s")
        self.processes.append(Process(self.network, f"op-{number}", skew, GOOD, self.reported, self.story))
        self.processes[-1].on_end = self.invariants.ended

    def restart_later(self, seconds: float, skew: float) -> None:
        def again() -> None:
            if self.process is None:
                self.start(skew)

        self.loop.call_later(seconds, again)

    # -- observing -----------------------------------------------------------------------------------------------------

    def rollouts(self, endpoint: str = "") -> list[Sent]:
        """Calls of the operator that started a deployment."""
        return [s for s, _, _ in self.invariants.rollouts if s.started and endpoint in ("", s.endpoint)]

    @property
    def conditions(self) -> dict[str, dict[str, Any]]:
        raw = self.api.objects.get(NAME, {"status": {}})
        return {c["type"]: c for c in raw["status"].get("conditions", ())}

    # -- the run -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        self._prepare()
        for step in self.story.steps:
            self.loop.call_at(step.at, self._do, step)
        self.loop.call_at(self.story.seconds - self.story.quiet, self._heal)
        self.loop.call_at(self.story.seconds, self._finish)
        if self.story.neighbours:
            sample(self)
        if self.story.seconds > self.story.quiet:
            self.loop.call_at(self.story.seconds - self.story.quiet + 1800, each_minute, self)
        await self.over
        for process in self.processes:
            process.end()
            if process.failed is not None:
                raise process.failed

    def _prepare(self) -> None:
        dev = self.baseten.add_environment("dev", deployed=False)
        for _ in SOURCES:
            made = self.baseten.deploy("dev", dev.types)
            made.status, made.served, made.created = "ACTIVE", True, -3600.0
        dev.current = made
        if self.story.existing:
            environment = self.baseten.add_environment(self.story.spec["environmentName"], deployed=self.story.deployed)
            environment.created = -600.0
            if environment.current is not None:
                environment.current.status, environment.current.served, environment.current.created = "ACTIVE", True, -500.0
        self.put_key(GOOD)
        prepare(self)
        self.api.create(*NAME, self.story.spec)
        for each in neighbourhood(self.story.neighbours):
            settle_down(self, each)
        self.start(self.story.skew)

    def put_key(self, key: str | None) -> None:
        self.key_is_there = key == GOOD
        self.put_secret(SECRET, key)

    def put_secret(self, name: tuple[str, str], key: str | None) -> None:
        self.api.set_secret(name, None if key is None else {"token": base64.b64encode(key.encode()).decode()})

    def _heal(self) -> None:
        self.log("world", "the last fault is over")
        self.network.troubles.clear()
        self.network.restricted.clear()
        self.baseten.garbled.clear()
        self.baseten.hides_types = False
        for environment in self.baseten.environments.values():
            self.baseten.pause(environment, paused=False)
        self.network.keys[GOOD] = "good"
        self.api.failing.clear()
        self.baseten.next_fails = 0
        self.put_key(GOOD)
        if self.process is None:
            self.start(0.0)
        gated.approve_what_waits(self)
        for process in self.processes:
            process.crash_in = None
            process.watcher.lost, process.watcher.echo, process.watcher.lag = False, False, 0.05

    def _finish(self) -> None:
        self.invariants.at_the_end()
        if not self.over.done():
            self.over.set_result(None)

    # -- steps -------------------------------------------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        if self.over.done():
            return
        self.log("step", str(step))
        steps: dict[str, Callable[..., None]] = {
            "trouble": self._trouble,
            "edit": self._edit,
            "crash": self._crash,
            "takeover": self._takeover,
            "stranger": lambda **more: stranger(self, **more),
            "wipe": self._wipe,
            "touch": self._touch,
            "reconcile": self._reconcile,
            "watch": self._watch,
            "api": self._api,
            "key": self._key,
            "delete": self._delete,
            "call": lambda does: does(self),
            "approve": lambda **more: gated.approve(self, **more),
            "abort": lambda **more: gated.abort(self, **more),
            "garble": self._garble,
            "rival": lambda **more: rival(self, **more),
            "remove_rival": lambda name: remove(self, name),
            "restrict": self._restrict,
            "annotate": lambda name, value: gated.annotate(self, name, value),
            "history": lambda lie: forge(self, lie),
            "doom": lambda count: setattr(self.baseten, "next_fails", count),
        }
        steps[step.kind](**step.more)

    def _trouble(self, trouble: str, endpoints: tuple[str, ...], share: float, value: float, seconds: float) -> None:
        self.network.troubles.append(Trouble(trouble, self.loop.now + seconds, tuple(endpoints), share, value))

    def _edit(self, field: str, value: Any, name: str = "") -> None:
        def change(raw: Raw) -> None:
            spec = raw["spec"]
            if field == "chainlet":
                others = [c for c in spec.get("chainletSettings", ()) if c["chainletName"] != name]
                spec["chainletSettings"] = [*others, value] if value else others
            elif value is None:
                spec.pop(field, None)
            else:
                spec[field] = value

        self.api.edit(NAME, change)

    def _crash(self, points: int, down: float, skew: float) -> None:
        """At one of the next points, or in five minutes."""
        process = self.process
        if process is None:
            return
        process.crash_in = points

        def ended() -> None:
            if process.alive:
                self.log(process.name, "crashes")
                process.end()
            if self.process is None:
                self.start(skew)

        def watch_it(left: int) -> None:
            if process.alive and left > 0:
                self.loop.call_later(1.0, watch_it, left - 1)
            else:
                self.loop.call_later(0 if process.alive else down, ended)

        watch_it(300)

    def _takeover(self, skew: float) -> None:
        """The Lease goes to another process; the old one finds out at its fence, and ends later."""
        old = self.process
        if old is not None:
            old.lost = True
            self.log(old.name, "is no longer the leader")
            self.loop.call_later(120, old.end)
        self.loop.call_later(5, self._start_if_none_leads, skew)

    def _start_if_none_leads(self, skew: float) -> None:
        if not any(p.alive and p.leading for p in self.processes):
            self.start(skew)

    def _wipe(self) -> None:
        self.invariants.wiped = True
        if self.process is not None and (self.process.name, NAME) not in self.invariants.reads:
            self.invariants.process_started()  # it has no memory yet
        self.api.edit(NAME, lambda raw: raw.update(status={}))

    def _touch(self, every: float, seconds: float) -> None:
        """Somebody writes the object again and again."""
        self.api.edit(NAME, lambda raw: raw["metadata"].setdefault("annotations", {}).update(touched=f"{self.loop.now:.2f}"))
        if seconds > 0 and not self.over.done():
            self.loop.call_later(every, self._touch, every, seconds - every)

    def _reconcile(self) -> None:
        self.invariants.asked_again()
        value = f"{self.loop.now:.2f}"
        self.api.edit(
            NAME, lambda raw: raw["metadata"].setdefault("annotations", {}).update({"chains.baseten.co/reconcile-requested-at": value})
        )

    def _watch(self, lag: float, lost: bool, echo: bool, seconds: float) -> None:
        process = self.process
        if process is None:
            return
        process.watcher.lag, process.watcher.lost, process.watcher.echo = lag, lost, echo

        def heal() -> None:
            process.watcher.lag, process.watcher.lost, process.watcher.echo = 0.05, False, False

        self.loop.call_later(seconds, heal)

    def _api(self, call: str, status: int, message: str, seconds: float) -> None:
        self.api.failing[call] = (status, message)
        self.loop.call_later(seconds, self.api.failing.pop, call, None)

    def _key(self, becomes: str, seconds: float) -> None:
        if becomes == "secret_gone":
            self.put_key(None)
        elif becomes == "wrong" and "apiKeySecretRef" in self.story.spec:
            self.put_key(OTHER)
        else:
            self.network.keys[GOOD] = becomes

        def heal() -> None:
            self.put_key(GOOD)
            self.network.keys[GOOD] = "good"

        self.loop.call_later(seconds, heal)

    def _garble(self, field: str, value: Any, seconds: float) -> None:
        self.baseten.garbled[field] = value
        self.loop.call_later(seconds, self.baseten.garbled.pop, field, None)

    def _restrict(self, environment: str, becomes: str, seconds: float) -> None:
        self.network.restricted[environment] = becomes
        self.invariants.restricted_until[environment] = self.loop.now + seconds
        self.loop.call_later(seconds, self.network.restricted.pop, environment, None)

    def _delete(self, again_after: float | None, abandon: bool) -> None:
        if abandon:
            self.api.edit(NAME, lambda raw: raw["metadata"].setdefault("annotations", {}).update({"chains.baseten.co/abandon": "true"}))
        raw = self.api.objects.get(NAME)
        spec = dict(raw["spec"]) if raw else dict(self.story.spec)
        self.api.delete(NAME)
        if again_after is not None:
            self.loop.call_later(again_after, self._create_again, spec)

    def _create_again(self, spec: dict[str, Any]) -> None:
        if NAME not in self.api.objects and not self.over.done():
            self.log("person", "creates the resource again")
            self.api.create(*NAME, spec)


_LOG = logging.getLogger("chainenv")


class _Errors(logging.Handler):
    """An exception that the operator did not expect is a violation of its own."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(logging.ERROR)
        self._simulation = simulation

    def emit(self, record: logging.LogRecord) -> None:
        reported = self.format(record)
        if record.exc_info:
            self._simulation.invariants.broken("no internal error", reported[-1500:])
        elif self._simulation.violation is None:
            self._simulation.log("log", reported[-300:])


def play(story: Story) -> Outcome:
    """One run. Of the operator's own log only errors are shown: the timeline tells more of the rest."""
    logging.disable(logging.WARNING)
    handler: logging.Handler | None = None
    try:
        with virtual_time() as loop:
            asyncio.set_event_loop(loop)
            simulation = Simulation(loop, story)
            loop.set_exception_handler(simulation.lost)
            handler = _Errors(simulation)
            _LOG.addHandler(handler)
            loop.run_until_complete(simulation.run())
            _let_end(loop)
    finally:
        if handler is not None:
            _LOG.removeHandler(handler)
        logging.disable(logging.NOTSET)
        asyncio.set_event_loop(None)
    return Outcome(story, simulation.violation, simulation.timeline, loop.now / 86_400, simulation)


def _let_end(loop: VirtualLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
