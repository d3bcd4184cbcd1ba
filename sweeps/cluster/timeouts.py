"""End a worker that does not go on."""

import faulthandler
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STDERR = 2
_TIMED_OUT = re.compile(r"^Timeout \(\d+:\d\d:\d\d(\.\d+)?\)!$", re.MULTILINE)
"""The first line of what faulthandler prints."""


@contextmanager
def ended_after(seconds: float | None) -> Iterator[Callable[[], None]]:
    """End this process if the block takes longer than ``seconds``, and print the stacks of all threads.

    The timer is a thread of C code, which a thread that holds the interpreter's lock for ever does not stop.

    Args:
        seconds: The time; None for no end.

    Yields:
        A function that starts the time anew.
    """
    if seconds is None:
        yield lambda: None
        return

    def start() -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)

    start()
    try:
        yield start
    finally:
        faulthandler.cancel_dump_traceback_later()


def has_timed_out(log: str) -> bool:
    """Return whether :func:`ended_after` ended the worker that wrote a log."""
    return _TIMED_OUT.search(log) is not None
