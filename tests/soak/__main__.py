"""``python -m soak --minutes 10 --seed 1``: everything, each kind of attack for its share of the time."""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from pathlib import Path

from soak import deaths, mutants, two_processes, writers
from soak.small_training import SmallTraining
from soak.tally import Tally

SHARES = {"mutants": 0.3, "deaths": 0.2, "disks": 0.12, "writers": 0.1, "two": 0.05, "monkey": 0.23}
"""Of the time, what each kind of attack gets; the monkey comes last and takes what is left."""
MUTANTS_AT_ONCE = 50


def main() -> int:
    """Attack for some minutes and print the table; return 1 where a fault was found."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slice", action="store_true", help="a few tries of everything without a window")
    parser.add_argument("--only", choices=list(SHARES), action="append")
    options = parser.parse_args()
    wanted = options.only or list(SHARES)
    total = sum(SHARES[name] for name in wanted)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="eatlas-soak-") as folder:
        small = SmallTraining(Path(folder) / "small")
        if options.slice:
            _slice(small, Path(folder) / "slice", tally, options.seed)
            wanted = []
        for name in wanted:
            place = Path(folder) / name
            place.mkdir()
            seconds = 60 * options.minutes * SHARES[name] / total
            print(f"{name} for {seconds:.0f} s", file=sys.stderr, flush=True)
            ATTACKS[name](small, place, tally, options.seed, seconds)
    print(tally.table())
    for kind, fault in tally.faults:
        print(f"{kind}: {fault}")
    return 1 if tally.faults else 0


def _slice(small: SmallTraining, place: Path, tally: Tally, seed: int) -> None:
    """Some tries of every kind, the same for every computer."""
    place.mkdir()
    rng = random.Random(seed)
    for wanted in mutants.formats(place, small):
        mutants.attack(wanted, place / "mutants", range(seed, seed + 8), tally)
    work = place / "work"
    work.mkdir()
    for beginning in deaths.BEGINNINGS:
        known = deaths.operations(small, beginning, work)
        for number in rng.sample(range(len(known)), 4):
            tally.add(f"death of {beginning}", deaths.die(small, beginning, number, work))
        for kind in deaths.ERRORS:
            first = rng.randrange(len(known))
            fault, refused = deaths.fail(small, beginning, kind, (first, first + 30), work)
            tally.add(f"{kind} under {beginning}", fault, refused=refused)
    writers.attack(small, work, tally, rng, math.inf, step=40)
    for killed in (False, True):
        two_processes.meet(small, work, tally, rng, killed=killed)


def _mutants(small: SmallTraining, place: Path, tally: Tally, seed: int, seconds: float) -> None:
    until, known = time.monotonic() + seconds, mutants.formats(place, small)
    for batch in mutants.numbers(seed * 1_000_000, MUTANTS_AT_ONCE):
        for wanted in known:
            if time.monotonic() > until:
                return
            mutants.attack(wanted, place, batch, tally)


def _deaths(small: SmallTraining, place: Path, tally: Tally, seed: int, seconds: float) -> None:
    rng, until = random.Random(seed), time.monotonic() + seconds
    deaths.die_everywhere(small, place, tally, until)
    while time.monotonic() < until:
        deaths.kill_at_random(small, place, tally, rng)


def _disks(small: SmallTraining, place: Path, tally: Tally, seed: int, seconds: float) -> None:
    rng, until = random.Random(seed), time.monotonic() + seconds
    deaths.fail_at_random(small, place, tally, until - seconds / 4, rng)
    while time.monotonic() < until:
        deaths.limit_sizes(small, place, tally, rng)


def _writers(small: SmallTraining, place: Path, tally: Tally, seed: int, seconds: float) -> None:
    writers.attack(small, place, tally, random.Random(seed), time.monotonic() + seconds)


def _two(small: SmallTraining, place: Path, tally: Tally, seed: int, seconds: float) -> None:
    rng, until = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < until:
        two_processes.meet(small, place, tally, rng, killed=rng.random() < 0.3)


def _monkey(_small: SmallTraining, place: Path, tally: Tally, seed: int, seconds: float) -> None:
    from soak import monkey

    monkey.in_a_process(place, tally, seed, seconds)


ATTACKS = {
    "mutants": _mutants,
    "deaths": _deaths,
    "disks": _disks,
    "writers": _writers,
    "two": _two,
    "monkey": _monkey,
}

if __name__ == "__main__":
    sys.exit(main())
