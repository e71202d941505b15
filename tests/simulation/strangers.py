"""What others do to the environment, without asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .baseten import Baseten
from .model import Environment, RefusedError

if TYPE_CHECKING:
    from .runner import Simulation


def stranger(simulation: Simulation, does: str, source: str, type: str, number: int) -> None:
    baseten, invariants = simulation.baseten, simulation.invariants
    name = simulation.story.spec["environmentName"]
    environment = baseten.environments.get(name)
    if environment is None:
        if does in ("recreate", "push"):
            baseten.add_environment(name, deployed=True)
        return
    if does == "recreate":
        invariants.asked_again()
        baseten.add_environment(name, deployed=number > 4)
    elif does == "types":
        invariants.epoch["update_instance_types"] += 1
    refused = _do(baseten, environment, does, source, type, number)
    if refused:
        simulation.log("stranger", f"is refused: {refused}")


def _do(baseten: Baseten, environment: Environment, does: str, source: str, type_id: str, number: int) -> str | None:
    """What the API said, when it refused."""
    name = environment.name
    match does:
        case "push":
            baseten.push(name)
        case "promote":
            return _ask(baseten, "promote", name, {"deployment_id": source})
        case "types":
            return _ask(baseten, "update_instance_types", name, {"updates": [{"chainlet_name": "Llm", "instance_type_id": type_id}]})
        case "deactivate_candidate" if environment.candidate is not None:
            baseten.turn_off(environment.candidate)
        case "deactivate_current" if environment.current is not None:
            baseten.turn_off(environment.current)
        case "pause" | "resume":
            baseten.pause(environment, paused=does == "pause")
        case "vanish":
            del baseten.environments[name]
        case "autoscale":
            for settings in environment.autoscaling.values():
                settings["max_replica"] = number
        case "settings":
            environment.promotion["ramp_up_duration_seconds"] = 100 * number
            environment.promotion["rolling_deploy_config"]["max_surge_percent"] = number
    return None


def _ask(baseten: Baseten, endpoint: str, name: str, body: dict[str, Any]) -> str | None:
    try:
        baseten.handle(endpoint, {"chain_id": baseten.chain, "env_name": name}, body)
    except RefusedError as error:
        return str(error)
    return None
