"""What must be true of each call that changes something: by whom, for what, how often, and what it may cost."""

from __future__ import annotations

import json

from . import gated
from .apiserver import Raw
from .declared import allowed
from .facts import GRACE, MOST_READS, MOST_WRITES, SETTLE, STALE_SPEC, Episode, Facts
from .schedules import in_force
from .wire import ROLLOUTS, Sent


class Calls(Facts):
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
