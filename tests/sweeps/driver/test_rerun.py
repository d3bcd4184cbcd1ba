"""A trial is trained again and compared with its record."""

import pytest
import torch

import sweeps
from gan_core import Evaluator, TrialConfig, load_dataset, train
from gan_core.rules import VERSION
from sweeps.driver.rerun import rerun
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from sweeps.record.trial import Trial

SPEC = {
    "name": "tiny",
    "dataset": "mnist-5k",
    "image_size": None,
    "channels": None,
    "extractor": "classifier",
    "metric": [{"name": "fid", "goal": "minimize"}],
    "parameters": {},
}
PLACES = {"tiny-0000": {"host": "here"}, "tiny-0001": {"host": "here", "rules": VERSION}}


@pytest.fixture
def sweep(tmp_path):
    """A sweep with the same trial twice: the record of the first includes the penalty in d_loss."""
    config = TrialConfig(
        steps=2,
        report_every=2,
        batch_size=8,
        eval_samples=128,
        final_samples=128,
        penalty="r1",
        precision="fp32",
    )
    data = load_dataset("mnist-5k")
    evaluator = Evaluator(data)
    (report,) = train(config, data, evaluator)
    resources = {"cpu": torch.get_num_threads(), "gpu": 0}
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=True), SPEC | {"resources": resources})
    ledger.describe({"extractor": evaluator.extractor, "floors": evaluator.floors})
    for number, (trial_id, place) in enumerate(PLACES.items()):
        ledger.start(Trial(trial_id, number, {}, config.model_dump(), number == 0))
        ledger.place(trial_id, place)
        penalty = 10 * report.metrics["d_penalty"] if "rules" not in place else 0
        metrics = report.metrics | {"d_loss": report.metrics["d_loss"] + penalty}
        ledger.report(trial_id, 2, metrics, report.metrics["fid"])
        ledger.end(trial_id, Status.COMPLETED, final=report.final)
    ledger.close(Status.COMPLETED)
    return sweeps.load("tiny", tmp_path)


def test_a_trial_of_earlier_training_rules_differs_and_the_reason_is_named(sweep):
    before, after = ([*rerun(sweep, trial_id)] for trial_id in PLACES)
    assert [(report.is_equal, report.reason) for report in after] == [(True, None)]
    (report,) = before
    assert not report.is_equal
    assert report.reason == (
        "an earlier version recorded tiny-0000 and trained by other rules: now d_loss is reported without the"
        " penalty"
    )
