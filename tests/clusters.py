"""Ray clusters of several nodes, each a process on this machine, and trials that take no time there."""

from contextlib import contextmanager
from time import sleep

from ray.cluster_utils import Cluster

from benchmarks.instant import InstantTrainable

SOON = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 3,
}
"""Has Ray notice within seconds that a node is gone."""


@contextmanager
def cluster_of(*nodes):
    """Give a cluster with these nodes, beside a head that trains nothing."""
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


class UnhurriedTrainable(InstantTrainable):
    """Trains for long enough that several trials are under way at once."""

    def step(self):
        sleep(0.2)
        return super().step()
