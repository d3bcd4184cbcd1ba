import numpy as np
import pytest

from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_ledger
from sweeps.record.status import Stage, Status
from sweeps.search.confirmation import Confirmation, asked_for
from sweeps.search.suggestion import trial_of
from sweeps.spec.reading import load_spec
from sweeps.spec.sections import Confirm
from tests.sweeps.specs import GOOD, write

FINALISTS = {"tiny-0002": 50.0, "tiny-0000": 900.0, "tiny-0001": 80.0}


def finalist(number, trial_id):
    return {
        "trial_id": trial_id,
        "params": {"lr": 0.1},
        "config": {"lr": 0.1, "seed": number},
        "is_baseline": trial_id == "tiny-0000",
    }


class Trainer:
    """Plays Ray: trains what it is handed, two at a time, on scores around each finalist's own."""

    def __init__(self, folder, spec, settings, fails=()):
        self.spec, self.settings, self.folder, self.fails = spec, settings, folder, fails
        self.trained = []

    def confirmation(self):
        record = read_ledger(self.folder.name, self.folder.parent)
        past = Past.read(record, Stage.CONFIRM)
        rows = [finalist(number, name) for number, name in enumerate(FINALISTS)]
        return Confirmation(self.spec, self.settings, self.folder, rows, past, record.facts)

    def run(self, most=1000):
        ledger = Ledger(self.folder, {}, {"settings": {}, "finalists": list(FINALISTS)})
        searcher, running, ended = self.confirmation(), [], 0
        while ended < most:
            while len(running) < 2 and isinstance(given := searcher.suggest(str(len(self.trained))), dict):
                running.append((str(len(self.trained)), trial_of(given)))
                self.trained.append(running[-1][1])
                ledger.start(running[-1][1])
            if not running:
                break
            self._end(searcher, ledger, *running.pop(0))
            ended += 1
        ledger.close(Status.INTERRUPTED if running else Status.COMPLETED)
        return searcher, given

    def _end(self, searcher, ledger, ray_id, trial):
        if trial.trial_id in self.fails:
            ledger.end(trial.trial_id, Status.CRASHED, "ValueError: no")
            return searcher.on_trial_complete(ray_id, error=True)
        noise = np.random.default_rng([trial.config["seed"], int(trial.of[-1])]).normal(0, 0.05)
        fid = FINALISTS[trial.of] * np.exp(noise)
        ledger.end(trial.trial_id, Status.COMPLETED, final={"fid": fid})
        return searcher.on_trial_complete(ray_id, {"status": "completed", "final/fid": fid})


@pytest.fixture
def trainer(tmp_path):
    spec = load_spec(write(tmp_path, GOOD))
    folder = create_sweep_folder(tmp_path / "results", "tiny", exact=True)
    Ledger(folder, {}).close(Status.COMPLETED)
    return lambda fails=(), **settings: Trainer(folder, spec, Confirm(**settings), fails)


def test_every_finalist_is_trained_on_the_same_seeds_from_the_same_configuration(trainer):
    trained = trainer(seeds=3)
    searcher, last = trained.run()
    assert (last, searcher.exhausted) == ("FINISHED", True)
    assert len(trained.trained) == 9
    seeds = {of: [t.config["seed"] for t in trained.trained if t.of == of] for of in FINALISTS}
    assert len({tuple(each) for each in seeds.values()}) == 1
    assert all(seed >= 2**32 for seed in seeds["tiny-0000"])
    assert {t.config["lr"] for t in trained.trained} == {0.1}
    assert [t.number for t in trained.trained] == list(range(9))
    assert trained.trained[0].trial_id == "tiny-0002-seed1"


def test_a_stopped_confirmation_resumes_running_and_missing_trainings(trainer):
    first = trainer(seeds=2)
    first.run(most=3)
    second = trainer(seeds=3)
    second.run()
    names = [trial.trial_id for trial in second.trained]
    assert len(names) == 9 - 3
    assert names[0] == first.trained[3].trial_id
    assert second.trained[0].number == first.trained[3].number
    assert not set(names) & {trial.trial_id for trial in first.trained[:3]}
    assert trainer(seeds=3).run()[1] == "FINISHED"


def test_trainings_that_are_not_asked_for_any_more_count_for_nothing():
    names = ["tiny-0000-seed1", "tiny-0000-seed3", "tiny-0001-seed1", "tiny-0003-seed2"]
    past = Past([{"trial_id": name} for name in names], {})
    asked = asked_for(past, Confirm(seeds=2), ["tiny-0000", "tiny-0002", "tiny-0003"])
    assert [row["trial_id"] for row in asked.rows] == ["tiny-0000-seed1", "tiny-0003-seed2"]


def test_one_that_failed_is_not_trained_again(trainer):
    trainer(["tiny-0001-seed1"], seeds=2).run()
    again = trainer(seeds=2)
    again.run()
    assert again.trained == []


def test_until_resolved_only_those_in_doubt_get_more_seeds(trainer):
    trained = trainer(seeds=3, until_resolved=True, max_seeds=8)
    searcher, _ = trained.run()
    seeds = {of: sum(trial.of == of for trial in trained.trained) for of in FINALISTS}
    assert seeds["tiny-0000"] < seeds["tiny-0002"] <= 8
    assert seeds["tiny-0002"] >= seeds["tiny-0001"]
    assert searcher.exhausted


def test_a_seed_that_the_space_may_have_is_left_to_it(tmp_path):
    spec = load_spec(write(tmp_path, GOOD))
    taken = spec.fresh_seed(0)
    other = load_spec(write(tmp_path, f"{GOOD}  seed: {{values: [1, {taken}]}}\n"))
    assert other.fresh_seed(0) != taken
    assert other.fresh_seed(1) == spec.fresh_seed(1)
