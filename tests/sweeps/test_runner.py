import signal
import sys

import pytest

from sweeps.errors import SweepInterrupted
from sweeps.runner import _Signals


def test_rays_own_answer_to_sigterm_counts_as_the_signal():
    with pytest.raises(SweepInterrupted) as interrupted, _Signals().caught():
        sys.exit(signal.SIGTERM)
    assert interrupted.value.signal_number == signal.SIGTERM


def test_any_other_exit_stays_what_it_is():
    with pytest.raises(SystemExit), _Signals().caught():
        sys.exit(3)
