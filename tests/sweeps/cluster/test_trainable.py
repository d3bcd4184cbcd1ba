"""One trial in a worker."""

import sys
from math import inf, nan
from types import SimpleNamespace

import pytest

from gan_core import Evaluator, TrialConfig, load_dataset
from gan_core.checkpoint import load_checkpoint, previous_checkpoint, save_checkpoint
from sweeps.cluster.storage import Storage
from sweeps.cluster.trainable import GanTrainable

SCORES = {"fid": 50.0, "kid": 0.1}


def step_of(metrics, final=None):
    """Return the result of a step whose training reports these metrics."""
    trainable = GanTrainable.__new__(GanTrainable)
    trainable._checkpoint = SimpleNamespace(exists=lambda: False)
    trainable._uploads = trainable._taken_over = trainable._timeout = None
    trainable._mishaps, trainable._place = [], {"host": "here"}
    trainable._config, trainable._reported_step = SimpleNamespace(report_every=10), 0
    trainable._reports = iter([SimpleNamespace(step=10, metrics=metrics, final=final)])
    return trainable.step()


@pytest.mark.parametrize(
    ("metrics", "final", "reason"),
    [
        (SCORES | {"kid": inf}, None, "kid is not finite at step 10"),
        (SCORES | {"fid": nan, "kid": -inf}, None, "fid, kid is not finite at step 10"),
        (SCORES, SCORES | {"fid": nan, "memorisation": nan}, "fid is not finite at step 10"),
    ],
)
def test_a_score_that_is_not_finite_is_a_divergence_of_the_trial(metrics, final, reason):
    result = step_of(metrics, final)
    assert (result["status"], result["reason"], result["done"]) == ("diverged", reason, True)


def test_a_loop_that_exits_fails_its_trial_and_does_not_end_the_worker():
    trainable = GanTrainable.__new__(GanTrainable)
    trainable._checkpoint = SimpleNamespace(exists=lambda: False)
    trainable._uploads = trainable._timeout = None
    trainable._reports = (sys.exit(code) for code in ["no data"])
    with pytest.raises(RuntimeError, match=r"^the training loop called sys.exit\('no data'\)$"):
        trainable.step()


class Counter(GanTrainable):
    """Counts steps, from the number in the newest checkpoint."""

    def __init__(self, folder, reported_step):
        self._config, self._reported_step = SimpleNamespace(report_every=10), reported_step
        self._checkpoint, self._mishaps = folder / "a.checkpoint", []
        self._train()

    def _train(self):
        files = [each for each in (self._checkpoint, previous_checkpoint(self._checkpoint)) if each.exists()]
        start = int(files[0].read_text()) if files else 10
        self._reports = (SimpleNamespace(step=step) for step in range(start, 100, 10))

    def reports(self, n):
        return [self._report_from_matching_checkpoint().step for _ in range(n)]


def test_a_checkpoint_that_is_ahead_of_the_record_is_set_aside(tmp_path):
    newest = tmp_path / "a.checkpoint"
    newest.write_text("40")
    previous_checkpoint(newest).write_text("30")
    counter = Counter(tmp_path, reported_step=20)
    assert counter.reports(2) == [30, 40]
    assert counter._mishaps == [
        "its checkpoint is at step 40, and the record ends at step 20; resuming from the previous checkpoint"
    ]
    assert Counter(tmp_path, reported_step=0).reports(3) == [10, 20, 30]
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "a.checkpoint.damaged",
        "a.checkpoint.previous.damaged",
    ]


def test_a_trial_of_earlier_training_rules_restarts_and_reports_it(tmp_path):
    """Version 1 of the rules wrote no version into its checkpoints."""
    data = load_dataset("mnist-5k")
    trainable = GanTrainable.__new__(GanTrainable)
    trainable._config = TrialConfig(
        steps=4,
        report_every=2,
        batch_size=8,
        eval_samples=128,
        final_samples=128,
        ema_decay=0.9,
        precision="fp32",
    )
    trainable._data, trainable._evaluator, trainable._device = data, Evaluator(data), "cpu"
    trainable._metrics, trainable._mishaps = [{"name": "fid", "goal": "minimize"}], []
    trainable._checkpoint, trainable._checkpoint_every_s = tmp_path / "a.checkpoint", 0.0
    trainable._reported_step = 0
    trainable._train()
    assert trainable._report_from_matching_checkpoint().step == 2
    state = load_checkpoint(trainable._checkpoint)
    del state["rules"]
    save_checkpoint(trainable._checkpoint, state)
    previous_checkpoint(trainable._checkpoint).unlink()
    trainable._train()
    assert [trainable._report_from_matching_checkpoint().step for _ in range(2)] == [2, 4]
    assert trainable._mishaps == [
        "an earlier version wrote the checkpoint and trained by other rules: now the generator's average"
        " ramps up and includes the batch statistics; training restarts"
    ]


def test_a_sweep_that_had_no_storage_resumes_from_the_checkpoints_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "a.checkpoint").write_text("40")
    trainable = GanTrainable.__new__(GanTrainable)
    trainable._uploads, trainable._mishaps = Storage("tiny-0123456789ab", None), []
    file = trainable._checkpoint_file(tmp_path / "a.checkpoint")
    assert file.parent != tmp_path
    assert file.read_text() == "40"
    file.write_text("50")
    assert trainable._checkpoint_file(tmp_path / "a.checkpoint").read_text() == "50"
