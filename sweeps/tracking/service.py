"""The process that keeps MLflow up to date while a sweep runs."""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, TextIO

from sweeps.tracking.mirror import Mirror
from sweeps.tracking.store import Store
from sweeps.tracking.sync import end_dead_sweeps

POLL_S = 1.0
RETRY_S = 5.0

NICENESS = 15
"""That of Ray's workers: training does not wait for MLflow."""

SILENT = "it did not answer in time"


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
        self._failure: str | None = SILENT

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
