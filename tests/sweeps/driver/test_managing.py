"""Stopping a sweep of another process."""

import os

import pytest

from sweeps.driver.managing import stop_sweep, this_process
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
