"""Exit codes of the command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from sweeps.errors import SweepInterrupted
from sweeps.record.status import Status

if TYPE_CHECKING:
    from sweeps.analysis.sweep import Sweep
    from sweeps.driver.runner import Outcome

EXIT_NO_TRIAL_SUCCEEDED = 1
EXIT_DIFFERENT = 1
EXIT_BAD_INPUT = 2
EXIT_INCOMPLETE = 3
EXIT_INTERNAL_ERROR = 70
SIGNAL_EXIT_BASE = 128


@contextmanager
def signals_as_exit_codes() -> Iterator[None]:
    """Exit with 128 plus the signal's number after a signal that came before the sweep had begun."""
    try:
        yield
    except SweepInterrupted as interruption:
        raise typer.Exit(SIGNAL_EXIT_BASE + interruption.signal_number) from None


def exit_code_of(outcome: "Outcome", *, strict: bool) -> int:
    """Return the exit code of a run.

    Args:
        outcome: How the run ended.
        strict: Whether failed trials are a failure of the run.

    Returns:
        128 plus the signal's number after a signal; 1 if no trial has a score and meets the constraints, or
        none of the confirmation has a score; 3 if the confirmation did not end or, with ``strict``, if trials
        failed; else 0.
    """
    if outcome.signal_number is not None:
        return SIGNAL_EXIT_BASE + outcome.signal_number
    sweep = outcome.sweep
    if sweep.summary()["best"] is None:
        return EXIT_NO_TRIAL_SUCCEEDED
    if outcome.confirms:
        if (sweep.facts.get("confirmation") or {}).get("status") != Status.COMPLETED:
            return EXIT_INCOMPLETE
        if not sweep.count_replicas(Status.COMPLETED):
            return EXIT_NO_TRIAL_SUCCEEDED
    return EXIT_INCOMPLETE if strict and n_failed(sweep) else 0


def n_failed(sweep: "Sweep") -> int:
    """Return the number of failed trials, those of the confirmation included; diverged trials not counted."""
    return sweep.count(Status.CRASHED) + sweep.count_replicas(Status.CRASHED)
