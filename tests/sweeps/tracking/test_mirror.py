"""What a store holds of a record, whatever interrupts the uploads."""

import re

import pytest
from mlflow import MlflowClient

from sweeps.errors import SweepError
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.locks import running_lock, uploads_lock
from sweeps.record.status import Status
from sweeps.record.uploads import stores_showing_running
from sweeps.tracking.mirror import Mirror
from sweeps.tracking.sync import experiment_link, sync
from tests.sweeps.tracking.records import (
    SPEC,
    content,
    images_of,
    report,
    run_trial,
    runs_in,
    statuses_in,
    trial,
    values_of,
    write_grid,
)

UPLOADS = ("create_run", "log_batch", "log_image", "set_tag", "set_terminated", "log_artifacts")


def test_a_link_to_a_sweep_without_runs_names_the_command_and_creates_nothing(ledger, store):
    ledger.close(Status.COMPLETED)
    with pytest.raises(SweepError, match="MLflow has no runs of tiny: type gan-sweep sync tiny"):
        experiment_link(ledger.folder, store)
    assert MlflowClient(store.uri).get_experiment_by_name("tiny") is None
    sync(ledger.folder, store)
    assert experiment_link(ledger.folder, store).startswith("#/experiments/")


def test_a_sweep_is_a_parent_run_with_a_child_for_each_trial(ledger, store):
    statuses = (Status.COMPLETED, Status.PRUNED, Status.DIVERGED, Status.CRASHED, Status.INTERRUPTED)
    for number, status in enumerate(statuses):
        run_trial(ledger, number, status, {"fid": 55.0} if status is Status.COMPLETED else None)
    ledger.close(Status.COMPLETED)
    assert sync(ledger.folder, store) == {}

    client, runs = runs_in(store)
    assert len(runs) == 6
    parent = runs.pop("parent")
    assert (parent.info.run_name, parent.info.status) == ("tiny", "FINISHED")
    assert values_of(client, parent, "best_fid") == [(1, 50.0), (2, 49.0)]
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"spec.yaml", "leaderboard.csv", "leaderboard.json", "contact_sheet.png"}
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
    tags = {"stage": "search", "seed": "0", "floor": "3.3", "extractor": "abc", "torch": "2", "cores": "2"}
    assert tags.items() <= child.data.tags.items()
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert next(iter(child.data.params)) == "lr"
    assert child.data.params == {name: str(value) for name, value in trial(0).config.items()}
    assert runs["tiny-0001"].data.tags["reason"] == "as it was"
    assert values_of(client, child, "fid") == [(10, 50.0), (20, 60.0)]
    assert values_of(client, child, "best_fid") == [(10, 50.0), (20, 50.0)]
    assert child.data.metrics["final_fid"] == 55.0
    assert not any("final_fid" in run.data.metrics for name, run in runs.items() if name != "tiny-0000")
    assert [
        sum(f"samples+step+{step}+" in path for path in images_of(client, child)) for step in (10, 20)
    ] == [*(2, 2)]
    pictures = {file.path for file in client.list_artifacts(child.info.run_id)}
    assert pictures == {"images", "best.png", "spec.yaml"}


def test_a_run_has_the_floors_and_the_accuracy_of_the_classifier(ledger, store):
    config = trial(0).config
    floors = {
        str(config["eval_samples"]): {"images": config["eval_samples"], "scores": {"fid": 8.0}},
        str(config["final_samples"]): {"images": 3000, "scores": {"fid": 7.0}},
    }
    accuracy = {"share": 0.4, "chance": 0.1, "images": 1000}
    ledger.describe({"floors_by_samples": floors, "accuracy": accuracy})
    run_trial(ledger, 0, Status.COMPLETED, {"fid": 55.0})
    ledger.close(Status.COMPLETED)
    assert sync(ledger.folder, store) == {}
    _, runs = runs_in(store)
    tags = runs["tiny-0000"].data.tags
    assert (tags["floor"], tags["final_floor"], tags["final_floor_images"]) == ("8.0", "7.0", "3000")
    assert tags["classifier"].startswith("right on 40.0 % of 1,000 held-out images")
    assert "floor_images" not in tags


def test_another_upload_changes_nothing(ledger, store, monkeypatch):
    run_trial(ledger, 0, Status.COMPLETED, {"fid": 55.0})
    ledger.close(Status.COMPLETED)
    sync(ledger.folder, store)
    before = content(store)
    for name in ("create_run", "log_batch", "log_image"):
        monkeypatch.setattr(MlflowClient, name, refuse)
    sync(ledger.folder, store)
    monkeypatch.undo()
    assert content(store) == before


def refuse(*_arguments, **_options):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("n_calls", range(1, 26, 3))
def test_a_mirror_interrupted_at_any_call_is_resumed(ledger, store, another_store, n_calls, monkeypatch):
    """Each call of the client can be the last one that the store took."""
    run_trial(ledger, 0, Status.COMPLETED, {"fid": 55.0})
    run_trial(ledger, 1, Status.DIVERGED)
    ledger.close(Status.COMPLETED)
    sync(ledger.folder, another_store)
    left = iter(range(n_calls))
    for name in UPLOADS:
        monkeypatch.setattr(MlflowClient, name, interrupted(getattr(MlflowClient, name), left))
    with pytest.raises(SweepError, match="interrupted"):
        sync(ledger.folder, store)
    monkeypatch.undo()
    assert sync(ledger.folder, store) == {}
    assert content(store) == content(another_store)


def interrupted(method, left):
    def call(*args, **kwargs):
        result = method(*args, **kwargs)
        if next(left, None) is None:
            raise ConnectionAbortedError("interrupted")
        return result

    return call


def test_two_stores_in_turn_hold_the_same(ledger, store, another_store):
    run_trial(ledger, 0, Status.COMPLETED, {"fid": 55.0})
    sync(ledger.folder, store)
    run_trial(ledger, 1, Status.COMPLETED, {"fid": 54.0})
    sync(ledger.folder, another_store)
    run_trial(ledger, 2, Status.PRUNED)
    ledger.close(Status.COMPLETED)
    assert sync(ledger.folder, store) == sync(ledger.folder, another_store) == {}
    assert content(store) == content(another_store)


def test_a_sweep_that_is_resumed_continues_in_its_runs(ledger, store):
    ledger.start(trial(0))
    report(ledger, 0, 10, 50.0)
    ledger.end("tiny-0000", Status.INTERRUPTED)
    ledger.close(Status.INTERRUPTED)
    sync(ledger.folder, store)
    assert {*statuses_in(store).values()} == {"KILLED"}

    again = Ledger(ledger.folder, SPEC)
    again.start(trial(0))
    mirror = Mirror(ledger.folder, store, is_running=True)
    mirror.catch_up()
    assert {*statuses_in(store).values()} == {"RUNNING"}
    report(again, 0, 20, 40.0)
    again.end("tiny-0000", Status.COMPLETED)
    again.close(Status.COMPLETED)
    mirror.conclude()
    client, runs = runs_in(store)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert values_of(client, runs["tiny-0000"], "fid") == [(10, 50.0), (20, 40.0)]
    assert len(images_of(client, runs["tiny-0000"])) == 4


def test_a_report_that_is_made_again_is_sent_again(ledger, store):
    ledger.start(trial(0))
    report(ledger, 0, 10, 50.0)
    mirror = Mirror(ledger.folder, store, is_running=True)
    mirror.catch_up()
    report(ledger, 0, 10, 45.0)
    ledger.take_over(trial(0), "tiny-0001", 5)
    mirror.catch_up()
    report(ledger, 0, 10, 40.0)
    ledger.end("tiny-0000", Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    assert sync(ledger.folder, store) == {}
    client, runs = runs_in(store)
    assert sorted(values_of(client, runs["tiny-0000"], "fid")) == [(10, 40.0), (10, 45.0), (10, 50.0)]
    assert runs["tiny-0000"].data.metrics["fid"] == 40.0
    assert len(images_of(client, runs["tiny-0000"])) == 6


@pytest.mark.parametrize("damage", ["unlink", "empty"])
def test_an_image_of_which_half_was_sent_is_sent_again(ledger, store, tmp_path, damage):
    ledger.start(trial(0))
    report(ledger, 0, 10, 50.0)
    Mirror(ledger.folder, store, is_running=True).catch_up()
    client, runs = runs_in(store)
    run_id = runs["tiny-0000"].info.run_id
    [small] = tmp_path.rglob("samples+step+10+*+compressed.webp")
    whole = small.stat().st_size
    small.unlink() if damage == "unlink" else small.write_bytes(b"")
    client.set_tag(run_id, "images_sent", "0")
    Mirror(ledger.folder, store, is_running=True).catch_up()
    sizes = [file.stat().st_size for file in tmp_path.rglob("samples+step+10+*+compressed.webp")]
    assert sizes.count(whole) == 1
    ledger.close(Status.COMPLETED)


@pytest.mark.parametrize("remedy", ["delete", "replace"])
def test_a_file_cut_short_here_is_named_and_blocks_nothing(ledger, store, remedy):
    run_trial(ledger, 0, Status.COMPLETED)
    grid = write_grid(ledger, 0, 10)
    grid.write_bytes(grid.read_bytes()[:45])
    run_trial(ledger, 1, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    missing = sync(ledger.folder, store)
    assert list(missing) == ["tiny-0000, step 10, samples/tiny-0000/10.png"]
    assert re.search(r"10.png cannot be read: .*; delete the file", missing.popitem()[1])
    client, runs = runs_in(store)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert values_of(client, runs["tiny-0000"], "fid") == [(10, 50.0), (20, 60.0)]
    assert len(images_of(client, runs["tiny-0000"])) == 2
    grid.unlink() if remedy == "delete" else write_grid(ledger, 0, 10)
    assert sync(ledger.folder, store) == {}
    assert len(images_of(client, runs["tiny-0000"])) == (2 if remedy == "delete" else 4)


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), ConnectionError("reset"), KeyError("x")]
)
def test_files_that_a_store_did_not_take_once_are_sent_later(ledger, store, monkeypatch, error):
    def fail(*_arguments, **_options):
        raise error

    run_trial(ledger, 0, Status.COMPLETED, {"fid": 40.0})
    ledger.close(Status.COMPLETED)
    for name in ("log_image", "log_artifacts"):
        monkeypatch.setattr(MlflowClient, name, fail)
    missing = sync(ledger.folder, store)
    assert {"tiny-0000, step 10, samples/tiny-0000/10.png", "tiny-0000, best.png, spec.yaml"} < {*missing}
    client, runs = runs_in(store)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["tiny-0000"].data.metrics["final_fid"] == 40.0
    monkeypatch.undo()
    assert sync(ledger.folder, store) == {}
    assert len(images_of(client, runs["tiny-0000"])) == 4
    assert {"best.png", "spec.yaml"} < {
        file.path for file in client.list_artifacts(runs["tiny-0000"].info.run_id)
    }


def test_an_image_that_was_not_taken_is_sent_later_although_the_next_one_was(ledger, store, monkeypatch):
    ledger.start(trial(0))
    mirror = Mirror(ledger.folder, store, is_running=True)
    report(ledger, 0, 10, 50.0)
    monkeypatch.setattr(MlflowClient, "log_image", refuse)
    mirror.catch_up()
    monkeypatch.undo()
    report(ledger, 0, 20, 40.0)
    mirror.catch_up()
    client, runs = runs_in(store)
    assert len(images_of(client, runs["tiny-0000"])) == 2
    ledger.close(Status.INTERRUPTED)
    assert sync(ledger.folder, store) == {}
    assert len(images_of(client, runs["tiny-0000"])) == 4


def test_metrics_that_were_refused_are_sent_later_although_the_next_ones_were_taken(
    ledger, store, monkeypatch
):
    ledger.start(trial(0))
    mirror = Mirror(ledger.folder, store, is_running=True)
    mirror.catch_up()
    report(ledger, 0, 10, 50.0)
    monkeypatch.setattr(MlflowClient, "log_batch", refuse)
    mirror.catch_up()
    monkeypatch.undo()
    report(ledger, 0, 20, 40.0)
    mirror.catch_up()
    client, runs = runs_in(store)
    assert values_of(client, runs["tiny-0000"], "fid") == [(20, 40.0)]
    ledger.close(Status.INTERRUPTED)
    assert sync(ledger.folder, store) == {}
    assert sorted(values_of(client, runs["tiny-0000"], "fid")) == [(10, 50.0), (20, 40.0)]


def test_without_a_place_for_files_all_else_is_sent(ledger, store, tmp_path):
    (tmp_path / "mlartifacts").touch()
    for number in range(2):
        run_trial(ledger, number, Status.COMPLETED, {"fid": 40.0})
    ledger.close(Status.COMPLETED)
    missing = sync(ledger.folder, store)
    assert "mlartifacts" in missing["tiny-0001, step 20, samples/tiny-0001/20.png"]
    _, runs = runs_in(store)
    assert [run.info.status for run in runs.values()] == ["FINISHED"] * 3
    for number in range(2):
        run = runs[f"tiny-{number:04d}"]
        assert run.data.metrics["final_fid"] == 40.0
        assert run.data.tags["step"] == "20"


def test_a_report_that_mlflow_refuses_is_named_and_holds_up_no_other(ledger, store):
    ledger.start(trial(0))
    for step, name in ((10, "kid"), (20, "not ( a name"), (30, "kid")):
        ledger.report("tiny-0000", step, {"fid": 4.0, name: 1.0}, 4.0)
    ledger.end("tiny-0000", Status.COMPLETED)
    run_trial(ledger, 1, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    for _ in range(2):
        missing = sync(ledger.folder, store)
        assert list(missing) == ["tiny-0000, step 20, metrics"]
        assert "not ( a name" in missing["tiny-0000, step 20, metrics"]
        client, runs = runs_in(store)
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        assert [step for step, _ in values_of(client, runs["tiny-0000"], "kid")] == [10, 30]


def test_a_sweep_of_the_same_name_has_runs_of_its_own(ledger, store, tmp_path):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    sync(ledger.folder, store)
    theirs = Ledger(create_sweep_folder(tmp_path / "theirs", "tiny", exact=True), SPEC)
    run_trial(theirs, 0, Status.COMPLETED)
    theirs.close(Status.COMPLETED)
    sync(theirs.folder, store)
    assert trials_in(store) == ["parent", "parent", "tiny-0000", "tiny-0000"]


def test_a_record_that_lost_rows_has_new_runs(ledger, store):
    run_trial(ledger, 0, Status.COMPLETED)
    sync(ledger.folder, store)
    ledger.describe({"generation": 1})
    ledger.close(Status.COMPLETED)
    for _ in range(2):
        sync(ledger.folder, store)
        assert trials_in(store) == ["parent", "parent", "tiny-0000", "tiny-0000"]


def trials_in(store):
    client = MlflowClient(store.uri)
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    return sorted(run.data.tags.get("trial_id", "parent") for run in runs)


def test_of_two_runs_of_a_trial_the_emptier_one_is_deleted(ledger, store):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    sync(ledger.folder, store)
    client, runs = runs_in(store)
    for run in runs.values():
        tags = {key: run.data.tags[key] for key in ("sweep_id", "trial_id") if key in run.data.tags}
        client.create_run(run.info.experiment_id, tags=tags)
    sync(ledger.folder, store)
    assert {name: run.info.run_id for name, run in runs_in(store)[1].items()} == {
        name: run.info.run_id for name, run in runs.items()
    }


def test_many_reports_are_sent_in_batches(ledger, store, monkeypatch):
    sizes = []
    log_batch = MlflowClient.log_batch

    def counted(client, run_id, metrics=(), **rest):
        sizes.append(len(metrics))
        return log_batch(client, run_id, metrics=metrics, **rest)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    ledger._connection.execute("PRAGMA synchronous = OFF")
    ledger.start(trial(0))
    for step in range(1, 501):
        ledger.report("tiny-0000", step, {"fid": 1.0 + step, "d_loss": 1.0, "g_loss": 1.0}, 2.0)
    ledger.close(Status.INTERRUPTED)
    sync(ledger.folder, store)
    assert [size for size in sizes if size] == [1000, 1000]
    client, runs = runs_in(store)
    assert len(values_of(client, runs["tiny-0000"], "fid")) == 500


def test_a_running_sweep_is_not_synced_by_another_process(ledger, store):
    with running_lock(ledger.folder), pytest.raises(SweepError, match="is running in another process"):
        sync(ledger.folder, store)


def test_two_processes_do_not_upload_at_once(ledger, store):
    with (
        uploads_lock(ledger.folder, pytest.fail),
        pytest.raises(SweepError, match="another process is uploading the sweep tiny"),
    ):
        sync(ledger.folder, store)


def test_a_damaged_sweep_is_not_sent(ledger, store):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    file = ledger.folder / "ledger.db"
    file.write_bytes(file.read_bytes()[:4096] + b"x" * 8192 + file.read_bytes()[12288:])
    with pytest.raises(SweepError, match="is damaged"):
        sync(ledger.folder, store)


def test_an_experiment_that_was_deleted_is_restored(ledger, store):
    run_trial(ledger, 0, Status.COMPLETED)
    ledger.close(Status.COMPLETED)
    sync(ledger.folder, store)
    client = MlflowClient(store.uri)
    client.delete_experiment(client.get_experiment_by_name("tiny").experiment_id)
    sync(ledger.folder, store)
    assert trials_in(store) == ["parent", "tiny-0000"]


def test_which_stores_show_a_sweep_as_running_is_known_without_asking_them(ledger, store, another_store):
    ledger.start(trial(0))
    for each in (store, another_store):
        Mirror(ledger.folder, each, is_running=True).catch_up()
    assert stores_showing_running(ledger.folder) == [None, another_store.uri]
    ledger.close(Status.INTERRUPTED)
    for each, left in ((store, [another_store.uri]), (another_store, [])):
        sync(ledger.folder, each)
        assert {*statuses_in(each).values()} == {"KILLED"}
        assert stores_showing_running(ledger.folder) == left
    (ledger.folder / "mlflow.json").write_text("[")
    assert stores_showing_running(ledger.folder) == []


def test_a_run_says_whether_its_trial_meets_the_constraints(ledger, store):
    ledger.describe({"spec": SPEC | {"constraints": ["fid >= 49.5", "d_loss <= 2"]}})
    run_trial(ledger, 0, Status.COMPLETED, {"fid": 55.0})
    run_trial(ledger, 1, Status.PRUNED)
    ledger.close(Status.COMPLETED)
    assert sync(ledger.folder, store) == {}
    client, runs = runs_in(store)
    assert [runs[f"tiny-000{number}"].data.tags["feasible"] for number in (0, 1)] == ["true", "false"]
    assert values_of(client, runs["parent"], "best_fid") == [(1, 50.0)]
