"""End a worker that does not go on, and find in its log why it was ended."""

import faulthandler
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STDERR = 2
_TIMED_OUT = re.compile(r"^Timeout \(\d+:\d\d:\d\d(\.\d+)?\)!$", re.MULTILINE)
"""The first line of what faulthandler prints."""

SECONDS_TO_END = 10.0
"""How long a user's training loop may take to end after it was stopped; then it is interrupted."""

SECONDS_TO_BE_INTERRUPTED = 5.0
"""How long a loop may take to end after it was interrupted; then its worker is ended."""

_ENDS = re.compile(r"^gan-sweep: the training loop of (\S+) is being ended$", re.MULTILINE)
_HAS_ENDED = "gan-sweep: the training loop has ended"


class LoopStuck(BaseException):
    """A user's training loop did not end in time; ``except Exception`` in the loop does not catch it."""

    def __init__(self, trial_id: str) -> None:
        super().__init__(
            f"the training loop of {trial_id} did not end within {SECONDS_TO_END:g} s and was interrupted"
        )


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


@contextmanager
def loop_ending(trial_id: str) -> Iterator[None]:
    """Interrupt the block, which ends a trial's training loop, after 10 seconds.

    If the block does not end 5 seconds later, this process is ended. Its log names the trial
    (:func:`stuck_loop`): the worker may have been given its next trial already.

    Raises:
        LoopStuck: The block was interrupted.
    """
    _note(f"gan-sweep: the training loop of {trial_id} is being ended")
    try:
        with ended_after(SECONDS_TO_END + SECONDS_TO_BE_INTERRUPTED), _interrupted(trial_id):
            yield
    finally:
        _note(_HAS_ENDED)


@contextmanager
def _interrupted(trial_id: str) -> Iterator[None]:
    """Raise LoopStuck within the block after 10 seconds; Python can interrupt only the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_signal: object) -> None:
        raise LoopStuck(trial_id)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_TO_END)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def stuck_loop(log: str) -> str | None:
    """Return the trial with a training loop that did not end, so that its worker was ended; else None."""
    last = log.rpartition(_HAS_ENDED)[2]
    ends = _ENDS.findall(last)
    return ends[-1] if ends and has_timed_out(last) else None
