import signal
import sys

import pytest

from sweeps.errors import SweepError, SweepInterrupted
from sweeps.runner import _Signals, _write_report
from tests.sweeps.ledgers import write_sweep


def test_rays_own_answer_to_sigterm_counts_as_the_signal():
    with pytest.raises(SweepInterrupted) as interrupted, _Signals().caught():
        sys.exit(signal.SIGTERM)
    assert interrupted.value.signal_number == signal.SIGTERM


def test_any_other_exit_stays_what_it_is():
    with pytest.raises(SystemExit), _Signals().caught():
        sys.exit(3)


def test_a_report_page_that_cannot_be_written_is_no_error_of_the_sweeps(tmp_path):
    folder = write_sweep(tmp_path)
    assert _write_report(folder) is None
    (folder / "report.html").unlink()
    (folder / "report.html").mkdir()
    assert isinstance(_write_report(folder), SweepError)
