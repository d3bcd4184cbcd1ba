import pandas as pd
import pytest

import sweeps
from sweeps.ledger import Ledger, Trial, create_sweep_folder
from sweeps.status import Status


@pytest.fixture
def results(tmp_path):
    """Four trials: the baseline, a better one, one that crashed and one still running."""
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=False), {"name": "tiny"})
    ledger.describe({"fid_floor": 7.0, "extractor": "sha256:0"})
    for number, fids in enumerate(([90.0, 80.0, 85.0], [40.0, 20.0], [], [50.0])):
        params = {"lr": 0.1 * (number + 1), "loss": "bce"}
        config = params | {"steps": 30, "eval_samples": 500}
        trial_id = f"tiny-{number:04d}"
        ledger.start(Trial(trial_id, number, params, config, number == 0))
        for index, fid in enumerate(fids):
            ledger.report(trial_id, 10 * (index + 1), {"fid": fid, "g_loss": 0.5}, min(fids[: index + 1]))
    ledger.end("tiny-0000", Status.COMPLETED)
    ledger.end("tiny-0001", Status.PRUNED)
    ledger.end("tiny-0002", Status.CRASHED, "ValueError: no")
    ledger.close(Status.INTERRUPTED)
    return tmp_path


def test_the_leaderboard_is_best_first_and_failures_last(results):
    frame = sweeps.load("tiny", results).rank()
    assert frame["trial_id"].tolist() == ["tiny-0001", "tiny-0003", "tiny-0000", "tiny-0002"]
    assert frame["rank"].tolist() == [1, 2, 3, pd.NA]
    assert frame["fid"].tolist()[:3] == [20.0, 50.0, 80.0]
    assert frame["gain"].tolist()[:3] == [4.0, 1.6, 1.0]
    assert frame["status"].tolist() == ["pruned", "running", "completed", "crashed"]
    assert list(frame.columns[-2:]) == ["lr", "loss"]
    assert sweeps.load("tiny", results).rank(top=1)["trial_id"].tolist() == ["tiny-0001"]


def test_trials_have_a_row_each_and_history_a_row_a_report(results):
    sweep = sweeps.load("tiny", results)
    assert sweep.trials["trial_id"].tolist() == [f"tiny-{number:04d}" for number in range(4)]
    assert sweep.trials["best_step"].tolist() == [20, 20, pd.NA, 10]
    assert sweep.trials["reason"].tolist()[2] == "ValueError: no"
    assert sweep.history["fid"].tolist() == [90.0, 80.0, 85.0, 40.0, 20.0, 50.0]
    assert sweep.history.columns.tolist() == ["trial_id", "step", "fid", "g_loss"]


def test_the_summary_says_what_was_gained_over_the_defaults(results):
    summary = sweeps.load("tiny", results).summary()
    assert summary["trials"] == {"completed": 1, "pruned": 1, "crashed": 1, "running": 1}
    assert summary["best"] == {"trial_id": "tiny-0001", "fid": 20.0, "params": {"lr": 0.2, "loss": "bce"}}
    assert summary["baseline"]["fid"] == 80.0
    assert (summary["fid_floor"], summary["eval_samples"]) == (7.0, [500])


def test_a_sweep_without_trials_ranks_to_an_empty_table(tmp_path):
    Ledger(create_sweep_folder(tmp_path, "tiny", exact=False), {}).close(Status.INTERRUPTED)
    sweep = sweeps.load("tiny", tmp_path)
    assert sweep.rank().empty
    assert sweep.history.empty
    assert sweep.summary()["best"] is None
