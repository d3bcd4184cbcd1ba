"""Measure the driver with many trials on three nodes: ``python -m benchmarks.cluster``.

The nodes are processes on this machine with one core each, and the head trains nothing. The trainings return
at once, so the time is the driver's.
"""

import argparse

from ray.cluster_utils import Cluster

from benchmarks.figures import Figure, conclude
from benchmarks.overhead import cost

N_NODES, MOST_MB = 3, 50


def figures(*, trials: int = 1000) -> list[Figure]:
    """Measure a sweep of ``trials`` trials with one report each."""
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0, "include_dashboard": False}
    )
    try:
        for _ in range(N_NODES):
            cluster.add_node(num_cpus=1, num_gpus=0)
        cluster.wait_for_nodes()
        found = cost(trials, reports=1, method="random", waits=False, address=cluster.address)
    finally:
        cluster.shutdown()
    return [
        Figure(f"time per trial on {N_NODES} nodes, {trials} trials, ms", found.trial_ms),
        Figure(
            "growth of the driver's memory in the second half of the trials, MB",
            found.memory_mb,
            asked=MOST_MB,
        ),
    ]


def main() -> None:
    """Measure, print the figures, and exit with 1 if any misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="trials of the sweep (1000)")
    conclude(figures(trials=parser.parse_args().trials))


if __name__ == "__main__":
    main()
