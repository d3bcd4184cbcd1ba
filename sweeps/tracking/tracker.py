"""Keeps MLflow up to a sweep's ledger from a process of its own.

Tune's loop shares nothing with it, not even an interpreter: MLflow takes longer to keep a report than the
sweep takes to have it. The sweep says on the process's standard input what to follow, and when it is over; on
its standard output come, as JSON, why MLflow lacks a part of the sweep, or null: a line for all it took.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

from sweeps.tracking.service import SILENT
from sweeps.tracking.store import Store

STALLED_S, HURRIED_S = 30.0, 10.0
"""How long the end of a sweep waits for a store that takes nothing more; and for any, once a signal came."""
_OVER = "over"

_START = """
import json, sys
order = json.loads(sys.stdin.readline())
sys.path[:] = order["path"]
from sweeps.tracking.service import serve
serve(order)
"""


class Tracker:
    """Has MLflow follow a sweep until it is closed.

    Nothing waits for MLflow but the sweep's end; none of its errors stops the sweep. What is missing then is
    sent by :func:`sweeps.tracking.sync.sync`, or when the sweep is gone on with.

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
        self.failure: str | None = SILENT
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
            self.failure = self.failure or SILENT

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
        if before in {None, SILENT} and failure not in {None, SILENT}:
            self._say(
                f"MLflow at {self._store.public} does not take this sweep's records, which are kept"
                f" for it ({failure})"
            )


def _order(folder: Path, store: Store) -> dict[str, Any]:
    """Return what the process is to do; credentials are passed on in no place that others can read."""
    artifacts = None if store.artifacts is None else str(store.artifacts)
    return {"path": sys.path, "folder": str(folder), "store": vars(store) | {"artifacts": artifacts}}
