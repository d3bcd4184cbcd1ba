"""Read and write what Ray Tune passes to a trial, and what a trial returns."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from sweeps.cluster.shipping import import_folders
from sweeps.record.layout import checkpoint_file
from sweeps.record.past import Past
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.spec.model import SweepSpec

SCORE = "score"


def suggestion(spec: SweepSpec, folder: Path, trial: Trial, past: Past) -> dict[str, Any]:
    """Return everything that a worker needs to train a trial; :func:`trial_of` reads the trial from it."""
    return {
        **asdict(trial),
        "checkpoint_every_s": spec.checkpoint_every,
        "taken_over": past.taken_over(trial.trial_id),
        "checkpoint": str(checkpoint_file(folder, trial.trial_id).absolute()),
        "sends_weights": True,
        "best": past.best_metrics(trial.trial_id),
        "reported_step": past.last_step(trial.trial_id),
        "data": spec.data,
        "train": spec.train,
        "extractor": spec.extractor,
        "reference": spec.reference,
        "metrics": [metric.model_dump() for metric in spec.metric],
        "stop_on": [],
        "cpu": spec.resources.cpu,
        "import_folders": import_folders(),
        "import_paths": spec.import_paths,
        "results": str(folder.parent.absolute()),
    }


def trial_of(suggestion: Mapping[str, Any]) -> Trial:
    """Return the trial that a suggestion describes."""
    return Trial(**{field.name: suggestion[field.name] for field in fields(Trial)})


def metrics_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a trial is judged by: its final scores, and the metrics of its best report beside them.

    Tune passes a result to searchers with flat keys (``best/fid``), and to callbacks as it is.
    """
    found: dict[str, Any] = {}
    for part in ("best", "final"):
        flat = {key.partition("/")[2]: value for key, value in result.items() if key.startswith(f"{part}/")}
        found |= flat or result.get(part) or {}
    return found


def status_of(result: Mapping[str, Any]) -> Status:
    """Return the status of an ended trial from its last result: stopped early, unless the trial was done."""
    status = Status(result["status"])
    return status if status.is_finished() else Status.PRUNED
