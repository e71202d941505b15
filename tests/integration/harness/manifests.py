"""Resources as a person writes them, and the bodies that Baseten's own documentation shows."""

from __future__ import annotations

from typing import Any

from .cluster import Json

CHAIN = "abcd1234"
"""The simulator's chain; its chainlets are HelloWorld and RandInt."""

SEED_CREATE: Json = {
    "name": "staging",
    "promotion_settings": {"ramp_up_duration_seconds": 600, "ramp_up_while_promoting": True, "redeploy_on_promotion": True},
    "chainlet_settings": [
        {
            "autoscaling_settings": {
                "autoscaling_window": 800,
                "concurrency_target": 4,
                "max_replica": 3,
                "min_replica": 2,
                "scale_down_delay": 63,
            },
            "chainlet_name": "HelloWorld",
            "instance_type_id": "2x8",
        },
        {
            "autoscaling_settings": {"max_replica": 3, "min_replica": 3},
            "chainlet_name": "RandInt",
            "instance_type_id": "A10Gx8x32",
        },
    ],
}
"""The documented example of "Create a chain environment", without its nulls."""

SEED_INSTANCE_TYPES: Json = {
    "updates": [
        {"chainlet_name": "HelloWorld", "instance_type_id": "1x4"},
        {"chainlet_name": "RandInt", "instance_type_id": "A10G:2x24x96"},
    ]
}
"""The documented example of "Update chainlet instance types"."""


def resource(name: str = "staging", /, **spec: Any) -> Json:
    return {
        "apiVersion": "chains.baseten.co/v1alpha1",
        "kind": "ChainEnvironment",
        "metadata": {"name": name},
        "spec": {"chainID": CHAIN, **spec},
    }


def chainlet(name: str, instance_type: str | None = None, /, **autoscaling: Any) -> Json:
    """One entry of chainletSettings; what is not given is left out."""
    entry: Json = {"chainletName": name}
    if instance_type is not None:
        entry["instanceTypeID"] = instance_type
    if autoscaling:
        entry["autoscalingSettings"] = autoscaling
    return entry
