"""Answers that are not true, or no answers at all: each takes what the server would have said and gives what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .baseten import Baseten
    from .wire import Sent

Json = dict[str, Any]


def _other(baseten: Baseten, asked: str) -> Json:
    """A deployment that serves, if there is one, and is not the one that was asked for."""
    serving = [e.current for e in baseten.environments.values() if e.current is not None and e.current.id != asked]
    others = [*serving, *(d for d in baseten.deployments.values() if d.id != asked)]
    return baseten.shown_deployment(others[0]) if others else {"id": "none"}


def _another(baseten: Baseten, sent: Sent, told: Json) -> Json:
    """Some other deployment is named: what serves here, or elsewhere."""
    environment = baseten.environments.get(sent.parameters.get("env_name", ""))
    asked = sent.parameters.get("chain_deployment_id", "")
    current = baseten.shown_deployment(environment.current) if environment and environment.current else _other(baseten, asked)
    if sent.endpoint == "update_instance_types":
        return {**told, "chain_deployment": current}
    if sent.endpoint == "promote":
        return current
    return _other(baseten, asked) if sent.endpoint == "get_deployment" else told


def _twice(_: Baseten, sent: Sent, told: Json) -> Json:
    """The current deployment is shown as the candidate too, for ever."""
    if sent.endpoint != "get_environment" or told.get("candidate_deployment"):
        return told
    return {**told, "candidate_deployment": told.get("current_deployment")}


def _elsewhere(_: Baseten, sent: Sent, told: Json) -> Json:
    """Another environment is answered than the one that was asked for."""
    return {**told, "name": "production"} if sent.endpoint == "get_environment" else told


LIES: dict[str, Callable[[Baseten, Sent, Json], Any]] = {
    "another": _another,
    "twice": _twice,
    "elsewhere": _elsewhere,
    "nothing": lambda *_: {},
    "list": lambda *_: [1, None, "two"],
    "text": lambda *_: "<html>gateway</html>",
}
UNREADABLE = ("nothing", "list", "text", "elsewhere")
