"""python -m benchmarks [storm|limit|shared|fleet|scrape|large|profile]...: without names, all but the profile, one after the other."""

from __future__ import annotations

import sys

from . import fleet, large, limit, profile, scrape, shared, storm

ALL = {
    "storm": storm.measure,
    "limit": limit.measure,
    "shared": shared.measure,
    "fleet": fleet.measure,
    "scrape": scrape.measure,
    "large": large.measure,
    "profile": profile.measure,
}

if __name__ == "__main__":
    chosen = sys.argv[1:] or [name for name in ALL if name != "profile"]
    if unknown := [name for name in chosen if name not in ALL]:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}")
    for name in chosen:
        print(f"\n{name}: {(sys.modules[ALL[name].__module__].__doc__ or '').splitlines()[0]}", flush=True)
        for line in ALL[name]():
            print(line, flush=True)
