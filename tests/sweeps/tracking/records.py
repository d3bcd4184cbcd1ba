"""Records for the tests of tracking, and what a store then holds."""

from io import BytesIO

from mlflow import MlflowClient
from PIL import Image

from gan_core.config import TrialConfig
from sweeps.record.layout import samples_file
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.spec.model import SweepSpec

SPEC = SweepSpec.model_validate(
    {
        "name": "tiny",
        "parameters": {
            "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2},
            "steps": {"value": 20},
        },
    }
).model_dump(mode="json")

FACTS = {"floors": {"fid": 3.3}, "extractor": "abc", "environment": {"torch": "2", "cores": "2"}}


def trial(number):
    config = TrialConfig(lr=0.00123, steps=20, seed=number).model_dump()
    return Trial(f"tiny-{number:04d}", number, {"lr": 0.00123}, config, number == 0)


def report(ledger, number, step, fid, best=None):
    write_grid(ledger, number, step)
    metrics = {"fid": fid, "d_loss": 1.5, "g_loss": 0.5}
    ledger.report(trial(number).trial_id, step, metrics, fid if best is None else best)


def write_grid(ledger, number, step):
    file = samples_file(ledger.folder, trial(number).trial_id, step)
    file.parent.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    Image.new("L", (28, 28), 128).save(buffer, format="PNG")
    file.write_bytes(buffer.getvalue())
    return file


def run_trial(ledger, number, status, final=None):
    ledger.start(trial(number))
    report(ledger, number, 10, 50.0 - number)
    report(ledger, number, 20, 60.0 - number, best=50.0 - number)
    ledger.end(trial(number).trial_id, status, "as it was" if status is Status.PRUNED else None, None, final)


def runs_in(store):
    """Return the client of a store, and its runs by the trial's ID or ``parent``."""
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name("tiny")
    found = client.search_runs([experiment.experiment_id])
    runs = {run.data.tags.get("trial_id", "parent"): run for run in found}
    assert len(runs) == len(found)
    return client, runs


def statuses_in(store):
    return {name: run.info.status for name, run in runs_in(store)[1].items()}


def content(store):
    """Return all that a store holds of the sweep, except what a store makes up itself."""
    client, runs = runs_in(store)
    return {name: content_of(client, run) for name, run in runs.items()}


def content_of(client, run):
    run_id = run.info.run_id
    history = {key: history_of(client, run, key) for key in run.data.metrics}
    tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.parentRunId"}
    images = {(*path.split("+")[:5], "compressed" in path) for path in images_of(client, run)}
    files = sorted(file.path for file in client.list_artifacts(run_id))
    times = run.info.start_time, run.info.end_time
    tags.pop("mlflow.loggedArtifacts", None)
    return run.info.status, run.info.run_name, times, run.data.params, history, tags, images, files


def history_of(client, run, key):
    metrics = client.get_metric_history(run.info.run_id, key)
    return [(metric.step, metric.value, metric.timestamp) for metric in metrics]


def values_of(client, run, key):
    return [(step, value) for step, value, _ in history_of(client, run, key)]


def images_of(client, run):
    return [file.path for file in client.list_artifacts(run.info.run_id, "images")]
