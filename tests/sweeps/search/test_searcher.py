import json
from dataclasses import asdict

import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from sweeps.record.past import Past
from sweeps.search.replay import ended_trials
from sweeps.search.searcher import Search
from sweeps.search.suggestion import trial_of
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write

METHODS = ["tpe", "gp", "cmaes", "nsga2", "random", "tests.sweeps.search.samplers:Halving"]


@pytest.fixture
def make_search(tmp_path):
    def make(text=GOOD, trials=20):
        text = text.replace("trials: 3", f"trials: {trials}")
        return Search(load_spec(write(tmp_path, text)), "tiny", tmp_path)

    return make


def study_trials(search):
    """Return the trials that the sampler was given, once the search is closed."""
    search.close()
    return search._ot_study.get_trials()


def result(status, score=None, step=10, **more):
    scores = {} if score is None else {"score": score, "objectives": [score]}
    return {"status": status, "step": step, **scores, **more}


def test_the_first_suggestion_is_the_baseline_whole(make_search):
    trial = trial_of(make_search().suggest("a"))
    assert (trial.trial_id, trial.number, trial.is_baseline) == ("tiny-0000", 0, True)
    assert trial.params == {"loss": "bce", "lr": 3e-4, "beta1": 0.5, "noise_dim": 96}
    assert trial.config["steps"] == 20


def test_no_more_is_suggested_than_was_asked_for(make_search):
    search = make_search(trials=2)
    assert [search.suggest(tune_id) is None for tune_id in "abcd"] == [False, False, True, True]
    for tune_id in "ab":
        search.on_trial_complete(trial_id=tune_id, result=result("completed", 5.0))
    assert search.suggest("e") == Searcher.FINISHED


def test_a_baseline_outside_of_the_space_is_tried_and_not_given_to_the_sampler(make_search):
    search = make_search(GOOD.replace("values: [bce, lsgan]", "values: [lsgan, hinge]"))
    assert trial_of(search.suggest("a")).params["loss"] == "bce"
    search.on_trial_complete(trial_id="a", result=result("completed", 5.0))
    second = trial_of(search.suggest("b"))
    assert second.params["loss"] in {"lsgan", "hinge"}
    assert not second.is_baseline
    assert len(search._ot_study.get_trials()) == 1


def test_a_default_that_is_unset_can_be_searched(make_search):
    search = make_search(GOOD + "  lr_d: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}\n")
    baseline, second = (trial_of(search.suggest(tune_id)) for tune_id in "ab")
    assert baseline.params["lr_d"] is None
    assert 1e-4 <= second.params["lr_d"] <= 1e-2


def test_a_space_without_a_searched_parameter_is_one_trial_for_which_nothing_was_drawn(make_search):
    search = make_search("name: tiny\ntrials: 3\nparameters: {steps: 20}\n")
    trial = trial_of(search.suggest("a"))
    assert (trial.params, trial.drawn) == ({}, None)
    assert search.exhausted


def test_one_seed_suggests_the_same(make_search):
    suggested = []
    for _ in range(2):
        search = make_search()
        suggested.append([search.suggest(str(number)) for number in range(5)])
    assert suggested[0] == suggested[1]
    assert len({str(suggestion["params"]) for suggestion in suggested[0]}) == 5


def test_the_sampler_gets_trials_in_their_true_final_states(make_search, tmp_path):
    search = make_search()
    for tune_id in "abcde":
        search.suggest(tune_id)
    search.on_trial_result(trial_id="a", result=result("running", 80.0))
    search.on_trial_complete(trial_id="a", result=result("completed", 50.0, 20))
    search.on_trial_complete(trial_id="b", result=result("running", 70.0, 10))
    search.on_trial_complete(trial_id="c", result=result("diverged", reason="d_loss is nan at step 3"))
    search.on_trial_complete(trial_id="d", error=True)
    search.give_up("d")
    trials = study_trials(search)
    states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL]
    assert [trial.state for trial in trials] == states
    assert trials[0].value == 50.0
    assert trials[1].intermediate_values == {10: 70.0}
    assert trials[2].value == 80.0
    assert trials[2].user_attrs["diverged"] == "d_loss is nan at step 3"


def test_a_first_trial_that_diverges_waits_for_a_score_to_be_no_better_than(make_search, tmp_path):
    search = make_search()
    for tune_id in "ab":
        search.suggest(tune_id)
    search.on_trial_complete(trial_id="a", result=result("diverged", reason="g_loss is inf at step 1"))
    assert search._ot_study.get_trials(states=[TrialState.COMPLETE]) == []
    search.on_trial_complete(trial_id="b", result=result("completed", 70.0))
    assert sorted(trial.value for trial in study_trials(search)) == [70.0, 70.0]


def test_if_all_trials_diverged_the_sampler_gets_a_finite_score(make_search, tmp_path):
    search = make_search()
    search.suggest("a")
    search.on_trial_complete(trial_id="a", result=result("diverged", reason="g_loss is inf at step 1"))
    assert study_trials(search)[0].value == 1e6


FINITE = "name: tiny\nparameters:\n  loss: {values: [bce, lsgan]}\n  noise_dim: {values: [16, 96, 128]}\n"


@pytest.mark.parametrize("method", ["grid", "random", "tpe"])
def test_a_finite_space_is_tried_whole_and_nothing_twice(make_search, tmp_path, method):
    search = make_search(f"method: {method}\n{FINITE}")
    params = []
    for number in range(6):
        params.append(trial_of(search.suggest(str(number))).params)
        search.on_trial_complete(trial_id=str(number), result=result("completed", 50.0 - number))
    assert len({str(each) for each in params}) == 6
    assert params[0] == {"loss": "bce", "noise_dim": 96}
    assert search.exhausted
    assert search.suggest("7") == "FINISHED"
    states = [trial.state for trial in study_trials(search)]
    assert states.count(TrialState.COMPLETE) == 6
    assert TrialState.RUNNING not in states


@pytest.mark.parametrize("method", METHODS)
def test_every_method_suggests_within_the_space_and_repeats_itself(make_search, method):
    text = f"method: {method}\n{GOOD}  beta2: {{values: [0.99, 0.999], when: {{loss: lsgan}}}}\n"
    suggested = []
    for _ in range(2):
        search = make_search(text)
        params = []
        for number in range(14):
            trial = trial_of(search.suggest(str(number)))
            params.append(trial.params)
            search.on_trial_complete(
                trial_id=str(number), result=result("completed", trial.params["beta1"] + 1)
            )
        suggested.append(params)
    assert suggested[0] == suggested[1]
    spec = search._spec
    assert all(spec.space.contains(params) for params in suggested[0])
    assert {"beta2" in params for params in suggested[0]} == {True, False}


def test_the_sampler_gets_every_metric(make_search, tmp_path):
    search = make_search("metric: [fid, images_per_s]\nmethod: nsga2\n" + GOOD)
    for tune_id in "abc":
        search.suggest(tune_id)
    search.on_trial_result(trial_id="a", result=result("running", 80.0))
    search.on_trial_complete(trial_id="a", result=result("completed", 50.0) | {"objectives": [50.0, 900.0]})
    search.on_trial_complete(trial_id="b", result=result("running", 70.0))
    search.on_trial_complete(trial_id="c", result=result("diverged", reason="d_loss is nan at step 3"))
    trials = study_trials(search)
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert [trials[0].values, trials[2].values] == [[50.0, 900.0], [50.0, 0.0]]


def test_a_resumed_search_knows_its_scores_and_its_untried_points(make_search, tmp_path):
    text = GOOD + "points: [{}, {lr: 0.002}, {lr: 0.003}]\n"
    search = make_search(text)
    first, second = (trial_of(search.suggest(tune_id)) for tune_id in "ab")
    search.on_trial_complete(trial_id="a", result=result("completed", 50.0))
    left = {"take_overs": [], "step": 20, "score": 50.0, "best_metrics": {"fid": 50.0}, "reason": None}
    left |= {"final": {"fid": 50.0}}
    rows = [
        asdict(trial) | left | {"status": status}
        for trial, status in ((first, "completed"), (second, "running"))
    ]
    resumed = Search(search._spec, "tiny", tmp_path, past=Past(rows, {}))
    again, third = (trial_of(resumed.suggest(tune_id)) for tune_id in "cd")
    assert again == second
    assert (third.number, third.params["lr"]) == (2, 0.003)
    resumed.on_trial_complete(trial_id="c", result=result("completed", 40.0))
    given = study_trials(resumed)
    assert [trial.value for trial in given] == [50.0, 40.0, None]
    assert given[1].params["lr"] == second.params["lr"]


def as_rows(trials, results):
    """Return the rows and reports that a record has of trials, of each what it reported at its steps."""
    rows, reports = [], {}
    for trial, (status, *scores) in zip(trials, results, strict=True):
        best = min(scores, default=None)
        rows.append(
            asdict(trial)
            | {"status": status, "take_overs": [], "step": 10 * len(scores), "score": best}
            | {"best_metrics": scores and {"fid": best}, "reason": "g_loss is nan at step 3"}
            | {"final": {"fid": best} if status == "completed" else None, "started_at": 0.0, "ended_at": 1.0}
        )
        reports[trial.trial_id] = [
            {"step": 10 * (index + 1), "fid": score} for index, score in enumerate(scores)
        ]
    return rows, reports


def test_a_resumed_search_does_not_try_the_baseline_again_that_an_earlier_version_chose_otherwise(
    make_search, tmp_path
):
    search = make_search(GOOD + "  batch_size: {values: [16, 32]}\n")
    first = trial_of(search.suggest("a"))
    assert first.params["batch_size"] == 32
    rows, reports = as_rows([first], [("completed", 90.0)])
    rows[0]["params"] = first.params | {"batch_size": 128}
    resumed = Search(search._spec, "tiny", tmp_path, past=Past(rows, reports))
    second = trial_of(resumed.suggest("b"))
    assert second.number == 1
    assert second.params != first.params


RESULTS = [
    ("completed", 90.0, 80.0),
    ("diverged",),
    ("pruned", 95.0),
    ("completed", 70.0, 75.0),
    ("crashed", 60.0),
    ("completed", 50.0, 40.0),
    ("pruned", 99.0),
]


def tell(search, tune_id, status, *scores):
    for index in range(len(scores) - (status in {"completed", "pruned"})):
        search.on_trial_result(
            trial_id=tune_id, result=result("running", min(scores[: index + 1]), 10 * (index + 1))
        )
    last = result("running" if status == "pruned" else status, min(scores, default=None), 10 * len(scores))
    last |= {"reason": "g_loss is nan at step 3"}
    search.on_trial_complete(trial_id=tune_id, result=last, error=status == "crashed")
    if status == "crashed":
        search.give_up(tune_id)


@pytest.mark.parametrize("method", METHODS)
def test_a_search_rebuilt_from_its_ledger_suggests_what_the_unbroken_one_does(make_search, tmp_path, method):
    text = f"method: {method}\n{GOOD}"
    search = make_search(text)
    trials = []
    for tune_id, given in zip("abcdefg", RESULTS, strict=True):
        trials.append(trial_of(search.suggest(tune_id)))
        tell(search, tune_id, *given)
    rows, reports = as_rows(trials, RESULTS)
    rebuilt = Search(search._spec, "tiny", tmp_path, past=Past(rows, reports))
    known, given = (
        [(trial.state, trial.values, trial.params, trial.intermediate_values) for trial in study.get_trials()]
        for study in (search._ot_study, rebuilt._ot_study)
    )
    assert known == given
    for tune_id, score in (("h", 30.0), ("i", 45.0), ("j", 20.0)):
        assert trial_of(rebuilt.suggest(tune_id)) == trial_of(search.suggest(tune_id))
        for each in (search, rebuilt):
            tell(each, tune_id, "completed", score)


ROUNDED = """\
  beta2: {values: [0.9, 0.99], probabilities: [0.3, 0.7]}
  batch_size: {distribution: q_log_uniform_values, min: 8, max: 256, q: 8}
  leaky_slope: {distribution: normal, mu: 0.2, sigma: 0.02}
"""


def test_rounded_values_are_replayed_as_they_were_drawn(make_search, tmp_path):
    search, rows = make_search(GOOD + ROUNDED), []
    for number in range(14):
        trial = trial_of(search.suggest(str(number)))
        score = trial.params["batch_size"] + 100 * trial.params["leaky_slope"]
        search.on_trial_complete(trial_id=str(number), result=result("completed", score))
        given = {"take_overs": [], "step": 10, "score": score, "best_metrics": {"fid": score}, "reason": None}
        given |= {"final": {"fid": score}, "status": "completed"}
        rows.append(json.loads(json.dumps(asdict(trial))) | given)
    unbroken = trial_of(search.suggest("next"))
    search.close()
    resumed = Search(search._spec, "tiny", tmp_path, past=Past(rows, {}))
    assert trial_of(resumed.suggest("next")) == unbroken


def test_a_trial_whose_worker_died_is_suggested_again_and_is_one_of_the_studys(make_search, tmp_path):
    search = make_search(trials=2)
    first, second = (trial_of(search.suggest(tune_id)) for tune_id in "ab")
    search.on_trial_result(trial_id="b", result=result("running", 80.0))
    search.on_trial_complete(trial_id="b", error=True)
    rows, reports = as_rows([first, second], [("running",), ("running", 80.0)])
    search.retry("b", Past(rows, reports))
    suggestion = search.suggest("c")
    assert trial_of(suggestion) == second
    assert (suggestion["best"], suggestion["reported_step"]) == ({"fid": 80.0}, 10)
    search.on_trial_result(trial_id="c", result=result("running", 80.0))
    for tune_id in "ac":
        search.on_trial_complete(trial_id=tune_id, result=result("completed", 70.0, 20))
    assert search.suggest("d") == Searcher.FINISHED
    assert [trial.state for trial in study_trials(search)] == [TrialState.COMPLETE] * 2


def test_a_trial_that_the_ledger_has_lost_is_suggested_anew(make_search, tmp_path):
    search = make_search(trials=4)
    trials = [trial_of(search.suggest(tune_id)) for tune_id in "abc"]
    rows, reports = as_rows(trials[::2], RESULTS[::2][:2])
    rebuilt = Search(search._spec, "tiny", tmp_path, past=Past(rows, reports))
    assert [trial_of(rebuilt.suggest(tune_id)).number for tune_id in "de"] == [1, 3]
    assert rebuilt.suggest("f") is None


BOUNDED = "constraints: [copies <= 0.05, recall >= 0.3]\n" + GOOD


def judged(status, score, **metrics):
    """Return a last result as Tune passes it to searchers."""
    return result(status, score) | {f"best/{name}": value for name, value in metrics.items()}


def test_the_sampler_is_given_how_far_each_trial_breaks_the_constraints(make_search):
    search = make_search(BOUNDED)
    for tune_id in "abcd":
        search.suggest(tune_id)
    completed = judged("completed", 50.0, copies=0.9, recall=0.4) | {"final/copies": 0.15}
    search.on_trial_complete(trial_id="a", result=completed)
    search.on_trial_complete(trial_id="b", result=judged("running", 70.0, recall=0.1))
    search.on_trial_complete(trial_id="c", result=result("diverged", reason="d_loss is nan at step 3"))
    search.on_trial_complete(trial_id="d", result=judged("completed", 60.0, copies=0.0, recall=0.5))
    given = [trial.constraints for trial in study_trials(search)]
    assert given[0] == pytest.approx({"copies <= 0.05": 0.1, "recall >= 0.3": -0.1})
    assert given[1] == pytest.approx({"recall >= 0.3": 0.2})
    assert given[2] == pytest.approx({"copies <= 0.05": 0.1, "recall >= 0.3": 0.2})
    assert given[3] == pytest.approx({"copies <= 0.05": -0.05, "recall >= 0.3": -0.2})


@pytest.mark.filterwarnings("ignore:.*cmaes does not learn from constraints")
@pytest.mark.parametrize("method", METHODS)
def test_every_method_searches_with_constraints(make_search, method):
    search = make_search(f"method: {method}\n{BOUNDED}")
    lrs = []
    for number in range(16):
        trial = trial_of(search.suggest(str(number)))
        lrs.append(trial.params["lr"])
        metrics = {"copies": 100 * trial.params["lr"], "recall": 0.5}
        search.on_trial_complete(
            trial_id=str(number), result=judged("completed", 1 - trial.params["beta1"], **metrics)
        )
    search.check()
    assert len(lrs) == 16


def test_tpe_looks_where_trials_meet_the_constraints(make_search):
    feasible = []
    for text in (GOOD, "constraints: [copies <= 0.05]\n" + GOOD):
        search, lrs = make_search(text, trials=40), []
        for number in range(40):
            trial = trial_of(search.suggest(str(number)))
            lrs.append(trial.params["lr"])
            ended = judged("completed", 1.0 / trial.params["lr"], copies=50 * trial.params["lr"])
            search.on_trial_complete(trial_id=str(number), result=ended)
        feasible.append(sum(lr <= 1e-3 for lr in lrs[15:]))
    assert feasible[0] < 3 < 8 < feasible[1]


def test_a_search_rebuilt_from_its_ledger_knows_the_violations(make_search, tmp_path):
    search = make_search(BOUNDED)
    trials = [trial_of(search.suggest(tune_id)) for tune_id in "ab"]
    search.on_trial_complete(
        trial_id="a", result=judged("completed", 50.0, recall=0.4) | {"final/copies": 0.15}
    )
    search.on_trial_complete(trial_id="b", result=judged("running", 70.0, recall=0.1))
    rows, reports = as_rows(trials, [("completed", 50.0), ("pruned", 70.0)])
    rows[0] |= {"best_metrics": {"fid": 50.0, "recall": 0.4}, "final": {"copies": 0.15}}
    rows[1] |= {"best_metrics": {"fid": 70.0, "recall": 0.1}}
    rebuilt = Search(search._spec, "tiny", tmp_path, past=Past(rows, reports))
    assert [trial.constraints for trial in rebuilt._ot_study.get_trials()] == [
        trial.constraints for trial in search._ot_study.get_trials()
    ]
    ended = ended_trials(
        search._spec.space,
        search._spec.metric,
        Past(rows, reports),
        constraints=search._spec.parsed_constraints,
    )
    assert [trial.constraints for trial in ended] == [
        trial.constraints for trial in search._ot_study.get_trials()
    ]
