"""`python -m mrframe.testing.simulation.simulate --seeds 10000`: many fault schedules against the real cores.

Ends with 1 and the seeds that failed when an invariant broke. `--seed N` plays one seed, twice, and prints
its trace: both plays must be equal. The figures say how much happened, so that a weather that has become
too fair is noticed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from time import perf_counter

from mrframe.core.scheduling.invariants import InvariantBroken
from mrframe.testing.simulation.simulated_cluster import run

FAILED_MAX = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the seeds that the arguments ask for. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mrframe.testing.simulation.simulate", description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to play (default: 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--seed", type=int, help="play only this seed and print its trace")
    chosen = parser.parse_args(arguments)
    if chosen.seed is not None:
        return play_one(chosen.seed)
    return play_many(chosen.first, chosen.seeds)


def play_one(seed: int) -> int:
    """Play a seed twice and print its trace."""
    try:
        trace, again = run(seed), run(seed)
    except InvariantBroken as broken:
        _say(str(broken))
        return 1
    _say("\n".join(trace.lines))
    equal = trace.digest == again.digest
    _say(f"seed {seed}: {trace.digest}, {'the same' if equal else 'ANOTHER TRACE'} when played again")
    return 0 if equal else 1


def play_many(first: int, count: int) -> int:
    """Play seeds and print the figures. Stops after `FAILED_MAX` failures."""
    begun = perf_counter()
    failed: list[int] = []
    events = attempts = restarts = 0
    for seed in range(first, first + count):
        try:
            trace = run(seed)
        except InvariantBroken as broken:
            failed.append(seed)
            _say(f"seed {seed} failed: {broken}\n")
            if len(failed) == FAILED_MAX:
                break
            continue
        events, attempts, restarts = events + trace.events, attempts + trace.attempts, restarts + trace.epochs - 1
    seconds = perf_counter() - begun
    _say(
        f"{count:,} fault schedules in {seconds:.1f} s: {events:,} events, {attempts:,} attempts, "
        f"{restarts:,} restarts of the master; {len(failed)} failed {failed or ''}".rstrip()
    )
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
