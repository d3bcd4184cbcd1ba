"""What the worker of a trial printed: Ray keeps it in log files on the worker's node."""

import sys
from pathlib import Path

import ray
from ray._private.state import actors

from sweeps.cluster.remote import on_node, own_node_id

MOST_BYTES = 100_000
"""Of each of the two log files, stdout and stderr, the end is read."""

FETCH_TIMEOUT_S = 30.0


def mark_start(trial_id: str) -> None:
    """Print that a trial starts: the log of a worker holds one trial after another."""
    for stream in (sys.stdout, sys.stderr):
        print(_mark(trial_id), file=stream, flush=True)


def _mark(trial_id: str) -> str:
    return f"gan-sweep: {trial_id} starts"


def fetch_worker_log(actor_id: str | None, trial_id: str) -> str:
    """Return what a trial's worker printed, also if the worker is dead and on another node.

    Args:
        actor_id: Ray's ID of the worker, or None.
        trial_id: The trial; what the worker printed for earlier trials is left out.

    Raises:
        LookupError: Ray does not know the worker, or its node has no log of the worker.
        ray.exceptions.RayError: The worker's node does not answer within 30 seconds.
        OSError: The log cannot be read.
    """
    worker = actors(actor_id) if actor_id else {}
    if not worker.get("Pid"):
        raise LookupError("the worker has not started")
    node_id = worker["Address"]["NodeID"]
    if node_id == own_node_id():
        return read_worker_log(worker["Pid"], trial_id)
    task = ray.remote(num_cpus=0, max_retries=0)(read_worker_log).options(**on_node(node_id))
    text: str = ray.get(task.remote(worker["Pid"], trial_id), timeout=FETCH_TIMEOUT_S)
    return text


def read_worker_log(pid: int, trial_id: str) -> str:
    """Return the end of what a worker of this node printed to stdout and stderr for a trial.

    Raises:
        LookupError: There is no such log.
        OSError: The log cannot be read.
    """
    folder = Path(ray._private.worker._global_node.get_logs_dir_path())  # noqa: SLF001 - no public name
    parts = []
    for name, suffix in (("stdout", "out"), ("stderr", "err")):
        files = sorted(folder.glob(f"worker-*-{pid}.{suffix}"), key=lambda file: file.stat().st_mtime)
        if files and (text := _end_of(files[-1], trial_id)):
            parts.append(f"--- {name}\n{text}\n")
    if not parts:
        raise LookupError(f"process {pid} has written no log in {folder}")
    return "".join(parts)


def _end_of(file: Path, trial_id: str) -> str:
    """Return the last bytes of a log file, from the last start of the trial on."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - MOST_BYTES))
        text = opened.read().decode("utf-8", "replace")
    return text.rpartition(_mark(trial_id))[2].strip()
