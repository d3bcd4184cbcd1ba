from io import BytesIO

import pytest
from mlflow import MlflowClient
from PIL import Image

from sweeps.errors import SweepError
from sweeps.ledger import Trial
from sweeps.spec import Metric
from sweeps.status import Status
from sweeps.tracking import Tracker, serve_dashboard, tracking_uri


def samples():
    buffer = BytesIO()
    Image.new("L", (28, 28), 128).save(buffer, format="PNG")
    return buffer.getvalue()


def trial(number):
    return Trial(f"tiny-{number:04d}", number, {"lr": 0.00123}, {"lr": 0.00123, "steps": 20}, number == 0)


def test_a_sweep_is_a_parent_run_with_a_child_a_trial(tmp_path):
    tracker = Tracker(tmp_path, "tiny", {"name": "tiny"}, Metric())
    for number, status in enumerate((Status.COMPLETED, Status.PRUNED, Status.DIVERGED, Status.INTERRUPTED)):
        tracker.start(trial(number))
        tracker.report(trial(number), 10, {"fid": 50.0 - number, "d_loss": 1.5}, samples())
        tracker.report(trial(number), 20, {"fid": 60.0 - number, "d_loss": 1.0}, samples())
        final = {"fid": 55.0} if status is Status.COMPLETED else None
        tracker.end(trial(number), status, 50.0 - number, final)
    tracker.close(Status.COMPLETED)
    assert tracker.failure is None

    client = MlflowClient(tracking_uri(tmp_path))
    experiment = client.get_experiment_by_name("tiny")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert len(runs) == 5
    parent = runs.pop("tiny")
    assert parent.info.status == "FINISHED"
    best = client.get_metric_history(parent.info.run_id, "best_fid")
    assert [(metric.step, metric.value) for metric in best] == [(0, 50.0), (1, 49.0), (2, 48.0), (3, 47.0)]
    ended = {run.data.tags["trial_id"]: (run.info.status, run.data.tags["status"]) for run in runs.values()}
    assert ended == {
        "tiny-0000": ("FINISHED", "completed"),
        "tiny-0001": ("KILLED", "pruned"),
        "tiny-0002": ("FAILED", "diverged"),
        "tiny-0003": ("KILLED", "interrupted"),
    }
    child = runs["tiny-0000 lr=0.00123"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.params == {"lr": "0.00123", "steps": "20"}
    history = client.get_metric_history(child.info.run_id, "fid")
    assert [(metric.step, metric.value) for metric in history] == [(10, 50.0), (20, 60.0)]
    assert child.data.metrics["final_fid"] == 55.0
    assert not any("final_fid" in run.data.metrics for name, run in runs.items() if "0000" not in name)
    images = [file.path for file in client.list_artifacts(child.info.run_id, "images")]
    assert sum("samples+step+10+" in path and path.endswith(".png") for path in images) == 1
    assert sum("samples+step+20+" in path and path.endswith(".png") for path in images) == 1


def test_an_mlflow_that_cannot_be_written_stops_nothing_and_is_told(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    tracker = Tracker(tmp_path, "tiny", {"name": "tiny"}, Metric())
    tracker.start(trial(0))
    tracker.end(trial(0), Status.COMPLETED, 3.0)
    tracker.close(Status.COMPLETED)
    assert "file is not a database" in str(tracker.failure)


def test_there_is_no_dashboard_before_there_is_a_sweep(tmp_path):
    with pytest.raises(SweepError, match="nothing to show in"):
        serve_dashboard(tmp_path)


def test_a_sweep_that_goes_on_goes_on_in_its_runs(tmp_path):
    tracker = Tracker(tmp_path, "tiny", {"name": "tiny"}, Metric())
    for number in (0, 1):
        tracker.start(trial(number))
        tracker.report(trial(number), 10, {"fid": 50.0}, samples())
    tracker._jobs.put(None)
    tracker._thread.join()

    resumed = Tracker(tmp_path, "tiny", {"name": "tiny"}, Metric(), {"tiny-0000": Status.PRUNED})
    resumed.start(trial(1))
    resumed.report(trial(1), 20, {"fid": 40.0}, samples())
    resumed.end(trial(1), Status.COMPLETED, 40.0)
    resumed.close(Status.COMPLETED)
    assert resumed.failure is None
    client = MlflowClient(tracking_uri(tmp_path))
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    ended = {run.data.tags.get("trial_id", "tiny"): run for run in runs}
    assert {name: run.info.status for name, run in ended.items()} == {
        "tiny": "FINISHED",
        "tiny-0000": "KILLED",
        "tiny-0001": "FINISHED",
    }
    assert len(runs) == 3
    history = client.get_metric_history(ended["tiny-0001"].info.run_id, "fid")
    assert [(metric.step, metric.value) for metric in history] == [(10, 50.0), (20, 40.0)]
