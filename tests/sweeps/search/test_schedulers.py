from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from sweeps.record.past import Past
from sweeps.search.schedulers import scheduler
from sweeps.search.suggestion import SCORE
from sweeps.spec.reading import load_spec
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
            result = {"reports": index + 1, SCORE: min(CURVES[number][: index + 1])}
            ends = index == 3
            if not ends and judge.on_trial_result(None, tune_trial(number), result) == TrialScheduler.STOP:
                stopped[number], ends = index + 1, True
            if ends:
                judge.on_trial_complete(None, tune_trial(number), result)
    return stopped


def past_of(numbers, stopped):
    rows, reports = [], {}
    for number in numbers:
        trial_id = f"tiny-{number:04d}"
        status = "pruned" if stopped[number] else "completed"
        rows.append({"trial_id": trial_id, "of": None, "status": status, "config": {"report_every": 10}})
        made = CURVES[number][: stopped[number] or 4]
        reports[trial_id] = [{"step": 10 * (i + 1), "fid": fid} for i, fid in enumerate(made)]
    return Past(rows, reports)


def test_the_baseline_is_never_stopped_and_a_bad_trial_is(spec):
    stopped = decisions(scheduler(spec, Past([], {})), range(5))
    assert stopped[0] is None
    assert stopped[1] is stopped[3] is None
    assert (stopped[4] is None) == (spec.early_terminate.type == "none")


def test_a_scheduler_with_a_replayed_run_decides_as_the_one_that_saw_it(spec):
    unbroken = scheduler(spec, Past([], {}))
    before = decisions(unbroken, range(3))
    after = decisions(unbroken, [3, 4])
    resumed = scheduler(spec, past_of(range(3), before))
    assert decisions(resumed, [3, 4]) == after


def test_a_replayed_score_that_was_not_finite_does_not_count(spec):
    past = past_of(range(3), [None, None, None])
    past.reports["tiny-0001"][0]["fid"] = past.reports["tiny-0001"][2]["fid"] = None
    first, later = (decisions(scheduler(spec, past), [3, 4]) for _ in range(2))
    assert first == later


def test_a_trial_that_diverged_has_no_say(spec):
    judge = scheduler(spec, Past([], {}))
    for number in range(4):
        judge.on_trial_add(None, tune_trial(number))
    judge.on_trial_result(None, tune_trial(1), {"reports": 1, SCORE: 50})
    judge.on_trial_complete(None, tune_trial(1), {"status": "diverged", "done": True})
    for number in (0, 2, 3):
        first = {"reports": 1, SCORE: 40}
        assert judge.on_trial_result(None, tune_trial(number), first) == TrialScheduler.CONTINUE


POPULATION = """\
name: tiny
early_terminate: {type: pbt, min_iter: 2, eta: 2}
parameters:
  lr: {distribution: log_uniform_values, min: 1e-4, max: 1e-3}
  lr_d: {distribution: log_uniform_values, min: 1e-4, max: 1e-3}
  d_steps: {values: [1, 2, 5]}
"""


def member(spec, number, **params):
    config = spec.trial_config(params, number).model_dump()
    suggestion = {"trial_id": f"tiny-{number:04d}", "number": number, "params": params, "config": config}
    return SimpleNamespace(config=suggestion | {"is_baseline": number == 0, "best": {"fid": 9.0}})


@pytest.mark.parametrize("seed", range(20))
def test_what_takes_over_is_itself_with_the_others_parameters_changed_within_the_space(tmp_path, seed):
    spec = load_spec(write(tmp_path, f"seed: {seed}\n{POPULATION}"))
    taker, donor = (
        member(spec, 3, lr=2e-4, lr_d=3e-4, d_steps=5),
        member(spec, 0, lr=3e-4, lr_d=None, d_steps=1),
    )
    new, _ = scheduler(spec)._get_new_config(taker, donor)
    assert (new["trial_id"], new["best"], new["is_baseline"]) == ("tiny-0003", {}, False)
    assert new["config"]["seed"] == taker.config["config"]["seed"]
    assert new["params"].items() <= new["config"].items()
    assert all(spec.searched[name].contains(value) for name, value in new["params"].items())


def test_a_population_is_judged_by_its_last_reports_and_where_it_was_when_it_was_stopped(tmp_path):
    spec = load_spec(write(tmp_path, POPULATION))
    rows = [{"trial_id": "tiny-0001", "take_overs": [{}], "status": "running"}]
    judge = scheduler(spec, Past(rows, {"tiny-0001": [{"step": 500, "fid": 9.0}]}))
    judge.set_search_properties(None, None)
    assert judge._metric == "reported"
    trial = member(spec, 1, lr=2e-4, lr_d=3e-4, d_steps=5)
    trial.experiment_tag = ""
    trial.config["reported_step"] = 500
    judge.on_trial_add(None, _Hashable(trial))
    (state,) = judge._trial_state.values()
    assert state.last_perturbation_time == 2


class _Hashable:
    def __init__(self, trial):
        self.config, self.experiment_tag = trial.config, trial.experiment_tag
