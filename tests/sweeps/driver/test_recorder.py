import errno
import sqlite3
from contextlib import closing
from dataclasses import fields
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ray import cloudpickle
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayTaskError
from rich.console import Console

from sweeps.driver.deaths import death_of, reason_of
from sweeps.driver.progress import Display, Terminal
from sweeps.driver.recorder import Recorder
from sweeps.errors import DiskFullError, SweepError
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_ledger, read_reports
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write


def raised(error):
    return RayTaskError("train", f"Traceback\n{type(error).__name__}: {error}", error)


@pytest.mark.parametrize(
    ("error", "message", "expected"),
    [
        (ActorDiedError(), "", "WorkerDied"),
        (None, "The worker died unexpectedly while executing this task.", "WorkerDied"),
        (None, "Traceback (most recent call last):\nKeyError: 'score'", None),
        (None, "ray::GanTrainable.train() (pid=7)\nMyError: no", None),
        (OutOfMemoryError("the node ran low"), "", "OutOfMemory"),
        (raised(MemoryError()), "", "OutOfMemory"),
        (raised(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")), "", "GpuOutOfMemory"),
        (raised(torch.AcceleratorError("CUDA error: out of memory")), "", "GpuOutOfMemory"),
        (raised(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when")), "", "GpuOutOfMemory"),
        (ActorDiedError(raised(torch.OutOfMemoryError("CUDA out of memory."))), "", "GpuOutOfMemory"),
        (raised(torch.AcceleratorError("CUDA error: an illegal memory access")), "", "GpuError"),
        (None, "Traceback\ntorch.OutOfMemoryError: CUDA out of memory.", "GpuOutOfMemory"),
        (raised(ValueError("no")), "", None),
        (ActorDiedError(raised(ValueError("no"))), "", None),
    ],
)
def test_a_dead_worker_is_distinguished_from_an_exception_of_the_trial(error, message, expected):
    death = death_of(error, message)
    assert (death and death.partition(":")[0]) == expected


class TuneTrial:
    """What a callback sees of one of Tune's trials, whose worker has died."""

    trial_id = "0"
    temporary_state = SimpleNamespace(ray_actor=None)
    run_metadata = SimpleNamespace(metric_analysis={}, metric_n_steps={})

    def __init__(self, folder):
        described = {field.name: getattr(TRIAL, field.name) for field in fields(TRIAL)}
        self.config = described | {"taken_over": None}
        self.error_file = str(folder / "error.txt")
        Path(self.error_file).write_text("The worker died unexpectedly while executing this task.")
        self.pickled_error_file = str(folder / "error.pkl")
        Path(self.pickled_error_file).write_bytes(cloudpickle.dumps(ActorDiedError()))


class Searcher:
    """Takes in what is to be tried again."""

    def retry(self, tune_id, past):
        self.asked = tune_id, past.trial("tiny-0000")


TRIAL = Trial("tiny-0000", 0, {"lr": 0.1}, {"lr": 0.1, "seed": 0}, is_baseline=True)


@pytest.fixture
def constraints():
    return []


@pytest.fixture
def recorder(tmp_path, constraints):
    spec = load_spec(write(tmp_path, GOOD)).model_copy(update={"constraints": constraints})
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=True), spec.model_dump(mode="json"))
    nothing, terminal = Past([], {}), Terminal(Console(file=StringIO()), is_quiet=True)
    with Display(terminal, "tiny", 1, spec.metric[0], nothing) as display:
        yield Recorder(ledger, display, Searcher(), spec, nothing)


def test_a_trial_that_waits_for_its_retry_when_the_sweep_stops_is_interrupted(recorder, tmp_path):
    died = TuneTrial(tmp_path)
    recorder.on_trial_start(died)
    recorder.on_trial_error(died)
    assert recorder._searcher.asked == ("0", TRIAL)
    assert recorder.running == 1
    recorder.close(Status.INTERRUPTED)
    (row,) = read_ledger("tiny", tmp_path).trials
    assert (row["status"], [mishap["kind"] for mishap in row["mishaps"]]) == ("interrupted", ["death"])


def test_a_trial_that_fails_after_a_signal_has_stopped_the_sweep_is_interrupted(recorder, tmp_path):
    trial = TuneTrial(tmp_path)
    recorder.on_trial_start(trial)
    recorder._is_stopped = lambda: True
    recorder.on_trial_error(trial)
    recorder.close(Status.INTERRUPTED)
    (row,) = read_ledger("tiny", tmp_path).trials
    assert (row["status"], row["mishaps"]) == ("interrupted", [])


def test_what_ends_after_the_disk_was_full_is_not_recorded_as_complete(recorder, tmp_path):
    trial = TuneTrial(tmp_path)
    trial.last_result = {"status": "completed", "final": {"fid": 1.0}}
    recorder.on_trial_start(trial)
    recorder.fault = OSError(errno.ENOSPC, "No space left on device")
    recorder.on_trial_complete(trial)
    with pytest.raises(DiskFullError):
        recorder.check()
    assert read_ledger("tiny", tmp_path).trials[0]["status"] == "running"


REPORT = {
    **{field.name: getattr(TRIAL, field.name) for field in fields(TRIAL)},
    "place": {"host": "a"},
    "mishaps": [],
    "donor": None,
    "donor_step": None,
    "step": 10,
    "metrics": {"fid": 9.0},
    "score": 9.0,
    "flags": {},
    "floors": {"fid": 1.0},
    "floors_by_samples": {"10": {"images": 10, "scores": {"fid": 1.0}}},
    "accuracy": {"share": 0.4, "chance": 0.1, "images": 1000},
    "extractor": "x",
    "images": {"sha256": "0", "train": 40, "held_out": 10},
    "samples": b"png",
}


def reported(trial):
    return {**REPORT, "config": trial.config}


def test_a_record_that_another_program_locks_stops_the_sweep_and_no_trial_fails(recorder, tmp_path):
    recorder._ledger._connection.execute("PRAGMA busy_timeout = 100")
    trial = TuneTrial(tmp_path)
    trial.last_result = {"status": "completed", "final": {"fid": 9.0}}
    recorder.on_trial_start(trial)
    with closing(sqlite3.connect(tmp_path / "tiny" / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        recorder.on_trial_result(trial, reported(trial))
        other.execute("ROLLBACK")
    recorder.on_trial_complete(trial)
    recorder.on_trial_error(trial)
    with pytest.raises(SweepError, match=r"is locked by another program: .* type gan-sweep resume tiny"):
        recorder.check()
    (row,) = read_ledger("tiny", tmp_path).trials
    assert (row["status"], row["mishaps"]) == ("running", [])


@pytest.mark.parametrize("constraints", [["mean_los <= 3", "copies <= 0.1"]])
def test_a_constraint_on_a_metric_that_no_report_has_stops_the_sweep(recorder, tmp_path):
    trial = TuneTrial(tmp_path)
    recorder.on_trial_start(trial)
    recorder.on_trial_result(trial, reported(trial) | {"metrics": {"fid": 9.0, "mean_loss": 1.0}})
    message = (
        r"mean_los <= 3: the training loop reports no 'mean_los'; .*; did you mean 'mean_loss'\?; correct"
    )
    with pytest.raises(SweepError, match=message):
        recorder.check()
    assert read_reports(tmp_path / "tiny") == []


def test_a_report_of_other_images_stops_the_sweep_and_replaces_nothing_in_the_record(recorder, tmp_path):
    trial = TuneTrial(tmp_path)
    recorder.on_trial_start(trial)
    recorder.on_trial_result(trial, reported(trial))
    recorder.check()
    others = {"images": {"sha256": "1", "train": 41, "held_out": 10}, "floors": {"fid": 2.0}, "step": 20}
    recorder.on_trial_result(trial, reported(trial) | others)
    with pytest.raises(
        SweepError, match=r"a report of tiny-0000 is not recorded: .* they are 41 to train on"
    ):
        recorder.check()
    record = read_ledger("tiny", tmp_path)
    assert {name: record.facts[name] for name in ("images", "extractor", "floors")} == {
        name: REPORT[name] for name in ("images", "extractor", "floors")
    }
    assert [row["step"] for row in read_reports(tmp_path / "tiny")] == [10]


def test_an_error_of_on_report_reaches_its_caller(recorder, tmp_path):
    def on_report(trial_id, step, metrics):
        raise ZeroDivisionError

    recorder._on_report = on_report
    trial = TuneTrial(tmp_path)
    recorder.on_trial_start(trial)
    recorder.on_trial_result(trial, reported(trial))
    with pytest.raises(ZeroDivisionError):
        recorder.check()
    assert [row["score"] for row in read_ledger("tiny", tmp_path).trials] == [9.0]


def test_the_reason_of_a_crash_names_the_last_line_of_the_loop():
    text = (
        'ray::train() (pid=7)\n  File "/there/small_loops.py", line 12, in moments\n'
        '  File "/there/small_loops.py", line 14, in step\n  File "/lib/torch/nn.py", line 9, in forward\n'
        "ValueError: boom\n"
    )
    assert (
        reason_of(text, "tests.gan_core.small_loops:moments") == "ValueError: boom (small_loops.py, line 14)"
    )
    assert reason_of(text, None) == "ValueError: boom"
