"""Start Ray clusters with nodes that are processes on this machine, for trials that take no time."""

import sys
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import ray
from ray._private.state import actors
from ray.cluster_utils import Cluster
from ray.util import placement_group_table

from benchmarks.instant import InstantTrainable

SOON = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 3,
}
"""Makes Ray notice within seconds that a node is gone."""


@contextmanager
def cluster_of(*nodes):
    """Run a cluster of these nodes, and of a head on which no trial runs."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "num_gpus": 0, "include_dashboard": False, "_system_config": SOON},
    )
    try:
        for resources in nodes:
            cluster.add_node(**resources)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


class PatientTrainable(InstantTrainable):
    """Waits before each step until a trial runs on each of two nodes."""

    def setup(self, config, **shared):
        super().setup(config, **shared)
        self._met = Path(config["checkpoint"]).parent
        (self._met / self._place["node_id"]).touch()

    def step(self):
        until = monotonic() + 120
        while len(list(self._met.iterdir())) < 2 and monotonic() < until:
            sleep(0.05)
        sleep(0.1)
        return super().step()


def print_what_is_left(address):
    """Print the actors and placement groups that a cluster has not ended within 20 seconds."""
    ray.init(address=address, log_to_driver=False)
    deadline = monotonic() + 20
    while left := [*living_actors(), *kept_groups()]:
        if monotonic() > deadline:
            break
        sleep(0.2)
    ray.shutdown()
    sys.stdout.write("\n".join(map(str, left)))


def living_actors():
    return [actor for actor in actors().values() if actor["State"] != "DEAD"]


def kept_groups():
    return [group for group in placement_group_table().values() if group["state"] != "REMOVED"]


if __name__ == "__main__":
    print_what_is_left(sys.argv[1])
