import pytest

from sweeps.errors import SweepError
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from sweeps.search.searcher import Search
from sweeps.search.suggestion import trial_of
from sweeps.search.warmstart import earlier_sweep, scored_trials
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write


@pytest.fixture
def spec(tmp_path):
    return load_spec(write(tmp_path, GOOD.replace("trials: 3", "trials: 4")))


@pytest.fixture
def earlier(tmp_path, spec):
    """A sweep of three trials with scores and one that crashed; its lower learning rates are better."""
    folder = create_sweep_folder(tmp_path, "old", exact=True)
    ledger = Ledger(folder, spec.model_dump(mode="json"))
    search = Search(spec, "old", folder)
    for tune_id in "abcd":
        trial = trial_of(search.suggest(tune_id))
        score = 1000 * trial.params["lr"]
        ledger.start(trial)
        ledger.report(trial.trial_id, 20, {"fid": score}, score)
        ledger.end(trial.trial_id, Status.CRASHED if tune_id == "d" else Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    return folder


def test_the_sampler_begins_with_what_the_earlier_one_was_told(tmp_path, spec, earlier):
    assert earlier_sweep(spec, "old", tmp_path) == earlier
    search = Search(spec, "new", tmp_path, scored_trials(spec, earlier))
    assert trial_of(search.suggest("a")).is_baseline
    states = [trial.state.name for trial in search._ot_study.get_trials()]
    assert states.count("COMPLETE") == 3
    assert "FAIL" not in states


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max: 1e-2", "max: 1e-1", r"parameters\.lr was .*max 0\.01, .*it is .*max 0\.1"),
        ("steps: 20", "steps: 30", r"parameters\.steps was .*value 20, it is .*value 30"),
        ("trials: 3", "metric: kid", r"metric was \[name fid, goal minimize\], it is \[name kid"),
        ("trials: 3", "extractor: inception", "extractor was classifier, it is inception"),
        ("  report_every: {value: 10}\n", "", r"parameters\.report_every was .*, it is the default"),
    ],
)
def test_where_scores_mean_something_else_it_says_in_what_they_differ(tmp_path, earlier, old, new, message):
    other = load_spec(write(tmp_path, GOOD.replace(old, new)))
    with pytest.raises(SweepError, match=f"--warm-start old: its scores are not comparable: {message}"):
        earlier_sweep(other, "old", tmp_path)


def test_trials_and_seed_may_differ(tmp_path, earlier):
    other = load_spec(write(tmp_path, GOOD.replace("trials: 3", "trials: 9\nseed: 4\nmethod: random")))
    assert earlier_sweep(other, "old", tmp_path) == earlier
