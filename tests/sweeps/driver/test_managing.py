"""Stopping a sweep of another process, and deleting sweeps."""

import os

import pytest

from sweeps.driver.managing import remove_sweep, stop_sweep, this_process
from sweeps.errors import SweepError
from sweeps.record.ledger import Ledger
from sweeps.record.locks import running_lock
from sweeps.record.status import Status
from tests.sweeps.ledgers import write_sweep


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1], ids=["another process", "no process"])
def test_stop_signals_no_process_that_does_not_run_the_sweep(tmp_path, monkeypatch, pid):
    signalled = []
    monkeypatch.setattr(os, "kill", lambda *what: signalled.append(what))
    folder = write_sweep(tmp_path)
    ledger = Ledger(folder, {})
    ledger.describe({"process": this_process() | {"pid": pid, "started": "1"}})
    ledger.close(Status.INTERRUPTED)
    with (
        running_lock(folder),
        pytest.raises(SweepError, match=r"another command uses it, such as gan-sweep sync"),
    ):
        next(stop_sweep(folder))
    assert not signalled


@pytest.mark.parametrize(
    ("status", "storage", "remaining"),
    [
        (
            Status.INTERRUPTED,
            {"uri": "s3://bucket/runs", "key": "s-0123456789ab"},
            "s3://bucket/runs/s-0123456789ab",
        ),
        (
            Status.INTERRUPTED,
            {"uri": None, "key": "s-0123456789ab"},
            f"gan-sweep-{os.getuid()}/s-0123456789ab, in each node's folder of temporary files",
        ),
        (Status.COMPLETED, {"uri": "s3://bucket/runs", "key": "s-0123456789ab"}, None),
        (Status.INTERRUPTED, None, None),
    ],
)
def test_deleting_an_unfinished_sweep_returns_where_checkpoints_remain(tmp_path, status, storage, remaining):
    folder = write_sweep(tmp_path)
    ledger = Ledger(folder, {})
    ledger.describe({"storage": storage})
    ledger.close(status)
    assert remove_sweep(folder) == remaining
    assert not folder.exists()
