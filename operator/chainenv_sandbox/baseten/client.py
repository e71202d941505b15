"""A typed client of the control API, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypedDict

import httpx

from chainenv_sandbox.baseten.errors import JsonObject
from chainenv_sandbox.baseten.faults import Garbage, Kind
from chainenv_sandbox.baseten.holds import IfGone
from chainenv_sandbox.baseten.journal import Entry
from chainenv_sandbox.baseten.matching import Point

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Started(TypedDict):
    id: str
    chain_id: str
    environment: str | None
    origin: Literal["create", "instance_types", "promote"]
    created_at: float


class SimulatorError(Exception):
    """The control API refused, or what was waited for did not happen in time."""


class Simulator:
    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = httpx.Client(base_url=f"{base_url}/_control", timeout=180.0, trust_env=False)

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def _call(self, method: Method, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None) -> Any:
        params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in _given(query or {}).items()}
        response = self._http.request(method, path, json=None if body is None else _given(body), params=params)
        if response.is_error:
            raise SimulatorError(f"{method} {path}: {response.status_code} {response.text}")
        return response.json()

    # The whole.

    def state(self) -> JsonObject:
        """now, calls, in_flight, most_in_flight, rate_limited, chains {id: {environments: [names], deployments: {id: status}}}."""
        result: JsonObject = self._call("GET", "/state")
        return result

    def reset(self) -> None:
        """Back to the start: chains, options, keys, journal. Held calls are released."""
        self._call("POST", "/reset", {})

    def options(self) -> JsonObject:
        result: JsonObject = self._call("GET", "/options")
        return result

    def set_options(self, **changes: Any) -> JsonObject:
        """Names and kinds: `options.Options`. Unlike elsewhere, None is a value here."""
        response = self._http.patch("/options", json=changes)
        if response.is_error:
            raise SimulatorError(f"options: {response.status_code} {response.text}")
        result: JsonObject = response.json()
        return result

    def set_rate_limit(self, per_second: int) -> None:
        """For each key and endpoint; 0 is off."""
        self.set_options(rate_limit=per_second)

    def advance(self, seconds: float) -> float:
        """Moves the simulator's clock (deployments, visibility; not rate limits). Returns its time, epoch seconds."""
        return float(self._call("POST", "/clock", {"seconds": seconds})["now"])

    # The journal.

    def journal(
        self,
        *,
        since: int = 0,
        method: Method | None = None,
        endpoint: str | None = None,
        path: str | None = None,
        key: str | None = None,
        status: int | None = None,
        effect: str | None = None,
        done: bool = False,
    ) -> list[Entry]:
        """Calls in order of arrival, filtered by `journal.Filter`. since: a sequence number, exclusive."""
        query = {"since": since, "method": method, "endpoint": endpoint, "path": path, "key": key, "status": status, "effect": effect}
        return [Entry(**one) for one in self._call("GET", "/journal", query={**query, "done": done})]

    def wait_journal(
        self,
        count: int = 1,
        *,
        timeout: float = 120.0,
        since: int = 0,
        method: Method | None = None,
        endpoint: str | None = None,
        path: str | None = None,
        status: int | None = None,
        effect: str | None = None,
        done: bool = True,
    ) -> list[Entry]:
        """Waits until so many calls fit (and are over, unless done=False). Raises SimulatorError."""
        query = {"since": since, "method": method, "endpoint": endpoint, "path": path, "status": status, "effect": effect, "done": done}
        return [Entry(**one) for one in self._call("GET", "/journal/wait", query={**query, "count": count, "timeout": timeout})]

    def clear_journal(self) -> None:
        self._call("DELETE", "/journal")

    def started_deployments(self, chain: str | None = None) -> list[Started]:
        """Every deployment the public API ever started, oldest first; pushes are not in it. The test of "never twice"."""
        result: list[Started] = self._call("GET", "/started", query={"chain": chain})
        return result

    # Chains, environments, deployments: what people do.

    def add_chain(self, chain: str, chainlets: Sequence[str], *, name: str | None = None, deployed: bool = True) -> JsonObject:
        """deployed: pushed, with an ACTIVE deployment in production."""
        result: JsonObject = self._call("POST", "/chains", {"id": chain, "chainlets": list(chainlets), "name": name, "deployed": deployed})
        return result

    def delete_chain(self, chain: str) -> None:
        self._call("DELETE", f"/chains/{chain}")

    def fail_next(self, chain: str, status: str, *, environment: str | None = None, times: int = 1) -> None:
        """The chain's next deployments (to that environment) end as BUILD_FAILED, BUILD_STOPPED, DEPLOY_FAILED, FAILED, ..."""
        self._call("POST", f"/chains/{chain}/failures", {"status": status, "environment": environment, "times": times})

    def add_environment(self, chain: str, name: str, *, deployed: bool = False, by: str | None = None) -> JsonObject:
        """`by`, here and below: who does it as the audit log names it: "system", an address, or a key's name; None: a person."""
        result: JsonObject = self._call("POST", f"/chains/{chain}/environments", {"name": name, "deployed": deployed, "by": by})
        return result

    def environment(self, chain: str, name: str) -> JsonObject:
        """As GET answers (both shapes at once), plus visible, autoscaling and instance_types {chainlet: ...} as last asked for."""
        result: JsonObject = self._call("GET", f"/chains/{chain}/environments/{name}")
        return result

    def edit_environment(
        self,
        chain: str,
        name: str,
        *,
        autoscaling: Mapping[str, Mapping[str, int | None]] | None = None,
        promotion: Mapping[str, Any] | None = None,
        instance_types: Mapping[str, str] | None = None,
        by: str | None = None,
    ) -> JsonObject:
        """Somebody changes settings by hand: at once, unchecked, without a deployment."""
        body = {"autoscaling": autoscaling, "promotion": promotion, "instance_types": instance_types, "by": by}
        result: JsonObject = self._call("PATCH", f"/chains/{chain}/environments/{name}", body)
        return result

    def set_promotion(
        self, chain: str, name: str, status: str | None, *, percent: int = 0, error: str | None = None, rolling: bool | None = None
    ) -> JsonObject:
        """`in_progress_promotion` shows this, any status, until it is set to None."""
        progress = {"status": status, "percent_traffic_to_new_version": percent, "error_message": error, "rolling_deploy": rolling}
        path = f"/chains/{chain}/environments/{name}/promotion"
        result: JsonObject = self._call("PUT", path, {} if status is None else progress)
        return result

    def delete_environment(self, chain: str, name: str) -> None:
        """It vanishes; its deployments stay."""
        self._call("DELETE", f"/chains/{chain}/environments/{name}")

    def add_deployment(
        self,
        chain: str,
        *,
        environment: str | None = None,
        active: bool = False,
        chainlets: Sequence[str] | None = None,
        deployment_id: str | None = None,
        by: str | None = None,
    ) -> JsonObject:
        """A push. environment: promoted there as it comes; active: at once; chainlets: the chain's from now on."""
        body = {"environment": environment, "active": active, "chainlets": chainlets, "id": deployment_id, "by": by}
        result: JsonObject = self._call("POST", f"/chains/{chain}/deployments", body)
        return result

    def deployment(self, deployment_id: str) -> JsonObject:
        result: JsonObject = self._call("GET", f"/deployments/{deployment_id}")
        return result

    def set_deployment(
        self,
        deployment_id: str,
        *,
        status: str | None = None,
        for_seconds: float | None = None,
        chainlets: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> JsonObject:
        """Any status, also unknown ones; it stays, or returns after for_seconds.

        chainlets: {name: {"status": ..., "active_replica_count": ...}}, which stay until set to None.
        """
        body = {"status": status, "for_seconds": for_seconds, "chainlets": chainlets}
        result: JsonObject = self._call("PATCH", f"/deployments/{deployment_id}", body)
        return result

    def wake(self, deployment_id: str) -> JsonObject:
        """A call comes in: SCALED_TO_ZERO -> WAKING_UP -> ACTIVE."""
        result: JsonObject = self._call("POST", f"/deployments/{deployment_id}/wake", {})
        return result

    def activate(self, deployment_id: str, *, by: str | None = None) -> JsonObject:
        """What the API for chains cannot."""
        result: JsonObject = self._call("POST", f"/deployments/{deployment_id}/activate", {"by": by})
        return result

    def deactivate(self, deployment_id: str, *, by: str | None = None) -> JsonObject:
        """Behind the API's back; by "system": for inactivity."""
        result: JsonObject = self._call("POST", f"/deployments/{deployment_id}/deactivate", {"by": by})
        return result

    def add_log(
        self,
        deployment_id: str,
        chainlet: str,
        message: str,
        *,
        level: str | None = None,
        seconds_ago: float = 0.0,
        replica: str | None = None,
        request_id: str | None = None,
        component: str | None = None,
    ) -> None:
        line = {"chainlet": chainlet, "message": message, "level": level, "seconds_ago": seconds_ago, "replica": replica}
        self._call("POST", f"/deployments/{deployment_id}/logs", {**line, "request_id": request_id, "component": component})

    # Who, and how much.

    def audit_log(self, chain: str) -> list[JsonObject]:
        """All of it, also what does not show yet, oldest first; with `environment`, also where the event does not name it."""
        result: list[JsonObject] = self._call("GET", f"/chains/{chain}/audit_logs")["items"]
        return result

    def add_audit_entry(
        self,
        chain: str,
        event_type: str,
        *,
        environment: str | None = None,
        by: str | None = None,
        source: str | None = None,
        seconds_ago: float = 0.0,
        **data: Any,
    ) -> JsonObject:
        """An entry of any kind, unchecked. data: what the event holds; None is a value there."""
        body = {"event_type": event_type, "environment": environment, "by": by, "source": source, "seconds_ago": seconds_ago, "data": data}
        result: JsonObject = self._call("POST", f"/chains/{chain}/audit_logs", body)
        return result

    def set_prices(self, prices: Mapping[str, float | str | None]) -> JsonObject:
        """USD a minute and replica by instance type, as a number or as text, as the answer shows it; None: not listed. Returns all."""
        response = self._http.patch("/prices", json=dict(prices))
        if response.is_error:
            raise SimulatorError(f"prices: {response.status_code} {response.text}")
        result: JsonObject = response.json()
        return result

    # Keys.

    def add_key(
        self,
        name: str,
        value: str,
        *,
        read_only: bool = False,
        restricted_environments: Sequence[str] = (),
        audit_logs: bool = True,
        user_id: str = "sandbox",
    ) -> None:
        """Replaces the key of that name. In restricted environments its writes answer 403, and so do audit logs that it may not read."""
        body = {"name": name, "value": value, "read_only": read_only, "restricted_environments": list(restricted_environments)}
        self._call("POST", "/keys", {**body, "audit_logs": audit_logs, "user_id": user_id})

    def revoke_key(self, name: str) -> None:
        self._call("DELETE", f"/keys/{name}")

    # Faults and holds.

    def add_fault(
        self,
        kind: Kind,
        *,
        method: Method | None = None,
        path: str = "",
        key: str | None = None,
        times: int | None = 1,
        skip: int = 0,
        point: Point | None = None,
        status: int | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        garbage: Garbage | None = None,
        size: int | None = None,
        location: str | None = None,
        probability: float | None = None,
        seed: int | None = None,
    ) -> int:
        """Returns the fault's id. See `faults.Fault` and `matching.Match`. times=None: for ever."""
        chosen = {"point": point, "status": status, "body": body, "headers": headers, "seconds": seconds, "garbage": garbage}
        chosen |= {"size": size, "location": location, "probability": probability, "seed": seed}
        match = {"method": method, "path": path, "key": key, "times": times, "skip": skip}
        return int(self._post_match("/faults", {"kind": kind, **chosen}, match)["id"])

    def faults(self) -> list[JsonObject]:
        result: list[JsonObject] = self._call("GET", "/faults")
        return result

    def clear_faults(self, fault_id: int | None = None) -> None:
        self._call("DELETE", "/faults" if fault_id is None else f"/faults/{fault_id}")

    def hold(
        self,
        name: str,
        *,
        method: Method | None = None,
        path: str = "",
        key: str | None = None,
        times: int | None = 1,
        skip: int = 0,
        point: Point = "before_effect",
        if_gone: IfGone = "effect",
    ) -> None:
        """Matching calls stop at the point until `release`. if_gone: see `holds.Hold`."""
        match = {"method": method, "path": path, "key": key, "times": times, "skip": skip}
        self._post_match("/holds", {"name": name, "point": point, "if_gone": if_gone}, match)

    def wait_held(self, name: str, *, count: int = 1, gone: int = 0, timeout: float = 120.0) -> JsonObject:
        """Waits until so many calls have been caught, and the clients of so many have gone. Raises SimulatorError."""
        result: JsonObject = self._call("GET", f"/holds/{name}/wait", query={"count": count, "gone": gone, "timeout": timeout})
        return result

    def release(self, name: str | None = None) -> None:
        """Held calls go on and the hold point is gone (None: all of them)."""
        self._call("DELETE", "/holds" if name is None else f"/holds/{name}")

    def _post_match(self, path: str, chosen: JsonObject, match: JsonObject) -> JsonObject:
        response = self._http.post(path, json={**_given(chosen), **match})
        if response.is_error:
            raise SimulatorError(f"POST {path}: {response.status_code} {response.text}")
        result: JsonObject = response.json()
        return result


def _given(values: Mapping[str, Any]) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}
