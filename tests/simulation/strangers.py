"""What others do to the environment, without asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .baseten import RefusedError

if TYPE_CHECKING:
    from .runner import Simulation


def stranger(simulation: Simulation, does: str, source: str, type: str, number: int) -> None:  # noqa: A002 - a step's own word
    baseten, invariants = simulation.baseten, simulation.invariants
    name = simulation.story.spec["environmentName"]
    environment = baseten.environments.get(name)
    if environment is None:
        if does in ("recreate", "push"):
            baseten.add_environment(name, deployed=True)
        return
    match does:
        case "push":
            baseten.push(name)
        case "promote":
            try:
                baseten.handle("promote", {"chain_id": baseten.chain, "env_name": name}, {"deployment_id": source})
            except RefusedError as error:
                simulation.log("stranger", f"is refused: {error}")
        case "deactivate_candidate":
            if environment.candidate is not None:
                baseten.turn_off(environment.candidate)
        case "deactivate_current":
            if environment.current is not None:
                baseten.turn_off(environment.current)
        case "recreate":
            baseten.add_environment(name, deployed=number > 4)
            invariants.asked_again()
        case "vanish":
            del baseten.environments[name]
        case "autoscale":
            for settings in environment.autoscaling.values():
                settings["max_replica"] = number
        case "types":
            invariants.epoch["update_instance_types"] += 1
            try:
                updates = {"updates": [{"chainlet_name": "Llm", "instance_type_id": type}]}
                baseten.handle("update_instance_types", {"chain_id": baseten.chain, "env_name": name}, updates)
            except RefusedError as error:
                simulation.log("stranger", f"is refused: {error}")
        case "settings":
            environment.promotion["ramp_up_duration_seconds"] = 100 * number
            environment.promotion["rolling_deploy_config"]["max_surge_percent"] = number
