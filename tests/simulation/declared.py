"""What a spec declares, and what a read of the environment confirms of it."""

from __future__ import annotations

from typing import Any

from .wire import Sent

Json = dict[str, Any]


def declared_types(spec: Json) -> Json:
    return {c["chainletName"]: c["instanceTypeID"] for c in spec.get("chainletSettings", ()) if "instanceTypeID" in c}


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def flat_promotion(spec: Json) -> Json:
    settings = dict(spec.get("promotionSettings") or {})
    inner = settings.pop("rollingDeployConfig", {})
    out = {snake(k): v for k, v in settings.items()}
    for name, value in inner.items():
        out[snake(name)] = value
    return out


def differs(spec: Json, shown: Json | None, promoted: bool) -> str | None:
    """The first managed field that a read does not confirm; None when it confirms all."""
    if shown is None:
        return "no environment"
    there = {c["chainlet_name"]: c for c in shown["chainlet_settings"]}
    for chainlet in spec.get("chainletSettings", ()):
        seen = there.get(chainlet["chainletName"])
        if seen is None:
            return f"no chainlet {chainlet['chainletName']}"
        kind = (seen.get("instance_type") or {}).get("id")
        if "instanceTypeID" in chainlet and kind != chainlet["instanceTypeID"]:
            return f"{chainlet['chainletName']} runs on {kind}, wanted {chainlet['instanceTypeID']}"
        for name, value in (chainlet.get("autoscalingSettings") or {}).items():
            if (seen.get("autoscaling_settings") or {}).get(snake(name)) != value:
                return f"{chainlet['chainletName']} {name} is {(seen.get('autoscaling_settings') or {}).get(snake(name))}, wanted {value}"
    promotion = {**shown["promotion_settings"], **shown["promotion_settings"]["rolling_deploy_config"]}
    for name, value in flat_promotion(spec).items():
        if promotion.get(name) != value:
            return f"promotion setting {name} is {promotion.get(name)}, wanted {value}"
    current = (shown.get("current_deployment") or {}).get("id")
    return None if promoted or current == spec.get("deploymentID") else f"{spec.get('deploymentID')} was never promoted here"


def allowed(sent: Sent, spec: Json) -> bool:
    body, chainlets = sent.body, {c["chainletName"]: c for c in spec.get("chainletSettings", ())}
    if sent.endpoint == "promote":
        return "promoteFrom" in spec or bool(body["deployment_id"] == spec.get("deploymentID"))
    if sent.endpoint == "update_instance_types":
        return all(declared_types(spec).get(u["chainlet_name"]) == u["instance_type_id"] for u in body["updates"])
    if sent.endpoint == "update_autoscaling":
        return all(_scaling(u, chainlets) for u in body["updates"])
    if sent.endpoint == "update_environment":
        return _settings(body["promotion_settings"], spec)
    if sent.endpoint == "create_environment":
        each = body.get("chainlet_settings") or ()
        types = all(declared_types(spec).get(c["chainlet_name"], "1x2") == c.get("instance_type_id", "1x2") for c in each)
        return types and all(_scaling(c, chainlets) for c in each) and _settings(body.get("promotion_settings") or {}, spec)
    return sent.endpoint in ("deactivate", "delete_deployment")


def _scaling(update: Json, chainlets: Json) -> bool:
    wanted = {snake(k): v for k, v in (chainlets.get(update["chainlet_name"], {}).get("autoscalingSettings") or {}).items()}
    return all(wanted.get(k) == v for k, v in (update.get("autoscaling_settings") or {}).items())


def _settings(sent: Json, spec: Json) -> bool:
    """Surge and unavailable go with anything of their block: a server may put an omitted one back to its default."""
    wanted = flat_promotion(spec)
    flat = {**{k: v for k, v in sent.items() if k != "rolling_deploy_config"}, **(sent.get("rolling_deploy_config") or {})}
    return all(wanted.get(k) == v or k in ("max_surge_percent", "max_unavailable_percent") for k, v in flat.items())
