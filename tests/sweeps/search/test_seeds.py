"""The last part of a search trains leading configurations on further seeds."""

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from optuna.trial import TrialState

from sweeps.analysis.configurations import Standings
from sweeps.analysis.evidence import Evidence, Setting, read
from sweeps.analysis.statistics import Scale
from sweeps.record.past import Past
from sweeps.search.replay import ended_trials
from sweeps.search.schedulers import scheduler
from sweeps.search.searcher import Search
from sweeps.search.seeds import next_configuration
from sweeps.search.suggestion import trial_of
from sweeps.spec.model import FIRST_FRESH_SEED
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write

FID = Scale("fid", less_is_better=True)
EXTRACTOR = read()["extractor"]
SETTING = Setting("mnist-5k", EXTRACTOR)
EVIDENCE = Evidence.on(FID, SETTING)
SEEDS = GOOD.replace("trials: 3", "trials: 16") + "early_terminate: {type: none, seeds: 3}\n"


def standings(**scores):
    found = Standings(FID)
    for name, of_seeds in scores.items():
        for seed, score in enumerate(of_seeds):
            found.add(name, f"{name}{seed}", score, has_diverged=score is None)
    return found


def chosen(running=None, most=3, evidence=EVIDENCE, **scores):
    started = {name: len(each) + (running or {}).get(name, 0) for name, each in scores.items()}
    return next_configuration(standings(**scores).estimates(evidence), started, most, running)


def test_the_next_seed_is_of_a_configuration_that_may_be_the_best():
    assert chosen(a=[100.0], b=[110.0], c=[900.0]) in {"a", "b"}
    assert chosen(a=[100.0, 100.0], b=[104.0], c=[900.0]) == "b"
    assert chosen(a=[100.0] * 3, b=[102.0] * 3, c=[900.0]) == "c"
    assert chosen(a=[100.0] * 3, b=[102.0] * 3, c=[900.0] * 3) is None
    assert chosen() is None


def test_trainings_that_run_count_as_seeds_to_come():
    assert chosen(a=[100.0], b=[104.0], c=[900.0], running={"a": 1}) == "b"
    assert chosen(a=[100.0], running={"a": 2}) is None


def test_a_configuration_that_diverged_on_most_of_its_seeds_gets_no_further_seed():
    assert chosen(a=[100.0, None, None], b=[300.0], most=9) == "b"


def test_the_best_by_means_is_not_the_luckiest():
    found = standings(a=[90.0, 200.0, 210.0], b=[105.0, 110.0, 108.0], c=[120.0], d=[300.0])
    estimates = found.estimates(EVIDENCE)
    assert [estimates.names[index] for index in estimates.order] == ["b", "c", "a", "d"]


def test_a_single_score_is_drawn_towards_the_others_more_than_a_mean_of_several():
    found = standings(a=[100.0], b=[101.0, 101.0, 101.0], c=[300.0], d=[400.0], e=[350.0])
    estimates = found.estimates(EVIDENCE)
    assert [estimates.names[index] for index in estimates.order][:2] == ["b", "a"]


def test_without_evidence_on_the_noise_the_best_gets_the_seed_that_tells():
    kid = Scale("kid", less_is_better=True)
    found = Standings(kid)
    for name, score in (("a", 0.02), ("b", 0.01), ("c", 0.5)):
        found.add(name, name, score, has_diverged=False)
    estimates = found.estimates(Evidence.on(kid, SETTING))
    assert np.isnan(estimates.deviation).all()
    assert next_configuration(estimates, {"a": 1, "b": 1, "c": 1}, 2) == "b"


def test_the_choice_by_seeds_is_better_than_that_of_the_luckiest():
    rng, regrets = np.random.default_rng(0), []
    for _ in range(100):
        means = rng.normal(5.0, 0.5, 12)
        found, started = standings(), dict.fromkeys("abcdefghijkl", 0)

        def train(name, found=found, means=means, started=started):
            score = float(np.exp(rng.normal(means["abcdefghijkl".index(name)], 0.25)))
            found.add(name, f"{name}{started[name]}", score, has_diverged=False)
            started[name] += 1

        for name in started:
            train(name)
        luckiest = found.estimates(EVIDENCE).order[0]
        for _ in range(4):
            train(next_configuration(found.estimates(EVIDENCE), started, 3))
        regrets.append(means[[luckiest, found.estimates(EVIDENCE).order[0]]] - means.min())
    before, after = np.mean(regrets, axis=0)
    assert after < 0.7 * before


def score_of(trial):
    return 500.0 * trial.params["lr"] / 1e-2 + 20.0 * np.random.default_rng(trial.config["seed"]).random()


def ended(trial, status="completed"):
    score = score_of(trial)
    return {
        "status": status,
        "step": 20,
        "score": score,
        "objectives": [score],
        "final/fid": score + 1,
        "extractor": EXTRACTOR,
    }


def row_of(trial):
    score = score_of(trial)
    return asdict(trial) | {
        "status": "completed",
        "take_overs": [],
        "step": 20,
        "score": score,
        "best_metrics": {"fid": score},
        "final": {"fid": score + 1},
        "reason": None,
        "started_at": 1.0,
        "ended_at": 2.0,
    }


def searched(spec, folder, n, rows=(), **options):
    """Return a search and its trials after n more of them, one at a time, from a record of earlier ones."""
    past = Past(list(rows), {row["trial_id"]: [] for row in rows})
    search, trials = Search(spec, "tiny", folder, past=past, **options), []
    for number in range(n):
        suggestion = search.suggest(str(number))
        if suggestion == "FINISHED":
            break
        trials.append(trial_of(suggestion))
        search.on_trial_complete(trial_id=str(number), result=ended(trials[-1]))
    return search, trials


@pytest.fixture
def spec(tmp_path):
    return load_spec(write(tmp_path, SEEDS))


def test_the_last_quarter_of_the_trials_are_further_seeds(spec, tmp_path):
    _, trials = searched(spec, tmp_path, 20)
    assert len(trials) == 16
    assert [bool(trial.of) for trial in trials] == [False] * 12 + [True] * 4
    by_id = {trial.trial_id: trial for trial in trials}
    for trial in trials[12:]:
        first = by_id[trial.of]
        assert trial.params == first.params
        assert trial.config == first.config | {"seed": trial.config["seed"]}
        assert not trial.is_baseline
    assert len({trial.config["seed"] for trial in trials}) == 16
    assert all(trial.config["seed"] < FIRST_FRESH_SEED for trial in trials)
    best = sorted(trials[:12], key=score_of)[:4]
    assert {trial.of for trial in trials[12:]} <= {trial.trial_id for trial in best}


def test_the_sampler_is_given_the_mean_of_a_configuration(spec, tmp_path):
    search, trials = searched(spec, tmp_path, 16)
    given = search._ot_study.get_trials(states=[TrialState.COMPLETE])
    assert len(given) == 12
    of = trials[-1].of
    scores = [score_of(trial) for trial in trials if of in {trial.trial_id, trial.of}]
    [value] = [trial.value for trial in given if trial.user_attrs["trial_id"] == of]
    assert value == pytest.approx(np.exp(np.log(scores).mean()))
    rows = [row_of(trial) for trial in trials]
    past = Past(rows, {row["trial_id"]: [] for row in rows})
    written = ended_trials(spec.space, spec.metric, past)
    assert [trial.values for trial in written] == [trial.values for trial in given]


@pytest.mark.parametrize("method", ["tpe", "random"])
@pytest.mark.parametrize("n", [5, 12, 14])
def test_a_search_that_resumes_suggests_what_the_unbroken_one_does(tmp_path, method, n):
    spec = load_spec(write(tmp_path, f"method: {method}\n{SEEDS}"))
    _, whole = searched(spec, tmp_path, 16)
    _, rest = searched(spec, tmp_path, 16, rows=[row_of(trial) for trial in whole[:n]], extractor=EXTRACTOR)
    assert rest == whole[n:]


def test_a_search_that_is_extended_tries_new_configurations_first(spec, tmp_path):
    _, trials = searched(spec, tmp_path, 16)
    more = spec.model_copy(update={"trials": 32})
    search, rest = searched(more, tmp_path, 20, rows=[row_of(trial) for trial in trials])
    assert [bool(trial.of) for trial in rest] == [False] * 12 + [True] * 4
    given = search._ot_study.get_trials(states=[TrialState.COMPLETE])
    assert len(given) == 24


def test_a_finite_space_spends_the_rest_of_its_trials_on_further_seeds(tmp_path):
    text = SEEDS.replace("  lr: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}\n", "  lr: 3e-4\n")
    text = text.replace("{distribution: uniform, min: 0, max: 0.9}", "0.5").replace(
        "{min: 16, max: 128}", "96"
    )
    spec = load_spec(write(tmp_path, text))
    search = Search(spec, "tiny", tmp_path)
    trials = []
    for number in range(7):
        suggestion = search.suggest(str(number))
        if suggestion == "FINISHED":
            break
        trials.append(trial_of(suggestion))
        score = 100.0 + number
        search.on_trial_complete(trial_id=str(number), result=ended_with(score) | {"extractor": EXTRACTOR})
    assert [bool(trial.of) for trial in trials] == [False] * 2 + [True] * 4
    assert search.exhausted
    assert spec.max_trials == 6


def ended_with(score):
    return {"status": "completed", "step": 20, "score": score, "objectives": [score], "final/fid": score}


def test_the_last_quarter_of_the_time_goes_to_further_seeds(spec, tmp_path):
    used = iter([0.0, 0.5, 0.74, 0.75, 0.9])
    _, trials = searched(spec, tmp_path, 5, used=lambda: next(used))
    assert [bool(trial.of) for trial in trials] == [False, False, False, True, True]


def test_the_first_points_come_before_further_seeds(tmp_path):
    points = ", ".join(f"{{lr: {1e-4 * number}}}" for number in range(1, 8))
    spec = load_spec(write(tmp_path, SEEDS.replace("trials: 16", "trials: 9") + f"points: [{points}]\n"))
    _, trials = searched(spec, tmp_path, 9)
    assert [bool(trial.of) for trial in trials] == [False] * 8 + [True]


def test_a_further_seed_that_fails_is_not_tried_again(spec, tmp_path):
    search, _ = searched(spec, tmp_path, 12)
    seeds = [trial_of(search.suggest(tune_id)) for tune_id in "abcd"]
    assert len({trial.trial_id for trial in seeds}) == 4
    for tune_id in "abc":
        search.on_trial_complete(trial_id=tune_id, error=True)
        search.give_up(tune_id)
    search.on_trial_complete(trial_id="d", result={"status": "diverged", "reason": "g_loss is nan"})
    assert search.suggest("e") == "FINISHED"
    assert len(search._ot_study.get_trials(states=[TrialState.COMPLETE])) == 12


def test_the_scheduler_neither_stops_a_further_seed_nor_counts_it(tmp_path):
    spec = load_spec(write(tmp_path, SEEDS.replace("type: none", "type: asha, min_iter: 1, eta: 2")))
    judge = scheduler(spec)

    def report(name, score, of=None):
        trial = SimpleNamespace(config={"trial_id": name, "is_baseline": False, "of": of})
        judge.on_trial_add(None, trial)
        return judge.on_trial_result(None, trial, {"reports": 1, "score": score})

    assert report("a", 50.0) == "CONTINUE"
    assert report("b", 900.0, of="a") == "CONTINUE"
    assert report("c", 1.0, of="a") == "CONTINUE"
    assert report("d", 40.0) == "CONTINUE"
