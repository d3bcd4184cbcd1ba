"""Trials and records for the tests of the record."""

from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from sweeps.record.trial import Trial


def trial(number):
    return Trial(
        f"tiny-{number:04d}", number, {"lr": 0.1 + number}, {"lr": 0.1 + number, "seed": 1}, number == 0
    )


def write_trials(ledger, numbers):
    """Write trials of three reports each; a later trial is better."""
    for number in numbers:
        ledger.start(trial(number))
        fid = 100.0 - number
        for step in (10, 20, 30):
            ledger.report(f"tiny-{number:04d}", step, {"fid": fid, "g_loss": 1 / 3}, fid)
        ledger.end(f"tiny-{number:04d}", Status.COMPLETED, final={"fid": fid - 1})


def new_ledger(results):
    """Begin a record whose transactions do not wait for the disk."""
    ledger = Ledger(create_sweep_folder(results, "tiny", exact=True), {"name": "tiny"})
    ledger._connection.execute("PRAGMA synchronous = OFF")
    return ledger
