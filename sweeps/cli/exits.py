"""Exit codes of the command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from sweeps.errors import SweepInterrupted
from sweeps.record.status import Status

if TYPE_CHECKING:
    from sweeps.driver.runner import Outcome
EXIT_NO_TRIAL_SUCCEEDED = 1
EXIT_DIFFERENT = 1
EXIT_BAD_INPUT = 2
EXIT_SOME_TRIALS_FAILED = 3
SIGNAL_EXIT_BASE = 128


@contextmanager
def signals_as_exit_codes() -> Iterator[None]:
    """Exit with 128 plus the signal's number after a signal that came before the sweep had begun."""
    try:
        yield
    except SweepInterrupted as interruption:
        raise typer.Exit(SIGNAL_EXIT_BASE + interruption.signal_number) from None


def exit_code_of_confirmation(outcome: "Outcome") -> int:
    """Return the exit code of ``gan-sweep confirm``."""
    if outcome.signal_number is not None:
        return SIGNAL_EXIT_BASE + outcome.signal_number
    if not outcome.sweep.count_replicas(Status.COMPLETED):
        return EXIT_NO_TRIAL_SUCCEEDED
    return EXIT_SOME_TRIALS_FAILED if outcome.sweep.count_replicas(Status.CRASHED) else 0


def exit_code_of(outcome: "Outcome") -> int:
    """Return the exit code of a sweep."""
    if outcome.signal_number is not None:
        return SIGNAL_EXIT_BASE + outcome.signal_number
    ended_well = outcome.sweep.count(Status.COMPLETED) + outcome.sweep.count(Status.PRUNED)
    has_verdict = outcome.out_of_time and outcome.sweep.summary()["best"] is not None
    if not ended_well and not has_verdict:
        return EXIT_NO_TRIAL_SUCCEEDED
    n_failed = outcome.sweep.count(Status.CRASHED) + outcome.sweep.count_replicas(Status.CRASHED)
    return EXIT_SOME_TRIALS_FAILED if n_failed else 0
