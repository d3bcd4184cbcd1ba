"""The errors that :mod:`sweeps` raises on purpose; each message says what is wrong and what to do.

::

    Exception
    └── SweepError                 every error on purpose; it ends a command with exit code 2
        ├── SpecError              a search-space file, override or option has faults (also a ValueError)
        ├── DiskFullError          the disk has too little space for the sweep
        ├── SweepExistsError       the results folder has a sweep of this name already
        ├── DamagedRecordError     the record of a sweep is damaged
        ├── UnknownSweepError      the results folder has no sweep of this name
        └── UnknownTrialError      the sweep has no trial of this name, or no trial that fits the request
    UserWarning
    └── DamagedLedgerWarning       the record is damaged; reading falls back to its copy
    KeyboardInterrupt
    └── SweepInterrupted           a signal ended the sweep
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

KeyPath = tuple[str | int, ...]
"""The keys and list indices that lead to a value of a search-space file: ``("parameters", "lr", "min")``."""


class SweepError(Exception):
    """The base of every error that sweeps raises on purpose.

    The message is complete without a traceback: it names the file, sweep or option, and says what to do.
    """


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a search-space file, an override or an option.

    Args:
        place: Where: ``FILE:LINE:COLUMN``, ``FILE``, or the option as the user typed it.
        message: What is wrong, what is allowed and what to type.
        path: The path of the faulty value; empty if the fault concerns the whole file.
    """

    place: str
    message: str
    path: KeyPath = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class SpecError(SweepError, ValueError):
    """A search-space file, an override or an option has faults.

    The message has one line for each fault: ``PLACE: MESSAGE``.

    Args:
        faults: All faults, in the order of the message.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class DiskFullError(SweepError):
    """The disk has too little space for a sweep; all files written so far are complete.

    The message names the folder, the needed and the free space, and how to go on.
    """


class DamagedRecordError(SweepError):
    """The record of a sweep is damaged.

    Args:
        file: The record.
        problem: What is wrong with it.
    """

    def __init__(self, file: Path, problem: str) -> None:
        self.file = file
        self.problem = problem
        super().__init__(
            f"{file} is damaged ({problem}): gan-sweep resume {file.parent.name} restores its copy"
        )


class SweepExistsError(SweepError):
    """The results folder has a sweep of the requested name already.

    The message names the sweep and the folder, and how to resume it or choose another name.
    """


class UnknownSweepError(SweepError):
    """The results folder has no sweep of the requested name.

    The message names the folder and the sweeps in it.
    """


class UnknownTrialError(SweepError):
    """The sweep has no trial of the requested name, or no trial that fits the request.

    The message names the sweep or the trial, and what is missing.
    """


class DamagedLedgerWarning(UserWarning):
    """The record of a sweep is damaged; reading falls back to its copy.

    The message names the file and the time of the copy.
    """


class SweepInterrupted(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP ended a sweep.

    The message is ``stopped by`` and the signal's name.

    Args:
        signal_number: The number of the signal.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(f"stopped by {Signals(signal_number).name}")


def warn_deprecated(old: str, new: str) -> None:
    """Warn the caller's caller that a public name will go in the next version."""
    warnings.warn(f"{old} will be removed in the next version: use {new}", DeprecationWarning, stacklevel=3)
