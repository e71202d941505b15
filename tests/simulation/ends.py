"""What must be true of a deletion, of an edge of a schedule, and at the end of a run."""

from __future__ import annotations

from .apiserver import Raw
from .conditions import Conditions
from .declared import differs, flat_promotion
from .facts import FOR_A_PERSON, STALE_SPEC, Json
from .model import OFF, SERVING, Environment
from .owners import counts, name_of, proven, target_of
from .schedules import in_force


class Ends(Conditions):
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
