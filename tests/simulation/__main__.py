"""``python -m tests.simulation --runs 1000 --seed 1``: plays so many seeds from the given one on; exit code 1 when one fails."""

from __future__ import annotations

import argparse
import sys
import time

from .runner import play
from .shrinking import shrink
from .story import draw


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="virtual days")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--all", action="store_true", help="go on after a failure, and shrink none")
    arguments = parser.parse_args()
    started, failed, days = time.perf_counter(), 0, 0.0
    for seed in range(arguments.seed, arguments.seed + arguments.runs):
        outcome = play(draw(seed))
        days += outcome.days
        if outcome.violation is None:
            continue
        failed += 1
        if arguments.all:
            print(f"seed {seed}: {str(outcome.violation)[-300:]}".replace("\n", " "), flush=True)
            continue
        print(shrink(outcome).text)
        break
    print(f"{days:.0f} virtual days in {time.perf_counter() - started:.1f} s, {failed} seeds failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
