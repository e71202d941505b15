"""Other resources with the same key, which somebody disturbs every half hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .model import Environment

if TYPE_CHECKING:
    from .runner import Simulation


def settle_down(simulation: Simulation, name: str) -> None:
    """A neighbour, whose settings somebody changes every half hour: see ``invariants.neighbours_are_served``."""
    environment = simulation.baseten.add_environment(name, deployed=True)
    environment.created = -600.0
    if environment.current is not None:
        environment.current.status, environment.current.served, environment.current.created = "ACTIVE", True, -500.0
    spec: dict[str, Any] = {"chainID": "chain1", "environmentName": name}
    spec |= {"chainletSettings": [{"chainletName": "Llm", "autoscalingSettings": {"maxReplica": 4}}]}
    spec |= {k: v for k, v in simulation.story.spec.items() if k == "apiKeySecretRef"}
    simulation.api.create("apps", name, spec)
    simulation.invariants.neighbours.add(name)
    simulation.loop.call_later(1800, disturb, simulation, environment)


def disturb(simulation: Simulation, environment: Environment) -> None:
    if not simulation.over.done() and simulation.loop.now < simulation.story.seconds - simulation.story.quiet:
        environment.autoscaling["Llm"]["max_replica"] = 9
        simulation.loop.call_later(900, simulation.invariants.neighbours_are_served, environment)
        simulation.loop.call_later(1800, disturb, simulation, environment)


def sample(simulation: Simulation) -> None:
    """Each minute: is anything wrong that concerns everybody?"""
    process = simulation.process
    watching = process is not None and process.watcher.lag < 1 and not process.watcher.lost and not process.watcher.echo
    calm = (
        not (simulation.network.troubles or simulation.api.failing)
        and simulation.network.keys[simulation.good] == "good"
        and simulation.key_is_there
    )
    if not (calm and watching and process is not None and process.leading and simulation.loop.now - process.started > 60):
        simulation.invariants.disturbed_at = simulation.loop.now
    if not simulation.over.done():
        simulation.loop.call_later(60, sample, simulation)
