"""Keeps MLflow up to a sweep's ledger from a process of its own.

Tune's loop shares nothing with it, not even an interpreter: MLflow takes longer to keep a report than the
sweep takes to have it. The sweep says on the process's standard input what to follow, and when it is over; on
its standard output come, as JSON, why MLflow lacks a part of the sweep, or null: a line for all it took.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any, TextIO

from sweeps.tracking import Mirror, Store, end_dead_sweeps

POLL_S = 1.0
RETRY_S = 5.0
STALLED_S, HURRIED_S = 30.0, 10.0
"""How long the end of a sweep waits for a store that takes nothing more; and for any, once a signal came."""

NICENESS = 15
"""That of Ray's workers: training does not wait for MLflow."""

_SILENT = "it did not answer in time"
_OVER = "over"

_START = """
import json, sys
order = json.loads(sys.stdin.readline())
sys.path[:] = order["path"]
from sweeps.tracker import serve
serve(order)
"""


class Tracker:
    """Has MLflow follow a sweep until it is closed.

    Nothing waits for MLflow but the sweep's end; none of its errors stops the sweep. What is missing then is
    sent by :func:`sweeps.tracking.sync`, or when the sweep is gone on with.

    Args:
        folder: The sweep's folder.
        store: Where the runs are.
        say: Told once where the store does not answer.

    Attributes:
        failure: Why MLflow lacks a part of the sweep, or None.
    """

    def __init__(self, folder: Path, store: Store, say: Callable[[str], None]) -> None:
        self._store = store
        self._say = say
        self._is_closing = False
        self.failure: str | None = _SILENT
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._tell(json.dumps(_order(folder, store)))
        self._heard_at = monotonic()
        self._listener = Thread(target=self._listen, name="mlflow", daemon=True)
        self._listener.start()

    def close(self, *, is_hurried: Callable[[], bool] = lambda: False) -> None:
        """Send what is left: as long as the store takes it, but for some seconds only where it is hurried."""
        self._is_closing, began = True, monotonic()
        self._tell(_OVER)
        while self._listener.is_alive():
            now = monotonic()
            is_stalled = now - max(began, self._heard_at) > STALLED_S
            if is_stalled or (is_hurried() and now - began > HURRIED_S):
                self._process.kill()
            self._listener.join(0.1)
        with suppress(BrokenPipeError), self._process:
            pass
        if self._process.returncode:
            self.failure = self.failure or _SILENT

    def _tell(self, line: str) -> None:
        """Send a line to the process, which may have died."""
        with suppress(BrokenPipeError):
            print(line, file=self._process.stdin, flush=True)

    def _listen(self) -> None:
        """Note what the process says until it ends."""
        for line in self._process.stdout or ():
            self._heard_at = monotonic()
            self._note(json.loads(line))
        if (code := self._process.wait()) and not self._is_closing:
            self._note(f"the process that sends them has died ({code})")

    def _note(self, failure: str | None) -> None:
        before, self.failure = self.failure, failure
        if before in {None, _SILENT} and failure not in {None, _SILENT}:
            self._say(
                f"MLflow at {self._store.public} does not take this sweep's records, which are kept"
                f" for it ({failure})"
            )


def _order(folder: Path, store: Store) -> dict[str, Any]:
    """Return what the process is to do; credentials are passed on in no place that others can read."""
    artifacts = None if store.artifacts is None else str(store.artifacts)
    return {"path": sys.path, "folder": str(folder), "store": vars(store) | {"artifacts": artifacts}}


def serve(order: dict[str, Any]) -> None:
    """Follow the sweep that was ordered until it is over; end at once where its process has died.

    What a signal to all processes of the sweep means is that one's to say.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    artifacts = order["store"]["artifacts"]
    store = Store(**order["store"] | {"artifacts": artifacts and Path(artifacts)})
    is_over, tells = Event(), sys.stdout
    Thread(target=_wait_for_the_end, args=(sys.stdin, is_over), daemon=True).start()
    with redirect_stdout(sys.stderr):
        Service(Path(order["folder"]), store, is_over, partial(_print_json, tells)).run()


def _print_json(file: TextIO, value: str | None) -> None:
    print(json.dumps(value), file=file, flush=True)


def _wait_for_the_end(orders: TextIO, is_over: Event) -> None:
    if not orders.readline():
        os._exit(1)
    is_over.set()


class Service:
    """Follows a sweep's ledger until it is over.

    Args:
        folder: The sweep's folder.
        store: Where the runs are.
        is_over: Set when the sweep is over.
        tell: Told whenever something was sent or was not: why MLflow lacks a part of the sweep, or None.
    """

    def __init__(
        self, folder: Path, store: Store, is_over: Event, tell: Callable[[str | None], None]
    ) -> None:
        self._folder = folder
        self._store = store
        self._is_over = is_over
        self._tell = tell
        self._mirror: Mirror | None = None
        self._failure: str | None = _SILENT

    def run(self) -> None:
        """Follow it to its end."""
        wait_s, are_dead_ended = POLL_S, False
        while not self._is_over.wait(wait_s):
            is_done = self._attempt(lambda mirror: mirror.catch_up(is_over=self._is_over.is_set))
            are_dead_ended = are_dead_ended or (is_done and self._attempt(self._end_dead_sweeps))
            wait_s = POLL_S if is_done else RETRY_S
        if not are_dead_ended:
            self._attempt(self._end_dead_sweeps)
        self._attempt(Mirror.conclude)

    def _attempt(self, job: Callable[[Mirror], None]) -> bool:
        """Do something with the mirror, made anew after a failure; return whether it was done."""
        try:
            self._mirror = self._mirror or Mirror(
                self._folder, self._store, is_running=True, on_sent=lambda: self._tell(self._failure)
            )
            job(self._mirror)
        except Exception as error:  # noqa: BLE001 - told, and tried again; tracking stops no sweep
            self._mirror = None
            self._fail(error)
            return False
        if self._mirror.refusals:
            self._fail(next(iter(self._mirror.refusals.values())))
        else:
            self._failure = None
            self._tell(None)
        return True

    def _fail(self, error: Exception) -> None:
        self._failure = self._store.told(error)
        self._tell(self._failure)

    def _end_dead_sweeps(self, mirror: Mirror) -> None:
        end_dead_sweeps(mirror.client, self._folder, self._store)
