"""One trial in a worker."""

from math import inf, nan
from types import SimpleNamespace

import pytest

from gan_core.checkpoint import previous_checkpoint
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
