import json
import re
from dataclasses import asdict

import pytest

import sweeps
from sweeps.errors import SweepError
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.past import Past
from sweeps.record.status import Status
from sweeps.search.searcher import Search
from sweeps.search.suggestion import trial_of
from sweeps.search.warmstart import earlier_sweep
from sweeps.spec.reading import load_spec
from tests.sweeps.ledgers import write_confirmation, write_search
from tests.sweeps.specs import GOOD, write


@pytest.fixture
def spec(tmp_path):
    return load_spec(write(tmp_path, GOOD.replace("trials: 3", "trials: 4")))


@pytest.fixture
def earlier(tmp_path, spec):
    """A sweep of three trials with scores and one that crashed; the baseline is the worst."""
    folder = create_sweep_folder(tmp_path, "old", exact=True)
    ledger = Ledger(folder, spec.model_dump(mode="json"))
    search = Search(spec, "old", folder)
    for tune_id in "abcd":
        trial = trial_of(search.suggest(tune_id))
        score = 100.0 if trial.is_baseline else 1000 * trial.params["lr"]
        ledger.start(trial)
        ledger.report(trial.trial_id, 20, {"fid": score}, score)
        ledger.end(trial.trial_id, Status.CRASHED if tune_id == "d" else Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    return folder


def test_the_sampler_begins_with_the_scores_of_a_comparable_sweep(tmp_path, spec, earlier):
    found = earlier_sweep(spec, "old", tmp_path)
    assert (found.folder, found.sentence, found.first_points) == (earlier, None, [])
    search = Search(spec, "new", tmp_path, found.scores_for(spec))
    assert trial_of(search.suggest("a")).is_baseline
    states = [trial.state.name for trial in search._ot_study.get_trials()]
    assert states.count("COMPLETE") == 3
    assert "FAIL" not in states


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "max: 1e-2",
            "max: 1e-1",
            r"lr was 0\.0001 to 0\.01, logarithmic and is 0\.0001 to 0\.1, logarithmic\)",
        ),
        ("steps: 20", "steps: 30", r"steps was 20 and is 30\)"),
        ("trials: 3", "metric: kid", r"metric was \[name fid, goal minimize\] and is \[name kid"),
        ("trials: 3", "extractor: inception", "extractor was classifier and is inception"),
        ("dataset: mnist-5k", "dataset: kmnist", "dataset was mnist-5k and is kmnist"),
        ("  report_every: {value: 10}\n", "", r"report_every was 10 and is the default"),
    ],
)
def test_if_scores_are_not_comparable_the_best_configurations_are_tried_first(
    tmp_path, earlier, old, new, message
):
    other = load_spec(write(tmp_path, GOOD.replace(old, new)))
    found = earlier_sweep(other, "old", tmp_path)
    assert re.match(
        rf"--warm-start old: the scores of old are not comparable with the new ones \({message}",
        found.sentence,
    )
    assert found.sentence.endswith("Instead, this sweep first tries 1 of the best configurations of old")
    assert found.scores_for(other) == []
    (point,) = found.first_points
    search = Search(other, "new", tmp_path, first_points=json.loads(json.dumps(found.first_points)))
    assert trial_of(search.suggest("a")).is_baseline
    assert trial_of(search.suggest("b")).params == pytest.approx(point)
    assert point["lr"] == sweeps.load("old", tmp_path).rank()["lr"].iloc[0]


def test_a_resumed_sweep_does_not_try_the_first_points_again(tmp_path, spec):
    point = spec.full_point({"lr": 0.005})
    search = Search(spec, "new", tmp_path, first_points=[point])
    trials = [trial_of(search.suggest(tune_id)) for tune_id in "ab"]
    assert trials[1].params == pytest.approx(point)
    rows = [
        asdict(trial) | {"status": "completed", "take_overs": [], "step": 20, "score": 5.0, "reason": None}
        for trial in trials
    ]
    rows = [row | {"best_metrics": {"fid": 5.0}, "final": {"fid": 5.0}} for row in rows]
    past = Past(rows, {})
    resumed = Search(spec, "new", tmp_path, past=past, first_points=[point])
    assert trial_of(resumed.suggest("c")).params != pytest.approx(point)


def test_of_an_overlapping_space_the_parameters_that_both_have_are_used(tmp_path, earlier):
    text = (
        "name: other\nparameters:\n  loss: {values: [hinge, lsgan]}\n  d_steps: {values: [1, 2]}\n"
        "  lr: {distribution: log_uniform_values, min: 1e-7, max: 1.0}\n"
    )
    other = load_spec(write(tmp_path, text))
    (point,) = earlier_sweep(other, "old", tmp_path).first_points
    best = sweeps.load("old", tmp_path).rank().iloc[0]
    assert point["lr"] == best["lr"]
    assert point["d_steps"] == 1
    assert point["loss"] == (best["loss"] if best["loss"] == "lsgan" else "hinge")
    assert "; and " in earlier_sweep(other, "old", tmp_path).sentence


def test_a_sweep_without_a_parameter_of_this_space_is_refused(tmp_path, earlier):
    other = load_spec(write(tmp_path, "name: other\nparameters: {loss: {values: [hinge, minimax]}}\n"))
    with pytest.raises(SweepError, match="give the new sweep no new point to try: leave --warm-start out"):
        earlier_sweep(other, "old", tmp_path)


def test_a_sweep_of_which_no_trial_can_win_is_refused(tmp_path):
    write_search(tmp_path, 500.0, 100.0, spec={"constraints": ["fid <= 1"], "parameters": {}})
    other = load_spec(write(tmp_path, GOOD))
    message = "no trial of that sweep has a score and meets the constraints: leave --warm-start out"
    with pytest.raises(SweepError, match=message):
        earlier_sweep(other, "tiny", tmp_path)


def test_images_that_turn_out_to_differ_make_scores_incomparable(tmp_path, spec, earlier):
    Ledger(earlier, {}).describe({"images": {"sha256": "a" * 64, "train": 48, "held_out": 12}})
    found = earlier_sweep(spec, "old", tmp_path)
    measured = found.measured({"images": {"sha256": "b" * 64, "train": 48, "held_out": 12}})
    assert "the images were 48 to train on and 12 held out (sha256:aaaaaaaa)" in measured.sentence
    assert (found.first_points, len(measured.first_points)) == ([], 1)
    assert measured.scores_for(spec) == []


def test_the_winner_on_fresh_seeds_comes_first_and_an_infeasible_trial_not_at_all(tmp_path, spec):
    fids = [500.0, *(100.0 + number for number in range(9))]
    content = {"constraints": ["fid >= 102"], "parameters": {}}
    folder = write_search(tmp_path, *fids, spec=content)
    write_confirmation(folder, {"tiny-0003": [300.0, 310.0], "tiny-0005": [90.0, 91.0]})
    text = "name: other\nparameters: {lr: {min: 1e-6, max: 1.0}, beta1: {min: 0.0, max: 0.9}}\n"
    points = earlier_sweep(load_spec(write(tmp_path, text)), "tiny", tmp_path).first_points
    assert [point["lr"] for point in points] == pytest.approx([0.4, 0.3])


def test_trials_and_seed_may_differ(tmp_path, earlier):
    other = load_spec(write(tmp_path, GOOD.replace("trials: 3", "trials: 9\nseed: 4\nmethod: random")))
    assert earlier_sweep(other, "old", tmp_path).sentence is None


def test_the_further_seeds_of_a_configuration_count_as_one_training(tmp_path):
    fids = [500.0, *(100.0 + number for number in range(9))]
    further = [(1, 100.0)] * 4 + [(2, 101.0)] * 4
    write_search(tmp_path, *fids, spec={"parameters": {}}, further=further)
    text = "name: other\nparameters: {lr: {min: 1e-6, max: 1.0}, beta1: {min: 0.0, max: 0.9}}\n"
    found = earlier_sweep(load_spec(write(tmp_path, text)), "tiny", tmp_path)
    assert found.n_ranked == 10
    assert [point["lr"] for point in found.first_points] == pytest.approx([0.2, 0.3])
