"""How the trials of a user's training loop end, and what a sweep makes of it."""

import re

import pytest

import sweeps
from sweeps.record.reading import read_ledger

SPEC = {
    "name": "ending",
    "train": "tests.e2e.loops_that_end:train",
    "method": "grid",
    "trials": 6,
    "parameters": {
        "end": {"values": ["well", "never", "diverges", "not finite", "crashes", "raises when closed"]},
        "steps": 4,
        "report_every": 2,
        "eval_samples": 200,
        "final_samples": 200,
    },
    "early_terminate": {"type": "none"},
    "resources": {"cpu": 2, "gpu": 0},
    "retries": 0,
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Return the trials of a sweep with one worker at a time, by how they end, and their faults."""
    results = tmp_path_factory.mktemp("results")
    trials = sweeps.run(SPEC, results=results, allow_imports=True, quiet=True).trials.set_index("end")
    mishaps = {row["trial_id"]: row["mishaps"] for row in read_ledger("ending", results).trials}
    return trials.assign(mishaps=trials["trial_id"].map(mishaps))


def test_a_loop_that_does_not_end_is_interrupted_and_costs_no_trial(ended):
    assert ended["status"]["never"] == "completed"
    (mishap,) = ended["mishaps"]["never"]
    name = ended["trial_id"]["never"]
    assert mishap["reason"] == f"the training loop of {name} did not end within 10 s and was interrupted"
    assert ended["retries"].sum() == 0


def test_divergences_and_crashes_have_different_reasons(ended):
    assert ended["status"].to_dict() == {
        "well": "completed",
        "never": "completed",
        "diverges": "diverged",
        "not finite": "diverged",
        "crashes": "crashed",
        "raises when closed": "completed",
    }
    assert ended["reason"]["diverges"] == "loss is nan at step 2"
    assert ended["reason"]["not finite"] == "samples is nan at step 2"
    crash = r"ValueError: no such file in step 2 \(loops_that_end.py, line \d+\)"
    assert re.fullmatch(crash, ended["reason"]["crashes"])
    assert "loops_that_end.py" in ended["traceback"]["crashes"]
