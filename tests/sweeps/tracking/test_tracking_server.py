"""A real MLflow server, which may be down."""

import socket
from contextlib import suppress
from time import monotonic

import pytest

from sweeps.errors import SweepError
from sweeps.record.locks import running_lock
from sweeps.record.status import Status
from sweeps.tracking import tracker as tracker_module
from sweeps.tracking.store import Store
from sweeps.tracking.sync import sync
from sweeps.tracking.tracker import Tracker
from tests.servers import free_port, server, wait_until
from tests.sweeps.tracking.records import content, run_trial, statuses_in, trial

pytestmark = pytest.mark.tracking


@pytest.fixture
def port():
    return free_port()


def test_after_sync_a_server_that_was_down_holds_what_it_would_have_held(
    ledger, another_store, tmp_path, port, capsys
):
    store, said = Store.chosen(tmp_path, f"http://127.0.0.1:{port}"), []
    with running_lock(ledger.folder):
        with server(tmp_path, port):
            tracker = Tracker(ledger.folder, store, said.append)
            run_trial(ledger, 0, Status.COMPLETED, {"fid": 55.0})
            wait_until(lambda: is_ended(store, "tiny-0000"))
        run_trial(ledger, 1, Status.PRUNED)
        wait_until(lambda: said)
        with server(tmp_path, port):
            wait_until(lambda: tracker.failure is None)
        ledger.start(trial(2))
        ledger.end("tiny-0002", Status.DIVERGED)
        ledger.close(Status.COMPLETED)
    tracker.close()
    assert capsys.readouterr().out == ""
    assert len(said) == 2
    assert f"127.0.0.1:{port}" in tracker.failure
    with pytest.raises(
        SweepError, match=f"MLflow at http://127.0.0.1:{port} does not take the sweep's records"
    ):
        sync(ledger.folder, store)
    sync(ledger.folder, another_store)
    with server(tmp_path, port):
        assert sync(ledger.folder, store) == {}
        assert content(store) == content(another_store)


def is_ended(store, trial_id):
    with suppress(AttributeError):
        return statuses_in(store).get(trial_id) == "FINISHED"
    return False


def test_a_sweep_ends_in_time_although_the_server_never_answers(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(tracker_module, "STALLED_S", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = Store.chosen(tmp_path, f"http://me:secret@127.0.0.1:{silent.getsockname()[1]}")
        with running_lock(ledger.folder):
            tracker = Tracker(ledger.folder, store, lambda _text: None)
            run_trial(ledger, 0, Status.COMPLETED)
            ledger.close(Status.COMPLETED)
        started = monotonic()
        tracker.close()
        assert monotonic() - started < 5
        assert tracker.failure
        assert "secret" not in tracker.failure


def test_only_a_server_that_asks_for_credentials_gets_them(ledger, another_store, tmp_path, port, capfd):
    run_trial(ledger, 0, Status.COMPLETED, {"fid": 55.0})
    ledger.close(Status.COMPLETED)
    (tmp_path / "auth.ini").write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\nadmin_username = me\nadmin_password = a-long-secret\n"
        f"database_uri = sqlite:///{tmp_path / 'auth.db'}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    settings = {
        "MLFLOW_AUTH_CONFIG_PATH": str(tmp_path / "auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this test",
    }
    with server(tmp_path, port, "--app-name", "basic-auth", **settings):
        for user in ("", "me:another-secret@"):
            with pytest.raises(SweepError, match=f"MLflow at http://127.0.0.1:{port} does not") as refusal:
                sync(ledger.folder, Store.chosen(tmp_path, f"http://{user}127.0.0.1:{port}"))
            assert "another-secret" not in str(refusal.value)
        store = Store.chosen(tmp_path, f"http://me:a-long-secret@127.0.0.1:{port}")
        assert sync(ledger.folder, store) == {}
        sync(ledger.folder, another_store)
        assert content(store) == content(another_store)
    assert "a-long-secret" not in "".join(capfd.readouterr())
    for file in ledger.folder.rglob("*"):
        assert file.is_dir() or b"a-long-secret" not in file.read_bytes()
