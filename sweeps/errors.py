"""What can go wrong in :mod:`sweeps`; each message says what to do about it.

::

    SweepError                 ends a command with exit code 2
    ├── SpecError              the search-space file, or an override, has faults (also a ValueError)
    ├── DiskFullError          there is no room for what a sweep writes
    ├── SweepExistsError       a sweep of the name asked for is there already
    ├── UnknownSweepError      no sweep of this name, or no sweep at all
    └── UnknownTrialError      the sweep has no such trial, or none with what is asked for
    DamagedLedgerWarning       a ledger is read as far as it is whole
    SweepInterrupted           a signal ended a sweep (a KeyboardInterrupt)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from signal import Signals


class SweepError(Exception):
    """Base of every error that sweeps raises on purpose."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a spec.

    Args:
        place: Where: ``FILE:LINE:COLUMN``, ``FILE``, or the override as it was typed.
        message: What is wrong and what is allowed.
        path: The keys that lead to it; none where it is wrong as a whole.
    """

    place: str
    message: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class SpecError(SweepError, ValueError):
    """A spec has faults; the message has one line for each."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class DiskFullError(SweepError):
    """A sweep finds no room on the disk that it is kept on; what it has written is whole."""


class SweepExistsError(SweepError):
    """The name that was asked for is taken."""


class DamagedLedgerWarning(UserWarning):
    """A ledger is damaged; what is read is the newest that is whole."""


class SweepInterrupted(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP ended a sweep.

    Args:
        signal_number: Which.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(f"stopped by {Signals(signal_number).name}")


class UnknownTrialError(SweepError):
    """The sweep has no trial of this name, or it has not what is asked for."""


class UnknownSweepError(SweepError):
    """No sweep has this name."""
