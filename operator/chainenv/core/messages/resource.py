"""The resource and its environment as a whole."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ...crd.types import ABANDON_ANNOTATION, Drift
from ..desired import Desired
from ..environment import Environment
from ..findings import Finding, Severity
from ..reasons import Reason
from ..text import listed, names

WAITING, BLOCKED, STALLED = Severity.WAITING, Severity.BLOCKED, Severity.STALLED


def invalid_resource(why: str) -> Finding:
    return Finding(STALLED, Reason.INVALID_RESOURCE, f"the resource cannot be read: {why}")


def invalid_environment_name(name: str) -> Finding:
    return Finding(
        STALLED,
        Reason.INVALID_ENVIRONMENT_NAME,
        f"{name} is not a name for an environment on Baseten (lower-case letters, digits and '-', no '-' at either end):"
        " create the resource again with spec.environmentName",
    )


def duplicate_target(desired: Desired, owner: str | None, *, older: bool) -> Finding:
    """``owner``: the other resource's name; None where it is in another namespace, whose names are not revealed here."""
    who = f"ChainEnvironment {owner}" if owner else "a ChainEnvironment in another namespace"
    why = "is older" if older else "was the first to observe it"
    return Finding(STALLED, Reason.DUPLICATE_TARGET, f"{desired.where} is managed by {who}, which {why}: delete one of the two")


PAUSED = "paused (managementPolicy Pause); showing the last observed state"


def paused_deletion() -> Finding:
    return Finding(
        WAITING,
        Reason.PAUSED,
        "being deleted, but managementPolicy is Pause and its deletionPolicy needs calls to Baseten: set managementPolicy to Reconcile,"
        f" deletionPolicy to Retain, or the annotation {ABANDON_ANNOTATION}=true",
    )


def environment_exists(desired: Desired) -> Finding:
    return Finding(
        STALLED,
        Reason.ENVIRONMENT_EXISTS,
        f"{desired.where} exists already and adoptionPolicy is Fail: set adoptionPolicy to Adopt to manage it, or choose another"
        " environmentName in a new resource",
    )


def chain_not_found(chain_id: str) -> Finding:
    return Finding(STALLED, Reason.CHAIN_NOT_FOUND, _no_chain(chain_id))


def production_not_found(chain_id: str) -> Finding:
    message = f"environment production exists on every chain, but was not found: {_no_chain(chain_id)}"
    return Finding(STALLED, Reason.CHAIN_NOT_FOUND, message)


def _no_chain(chain_id: str) -> str:
    return f"chain {chain_id} not found, or not accessible with this API key: correct chainID or the key"


def not_visible_yet(desired: Desired) -> Finding:
    return Finding(WAITING, Reason.CREATING, f"{desired.where} was created; waiting until Baseten returns it")


def environment_missing(desired: Desired, confirmed: str) -> Finding:
    return Finding(WAITING, Reason.ENVIRONMENT_MISSING, f"{desired.where} not found (404); will be recreated if confirmed {confirmed}")


def would_create(desired: Desired) -> Finding:
    return Finding(
        BLOCKED,
        Reason.WOULD_CREATE,
        f"{desired.where} does not exist, and managementPolicy is Observe: set it to Reconcile to create the environment",
    )


def not_corrected(differences: tuple[Drift, ...]) -> Finding:
    message = f"environment differs from spec, and managementPolicy is Observe: {listed(differences)}; set it to Reconcile to correct this"
    return Finding(BLOCKED, Reason.DRIFTED, message)


def chainlets_not_found(unknown: Iterable[str], there: Iterable[str]) -> Finding:
    existing = sorted(there)
    hints = [f"{name} (did you mean {near[0]}?)" if (near := difflib.get_close_matches(name, existing, 1)) else name for name in unknown]
    exist = f"the environment has {names(existing)}" if existing else "the environment has none"
    message = f"chainlets not found: {names(hints)}; {exist}. Correct chainletName; the rest of the spec is applied"
    return Finding(BLOCKED, Reason.CHAINLET_NOT_FOUND, message)


def unconfirmed(what: str, environment: Environment) -> Finding:
    """What cannot be compared is never called in sync. It passes by itself only while something deploys."""
    message = f"Baseten does not return {what}, so they could not be compared with the spec"
    if environment.deploying:
        return Finding(WAITING, Reason.UNCONFIRMED, f"{message}; compared again at the next poll")
    return Finding(BLOCKED, Reason.UNCONFIRMED, f"{message}; activate or push a deployment, or remove them from the spec")
