"""Leave it to the driver when a local Ray ends: SIGTERM and SIGHUP do not end Ray's processes.

``timeout`` and a terminal that closes send a signal to all processes of a group, SLURM and systemd to all
processes of a job. Without Ray, the driver could not end its sweep in order. Ray itself blocks SIGINT alike.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ENDING = {signal.SIGTERM, signal.SIGHUP}


@contextmanager
def ending_signals_blocked() -> Iterator[None]:
    """Block SIGTERM and SIGHUP in the processes that the block starts, and in all that those start.

    A signal that this process gets meanwhile arrives at the end of the block.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_ending_signals() -> None:
    """Ignore SIGTERM and SIGHUP in this worker of a local Ray.

    The processes that a training loop starts get the default effect of both signals again, so that the loop
    can terminate its processes. In all other processes this function does nothing.
    """
    blocked = _ENDING & signal.pthread_sigmask(signal.SIG_BLOCK, ())
    if not blocked:
        return
    _set_handlers(blocked, lambda *_signal: None)
    os.register_at_fork(after_in_child=lambda: _set_handlers(blocked, signal.SIG_DFL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)


def _set_handlers(numbers: set[signal.Signals], handler: Any) -> None:  # noqa: ANN401 - as signal.signal
    for number in numbers:
        signal.signal(number, handler)
