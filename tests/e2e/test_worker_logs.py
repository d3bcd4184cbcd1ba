"""A trial that hangs and a trial that raises, each with a user's loss: what remains of their workers."""

import os

import pytest

import sweeps
from tests.e2e.commands import gan_sweep

LOSSES = """\
from time import sleep

from gan_core.losses.lsgan import LeastSquares


class Stuck(LeastSquares):
    calls = 0

    @staticmethod
    def generator(real_logits, fake_logits):
        Stuck.calls += 1
        if Stuck.calls > 30:
            print("waiting for ever")
            sleep(3600)
        return LeastSquares.generator(real_logits, fake_logits)


class Broken(LeastSquares):
    calls = 0

    @staticmethod
    def generator(real_logits, fake_logits):
        Broken.calls += 1
        if Broken.calls > 25:
            print("about to raise")
            raise ValueError("no loss today")
        return LeastSquares.generator(real_logits, fake_logits)
"""
SPEC = """\
name: hanging
method: grid
trials: 3
parameters:
  loss: {values: [bce, 'mine:Stuck', 'mine:Broken']}
  steps: 60
  report_every: 20
  batch_size: 32
  eval_samples: 200
  final_samples: 200
early_terminate: {type: none}
checkpoint_every: 0s
trial_timeout: 10s
retries: 1
"""
NO_REPORT = "no report for 10 s (trial_timeout)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workplace")


@pytest.fixture(scope="module")
def done(folder):
    (folder / "mine.py").write_text(LOSSES, encoding="utf-8")
    cores = f"resources: {{cpu: {os.cpu_count()}}}\n"
    (folder / "spec.yaml").write_text(SPEC + cores, encoding="utf-8")
    return gan_sweep("spec.yaml", "--allow-imports", cwd=folder)


@pytest.fixture(scope="module")
def trials(done, folder):
    assert done.returncode == 0, done.stderr
    return sweeps.load("hanging", folder / "results").trials.set_index("loss")


def test_a_trial_that_hangs_is_retried_from_its_checkpoint_and_then_fails_by_the_name_of_the_key(
    done, trials, folder
):
    stuck = trials.loc["mine:Stuck"]
    assert (stuck["status"], stuck["reason"], stuck["retries"]) == ("crashed", NO_REPORT, 1)
    history = sweeps.load("hanging", folder / "results").history.set_index("trial_id")
    assert history.loc[stuck["trial_id"], "step"].tolist() == [20, 40]
    assert f"{stuck['trial_id']}: {NO_REPORT}; retry 1 of 1" in done.stderr
    log = folder / "results" / "hanging" / "logs" / f"{stuck['trial_id']}.log"
    assert f"({NO_REPORT}; what its worker printed: {log.relative_to(folder)})" in done.stderr
    text = log.read_text(encoding="utf-8")
    assert text.count("the worker failed") == text.count("waiting for ever") == 2
    assert "Timeout (0:00:10)!" in text
    assert 'mine.py", line 14 in generator' in text


def test_what_the_worker_of_a_trial_that_raised_printed_is_kept(trials, folder):
    broken = trials.loc["mine:Broken"]
    assert (broken["status"], broken["reason"]) == ("crashed", "ValueError: no loss today")
    log = folder / "results" / "hanging" / "logs" / f"{broken['trial_id']}.log"
    text = log.read_text(encoding="utf-8")
    assert "about to raise" in text
    assert 'mine.py", line 26, in generator' in text.partition("--- traceback")[2]
    assert "waiting for ever" not in text
    page = (folder / "results" / "hanging" / "report.html").read_text(encoding="utf-8")
    assert f"logs/{broken['trial_id']}.log" in page


def test_other_trials_complete_and_leave_no_log(trials, folder):
    assert trials.loc["bce", "status"] == "completed"
    assert len(list((folder / "results" / "hanging" / "logs").iterdir())) == 2
