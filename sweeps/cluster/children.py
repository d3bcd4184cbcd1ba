"""End the processes that a training loop leaves behind in its worker."""

import gc
import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from time import monotonic, sleep
from typing import Any

import ray  # noqa: F401 - brings psutil
from psutil import STATUS_ZOMBIE, NoSuchProcess, Process, wait_procs

SECONDS_TO_END = 2.0
"""How long a process may take to end by itself after SIGTERM."""

SECONDS_BETWEEN_CHECKS = 0.01


class Children:
    """The processes that a worker had when a trial started; later ones are the trial's."""

    def __init__(self) -> None:
        self._earlier = {*_descendants()}

    def end_later_ones(self) -> int:
        """End the processes that have started since, and those that these have started.

        Objects that nothing refers to any more are deleted first: a DataLoader then ends its own workers.
        Processes that Python keeps for itself, and that it uses for later trials, remain.

        Returns:
            The number of processes.
        """
        if {*_descendants()} <= self._earlier:
            return 0
        gc.collect()
        _end_compilers()
        left = [each for each in _descendants() if each not in self._earlier and not _is_of_python(each)]
        with _deaths_unheard():
            _end(left)
        return len(left)


@contextmanager
def later_children_ended() -> Iterator[None]:
    """End the processes that the block leaves behind."""
    children = Children()
    try:
        yield
    finally:
        children.end_later_ones()


def _descendants() -> list[Process]:
    found: list[Process] = []
    with suppress(NoSuchProcess):
        found = Process().children(recursive=True)
    return found


def _end(processes: list[Process]) -> None:
    """Ask processes to end, and kill those that do not."""
    for each in processes:
        with suppress(NoSuchProcess):
            each.terminate()
    for each in _alive_after(SECONDS_TO_END, processes):
        with suppress(NoSuchProcess):
            each.kill()
    _alive_after(SECONDS_TO_END, processes)
    wait_procs(processes, 0)


def _alive_after(seconds: float, processes: list[Process]) -> list[Process]:
    """Wait until processes have ended, and return those that have not.

    The objects of multiprocessing must be the first to learn that their processes have ended: a process that
    anything else has waited for looks active to them for ever.
    """
    until = monotonic() + seconds
    while True:
        active = {each.pid for each in multiprocessing.active_children()}
        alive = [each for each in processes if each.pid in active or _is_alive(each)]
        if not alive or monotonic() > until:
            return alive
        sleep(SECONDS_BETWEEN_CHECKS)


def _is_alive(process: Process) -> bool:
    with suppress(NoSuchProcess):
        return bool(process.status() != STATUS_ZOMBIE)
    return False


def _is_of_python(process: Process) -> bool:
    """Return whether a process is a helper of Python's multiprocessing, started once and then kept."""
    kept: list[Any] = [
        getattr(resource_tracker._resource_tracker, "_pid", None),  # noqa: SLF001
        getattr(forkserver._forkserver, "_forkserver_pid", None),  # noqa: SLF001
    ]
    return process.pid in kept


def _end_compilers() -> None:
    """End the processes of torch.compile in the way that lets a later trial start new ones."""
    if compiler := sys.modules.get("torch._inductor.async_compile"):
        compiler.shutdown_compile_workers()


@contextmanager
def _deaths_unheard() -> Iterator[None]:
    """Keep PyTorch from raising an exception here because a DataLoader's worker is ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)
