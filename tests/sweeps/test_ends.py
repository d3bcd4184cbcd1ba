import signal
import sys

import pytest

from sweeps.ends import Budget, BudgetOver, Signals
from sweeps.errors import SweepInterrupted


def test_rays_own_answer_to_sigterm_counts_as_the_signal():
    with pytest.raises(SweepInterrupted) as interrupted, Signals().caught():
        sys.exit(signal.SIGTERM)
    assert interrupted.value.signal_number == signal.SIGTERM


def test_any_other_exit_stays_what_it_is():
    with pytest.raises(SystemExit), Signals().caught():
        sys.exit(3)


def test_a_budget_is_over_when_its_time_is():
    over, open_, endless = Budget(-1), Budget(60), Budget(None)
    open_.check()
    endless.check()
    with pytest.raises(BudgetOver):
        over.check()
    assert [budget.is_over for budget in (over, open_, endless)] == [True, False, False]
