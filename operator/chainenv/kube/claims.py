"""Which of the resources that declare one environment owns it (docs/decisions/0009). Pure, and never awaits: what is asked and
noted in one step cannot be overtaken."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.reasons import Reason
from ..crd.enums import ManagementPolicy, Operation, Outcome
from ..engine.ports import ClaimState, Key, WriteConflictError

Target = tuple[str, str]
"""Chain and environment."""

PRECEDENCE = 6
"""So often a resource gives way to an older one that has not been tried yet: some seconds, as conflicts back off."""


@dataclass(frozen=True, slots=True)
class Claim:
    """``age``: the smaller, the older. ``counts``: its policy lets it own at all. ``proven``: its status says that it has read the
    environment as its own. ``tried``: its status says what a run of it came to, and not only that another one was the owner."""

    key: Key
    uid: str
    target: Target
    age: tuple[str, str]
    counts: bool
    proven: bool
    tried: bool


_NO_CLAIM = (ManagementPolicy.PAUSE, ManagementPolicy.OBSERVE)
"""Management policies that never own an environment."""


def claim_of(key: Key, raw: Mapping[str, Any], *, has_key: bool) -> Claim:
    """Of an object as the API server has it. ``has_key``: it names a Secret, or is granted the operator's own key."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status")
    status = status if isinstance(status, Mapping) else {}
    return Claim(
        key=key,
        uid=str(meta["uid"]),
        target=(str(spec.get("chainID", "")), str(spec.get("environmentName") or key.name)),
        age=(str(meta.get("creationTimestamp", "")), str(meta["uid"])),
        counts=spec.get("managementPolicy") not in _NO_CLAIM,
        proven=has_key and _proven(status),
        tried=bool(status.get("conditions")) and status.get("reason") != Reason.DUPLICATE_TARGET,
    )


def _proven(status: Mapping[str, Any]) -> bool:
    """It has read the environment as its own, or created it, or begun to: only who may write a status can make it say so."""
    environment, journal = status.get("environment"), status.get("operations")
    if isinstance(environment, Mapping) and environment.get("managed") is True:
        return True
    entries = journal if isinstance(journal, list) else ()
    return any(
        isinstance(e, Mapping) and e.get("operation") == Operation.CREATE and e.get("outcome") in (None, Outcome.ACCEPTED) for e in entries
    )


@dataclass(slots=True)
class _Rivals:
    """Of one environment. ``holder`` has read it as its own in this process, whatever its status says by now; ``last``: the uid of
    the last one that did; ``acting``: of the one whose run may have a call under way."""

    claims: dict[Key, Claim] = field(default_factory=dict)
    proven: tuple[Key, ...] = ()
    holder: Claim | None = None
    last: str = ""
    acting: str = ""

    def owner(self) -> Key | None:
        """The oldest of those that are proven."""
        candidates = [self.claims[key] for key in self.proven]
        held = self.claims.get(self.holder.key) if self.holder is not None else None
        if held is not None and self.holder is not None and held.uid == self.holder.uid and held.counts:
            candidates.append(held)
        return min(candidates, key=lambda claim: claim.age).key if candidates else None


class Claims:
    """Methods that may change an owner return the keys of the others that want its environment, when it did change."""

    def __init__(self) -> None:
        self._rivals: dict[Target, _Rivals] = {}
        self._targets: dict[Key, Target] = {}
        self._gave_way: dict[str, int] = {}

    def put(self, claim: Claim) -> Collection[Key]:
        """A resource as it is now."""
        moved = self.remove(claim.key) if self._targets.get(claim.key, claim.target) != claim.target else ()
        rivals = self._rivals.setdefault(claim.target, _Rivals())
        before, old = rivals.owner(), rivals.claims.get(claim.key)
        if old is not None and old.uid != claim.uid:
            self._gave_way.pop(old.uid, None)
        self._targets[claim.key] = claim.target
        rivals.claims[claim.key] = claim
        rivals.proven = _without(rivals.proven, claim.key)
        if claim.counts and claim.proven:
            rivals.proven = (*rivals.proven, claim.key)
        return [*moved, *_others(rivals, before, claim.key)]

    def remove(self, key: Key) -> Collection[Key]:
        target = self._targets.pop(key, None)
        if target is None:
            return ()
        rivals = self._rivals[target]
        before = rivals.owner()
        gone = rivals.claims.pop(key)
        rivals.proven = _without(rivals.proven, key)
        self._gave_way.pop(gone.uid, None)
        if not rivals.claims:
            del self._rivals[target]
        return _others(rivals, before, key)

    def owner(self, key: Key) -> Key | None:
        """Of the environment that a resource wants; None while nobody has proven a claim to it."""
        target = self._targets.get(key)
        return None if target is None else self._rivals[target].owner()

    def expected_owner(self, key: Key) -> Key | None:
        """Who owns the environment once all have had their turn: the owner, else the oldest that could and has not been tried."""
        rivals = self._rivals[self._targets[key]]
        untried = [claim for claim in rivals.claims.values() if claim.counts and not claim.tried]
        return rivals.owner() or (min(untried, key=lambda claim: claim.age).key if untried else None)

    def contested(self, key: Key) -> bool:
        """Whether another resource could own the environment as well."""
        rivals = self._rivals.get(self._targets.get(key, ("", "")))
        return rivals is not None and any(claim.counts and claim.key != key for claim in rivals.claims.values())

    def take(self, key: Key, uid: str) -> tuple[ClaimState, Collection[Key]]:
        """A resource has read its environment as its own, and is going to act until ``leave``.

        Raises WriteConflictError when it is not, or not yet, its turn: the environment is another one's, another one's call may
        still be under way, or an older one has yet to be tried.
        """
        rivals = self._rivals.get(self._targets.get(key, ("", "")))
        mine = rivals.claims.get(key) if rivals is not None else None
        if rivals is None or mine is None or mine.uid != uid or not mine.counts:
            raise WriteConflictError(f"{key} is not what it was")
        before = rivals.owner()
        if before not in (None, key) or rivals.acting not in ("", uid) or (before is None and self._gives_way(rivals, mine)):
            raise WriteConflictError(f"the environment of {key} is taken")
        contested = self.contested(key)
        fresh = rivals.last != uid if rivals.last else contested and not mine.proven
        rivals.holder, rivals.last, rivals.acting = mine, uid, uid
        return ClaimState(fresh=fresh, contested=contested), _others(rivals, before, key)

    def _gives_way(self, rivals: _Rivals, mine: Claim) -> bool:
        """Bounded: a resource that is edited without end may never get as far as a status."""
        asked = self._gave_way.get(mine.uid, 0)
        if asked >= PRECEDENCE or not any(c.counts and not c.tried and c.age < mine.age for c in rivals.claims.values()):
            return False
        self._gave_way[mine.uid] = asked + 1
        return True

    def leave(self, target: Target, uid: str) -> None:
        """Its run has ended."""
        rivals = self._rivals.get(target)
        if rivals is not None and rivals.acting == uid:
            rivals.acting = ""

    def written(self, key: Key, uid: str) -> Collection[Key]:
        """This process has written its status: without a proof in it, what was taken before is given back."""
        rivals = self._rivals.get(self._targets.get(key, ("", "")))
        if rivals is None or rivals.holder is None or rivals.holder.uid != uid or rivals.acting == uid or rivals.claims[key].proven:
            return ()
        before, rivals.holder = rivals.owner(), None
        return _others(rivals, before, key)


def _without(keys: tuple[Key, ...], key: Key) -> tuple[Key, ...]:
    return tuple(other for other in keys if other != key)


def _others(rivals: _Rivals, before: Key | None, key: Key) -> Collection[Key]:
    """All but ``key``, if the owner is not what it was."""
    return () if rivals.owner() == before else [other for other in rivals.claims if other != key]
