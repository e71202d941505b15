"""What must be true of each status that is written: its size, and what its conditions say."""

from __future__ import annotations

import json

from .apiserver import Raw
from .declared import differs
from .facts import DAY, GRACE, HOUR, MOST_BYTES, MOST_JOURNAL, MOST_KUBE_WRITES, PASSING, Facts, Json
from .model import RUNNING, SERVING, Environment
from .owners import name_of
from .schedules import in_force


class Conditions(Facts):
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
