"""Count what a sweep does for each trial: counts are exact, times are noisy."""

import json
import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import wraps
from itertools import groupby
from pathlib import Path
from threading import Thread
from unittest.mock import patch

import pytest
from mlflow import MlflowClient

import sweeps
from sweeps.driver import session
from sweeps.tracking.follow import follow
from tests.e2e.noting import NOTES, NotingTrainable

TRIALS, REPORTS, SLOTS, KEPT = 6, 3, 2, 2
OVERRIDES = {
    "method": "random",
    "early_terminate": {"type": "none"},
    "confirm": None,
    "trials": TRIALS,
    "keep": KEPT,
    "parameters.steps": {"value": 10 * REPORTS},
    "parameters.report_every": {"value": 10},
    "parameters.eval_samples": {"value": 200},
    "parameters.final_samples": {"value": 200},
}
SPACE = Path(__file__).parents[2] / "search_spaces" / "lsgan.yaml"

CALLS_PER_TRIAL = {"create_run": 1, "log_image": REPORTS, "log_artifacts": 1, "set_terminated": 1}
MOST_CALLS_PER_TRIAL = {"set_tag": REPORTS + 1, "log_batch": REPORTS + 2}
"""Images have a tag each. Reports that are ready at the same time are sent together."""
CALLS_PER_SWEEP = {
    "create_experiment": 1,
    "create_run": 1,
    "log_artifacts": 1,
    "set_terminated": 1,
    "log_text": 1,
    "log_table": 1,
    "update_run": 1,
}
MOST_LEDGER_BYTES = 32_768 * TRIALS
MOST_WORKING_BYTES = 65_536 * TRIALS


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("counted")


@pytest.fixture(scope="module")
def calls():
    """The number of calls of each method of MLflow's client."""
    return Counter()


@pytest.fixture(scope="module")
def sweep(workplace, calls):
    @contextmanager
    def kept_folder(**_options):
        (workplace / "working").mkdir()
        yield str(workplace / "working")

    with ExitStack() as patches:
        patches.enter_context(patch.dict(os.environ, {NOTES: str(workplace / "notes")}))
        patches.enter_context(patch.object(session, "GanTrainable", NotingTrainable))
        patches.enter_context(patch.object(session, "Tracker", TrackerHere))
        patches.enter_context(patch.object(session, "slots", lambda _resources: SLOTS))
        patches.enter_context(patch.object(session, "TemporaryDirectory", kept_folder))
        for name in {*CALLS_PER_TRIAL, *MOST_CALLS_PER_TRIAL, *CALLS_PER_SWEEP}:
            patches.enter_context(patch.object(MlflowClient, name, counting(calls, name)))
        return sweeps.run(SPACE, overrides=OVERRIDES, results=workplace / "results", quiet=True)


class TrackerHere:
    """A tracker that uploads from this process, so that its calls can be counted."""

    failure = None

    def __init__(self, folder, store, _say):
        self._thread = Thread(target=follow, args=(folder, store, lambda _progress: None))
        self._thread.start()

    def close(self, **_options):
        self._thread.join()


def counting(calls, name):
    method = getattr(MlflowClient, name)

    @wraps(method)
    def counted(*arguments, **options):
        calls[name] += 1
        return method(*arguments, **options)

    return counted


@pytest.fixture(scope="module")
def notes_of(sweep, workplace):
    """The notes of each worker, by process ID."""
    lines = (workplace / "notes").read_text(encoding="utf-8").splitlines()
    notes = sorted(map(json.loads, lines), key=lambda note: note["pid"])
    return {pid: list(of_it) for pid, of_it in groupby(notes, key=lambda note: note["pid"])}


def test_ray_starts_one_worker_per_core(notes_of):
    started = {notes[-1]["workers_started"] for notes in notes_of.values()}
    assert max(started) == max(SLOTS, os.cpu_count())


def test_a_worker_trains_several_trials_and_loads_the_data_once(notes_of):
    assert len(notes_of) == SLOTS
    for notes in notes_of.values():
        assert len({note["trial_id"] for note in notes}) > 1
        assert {note["setups"] for note in notes} == {1}
        assert {note["loads"] for note in notes} == {1}


def test_a_worker_imports_nothing_after_its_first_trial_and_none_of_the_drivers_libraries(notes_of):
    for notes in notes_of.values():
        after_the_first_trial = {*notes[REPORTS - 1]["modules"]}
        assert {*notes[-1]["modules"]} == after_the_first_trial
        assert after_the_first_trial.isdisjoint(
            {"mlflow", "optuna", "matplotlib", "plotly", "sweeps.search.searcher"}
        )


def test_each_item_takes_one_call_to_mlflow(sweep, calls):
    for name, a_trial in CALLS_PER_TRIAL.items():
        assert calls[name] == a_trial * TRIALS + CALLS_PER_SWEEP.get(name, 0), name
    for name, at_most in MOST_CALLS_PER_TRIAL.items():
        assert calls[name] <= at_most * TRIALS + 10, name
    for name in CALLS_PER_SWEEP.keys() - CALLS_PER_TRIAL.keys():
        assert calls[name] == 1, name


def test_a_finished_sweep_has_only_the_files_to_keep(sweep):
    files = Counter(file.parent.relative_to(sweep.folder).parts[:1] for file in files_in(sweep.folder))
    assert files[("samples",)] == TRIALS * REPORTS
    assert files[("weights",)] == KEPT + 1
    assert files[("checkpoints",)] == 0
    assert bytes_of(file for file in files_in(sweep.folder) if "ledger" in file.name) <= MOST_LEDGER_BYTES


def test_ray_tune_writes_no_logs_of_trials(sweep, workplace):
    files = files_in(workplace / "working")
    assert not {"result.json", "progress.csv", "params.pkl"} & {file.name for file in files}
    assert 0 < bytes_of(files) <= MOST_WORKING_BYTES


def files_in(folder):
    return [file for file in folder.rglob("*") if file.is_file()]


def bytes_of(files):
    return sum(file.stat().st_size for file in files)
