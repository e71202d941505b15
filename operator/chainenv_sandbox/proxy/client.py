"""A typed client of the control API, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import httpx
import yaml

from chainenv_sandbox.baseten.holds import IfGone
from chainenv_sandbox.baseten.journal import Entry
from chainenv_sandbox.baseten.matching import Point

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class ProxyError(Exception):
    """The control API refused, or what was waited for did not happen in time."""


class Proxy:
    """``url`` is where the API server is to be found by whoever shall be disturbed."""

    def __init__(self, url: str, control: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=control, timeout=180.0, trust_env=False)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def _call(self, method: Method, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None) -> Any:
        params = {
            name: str(value).lower() if isinstance(value, bool) else value for name, value in (query or {}).items() if value is not None
        }
        response = self._http.request(method, path, json=body, params=params)
        if response.is_error:
            raise ProxyError(f"{method} {path}: {response.status_code} {response.text}")
        return response.json()

    def reset(self) -> None:
        """As if it had just been started; held calls go on, watches that went mute stay so."""
        self._call("POST", "/reset", {})

    def kubeconfig(self, original: Path) -> str:
        """The same user's kubeconfig, with the proxy in the place of the API server."""
        config = yaml.safe_load(original.read_text(encoding="utf-8"))
        for each in config["clusters"]:
            each["cluster"] = {"server": self.url}
        return str(yaml.safe_dump(config, sort_keys=False))

    # What went through. ``endpoint`` of an entry is "call" or "watch"; ``status`` is None while there is no answer.

    def calls(
        self,
        *,
        since: int = 0,
        method: Method | None = None,
        path: str | None = None,
        endpoint: Literal["call", "watch"] | None = None,
        status: int | None = None,
        done: bool = False,
    ) -> list[Entry]:
        """In order of arrival. path: regular expression, searched. since: a sequence number, exclusive."""
        query = {"since": since, "method": method, "path": path, "endpoint": endpoint, "status": status, "done": done}
        return [Entry(**each) for each in self._call("GET", "/calls", query=query)]

    def wait_calls(
        self,
        count: int = 1,
        *,
        timeout: float = 120.0,
        since: int = 0,
        method: Method | None = None,
        path: str | None = None,
        endpoint: Literal["call", "watch"] | None = None,
        done: bool = False,
    ) -> list[Entry]:
        """Waits until so many calls fit. Raises ProxyError."""
        query = {"since": since, "method": method, "path": path, "endpoint": endpoint, "done": done}
        return [Entry(**each) for each in self._call("GET", "/calls/wait", query={**query, "count": count, "timeout": timeout})]

    def mark(self) -> int:
        """What arrives from now on has a greater number."""
        return max((entry.seq for entry in self.calls()), default=0)

    # Holds and delays.

    def hold(
        self,
        name: str,
        *,
        method: Method | None = None,
        path: str = "",
        times: int | None = 1,
        skip: int = 0,
        point: Point = "before_effect",
        if_gone: IfGone = "effect",
    ) -> None:
        """Matching calls stop before they are passed on, or with the API server's answer in hand. if_gone: see `holds.Hold`."""
        match = {"method": method, "path": path, "times": times, "skip": skip}
        self._call("POST", "/holds", {"name": name, "point": point, "if_gone": if_gone, **match})

    def wait_held(self, name: str, *, count: int = 1, gone: int = 0, timeout: float = 120.0) -> None:
        """Waits until so many calls have been caught, and the clients of so many have gone. Raises ProxyError."""
        self._call("GET", f"/holds/{name}/wait", query={"count": count, "gone": gone, "timeout": timeout})

    def release(self, name: str | None = None) -> None:
        """Held calls go on and the hold point is gone (None: all of them)."""
        self._call("DELETE", "/holds" if name is None else f"/holds/{name}")

    def delay(self, seconds: float, *, method: Method | None = None, path: str = "", times: int | None = None) -> None:
        self._call("POST", "/delays", {"seconds": seconds, "method": method, "path": path, "times": times})

    def clear_delays(self) -> None:
        self._call("DELETE", "/delays")

    # Connections.

    def watches(self) -> dict[str, int]:
        """open: all that go through just now; mute: those of them that send nothing any more."""
        result: dict[str, int] = self._call("GET", "/watches")
        return result

    def cut_watches(self) -> int:
        """All that are open break; how many."""
        return int(self._call("POST", "/watches/cut", {})["count"])

    def mute_watches(self, *, new: bool = False) -> int:
        """All that are open stay so and send nothing any more; ``new``: those to come as well, until `reset`. How many."""
        return int(self._call("POST", "/watches/mute", {"new": new})["count"])

    def refuse(self) -> None:
        """Open connections break, new ones are refused."""
        self._call("POST", "/connections", {"accept": False})

    def accept(self) -> None:
        self._call("POST", "/connections", {"accept": True})
