"""Stop a sweep before its last trial: on a signal, or at the end of its time budget."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import inf
from time import monotonic
from types import FrameType
from typing import Any

from sweeps.errors import SweepInterrupted


class Signals:
    """Remembers the first SIGINT, SIGTERM or SIGHUP, and raises it where a sweep can stop.

    Ray Tune's own way to stop would wait for the workers, and nothing they still do is needed. A second
    signal has its default effect.
    """

    _CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.number: int | None = None

    def check(self) -> None:
        """Raise SweepInterrupted after a signal."""
        if self.number is not None:
            raise SweepInterrupted(self.number)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals until the end of the block.

        Until the next call of ``catch``, Ray's own handler of SIGTERM exits with the signal's number.
        """
        before = {number: signal.getsignal(number) for number in self._CAUGHT}
        self.catch()
        try:
            yield
        except SystemExit as exit_:
            if exit_.code != signal.SIGTERM:
                raise
            raise SweepInterrupted(signal.SIGTERM) from exit_
        finally:
            _set_handlers(before)

    def catch(self) -> None:
        """Install the handlers, also over those that Ray has installed."""
        _set_handlers(dict.fromkeys(self._CAUGHT, self._note))

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        usual = {signal.SIGINT: signal.default_int_handler}
        _set_handlers({number: usual.get(number, signal.SIG_DFL) for number in self._CAUGHT})


def _set_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    """Set signal handlers, in the main thread; no other thread can."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)


class BudgetOver(Exception):  # noqa: N818 - no error: the sweep ends as planned
    """The time budget of a sweep is used up."""


class Budget:
    """A time budget in seconds, from now on; None for no end."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = inf if seconds is None else seconds
        self._start = monotonic()
        self.is_over = False

    @property
    def used(self) -> float:
        """The share of the time that is used up, from 0; 0 for a budget without an end."""
        return (monotonic() - self._start) / self._seconds

    def check(self) -> None:
        """Raise BudgetOver once the time is used up."""
        if monotonic() - self._start > self._seconds:
            self.is_over = True
            raise BudgetOver
