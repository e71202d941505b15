"""What must be true of the operator whatever happens, each with the rule that it comes from. Asked at each call, write and hour."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from . import gated
from .apiserver import ApiServer, Name, Raw
from .baseten import Baseten
from .declared import allowed, declared_types, differs, flat_promotion
from .model import OFF, RUNNING, SERVING, Environment
from .owners import Owners, counts, name_of, proven, target_of
from .schedules import in_force
from .wire import ROLLOUTS, Network, Sent

Json = dict[str, Any]
SETTLE = 55.0
"""Nearly the settling time of 60 s: a rollout without an answer may still be running for so long."""
STALE_SPEC = 420.0
"""A lost watch event is made good by the next list (300 s)."""
GRACE = 75.0
"""A minute, and a call that runs into its timeout."""
HOUR, DAY = 3600.0, 86_400.0
FOR_A_PERSON = ("RolloutFailed", "ChainletNotFound", "DeploymentNotFound")
PASSING = ("Unavailable", "RateLimited")
MOST_READS, MOST_WRITES, MOST_KUBE_WRITES = 600, 60, 600
MOST_JOURNAL = 22
MOST_BYTES = 500 * 1024


class Violation(Exception):  # noqa: N818 - it is a finding, not a failure of the simulation
    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant
        self.message = message


class Episode:
    """One declared value of one object, from when it is declared to when something other than the operator changes the question."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.sends: list[Sent] = []


class Invariants:
    def __init__(self, network: Network, baseten: Baseten, api: ApiServer, found: Callable[[Violation], None]) -> None:
        self._net, self._baseten, self._api, self._found = network, baseten, api, found
        self.episodes: dict[Any, Episode] = {}
        self.epoch: defaultdict[str, int] = defaultdict(int)
        self.own_epoch: defaultdict[tuple[str, str], int] = defaultdict(int)
        """The same, of one resource alone: by uid and kind."""
        self.owners = Owners(api)
        self.usable: Callable[[Raw], bool] = lambda _: True
        """Whether a resource has a key that is good for its chain."""
        self.lineage = 0
        self.writes: list[Sent] = []
        self.specs: list[tuple[float, str, Name, Json]] = []
        self.wiped = False
        self.reads: dict[tuple[str, Name], Json | None] = {}
        self.promoted: dict[tuple[str, Name], set[str]] = {}
        """By process and resource: what its last read showed, and what had been promoted into the environment by then."""
        self.ever_promoted: set[str] = set()
        self.forged: set[str] = set()
        """What somebody wrote into a history."""
        self.hours: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.warned: set[str] = set()
        self.held: set[str] = set()
        self.begun: dict[str, float] = {}
        self.rollouts: list[tuple[Sent, str, int]] = []
        self.acts: Callable[[str], bool] = lambda _: True
        """Whether a process is the one that may act."""
        self.skew_of: Callable[[str], float] = lambda _: 0.0
        """By how much a process's clock is ahead."""
        self.neighbours: set[str] = set()
        self.failing_since: dict[str, float] = {}
        self.restricted_until: dict[str, float] = {}
        self.edges_held = 0
        self.approved: set[tuple[str, str]] = set()
        self.aborted: set[tuple[str, str]] = set()
        self.carried_out: defaultdict[tuple[str, int, str], list[Sent]] = defaultdict(list)
        """By object, journal and plan: the calls that its approval was for."""
        self.disturbed_at = 0.0
        """When anything last was wrong that concerns every resource."""
        network.on_send.append(self.sent)
        network.on_land.append(self.landed)
        network.on_read.append(self.read)
        api.on_status.append(self.status_written)
        api.on_change.append(self.changed)
        baseten.on_start = lambda made, _: self.begun.__setitem__(made.id, network.loop.now)

    def broken(self, invariant: str, message: str) -> None:
        self._found(Violation(invariant, message))

    # -- what changes the question -----------------------------------------------------------------------------------

    def changed(self, kind: str, raw: Raw) -> None:
        spec, uid = raw["spec"], raw["metadata"]["uid"]
        if kind == "DELETED" and uid in self.held:  # without a finalizer the API server asks nobody
            self._deleted(raw)
        self.owners.changed(raw, self._net.loop.now)
        if kind == "DELETED":
            return
        if raw["metadata"].get("finalizers"):
            self.held.add(uid)
        annotations = raw["metadata"].get("annotations") or {}
        self.approved.add((uid, str(annotations.get(gated.APPROVE))))
        self.aborted.add((uid, str(annotations.get(gated.ABORT))))
        last = next((s for _, u, _, s in reversed(self.specs) if u == uid), None)
        if last == spec:
            return
        if last is None or last.get("deploymentID") != spec.get("deploymentID"):
            self.own_epoch[uid, "promote"] += 1
        if last is None or declared_types(last) != declared_types(spec):
            self.own_epoch[uid, "update_instance_types"] += 1
        self.specs.append((self._net.loop.now, uid, name_of(raw), json.loads(json.dumps(spec))))

    def asked_again(self) -> None:
        """By a person's annotation, or by a loss that nothing can make good (a wiped status and then a crash)."""
        for kind in ROLLOUTS:
            self.epoch[kind] += 1

    def process_started(self) -> None:
        if self.wiped:
            self.asked_again()
            self.lineage += 1
            self.wiped = False

    # -- calls -------------------------------------------------------------------------------------------------------

    def sent(self, sent: Sent) -> None:
        now = self._net.loop.now
        write = not sent.endpoint.startswith(("get_", "list_"))
        self.count(f"{'writes' if write else 'reads'} of {sent.by[1]}", MOST_WRITES if write else MOST_READS)
        if not write:
            return
        self.writes.append(sent)
        if not self.acts(sent.process):
            self.broken("only the leader acts", f"#{sent.number} {sent.endpoint} is sent by {sent.process}, which has lost the lead")
        self._managed(sent, now)
        raw = self._api.objects.get(sent.by)
        self._owned(sent, raw, now)
        self._serving_goes_on(sent, raw)
        self._cleaned_up(sent, raw)
        self._affordable(sent, now)
        self._proven(sent, now)
        if sent.endpoint not in ROLLOUTS:
            return
        self._gated(sent, raw, now)
        uid = raw["metadata"]["uid"] if raw else "none"
        for other, other_uid, lineage in self.rollouts:
            under_way = not other.answered and not other.landed and now - other.at < SETTLE
            if under_way and other_uid == uid and lineage == self.lineage:
                self.broken(
                    "one rollout at a time",
                    f"#{sent.number} {sent.endpoint} leaves {now - other.at:.0f} s after #{other.number} {other.endpoint}, still under way",
                )
        self.rollouts.append((sent, uid, self.lineage))
        environment = self._baseten.environments.get(sent.parameters.get("env_name", ""))
        made = environment.created if environment else 0
        value = json.dumps(sent.body, sort_keys=True) if sent.endpoint == "update_instance_types" else sent.body["deployment_id"]
        epoch = self.epoch[sent.endpoint], self.own_epoch[uid, sent.endpoint]
        key = (uid, made, sent.endpoint, epoch, value if sent.endpoint == "promote" else "")
        sent.episode = self.episodes.setdefault(key, Episode(f"{sent.endpoint} {value}"))
        sent.episode.sends.append(sent)
        policies = [s.get("managementPolicy", "Reconcile") for s in self._recent(now, 70.0, sent.by)]
        if policies and all(p != "Reconcile" for p in policies):
            self.broken("no rollout while paused or observed", f"#{sent.number} {sent.endpoint} is sent under {policies[-1]}")

    def _owned(self, sent: Sent, raw: Raw | None, now: float) -> None:
        """Of several resources that declare one environment (docs/decisions/0009)."""
        objection = self.owners.objection(raw, now) if raw is not None else None
        if objection is not None:
            self.broken("only the owner acts", f"#{sent.number} {sent.endpoint} is sent for {sent.by[1]}: {objection}")
        environment = sent.parameters.get("env_name")
        for other in self._net.open:
            reads = other.endpoint.startswith(("get_", "list_"))
            if other.by != sent.by and other.process == sent.process and not reads and environment == other.parameters.get("env_name", ""):
                self.broken(
                    "one owner at a time", f"#{sent.number} of {sent.by[1]} leaves while #{other.number} of {other.by[1]} is on its way"
                )

    def _gated(self, sent: Sent, raw: Raw | None, now: float) -> None:
        specs = self._recent(now, STALE_SPEC, sent.by)
        if specs and not gated.was_open(specs, now, self.skew_of(sent.process)):
            self.broken("no rollout outside a window", f"#{sent.number} {sent.endpoint}; {json.dumps(specs[-1].get('rollout'))}")
        if raw is None:
            return
        uid = raw["metadata"]["uid"]
        for plan in gated.plans(raw, sent.endpoint):
            if plan:
                self.carried_out[uid, self.lineage, plan].append(sent)
            if specs and gated.needs_approval(specs) and (uid, plan) not in self.approved:
                self.broken("no rollout without approval", f"#{sent.number} {sent.endpoint}, plan {plan or 'none'}")

    def _serving_goes_on(self, sent: Sent, raw: Raw | None) -> None:
        """What serves is deactivated by deletion alone, never by an abort or in cleaning up. An old read may be wrong."""
        environment = self._baseten.environments.get(raw["spec"]["environmentName"]) if raw else None
        if sent.endpoint != "deactivate" or raw is None or "deletionTimestamp" in raw["metadata"] or environment is None:
            return
        stale = any(trouble.kind == "stale" for trouble in self._net.troubles)
        current = environment.current
        named = current is not None and current.id == sent.parameters["chain_deployment_id"]
        if named and not stale and self._net.loop.now - environment.switched > GRACE:
            self.broken("what serves is never deactivated", f"#{sent.number} {sent.parameters['chain_deployment_id']}")

    def _cleaned_up(self, sent: Sent, raw: Raw | None) -> None:
        """But for a deletion, and for what a person aborts, only what served here before goes: never what anybody needs."""
        if sent.endpoint not in ("deactivate", "delete_deployment") or raw is None or "deletionTimestamp" in raw["metadata"]:
            return
        what = sent.parameters["chain_deployment_id"]
        if sent.endpoint == "deactivate" and (raw["metadata"]["uid"], what) in self.aborted:
            return
        used = {d.id for e in self._baseten.environments.values() for d in (e.current, e.candidate, *e.queue) if d}
        wanted = {each["spec"].get("deploymentID") for each in self._api.objects.values()}
        made = self._baseten.deployments.get(what)
        forged = {what} if what in self.forged and made is not None and made.environment == raw["spec"]["environmentName"] else set()
        served = self._baseten.shown.get(raw["spec"]["environmentName"], set()) | forged
        if "cleanup" not in raw["spec"] or what in used | wanted or what not in served:
            self.broken("cleanup touches nothing that is needed", f"#{sent.number} {sent.endpoint} {what}")

    def _proven(self, sent: Sent, now: float) -> None:
        """A follower promotes what its source has served."""
        followed = {s["promoteFrom"]["name"] for s in self._recent(now, STALE_SPEC, sent.by) if "promoteFrom" in s}
        if sent.endpoint != "promote" or not followed:
            return
        if not any(sent.body["deployment_id"] in self._baseten.shown.get(source, ()) for source in followed):
            self.broken("a follower promotes what the source proved", f"#{sent.number} {sent.body['deployment_id']}")

    def _affordable(self, sent: Sent, now: float) -> None:
        """For what the process has read: a call that raises the worst case keeps to every budget of the last minutes."""
        budgets = [spec.get("budget") for spec in self._recent(now, STALE_SPEC, sent.by)]
        shown = self.reads.get((sent.process, sent.by))
        if sent.endpoint not in ("update_autoscaling", "update_instance_types") or shown is None or not budgets or None in budgets:
            return
        before, after = gated.worst_case({}, shown), gated.worst_case(sent.body, shown)
        most = max(float(budget["maxUSDPerHour"]) for budget in budgets if budget)
        if before is not None and after is not None and after > before + 1e-6 and after > most + 1e-6:
            self.broken(
                "nothing costs more than the budget", f"#{sent.number} {json.dumps(sent.body)}: {before} -> {after}, at most {most}"
            )

    def _recent(self, now: float, seconds: float, who: Name) -> list[Json]:
        """Specs of the resource that were in force at some time within the last seconds."""
        out: list[Json] = []
        specs = [each for each in self.specs if each[2] == who]
        for index, (_, _, _, spec) in enumerate(specs):
            ended = specs[index + 1][0] if index + 1 < len(specs) else now
            if ended >= now - seconds:
                out.append(spec)
        return out

    def landed(self, sent: Sent) -> None:
        if sent.endpoint not in ROLLOUTS or not sent.started or sent.episode is None:
            return
        for (_, _, plan), sends in self.carried_out.items():
            begun = [each for each in sends if each.started]
            if sent in begun and len(begun) > 1 and (begun[0].answered or len(begun) > 2):
                self.broken("an approval is used once", f"plan {plan}: {', '.join(f'#{each.number}' for each in begun)}")
        starts = [s for s in sent.episode.sends if s.started]
        reported = ", ".join(f"#{s.number} -> {'+'.join(s.started)}{'' if s.answered else ' (answer lost)'}" for s in starts)
        if len(starts) > 2:
            self.broken("at most two deployments a value", f"{sent.episode.label}: {reported}")
        elif len(starts) == 2 and starts[0].answered:
            self.broken("at most one deployment a value", f"{sent.episode.label}: {reported}")

    def count(self, what: str, most: int) -> None:
        hour = int(self._net.loop.now // 3600)
        self.hours[hour, what] += 1
        if self.hours[hour, what] == most + 1:
            self.broken(f"bounded {what}", f"more than {most} in hour {hour}")

    def _managed(self, sent: Sent, now: float) -> None:
        recent = self._recent(now, STALE_SPEC, sent.by)
        if recent and all(s.get("managementPolicy") in ("Pause", "Observe") for s in recent):
            self.broken("nothing is written while paused or observed", f"#{sent.number} {sent.endpoint}")
        self._differs(sent)
        skew = self.skew_of(sent.process)
        if not any(allowed(sent, meant) for spec in recent for meant in in_force(spec, now, skew)):
            self.broken(
                "nothing unmanaged is sent",
                f"#{sent.number} {sent.endpoint} {json.dumps(sent.body)}; the spec is {json.dumps(recent[-1:])}",
            )

    def _differs(self, sent: Sent) -> None:
        """Autoscaling settings are sent for drift and at edges alone: never what the last read showed already."""
        shown = self.reads.get((sent.process, sent.by))
        if sent.endpoint != "update_autoscaling" or shown is None:
            return
        there = {c["chainlet_name"]: c["autoscaling_settings"] for c in shown["chainlet_settings"]}
        for each in sent.body["updates"]:
            values = there.get(each["chainlet_name"])
            if values is not None and values.items() >= each["autoscaling_settings"].items():
                self.broken("nothing is sent that is there", f"#{sent.number} {json.dumps(each)}, and the read showed it")

    # -- status ------------------------------------------------------------------------------------------------------

    def read(self, sent: Sent, document: Json | None) -> None:
        self.reads[sent.process, sent.by] = document
        environment = self._baseten.environments.get(sent.parameters["env_name"])
        there = set(environment.promoted) if environment else set()
        if environment and document and document.get("created_at") != self._baseten.moment(environment.created):
            there = self.promoted.get((sent.process, sent.by)) or self.ever_promoted  # a stale read shows one that was there before
        self.promoted[sent.process, sent.by] = there
        self.ever_promoted |= there

    def ended(self, process: str) -> None:
        """What a process had not written down when it ended, was never answered."""
        for sent, uid, _ in self.rollouts[-3:]:
            raw = next((each for each in self._api.objects.values() if each["metadata"]["uid"] == uid), None)
            if sent.process == process and raw is not None and any(True for _ in gated.plans(raw, sent.endpoint)):
                sent.answered = False

    def status_written(self, old: Raw, new: Raw) -> None:
        self.count(f"status writes of {new['metadata']['name']}", MOST_KUBE_WRITES)
        status = new["status"]
        if status.get("operations"):
            self.wiped = False
        if len(status.get("operations", ())) > MOST_JOURNAL:
            self.broken("bounded journal", f"{len(status['operations'])} entries")
        size = len(json.dumps(status, separators=(",", ":")))
        if size > MOST_BYTES:
            self.broken("bounded status", f"{size} bytes")
        conditions = {c["type"]: c for c in status.get("conditions", ())}
        before = {c["type"]: c for c in old["status"].get("conditions", ())}
        self._true(self._net.writer, new, conditions, before)

    def _true(self, process: str, raw: Raw, conditions: dict[str, Json], before: dict[str, Json]) -> None:
        seen = process, name_of(raw)
        if seen not in self.reads or raw["status"].get("conditions") == list(before.values()):
            return  # a write of the journal alone says nothing new
        shown, spec = self.reads[seen], raw["spec"]
        synced, ready = conditions.get("Synced"), conditions.get("Ready")
        fresh = synced is not None and synced.get("observedGeneration") == raw["metadata"]["generation"]
        if (conditions.get("Reconciling") or {}).get("reason") not in PASSING:
            self.failing_since.pop(raw["metadata"]["uid"], None)
        if synced and synced["status"] == "True" and fresh:
            promoted = self._promoted(spec) or spec["deploymentID"] in self.promoted[seen]
            problem = self._problem(spec, shown, promoted, process)
            if problem and not self._passing(raw, conditions, before):
                self.broken("Synced only when true", f"Synced=True, but the last read of {process} showed: {problem}")
            queued = self._queued(spec)
            if queued:
                self.broken("Synced only when true", f"Synced=True, and {queued} still waits for another promotion")
            if shown and (shown.get("candidate_deployment") or {}).get("status") in RUNNING and "Reconciling" not in conditions:
                self.broken("a rollout under way is never healthy", "no Reconciling while the candidate is not there yet")
        if ready and ready["status"] == "True" and (before.get("Ready") or {}).get("status") != "True":
            current = (shown or {}).get("current_deployment") or {}
            if current.get("status") not in SERVING:
                self.broken("Ready only when true", f"Ready=True, but the last read of {process} showed {current.get('status')}")

    def _problem(self, spec: Json, shown: Json | None, promoted: bool, process: str) -> str | None:
        """What a read does not confirm, whichever of the last minutes it is compared for; None when it confirms all."""
        found = [differs(meant, shown, promoted) for meant in in_force(spec, self._net.loop.now, self.skew_of(process))]
        return None if None in found else found[0]

    def _passing(self, raw: Raw, conditions: dict[str, Json], before: dict[str, Json]) -> bool:
        """Whether Synced may stay as it was: for the first minute of failures that pass by themselves."""
        now, uid = self._net.loop.now, raw["metadata"]["uid"]
        if (before.get("Synced") or {}).get("status") != "True" or (conditions.get("Reconciling") or {}).get("reason") not in PASSING:
            return False
        since = self.failing_since.get(uid, -DAY)
        if now - since > HOUR:
            self.failing_since[uid] = since = now
        return now - since < GRACE

    def _queued(self, spec: Json) -> str | None:
        """A deployment that Baseten reported to the operator, and that has not had its turn."""
        environment = self._baseten.environments.get(spec["environmentName"])
        reported = {d for s, _, _ in self.rollouts if s.answered for d in (*s.started, s.body.get("deployment_id"))}
        return next((d.id for d in environment.queue if d.id in reported), None) if environment else None

    def neighbours_are_served(self, environment: Environment) -> None:
        """A quarter of an hour after somebody changed its settings: what happens to one resource is not the affair of others."""
        now = self._net.loop.now
        lately = now - max(self.disturbed_at, self.restricted_until.get(environment.name, 0.0)) < 3900
        if lately or environment.autoscaling["Llm"]["max_replica"] == 4:
            return
        self.broken("one resource's trouble is its own", f"{environment.name} has not been corrected; refused: {self._net.restricted}")

    def _promoted(self, spec: Json) -> bool:
        """Whether the declared deployment was promoted into the environment that is there now (or may be believed to be)."""
        environment = self._baseten.environments.get(spec.get("environmentName", ""))
        target = spec.get("deploymentID")
        unsure = any(not s.answered for s, _, _ in self.rollouts)
        return target is None or environment is None or target in environment.promoted or unsure

    # -- deletion ----------------------------------------------------------------------------------------------------

    def _deleted(self, raw: Raw) -> None:
        spec, meta, now = raw["spec"], raw["metadata"], self._net.loop.now
        policies = self._recent(now, STALE_SPEC, name_of(raw))
        if self.owners.before(target_of(raw)) not in (None, meta["uid"]) or not (self.usable(raw) or proven(raw)):
            return
        stops = all(
            s.get("deletionPolicy", "").startswith("Deactivate") and s.get("managementPolicy", "Reconcile") == "Reconcile" for s in policies
        )
        fails = any(s.get("adoptionPolicy") == "Fail" for s in policies)
        environment = self._baseten.environments.get(spec["environmentName"])
        if not stops or fails or environment is None or meta.get("annotations", {}).get("chains.baseten.co/abandon"):
            return
        coming = environment.candidate if not self._baseten.shape.old else None  # such a server shows none to anybody
        there = [d for d in (environment.current, coming) if d is not None and d.status not in OFF]
        doubtful = {d for s, _, _ in self.rollouts if not s.answered for d in s.started}
        left = [
            d.id for d in there if now - self.begun.get(d.id, d.created) > 35 and d.id not in doubtful and now - environment.created > 65
        ]
        if left:
            self._net.loop.call_later(5, self._released, meta["uid"], left)

    def _released(self, uid: str, left: list[str]) -> None:
        if uid not in self.warned:
            self.broken(
                "nothing is left on in silence", f"the finalizer is gone, {', '.join(left)} still runs, and no NotDeactivated was emitted"
            )

    # -- the end -----------------------------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        """After hours without a fault: what is declared is so, or the resource says why not, and that is true."""
        for raw in list(self._api.objects.values()):
            spec, meta = raw["spec"], raw["metadata"]
            environment = self._baseten.environments.get(spec["environmentName"])
            owner = self.owners.owner(target_of(raw))
            if spec.get("managementPolicy") == "Pause" or not self.usable(raw):
                continue
            conditions = {c["type"]: c for c in raw["status"].get("conditions", ())}
            synced = conditions.get("Synced", {"status": "Unknown", "reason": "none", "message": ""})
            if "deletionTimestamp" in meta:
                busy = environment is not None and any(d.status not in OFF for d in (environment.current, environment.candidate) if d)
                if not (spec.get("deletionPolicy") == "DeactivateWhenIdle" and busy):
                    self.broken("deletion ends", f"still there hours later: {synced['reason']}: {synced['message']}")
                continue
            if owner not in (None, meta["uid"]) and counts(raw):
                if synced["reason"] != "DuplicateTarget":
                    self.broken(
                        "liveness", f"{meta['name']} does not say whose the environment is: {synced['reason']}: {synced['message']}"
                    )
                continue
            if raw["status"].get("observedGeneration") != meta["generation"]:
                self.broken("liveness", f"the spec has not been acted on: {synced['reason']}: {synced['message']}")
                continue
            shown = self._baseten.show(environment) if environment else None
            if synced["status"] == "True":
                problem = self._problem(spec, shown, self._promoted(spec), self._net.writer) or self._behind(spec, environment)
                if problem:
                    self.broken("Synced only when true", f"at the end: {problem}")
            elif not self._excused(synced["reason"], meta["uid"], self._meant(spec), environment, shown):
                self.broken("liveness", f"hours after the last fault: {synced['reason']}: {synced['message']}")
            if synced["reason"] in FOR_A_PERSON and "Stalled" not in conditions:
                self.broken("what waits for a person is Stalled", f"{synced['reason']}: {synced['message']}")
            ready = conditions.get("Ready", {"status": "Unknown"})
            serves = environment is not None and environment.current is not None and environment.current.status in SERVING
            own = synced["reason"] not in ("EnvironmentExists",)
            if own and (ready["status"] == "True") != serves:
                self.broken(
                    "Ready only when true",
                    f"at the end Ready is {ready['status']} and the current deployment {'serves' if serves else 'does not'}",
                )

    def _meant(self, spec: Json) -> Json:
        """By the clock of the process that wrote last."""
        return next(in_force(spec, self._net.loop.now, self.skew_of(self._net.writer)))

    def edge_holds(self, uid: str, spec: Json) -> None:
        """Half a minute after an edge, with nothing wrong: the environment has the values."""
        raw = next((each for each in self._api.objects.values() if each["metadata"]["uid"] == uid), None)
        environment = self._baseten.environments.get(spec["environmentName"])
        if raw is None or environment is None or raw["spec"] != spec:
            return
        if spec.get("budget"):
            return
        self.edges_held += 1
        problem = differs(self._meant(spec), self._baseten.show(environment), promoted=True)
        if problem:
            self.broken("an edge is acted on", problem)

    def _behind(self, spec: Json, environment: Environment | None) -> str | None:
        """What the source serves and the follower never promoted."""
        source = self._baseten.environments.get(spec.get("promoteFrom", {}).get("name", ""))
        if source is None or source.current is None or environment is None or source.current.id in environment.promoted:
            return None
        return f"{source.current.id} of {source.name} was never promoted here"

    def _excused(self, reason: str, uid: str, spec: Json, environment: Environment | None, shown: Json | None) -> bool:
        """Whether a reason that is not in sync is true."""
        off = any(d.status in OFF for s, _, _ in self.rollouts for i in s.started if (d := self._baseten.deployments.get(i)))
        candidate_off = environment is not None and environment.candidate is not None and environment.candidate.status in OFF
        hidden = shown is None or any(c["autoscaling_settings"] is None for c in shown["chainlet_settings"])
        hidden = hidden or any(name in flat_promotion(spec) for name in self._baseten.shape.hides)
        observed = spec.get("managementPolicy") == "Observe"
        there = {c["chainlet_name"] for c in (shown or {}).get("chainlet_settings", ())}
        target = self._baseten.deployments.get(spec.get("deploymentID") or "")
        promoted = environment is not None and spec.get("deploymentID") in (None, *environment.promoted)
        behind = self._behind(spec, environment) is not None
        unanswered = sum(1 for s, whose, _ in self.rollouts if whose == uid and not s.answered)
        return {
            "NotConverging": differs(spec, shown, promoted) is not None or behind or unanswered >= 2,  # only a person makes a third try
            "RolloutFailed": off or candidate_off,
            "RolloutAborted": off or any(self._baseten.turned_off(what) for _, what in self.aborted),
            "BudgetExceeded": spec.get("budget") is not None,
            "PriceUnknown": spec.get("budget") is not None,
            "Unconfirmed": hidden,
            "Drifted": observed and differs(spec, shown, False) is not None,
            "WouldCreate": observed and environment is None,
            "EnvironmentExists": spec.get("adoptionPolicy") == "Fail",
            "EnvironmentMissing": environment is None and observed,
            "ChainletNotFound": any(c["chainletName"] not in there for c in spec.get("chainletSettings", ())),
            "DeploymentNotFound": spec.get("deploymentID") is not None and target is None,
            "Refused": target is not None and target.status not in SERVING,
            "WaitingForWindow": spec.get("deploymentID") is not None and (target is None or target.status not in SERVING),
        }.get(reason, False)
