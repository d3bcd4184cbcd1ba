import signal
import sys

import pytest

from sweeps.driver.ends import Budget, BudgetOver, Signals
from sweeps.errors import SweepInterrupted


def test_rays_own_answer_to_sigterm_counts_as_the_signal():
    with pytest.raises(SweepInterrupted) as interrupted, Signals().caught():
        sys.exit(signal.SIGTERM)
    assert interrupted.value.signal_number == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_raised_where_a_sweep_can_end_and_a_second_one_is_as_usual(number):
    signals, before = Signals(), signal.getsignal(number)
    with signals.caught():
        signals.check()
        signal.raise_signal(number)
        with pytest.raises(SweepInterrupted) as interrupted:
            signals.check()
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        assert signal.getsignal(number) == usual
    assert interrupted.value.signal_number == number
    assert signal.getsignal(number) == before


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
