from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from sweeps.past import Past
from sweeps.schedulers import scheduler
from sweeps.search import SCORE
from sweeps.spec import load_spec
from tests.sweeps.specs import GOOD, write

CURVES = [[90, 80, 70, 60], [50, 40, 30, 20], [95, 94, 93, 92], [60, 30, 10, 5], [99, 98, 97, 96]]


@pytest.fixture(params=["asha", "hyperband", "median", "none"])
def spec(request, tmp_path):
    rules = f"early_terminate: {{type: {request.param}, min_iter: 1, eta: 2}}\n"
    return load_spec(write(tmp_path, rules + GOOD.replace("steps: 20", "steps: 40")))


def tune_trial(number):
    config = {"trial_id": f"tiny-{number:04d}", "is_baseline": number == 0}
    return SimpleNamespace(trial_id=f"tune{number}", config=config)


def decisions(judge, numbers):
    """Return for each trial the report at which it is stopped, or None; one report a trial in turn."""
    stopped = dict.fromkeys(numbers)
    for number in numbers:
        judge.on_trial_add(None, tune_trial(number))
    for index in range(4):
        for number in (number for number in numbers if stopped[number] is None):
            best = min(CURVES[number][: index + 1])
            result = {"reports": index + 1, SCORE: best}
            decision = judge.on_trial_result(None, tune_trial(number), result)
            if decision == TrialScheduler.STOP and index < 3:
                stopped[number] = index + 1
    return stopped


def past_of(numbers, stopped):
    rows, reports = [], {}
    for number in numbers:
        trial_id = f"tiny-{number:04d}"
        status = "pruned" if stopped[number] else "completed"
        rows.append({"trial_id": trial_id, "status": status, "config": {"report_every": 10}})
        made = CURVES[number][: stopped[number] or 4]
        reports[trial_id] = [{"step": 10 * (i + 1), "fid": fid} for i, fid in enumerate(made)]
    return Past(rows, reports)


def test_the_baseline_is_never_stopped_and_a_bad_trial_is(spec):
    stopped = decisions(scheduler(spec, Past([], {})), range(5))
    assert stopped[0] is None
    assert stopped[1] is stopped[3] is None
    assert (stopped[4] is None) == (spec.early_terminate.type == "none")


def test_one_that_is_told_of_an_earlier_run_decides_as_the_one_that_saw_it(spec):
    unbroken = scheduler(spec, Past([], {}))
    before = decisions(unbroken, range(3))
    after = decisions(unbroken, [3, 4])
    resumed = scheduler(spec, past_of(range(3), before))
    assert decisions(resumed, [3, 4]) == after
