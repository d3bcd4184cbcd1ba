import sqlite3
from contextlib import closing
from io import BytesIO

import pytest
from mlflow import MlflowClient
from PIL import Image

from gan_core.config import TrialConfig
from sweeps.errors import SweepError
from sweeps.record.layout import create_sweep_folder, samples_file
from sweeps.record.ledger import Ledger
from sweeps.record.locks import running_lock
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.spec.model import SweepSpec
from sweeps.tracking import mirror as tracking
from sweeps.tracking.dashboard import serve_dashboard
from sweeps.tracking.mirror import Mirror
from sweeps.tracking.store import Store
from sweeps.tracking.sync import sync

SPEC = SweepSpec.model_validate(
    {
        "name": "tiny",
        "parameters": {
            "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2},
            "steps": {"value": 20},
        },
    }
).model_dump(mode="json")


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(create_sweep_folder(tmp_path, "tiny", exact=True), SPEC)
    ledger.describe({"floors": {"fid": 3.3}, "extractor": "abc", "environment": {"torch": "2", "cores": "2"}})
    return ledger


def trial(number):
    config = TrialConfig(lr=0.00123, steps=20, seed=number).model_dump()
    return Trial(f"tiny-{number:04d}", number, {"lr": 0.00123}, config, number == 0)


def report(ledger, number, step, fid, best=None):
    file = samples_file(ledger.folder, trial(number).trial_id, step)
    file.parent.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    Image.new("L", (28, 28), 128).save(buffer, format="PNG")
    file.write_bytes(buffer.getvalue())
    metrics = {"fid": fid, "d_loss": 1.5, "g_loss": 0.5}
    ledger.report(trial(number).trial_id, step, metrics, fid if best is None else best)


def run_trial(ledger, number, status, final=None):
    ledger.start(trial(number))
    report(ledger, number, 10, 50.0 - number)
    report(ledger, number, 20, 60.0 - number, best=50.0 - number)
    ledger.end(trial(number).trial_id, status, "as it was" if status is Status.PRUNED else None, None, final)


def runs_in(store):
    """Return the runs by what they are of, each with all that a client can see of it."""
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name("tiny")
    found = client.search_runs([experiment.experiment_id])
    runs = {run.data.tags.get("trial_id", "parent"): run for run in found}
    assert len(runs) == len(found)
    return client, runs


def content(store):
    """Return all that a store holds of the sweep, but for what a store makes up itself."""
    client, runs = runs_in(store)
    return {name: content_of(client, run) for name, run in runs.items()}


def content_of(client, run):
    run_id = run.info.run_id
    history = {
        key: [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run_id, key)]
        for key in run.data.metrics
    }
    tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.parentRunId"}
    paths = [file.path for file in client.list_artifacts(run_id, "images")]
    images = {(*path.split("+")[:5], "compressed" in path) for path in paths}
    files = sorted(file.path for file in client.list_artifacts(run_id))
    times = run.info.start_time, run.info.end_time
    tags.pop("mlflow.loggedArtifacts", None)
    return run.info.status, run.info.run_name, times, run.data.params, history, tags, images, files


def test_a_sweep_is_a_parent_run_with_a_child_a_trial(ledger, tmp_path):
    statuses = (Status.COMPLETED, Status.PRUNED, Status.DIVERGED, Status.CRASHED, Status.INTERRUPTED)
    for number, status in enumerate(statuses):
        run_trial(ledger, number, status, {"fid": 55.0} if status is Status.COMPLETED else None)
    ledger.close(Status.COMPLETED)
    assert sync(ledger.folder, Store.beside(tmp_path)) == {}

    client, runs = runs_in(Store.beside(tmp_path))
    assert len(runs) == 6
    parent = runs.pop("parent")
    assert (parent.info.run_name, parent.info.status) == ("tiny", "FINISHED")
    best = client.get_metric_history(parent.info.run_id, "best_fid")
    assert [(metric.step, metric.value) for metric in best] == [(1, 50.0), (2, 49.0)]
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files >= {"spec.yaml", "leaderboard.csv", "leaderboard.json", "contact_sheet.png"}
    ended = {name: (run.info.status, run.data.tags["status"]) for name, run in runs.items()}
    assert ended == {
        "tiny-0000": ("FINISHED", "completed"),
        "tiny-0001": ("KILLED", "pruned"),
        "tiny-0002": ("FAILED", "diverged"),
        "tiny-0003": ("FAILED", "crashed"),
        "tiny-0004": ("KILLED", "interrupted"),
    }
    child = runs["tiny-0000"]
    assert child.info.run_name == "tiny-0000 lr=0.00123"
    expected = {
        "stage": "search",
        "seed": "0",
        "floor": "3.3",
        "extractor": "abc",
        "torch": "2",
        "cores": "2",
    }
    assert expected.items() <= child.data.tags.items()
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert next(iter(child.data.params)) == "lr"
    assert child.data.params == {name: str(value) for name, value in trial(0).config.items()}
    assert runs["tiny-0001"].data.tags["reason"] == "as it was"
    histories = {key: client.get_metric_history(child.info.run_id, key) for key in ("fid", "best_fid")}
    steps = {key: [(metric.step, metric.value) for metric in each] for key, each in histories.items()}
    assert steps == {"fid": [(10, 50.0), (20, 60.0)], "best_fid": [(10, 50.0), (20, 50.0)]}
    assert child.data.metrics["final_fid"] == 55.0
    assert not any("final_fid" in run.data.metrics for name, run in runs.items() if name != "tiny-0000")
    images = [file.path for file in client.list_artifacts(child.info.run_id, "images")]
    assert [sum(f"samples+step+{step}+" in path for path in images) for step in (10, 20)] == [2, 2]
    pictures = {file.path for file in client.list_artifacts(child.info.run_id)}
    assert pictures == {"images", "best.png", "spec.yaml"}


def test_sending_again_changes_nothing(ledger, tmp_path):
    run_trial(ledger, 0, Status.COMPLETED, {"fid": 55.0})
    ledger.close(Status.COMPLETED)
    store = Store.beside(tmp_path)
    sync(ledger.folder, store)
    before = content(store)
    sync(ledger.folder, store)
    assert content(store) == before


@pytest.mark.parametrize("n_calls", range(1, 28, 3))
def test_a_mirror_broken_off_anywhere_is_gone_on_with(ledger, tmp_path, n_calls, monkeypatch):
    """Each call of the client can be the last one that the store took."""
    run_trial(ledger, 0, Status.COMPLETED, {"fid": 55.0})
    run_trial(ledger, 1, Status.DIVERGED)
    ledger.close(Status.COMPLETED)
    whole, broken = Store(f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "a"), Store.beside(tmp_path)
    sync(ledger.folder, whole)
    left = iter(range(n_calls))
    for name in ("create_run", "log_batch", "log_image", "set_tag", "set_terminated", "log_artifacts"):
        monkeypatch.setattr(MlflowClient, name, broken_off(getattr(MlflowClient, name), left))
    with pytest.raises(SweepError, match="broken off"):
        sync(ledger.folder, broken)
    monkeypatch.undo()
    sync(ledger.folder, broken)
    assert content(broken) == content(whole)


def broken_off(method, left):
    def call(*args, **kwargs):
        result = method(*args, **kwargs)
        if next(left, None) is None:
            raise ConnectionAbortedError("broken off")
        return result

    return call


def test_a_sweep_that_goes_on_goes_on_in_its_runs(ledger, tmp_path):
    store = Store.beside(tmp_path)
    ledger.start(trial(0))
    report(ledger, 0, 10, 50.0)
    ledger.end("tiny-0000", Status.INTERRUPTED)
    ledger.close(Status.INTERRUPTED)
    sync(ledger.folder, store)
    assert {run.info.status for run in runs_in(store)[1].values()} == {"KILLED"}

    again = Ledger(ledger.folder, SPEC)
    again.start(trial(0))
    mirror = Mirror(ledger.folder, store, is_running=True)
    mirror.catch_up()
    assert {run.info.status for run in runs_in(store)[1].values()} == {"RUNNING"}
    report(again, 0, 10, 50.0)
    report(again, 0, 20, 40.0)
    again.end("tiny-0000", Status.COMPLETED)
    again.close(Status.COMPLETED)
    mirror.conclude()
    client, runs = runs_in(store)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    history = client.get_metric_history(runs["tiny-0000"].info.run_id, "fid")
    assert [(metric.step, metric.value) for metric in history] == [(10, 50.0), (20, 40.0)]
    assert len(client.list_artifacts(runs["tiny-0000"].info.run_id, "images")) == 4


def test_an_image_of_which_half_was_sent_is_sent_again(ledger, tmp_path):
    store = Store.beside(tmp_path)
    ledger.start(trial(0))
    report(ledger, 0, 10, 50.0)
    Mirror(ledger.folder, store, is_running=True).catch_up()
    client, runs = runs_in(store)
    run_id = runs["tiny-0000"].info.run_id
    [small] = tmp_path.rglob("samples+step+10+*+compressed.webp")
    small.unlink()
    client.set_tag(run_id, "step", "0")
    Mirror(ledger.folder, store, is_running=True).catch_up()
    kinds = ["compressed" in file.path for file in client.list_artifacts(run_id, "images")]
    assert sorted(kinds) == [False, False, True]
    ledger.close(Status.COMPLETED)


def test_a_sweep_of_the_same_name_has_runs_of_its_own(ledger, tmp_path):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    store = Store(f"sqlite:///{tmp_path / 'shared.db'}", tmp_path / "artifacts")
    sync(ledger.folder, store)
    theirs = Ledger(create_sweep_folder(tmp_path / "theirs", "tiny", exact=True), SPEC)
    run_trial(theirs, 0, Status.COMPLETED)
    theirs.close(Status.COMPLETED)
    sync(theirs.folder, store)
    client = MlflowClient(store.uri)
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert sorted(run.data.tags.get("trial_id", "parent") for run in runs) == [
        *["parent"] * 2,
        *["tiny-0000"] * 2,
    ]


def test_a_run_that_was_made_twice_is_made_one(ledger, tmp_path):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    store = Store.beside(tmp_path)
    sync(ledger.folder, store)
    client, runs = runs_in(store)
    for run in runs.values():
        made = {key: run.data.tags[key] for key in ("sweep_id", "trial_id") if key in run.data.tags}
        client.create_run(run.info.experiment_id, tags=made)
    sync(ledger.folder, store)
    assert {name: run.info.run_id for name, run in runs_in(store)[1].items()} == {
        name: run.info.run_id for name, run in runs.items()
    }


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("http://me:secret@host:80/path?token=x", "http://host:80/path"),
        ("postgresql://me:se/cret@h/db", "postgresql://h/db"),
        ("http://me:a#b?c@host", "http://host"),
        ("http:/me:secret@host", "host"),
        ("me:secret@host", "host"),
        ("sqlite:////tmp/a@b/mlflow.db", "sqlite:////tmp/a@b/mlflow.db"),
    ],
)
def test_nothing_of_credentials_is_public(uri, public):
    assert tracking.without_credentials(uri) == public


@pytest.mark.parametrize("uri", ["http://[bad", "http://me:secret@ex℀mple.org"])
def test_what_is_no_uri_is_refused_without_its_secrets(tmp_path, uri):
    with pytest.raises(SweepError, match="tracking URI") as refusal:
        Store.chosen(tmp_path, uri)
    assert "secret" not in str(refusal.value)


def test_what_mlflow_refuses_of_one_trial_holds_up_no_other(ledger, tmp_path):
    ledger.start(trial(0))
    ledger.report("tiny-0000", 10, {"fid": 4.0, "not ( a name": 1.0}, 4.0)
    ledger.end("tiny-0000", Status.COMPLETED)
    run_trial(ledger, 1, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    refusals = sync(ledger.folder, Store.beside(tmp_path))
    assert list(refusals) == ["tiny-0000"]
    assert "not ( a name" in str(refusals["tiny-0000"])
    assert runs_in(Store.beside(tmp_path))[1]["tiny-0001"].info.status == "FINISHED"


def test_where_files_have_no_place_all_else_is_sent(ledger, tmp_path):
    (tmp_path / "mlartifacts").touch()
    for number in range(2):
        run_trial(ledger, number, Status.COMPLETED, {"fid": 40.0})
    ledger.close(Status.COMPLETED)
    refusals = sync(ledger.folder, Store.beside(tmp_path))
    assert list(refusals) == ["files"]
    assert "mlartifacts" in refusals["files"]
    _, runs = runs_in(Store.beside(tmp_path))
    assert [run.info.status for run in runs.values()] == ["FINISHED"] * 3
    for number in range(2):
        run = runs[f"tiny-{number:04d}"]
        assert run.data.metrics["final_fid"] == 40.0
        assert run.data.tags["step"] == "20"


def test_many_reports_are_sent_in_batches(ledger, tmp_path, monkeypatch):
    sizes = []
    log_batch = MlflowClient.log_batch

    def counted(client, run_id, metrics=(), **rest):
        sizes.append(len(metrics))
        return log_batch(client, run_id, metrics=metrics, **rest)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    ledger.start(trial(0))
    for step in range(1, 501):
        ledger.report("tiny-0000", step, {"fid": 1.0 + step, "d_loss": 1.0, "g_loss": 1.0}, 2.0)
    ledger.close(Status.INTERRUPTED)
    sync(ledger.folder, Store.beside(tmp_path))
    assert [size for size in sizes if size] == [1000, 1000]
    client, runs = runs_in(Store.beside(tmp_path))
    assert len(client.get_metric_history(runs["tiny-0000"].info.run_id, "fid")) == 500


def test_a_running_sweep_is_not_sent_by_another_process(ledger, tmp_path):
    with running_lock(ledger.folder), pytest.raises(SweepError, match="is running in another process"):
        sync(ledger.folder, Store.beside(tmp_path))


def test_a_damaged_sweep_is_not_sent(ledger, tmp_path):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    with closing(sqlite3.connect(ledger.folder / "ledger.db")) as connection, connection:
        connection.execute("UPDATE trials SET score = 1.0")
    with pytest.raises(SweepError, match="is damaged: gan-sweep resume tiny mends it"):
        sync(ledger.folder, Store.beside(tmp_path))


def test_an_experiment_that_was_deleted_is_there_again(ledger, tmp_path):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    store = Store.beside(tmp_path)
    sync(ledger.folder, store)
    client = MlflowClient(store.uri)
    client.delete_experiment(client.get_experiment_by_name("tiny").experiment_id)
    sync(ledger.folder, store)
    assert set(runs_in(store)[1]) == {"parent", "tiny-0000"}


class TestStore:
    def test_is_the_one_asked_for_then_the_environments_then_the_kept_one(self, tmp_path, monkeypatch):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert Store.chosen(tmp_path) == Store.beside(tmp_path)
        assert Store.chosen(tmp_path, kept="http://kept").uri == "http://kept"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment")
        assert Store.chosen(tmp_path, kept="http://kept").uri == "http://environment"
        assert Store.chosen(tmp_path, "http://asked", "http://kept").uri == "http://asked"

    @pytest.mark.parametrize("uri", ["./mlruns", "file:///mlruns", "ftp://me:secret@host", "databricks"])
    def test_refuses_what_mlflow_keeps_no_runs_in(self, tmp_path, uri):
        with pytest.raises(SweepError, match="--tracking-uri or MLFLOW_TRACKING_URI") as refusal:
            Store.chosen(tmp_path, uri)
        assert "secret" not in str(refusal.value)

    @pytest.mark.parametrize(
        "uri", ["sqlite:////folder/mlflow.db", "sqlite:///mlflow.db", "http://host:8080"]
    )
    def test_keeps_an_address_without_credentials_as_it_is(self, tmp_path, uri):
        assert Store.chosen(tmp_path, uri).kept == uri

    def test_shows_and_keeps_no_credentials(self, tmp_path):
        store = Store.chosen(tmp_path, "https://me:s%40cret@host:8080/path?token=abc")
        assert store.public == store.kept == "https://host:8080/path"
        message = f"request to {store.uri} failed for me:s@cret with token=abc (s%40cret)"
        cleaned = store.without_secrets(message)
        assert not any(secret in cleaned for secret in ("s@cret", "s%40cret", "abc"))
        assert "https://host:8080/path" in cleaned


def test_there_is_no_dashboard_before_there_is_a_sweep(tmp_path):
    with pytest.raises(SweepError, match="nothing to show in"):
        serve_dashboard(tmp_path)


def test_what_is_broken_off_loses_no_report(ledger, tmp_path):
    for number in range(3):
        run_trial(ledger, number, Status.COMPLETED)
    store = Store.beside(tmp_path)
    mirror = Mirror(ledger.folder, store, is_running=True)
    answers = iter([False, False])
    mirror.catch_up(is_over=lambda: next(answers, True))
    mirror.conclude()
    client, runs = runs_in(store)
    histories = [client.get_metric_history(run.info.run_id, "fid") for run in runs.values()]
    assert sorted(map(len, histories)) == [0, 2, 2, 2]
