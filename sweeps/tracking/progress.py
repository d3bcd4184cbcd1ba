"""Run uploads as a command, and report their progress to people or programs."""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path

import typer

from sweeps.tracking.follow import follow
from sweeps.tracking.store import Store
from sweeps.tracking.sync import Progress, sync

NICENESS = 15
"""The niceness of Ray's workers, so that training does not wait for MLflow."""


def in_background() -> None:
    """Give way to training, and leave signals to the process that runs the sweep."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)


def upload(folder: Path, store: Store, *, follows: bool, as_json: bool) -> dict[str, str]:
    """Upload a sweep and report progress; return why each item is missing.

    Args:
        folder: The sweep's folder.
        store: The store.
        follows: Whether the sweep may be running; uploads then end with it.
        as_json: Whether to print a line of JSON for each answer; otherwise, new failures go to stderr.

    Raises:
        SweepError: The sweep cannot be uploaded.
    """
    notify = _json_lines() if as_json else _messages(store)
    with redirect_stdout(sys.stderr):
        return follow(folder, store, notify) if follows else sync(folder, store, notify)


def _json_lines() -> Callable[[Progress], None]:
    """Return what prints progress to the standard output, for as long as somebody reads it."""
    file = sys.stdout

    def notify(progress: Progress) -> None:
        with suppress(BrokenPipeError):
            file.write(json.dumps(asdict(progress)) + "\n")
            file.flush()

    return notify


def _messages(store: Store) -> Callable[[Progress], None]:
    """Return what prints each failure when it begins and when it is over."""
    before = [Progress(0)]

    def notify(progress: Progress) -> None:
        if progress.failure != before[-1].failure:
            typer.echo(f"MLflow at {store.public}: {progress.failure or 'uploads work again'}", err=True)
        if progress.study_failure != before[-1].study_failure:
            typer.echo(f"Optuna's study is missing trials: {progress.study_failure}", err=True)
        before[:] = [progress]

    return notify
