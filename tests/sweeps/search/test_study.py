from uuid import uuid4

import optuna
import pytest

from sweeps.errors import SweepError
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import WARM_START, Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_ledger
from sweeps.record.status import Status
from sweeps.search.replay import reported_scores
from sweeps.search.searcher import Search
from sweeps.search.study import bring_up
from sweeps.search.suggestion import trial_of
from sweeps.search.warmstart import scored_trials
from sweeps.spec.reading import load_spec
from sweeps.spec.sections import Metric
from tests.sweeps.specs import GOOD, write

DRAWN = """\
  beta2: {values: [0.9, 0.99], probabilities: [0.3, 0.7]}
  batch_size: {distribution: q_log_uniform_values, min: 8, max: 256, q: 8}
  leaky_slope: {distribution: normal, mu: 0.2, sigma: 0.02, when: {loss: lsgan}}
"""
OUTCOMES = [
    (Status.DIVERGED,),
    (Status.COMPLETED, 90.0, 80.0),
    (Status.PRUNED, 95.0),
    (Status.COMPLETED, 70.0, 75.0),
    (Status.CRASHED, 60.0),
    (Status.DIVERGED, 400.0),
    (Status.CRASHED,),
    (Status.COMPLETED, 50.0, 40.0),
    (Status.PRUNED, 99.0),
]
KINDS = {
    "fid": GOOD + DRAWN,
    "recall": "metric: recall\n" + GOOD,
    "two": "metric: [fid, images_per_s]\nmethod: nsga2\n" + GOOD,
}


class Sweep:
    """A sweep whose trials end as they are said to, one at a time; its search is what Ray Tune would call."""

    def __init__(self, results, text, name="tiny", earlier=()):
        self._spec = load_spec(write(results, text.replace("trials: 3", "trials: 20")))
        self.folder = create_sweep_folder(results, name, exact=True)
        self.ledger = Ledger(self.folder, self._spec.model_dump(mode="json"))
        if earlier:
            self.ledger.describe({WARM_START: earlier})
        self.search = Search(self._spec, name, self.folder, earlier)

    def train(self, status, *scores):
        tune_id = uuid4().hex
        trial = trial_of(self.search.suggest(tune_id))
        self.ledger.start(trial)
        names, best = [metric.name for metric in self._spec.metric], None
        better = min if self._spec.metric[0].goal == "minimize" else max
        result = {"step": 0, "reason": "g_loss is nan at step 3"}
        for index, score in enumerate(scores):
            best = score if best is None else better(best, score)
            metrics = {name: score + place for place, name in enumerate(names)}
            self.ledger.report(trial.trial_id, 10 * (index + 1), metrics, best)
            objectives = [best + place for place in range(len(names))]
            result |= {"step": 10 * (index + 1), "score": best, "objectives": objectives}
            if index < len(scores) - (status in {Status.COMPLETED, Status.PRUNED}):
                self.search.on_trial_result(trial_id=tune_id, result=result | {"status": "running"})
        self.ledger.end(trial.trial_id, status, result["reason"])
        last = result | {"status": "running" if status is Status.PRUNED else status}
        self.search.on_trial_complete(trial_id=tune_id, result=last, error=status is Status.CRASHED)
        if status is Status.CRASHED:
            self.search.give_up(tune_id)


def content(trials):
    return [
        (trial.state, trial.values, trial.params, trial.distributions, trial.intermediate_values)
        for trial in trials
        if trial.state.is_finished()
    ]


def given(sweep):
    return content(sweep.search._ot_study.get_trials())


def kept(sweep):
    storage = f"sqlite:///{sweep.folder / 'study.db'}"
    return content(optuna.load_study(study_name=sweep.folder.name, storage=storage).get_trials())


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_holds_what_the_sampler_was_given(tmp_path, kind):
    sweep = Sweep(tmp_path, KINDS[kind])
    for outcome in OUTCOMES[1:]:
        sweep.train(*outcome)
        if outcome[0] is Status.DIVERGED:
            bring_up(sweep.folder)
    bring_up(sweep.folder)
    assert len(kept(sweep)) >= 7
    assert kept(sweep) == given(sweep)
    bring_up(sweep.folder)
    assert kept(sweep) == given(sweep)


def test_the_file_holds_the_earlier_sweep_that_the_sampler_began_with(tmp_path):
    first = Sweep(tmp_path, GOOD)
    for outcome in OUTCOMES:
        first.train(*outcome)
    second = Sweep(tmp_path, GOOD, "second", scored_trials(first._spec, first.folder))
    for outcome in OUTCOMES[:2]:
        second.train(*outcome)
        bring_up(second.folder)
    assert len(kept(second)) == len([each for each in OUTCOMES if each[0] is not Status.CRASHED]) + 2
    assert kept(second) == given(second)


def test_a_sweep_without_a_trial_has_an_empty_study(tmp_path):
    sweep = Sweep(tmp_path, GOOD)
    bring_up(sweep.folder)
    assert kept(sweep) == []


def test_a_file_that_is_brought_up_after_a_resume_holds_each_trial_once(tmp_path):
    sweep = Sweep(tmp_path, GOOD)
    for outcome in OUTCOMES[:5]:
        sweep.train(*outcome)
    bring_up(sweep.folder)
    past = Past.read(read_ledger("tiny", tmp_path))
    sweep.search = Search(sweep._spec, "tiny", sweep.folder, past=past)
    for outcome in OUTCOMES[5:]:
        sweep.train(*outcome)
    bring_up(sweep.folder)
    assert kept(sweep) == given(sweep)


def damaged(file):
    file.write_bytes(b"not a database")


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def of_another_goal(file):
    file.unlink()
    optuna.create_study(storage=f"sqlite:///{file}", study_name="tiny", direction="maximize")


def with_a_foreign_trial(file):
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{file}")
    study.tell(study.ask(), 3.0)


@pytest.mark.parametrize("spoil", [damaged, cut, of_another_goal, with_a_foreign_trial])
def test_a_file_that_is_damaged_or_foreign_is_written_anew(tmp_path, spoil):
    sweep = Sweep(tmp_path, GOOD)
    for outcome in OUTCOMES[1:4]:
        sweep.train(*outcome)
    bring_up(sweep.folder)
    spoil(sweep.folder / "study.db")
    bring_up(sweep.folder)
    assert kept(sweep) == given(sweep)


def test_the_components_of_a_users_own_are_not_imported(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    sweep = Sweep(tmp_path, GOOD)
    sweep.train(*OUTCOMES[1])
    spec = sweep._spec.model_dump(mode="json")
    penalty = {"penalty": {"distribution": "constant", "value": "mine:penalty"}}
    sweep.ledger.describe({"spec": spec | {"parameters": spec["parameters"] | penalty}})
    bring_up(sweep.folder)
    assert kept(sweep) == given(sweep)


def test_a_folder_that_takes_no_file_is_named(tmp_path):
    sweep = Sweep(tmp_path, GOOD)
    (sweep.folder / "study.db").mkdir()
    with pytest.raises(SweepError, match=r"study\.db cannot be written: "):
        bring_up(sweep.folder)


def test_a_report_whose_score_was_not_finite_in_an_earlier_version_leaves_the_best_as_it_was():
    scores = {10: None, 20: 5.0, 30: None, 40: 4.0}
    row = {"trial_id": "a", "status": "pruned", "take_overs": []}
    past = Past([row], {"a": [{"step": step, "fid": score} for step, score in scores.items()]})
    reported = reported_scores(row, past, [Metric(name="fid", goal="minimize")])
    assert [(each["step"], each["score"]) for each in reported] == [(20, 5.0), (30, 5.0), (40, 4.0)]
