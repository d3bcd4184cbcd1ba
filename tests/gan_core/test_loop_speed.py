"""The steps and samples of a training loop are timed."""

import time

import pytest

from gan_core import LoopConfig, LoopError, Snapshot
from gan_core.loops.speed import loop_speed
from tests.gan_core.test_loop_run import zeros


def sleeping(step_s, report_s, closed):
    """Return a loop with steps and reports of a known time."""

    def loop(config: LoopConfig, data, device):
        try:
            for step in range(1, config.steps + 1):
                time.sleep(step_s)
                if config.reports_at(step):
                    time.sleep(report_s)
                    yield Snapshot(step, zeros)
        finally:
            closed.append(step)

    return loop


def test_the_reports_of_a_fast_loop_are_not_timed(digits):
    closed = []
    speed = loop_speed(sleeping(0.001, 0.01, closed), digits, LoopConfig(), seconds=1.0)
    assert 0.001 < speed.step_s < 0.008
    assert 0 < speed.image_s < 0.01
    assert len(closed) == 2


@pytest.mark.parametrize("steps", [1, 30])
def test_a_loop_takes_no_more_steps_than_it_has(digits, steps):
    closed = []
    loop_speed(sleeping(0.0001, 0, closed), digits, LoopConfig(steps=steps), seconds=5.0)
    assert max(closed) <= max(3, steps)


def crashes(config: LoopConfig, data, device):
    raise ImportError("attempted relative import")
    yield


def crashes_in_sample(config: LoopConfig, data, device):
    for step in range(1, config.steps + 1):
        if config.reports_at(step):
            yield Snapshot(step, lambda n, rng: {}["z"])


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (
            crashes,
            r":crashes raised ImportError: attempted relative import \(.*speed.py, line \d+\)$",
        ),
        (crashes_in_sample, r":crashes_in_sample: sample raised KeyError: 'z' \(.*, line \d+\)$"),
    ],
)
def test_a_loop_that_raises_is_named(digits, loop, message):
    with pytest.raises(LoopError, match=message):
        loop_speed(loop, digits, LoopConfig(steps=5), seconds=0.1)
