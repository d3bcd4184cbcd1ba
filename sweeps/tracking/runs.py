"""Find and create the MLflow runs of a sweep: one for the sweep, and one for each trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.record.reading import run_key, spec_in_effect
from sweeps.record.status import Status
from sweeps.tracking.store import Store
from sweeps.tracking.view import VIEW, view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, RunTag
    from mlflow.entities import Run as MlflowRun

MOST_METRICS = 1000
"""MLflow's limit for one request."""

_RUN_STATUS = {
    Status.COMPLETED: "FINISHED",
    Status.PRUNED: "KILLED",
    Status.DIVERGED: "FAILED",
    Status.CRASHED: "FAILED",
    Status.INTERRUPTED: "KILLED",
}


_ACKNOWLEDGED = (
    "metrics_sent",
    "images_sent",
    "n_take_overs",
    "end_sent",
    "end_files_sent",
    "trials_finished",
)
"""The tags that acknowledge uploads."""


@dataclass
class Run:
    """A run, and what it holds of the record according to its tags.

    MLflow writes the tags of a request last, so that a tag acknowledges what came with it and before it.

    Args:
        run_id: MLflow's ID.
        status: The status that was sent last; None if the parameters are not sent yet.
        metrics_sent: The sequence number of the record's reports up to which all metrics are sent.
        images_sent: The same for the sample grids.
        n_take_overs: How many take-overs of the trial are sent.
        end_sent: The time, in milliseconds since 1970, of the end whose final scores are sent.
        end_files_sent: The time of the end whose files are sent.
        trials_finished: Of a sweep's run: the trials in its curve of the best score.
        is_found: Whether an earlier process created it.
        has_gaps: Whether this process could not send a report's metrics; none after it are then acknowledged.
        has_image_gaps: The same for the sample grids.
    """

    run_id: str
    status: str | None = None
    metrics_sent: int = 0
    images_sent: int = 0
    n_take_overs: int = 0
    end_sent: int = 0
    end_files_sent: int = 0
    trials_finished: int = 0
    is_found: bool = False
    has_gaps: bool = False
    has_image_gaps: bool = False

    @classmethod
    def of(cls, run: "MlflowRun") -> "Run":
        """Read the tags of a run."""
        tags = run.data.tags
        acknowledged: dict[str, Any] = {name: int(tags.get(name, 0)) for name in _ACKNOWLEDGED}
        return cls(run.info.run_id, tags.get("status"), **acknowledged, is_found=True)

    @property
    def progress(self) -> tuple[bool, int, int]:
        """How much the run holds, for comparison."""
        return self.status is not None, self.metrics_sent, self.trials_finished


def experiment_of(client: "MlflowClient", store: Store, folder: Path, facts: Mapping[str, Any]) -> str:
    """Return the ID of the experiment with the sweep's name; create or restore it if necessary."""
    name = folder.name
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = (store.artifacts / name).as_uri() if store.artifacts else None
        tags = {
            "mlflow.experimentKind": "custom_model_development",
            f"mlflow.sharedViewState.{VIEW}": view(facts),
        }
        return str(client.create_experiment(name, artifact_location=location, tags=tags))
    if experiment.lifecycle_stage != "active":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


class Runs:
    """The runs of one sweep in one store.

    Args:
        client: The store's.
        experiment_id: The sweep's experiment.
        facts: The record's facts.

    Attributes:
        sweep: The sweep's own run, or None.
        trials: The runs of trials, by trial ID.
    """

    def __init__(self, client: "MlflowClient", experiment_id: str, facts: Mapping[str, Any]) -> None:
        self.client = client
        self._experiment_id = experiment_id
        self._facts = facts
        self._doubles: list[Run] = []
        self.sweep: Run | None = None
        self.trials: dict[str, Run] = {}
        self._find()

    def _find(self) -> None:
        """Find the runs that earlier processes created."""
        token: str | None = None
        while token != "":
            page = self.client.search_runs(
                [self._experiment_id], f"tags.sweep_id = '{run_key(self._facts)}'", page_token=token
            )
            for run in page:
                self._take_in(run)
            token = page.token or ""

    def _take_in(self, run: "MlflowRun") -> None:
        """Keep the fuller of two runs of the same trial or sweep, which an unanswered request may cause."""
        trial_id, found = run.data.tags.get("trial_id"), Run.of(run)
        known = self.sweep if trial_id is None else self.trials.get(trial_id)
        if known:
            found, emptier = (found, known) if found.progress > known.progress else (known, found)
            self._doubles.append(emptier)
        if trial_id is None:
            self.sweep = found
        else:
            self.trials[trial_id] = found

    def delete_doubles(self) -> None:
        """Delete the emptier of two runs of the same trial or sweep."""
        while self._doubles:
            self.client.delete_run(self._doubles.pop().run_id)

    def create(self, name: str, started_at: float, tags: Mapping[str, str]) -> Run:
        """Create a run with the sweep's tags and ``tags``."""
        where = {key: str(value) for key, value in self._facts.get("environment", {}).items()}
        commit = where.pop("git_commit", None)
        all_tags = {
            "sweep_id": run_key(self._facts),
            **where,
            **({"mlflow.source.git.commit": commit} if commit else {}),
            **tags,
        }
        run = self.client.create_run(self._experiment_id, in_ms(started_at), all_tags, name)
        return Run(run.info.run_id)

    def set_status(self, run: Run, status: Status, ended_at: float | None = None) -> None:
        """Set a run's status; the tag, which acknowledges it, comes last."""
        if status is Status.RUNNING:
            self.client.update_run(run.run_id, status="RUNNING")
        else:
            ended_at_ms = None if ended_at is None else in_ms(ended_at)
            self.client.set_terminated(run.run_id, _RUN_STATUS[status], ended_at_ms)
        self.client.set_tag(run.run_id, "status", status)
        run.status = status


def metrics_of(values: Mapping[str, float | None], at: float, step: int) -> "list[Metric]":
    """Return MLflow's metrics for values measured at a time, in seconds since 1970; None is no metric."""
    from mlflow.entities import Metric

    known = {name: value for name, value in values.items() if value is not None}
    return [Metric(name, value, in_ms(at), step) for name, value in known.items()]


def tags_of(values: Mapping[str, object]) -> "list[RunTag]":
    """Return MLflow's tags."""
    from mlflow.entities import RunTag

    return [RunTag(name, str(value)) for name, value in values.items()]


def in_ms(seconds: float) -> int:
    """Return a time in MLflow's unit."""
    return int(seconds * 1000)


def spec_file(facts: Mapping[str, Any]) -> str:
    """Return the sweep's search-space file."""
    from sweeps.spec.yaml_text import spec_as_yaml

    return spec_as_yaml(spec_in_effect(facts))
