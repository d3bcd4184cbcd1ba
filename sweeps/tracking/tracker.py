"""Start and watch the process that uploads a running sweep to MLflow.

The process is ``gan-sweep sync NAME --follow``: MLflow takes longer to store a report than the sweep takes to
record it, and Tune's loop waits for neither.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic

from sweeps.tracking.store import Store

STALLED_S, HURRIED_S = 30.0, 10.0
"""How long the sweep's end waits while MLflow answers nothing; and in all, after a signal."""

SILENT = "it did not answer in time"


class Tracker:
    """Uploads a sweep to MLflow while this process holds the sweep's lock.

    No error of MLflow stops the sweep. What is then missing is uploaded by :func:`sweeps.tracking.sync.sync`,
    or when the sweep is resumed.

    Args:
        folder: The sweep's folder.
        store: The store.
        say: Called with a message when uploads begin to fail.

    Attributes:
        failure: Why MLflow is missing a part of the sweep, or None.
    """

    def __init__(self, folder: Path, store: Store, say: Callable[[str], None]) -> None:
        self._store = store
        self._say = say
        self._n_answers = 0
        self._last_words = ""
        self._study_failure: str | None = None
        self._is_killed = False
        self._after_error = False
        self.failure: str | None = SILENT
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            upload_command(folder),
            env=_environment(store),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._heard_at = monotonic()
        self._listener = Thread(target=self._listen, name="mlflow", daemon=True)
        self._listener.start()

    def close(self, *, is_hurried: Callable[[], bool] = lambda: False, after_error: bool = False) -> None:
        """Wait for the uploads that are left, as long as MLflow answers; a few seconds if it is hurried.

        The sweep's lock must be free: that ends the process. After an error that stopped the sweep, the
        process says only how to end the sweep's runs.
        """
        self._after_error = after_error
        began = monotonic()
        while self._listener.is_alive():
            now = monotonic()
            is_stalled = now - max(began, self._heard_at) > STALLED_S
            if is_stalled or (is_hurried() and now - began > HURRIED_S):
                self._is_killed = True
                self._process.kill()
            self._listener.join(0.1)
        if self._is_killed:
            self.failure = self.failure or SILENT

    def _listen(self) -> None:
        """Note what the process reports until it ends."""
        with self._process:
            for line in self._process.stdout or ():
                self._note(line)
        code = self._process.returncode
        if code and self._after_error and self.failure is None:
            self._say(self._last_words)
        elif code and self.failure in {None, SILENT} and not self._is_killed:
            self._fail(f"the process that uploads it has ended ({code}) {self._last_words}".rstrip())

    def _note(self, line: str) -> None:
        """Note a line: progress as JSON, or else a warning or error of a library."""
        with suppress(ValueError, KeyError, TypeError):
            progress = json.loads(line)
            if progress["answers"] > self._n_answers:
                self._n_answers, self._heard_at = progress["answers"], monotonic()
            self._fail(progress["failure"])
            self._note_study(progress["study_failure"])
            return
        self._last_words = self._store.without_secrets(line.strip())

    def _note_study(self, failure: str | None) -> None:
        if failure is not None and self._study_failure is None:
            self._study_failure = failure
            self._say(f"Optuna's study is missing trials: {failure}")

    def _fail(self, failure: str | None) -> None:
        before, self.failure = self.failure, failure
        if before in {None, SILENT} and failure is not None:
            self._say(
                f"MLflow at {self._store.public} is missing a part of this sweep for now, and will get it"
                f" later ({failure})"
            )


def upload_command(folder: Path) -> list[str]:
    """Return the command that uploads a running sweep."""
    return [
        *(sys.executable, "-P", "-m", "sweeps.cli", "sync", folder.name),
        *("--follow", "--background", "--json", "--results", str(folder.parent)),
    ]


def _environment(store: Store) -> dict[str, str]:
    """Return the process's environment: it imports the code that this one imports.

    The URI may hold credentials, and other users can read a process's arguments.
    """
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return os.environ | {"MLFLOW_TRACKING_URI": store.uri, "PYTHONPATH": path}
