"""Sweeps on Ray clusters of several nodes, which are processes on this machine."""

from itertools import pairwise
from unittest.mock import patch

import pytest
import ray

import sweeps
from sweeps import session
from sweeps.ledger import read_ledger
from tests.clusters import UnhurriedTrainable, cluster_of

QUICK = {
    "method": "random",
    "early_terminate": {"type": "none"},
    "confirm": None,
    "parameters.steps": {"value": 30},
    "parameters.report_every": {"value": 10},
}


def run_unhurried(cluster, results, **overrides):
    with patch.object(session, "GanTrainable", UnhurriedTrainable):
        sweep = sweeps.run(
            "search_spaces/lsgan.yaml",
            overrides=QUICK | overrides,
            results=results,
            address=cluster.address,
            quiet=True,
        )
    return read_ledger(sweep.name, results).trials


def spans(rows):
    """Return, by device, when each trial began and ended there."""
    by_device = {}
    for row in rows:
        (place,) = row["places"]
        for gpu in place["gpus"]:
            by_device.setdefault((place["node_id"], gpu), []).append((place["at"], row["ended_at"]))
    return {device: sorted(its) for device, its in by_device.items()}


def test_no_two_trials_hold_one_gpu_and_all_gpus_are_used(tmp_path):
    with cluster_of({"num_cpus": 2, "num_gpus": 2}, {"num_cpus": 1, "num_gpus": 1}) as cluster:
        rows = run_unhurried(cluster, tmp_path, trials=9)
        its = spans(rows)
        assert len(its) == 3
        assert sum(map(len, its.values())) == 9
        for one_after_another in its.values():
            assert all(end <= begin for (_, end), (begin, _) in pairwise(one_after_another))
