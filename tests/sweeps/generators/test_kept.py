"""The generators that a sweep keeps: which are found, which are missing and why."""

import numpy as np
import pytest

import sweeps
from sweeps.errors import UnknownTrialError
from sweeps.generators.kept import best_trial
from sweeps.record.layout import weights_file
from tests.sweeps.ledgers import write_confirmation, write_kept


@pytest.fixture
def sweep(tmp_path):
    return sweeps.load("tiny", write_kept(tmp_path).parent)


def test_the_best_generator_is_the_default(sweep):
    assert best_trial(sweep) == "tiny-0001"
    generator = sweep.generator()
    assert not generator.training
    assert np.array_equal(generator.sample(3), sweep.generator("tiny-0001").sample(3))


@pytest.mark.parametrize(
    ("trial_id", "message"),
    [
        ("tiny-0000", "only the best trials of a search keep.* one is tiny-0001$"),
        ("tiny-0002", "its status is stopped early, and only completed.* one is tiny-0001$"),
        ("tiny-9999", "no trial 'tiny-9999'"),
    ],
)
def test_the_message_says_why_a_generator_is_missing_and_names_the_best_one_kept(sweep, trial_id, message):
    with pytest.raises(UnknownTrialError, match=message):
        sweep.generator(trial_id)


def test_a_sweep_without_generators_is_refused(sweep):
    weights_file(sweep.folder, "tiny-0001").unlink()
    with pytest.raises(UnknownTrialError, match="tiny keeps no generator"):
        sweep.generator()


def test_the_runner_up_does_not_replace_a_winner_without_a_generator(tmp_path):
    folder = write_kept(tmp_path)
    sweep = write_confirmation(folder, {"tiny-0000": [10.0, 11.0, 10.5], "tiny-0001": [50.0, 55.0, 53.0]})
    with pytest.raises(UnknownTrialError, match=r"tiny-0000 won .* does not keep its .* --trial tiny-0001"):
        sweep.generator()
    assert sweep.generator("tiny-0001")


def test_names_of_the_last_version_work_with_a_warning(sweep):
    with pytest.warns(DeprecationWarning, match=r"use sweeps\.generators\.kept\.best_trial"):
        assert sweep.best_with_weights() == "tiny-0001"
    with pytest.warns(DeprecationWarning, match=r"use sweeps\.generators\.kept\.generator_file"):
        assert sweep.weights_file("tiny-0001") == weights_file(sweep.folder, "tiny-0001")
