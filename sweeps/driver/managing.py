"""Stop a sweep that runs in another process, and delete sweeps."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socket import gethostname
from time import sleep
from typing import Any

from sweeps.errors import SweepError
from sweeps.record.locks import is_run, running_lock
from sweeps.record.reading import overall_status, read_facts
from sweeps.record.status import Status

POLL_S = 0.2


def this_process() -> dict[str, Any]:
    """Return what :func:`stop_sweep` needs to find this process again, as JSON values."""
    return {"host": gethostname(), "pid": os.getpid(), "started": _start_of(os.getpid())}


def _start_of(pid: int) -> str | None:
    """Return when a process started, in clock ticks since the boot; None if there is no such process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    return None


def stop_sweep(folder: Path) -> Iterator[None]:
    """Send SIGINT to the process that runs a sweep, as Ctrl-C does, and yield until the process has ended.

    Raises:
        SweepError: No process runs the sweep, its process belongs to another machine or user, or another
            command holds the sweep's lock.
    """
    if not is_run(folder):
        raise SweepError(f"{folder.name} is not running")
    process = read_facts(folder).get("process") or {}
    if process.get("host") != gethostname():
        raise SweepError(f"{folder.name} runs on {process.get('host', 'an unknown machine')}: stop it there")
    if _start_of(process["pid"]) != process.get("started", _start_of(process["pid"])):
        raise SweepError(
            f"{folder.name} is not running: another command uses it, such as gan-sweep sync, or a resume that"
            " has just begun; wait a moment and type the command again"
        )
    try:
        os.kill(process["pid"], signal.SIGINT)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise SweepError(f"{folder.name} runs in process {process['pid']} of another user") from None
    while is_run(folder):
        yield
        sleep(POLL_S)


def remove_sweep(folder: Path) -> str | None:
    """Delete a sweep: its record, samples, checkpoints, generators and report; MLflow keeps its runs.

    Returns:
        Where checkpoints of an unfinished sweep remain outside of its folder; None if nowhere. A copy of the
        sweep may still resume from them.

    Raises:
        SweepError: A process runs the sweep, or the folder cannot be deleted.
    """
    with running_lock(folder):
        remaining = _checkpoints_elsewhere(folder)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise SweepError(f"{folder} cannot be deleted: {error.strerror or error}") from error
    return remaining


def _checkpoints_elsewhere(folder: Path) -> str | None:
    with suppress(SweepError):
        facts = read_facts(folder)
        storage = facts.get("storage")
        if not storage or overall_status(facts) is Status.COMPLETED:
            return None
        if storage["uri"]:
            return f"{storage['uri']}/{storage['key']}"
        return f"gan-sweep-{os.getuid()}/{storage['key']}, in each node's folder of temporary files"
    return None
