"""What ends a sweep before its last trial: a signal, or its time budget."""

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
    """Notes the first SIGINT, SIGTERM or SIGHUP, to be raised where a sweep can end.

    Stopping by Tune's own means would wait for the workers; nothing of theirs is needed any more. A second
    signal has its usual effect.
    """

    _CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.number: int | None = None

    def check(self) -> None:
        """Raise SweepInterrupted where a signal came."""
        if self.number is not None:
            raise SweepInterrupted(self.number)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals until the end of the block.

        Between its start and the next ``catch``, Ray answers SIGTERM by exiting with that number.
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
        """Catch the signals, again where Ray has installed handlers of its own."""
        _set_handlers(dict.fromkeys(self._CAUGHT, self._note))

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        usual = {signal.SIGINT: signal.default_int_handler}
        _set_handlers({number: usual.get(number, signal.SIG_DFL) for number in self._CAUGHT})


def _set_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    """Set signal handlers, which only the main thread can."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)


class BudgetOver(Exception):  # noqa: N818 - an end like another
    """The time that a sweep was given is over."""


class Budget:
    """The time that a sweep may take from now on, in seconds; None is no end."""

    def __init__(self, seconds: float | None) -> None:
        self._end = monotonic() + (inf if seconds is None else seconds)
        self.is_over = False

    def check(self) -> None:
        """Raise BudgetOver where the time is over."""
        if monotonic() > self._end:
            self.is_over = True
            raise BudgetOver
