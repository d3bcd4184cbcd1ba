import pytest

from benchmarks.gpu import PARTS, Plan, measure
from benchmarks.loops import Workload, speeds
from tests.gpu.devices import on_each_device


@on_each_device(slow_on_cpu=True)
def test_loops_are_measured_at_the_same_time(device):
    works = [Workload("mlp", 28, loop, device, share=0.5) for loop in ("tutorial", "fp32")]
    rounds = speeds(works, seconds=0.05, rounds=2)
    assert [len(of_round) for of_round in rounds] == [2, 2]
    assert all(speed.images_per_s > 0 and speed.host_ms > 0 for of_round in rounds for speed in of_round)
    assert {speed.peak_bytes > 0 for of_round in rounds for speed in of_round} == {device == "cuda"}


@on_each_device(slow_on_cpu=True)
def test_every_part_is_measured(device):
    *_, found = measure(Plan.quick(device))
    assert found.keys() == PARTS.keys()
    assert all(found.values())
    completed = [figure for figure in found["A small sweep"] if "completed" in figure.name]
    assert [figure.measured for figure in completed] == [pytest.approx(2)]
