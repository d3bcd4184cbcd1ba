"""Break sweeps in every way, many times: ``python -m tests.chaos --rounds 20``."""

import argparse
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.chaos import damage, kills
from tests.chaos.small import Workplace


def rounds_of(folder, rng, rounds):
    """Yield a tally for each way to break a sweep, with ``rounds`` kills of each kind."""
    yield damage.mutated_specs(folder, rng, 25 * rounds)
    yield damage.mutated_checkpoints(folder, rng, 10 * rounds)
    yield damage.damaged_records(folder, rng, 10 * rounds)
    place = Workplace(folder)
    yield damage.truncations(place, rng)
    yield kills.full_disks(place, rng, max(1, rounds // 10))
    yield kills.kills_of_the_driver(place, rng, rounds)
    yield kills.kills_of_workers(place, rng, rounds)
    yield kills.kills_of_nodes(place, rng, max(1, rounds // 4))
    yield kills.kills_of_the_server(place, rng, max(1, rounds // 4))


def main():
    """Print a line for each way to break a sweep, and what was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="kills of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lost = []
    print(f"{'':28}{'tried':>8}{'survived':>10}{'lost':>6}")
    with TemporaryDirectory(prefix="gan-sweep-chaos-") as folder:
        for tally in rounds_of(Path(folder), Random(options.seed), options.rounds):
            row = f"{tally.what:28}{tally.tried:8}{tally.survived:10}{len(tally.lost):6}"
            print(row, *tally.lost, sep="\n", flush=True)
            lost += tally.lost
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
