"""Where a command wants a sweep to run, to be kept and to be shown."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from sweeps.driver.progress import Terminal

OnReport = Callable[[str, int, dict[str, Any]], None]
"""Called with a trial's name, the step and the metrics of its report."""


@dataclass(frozen=True)
class Request:
    """Where a sweep runs, is kept and is shown.

    Args:
        results: The folder that holds all sweeps.
        tracking_uri: MLflow's tracking URI; None for ``MLFLOW_TRACKING_URI``, or a database in ``results``.
        address: ``auto`` or ``HOST:PORT`` of a running Ray cluster; None for a local Ray.
        storage: Where the states of unfinished trials are kept: a directory that all nodes see, or
            ``s3://...`` or ``gs://...``. None for the sweep's folder or, on a cluster, each node's own disk.
        terminal: Shows what is being done.
        on_report: Called after each report has been recorded.
        changed_code: Whether the user accepts that code has changed since the last trials.
    """

    results: Path
    tracking_uri: str | None = None
    address: str | None = None
    storage: str | None = None
    terminal: Terminal = field(default_factory=lambda: Terminal(Console(stderr=True)))
    on_report: OnReport | None = None
    changed_code: bool = False

    @property
    def is_cluster(self) -> bool:
        """Whether the sweep runs on a Ray that it did not start."""
        return self.address is not None
