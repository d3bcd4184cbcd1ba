"""Train the best configurations again, from scratch, on seeds that the search has not used."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.tune.search.searcher import Searcher

from sweeps.analysis.contest import replica_id
from sweeps.record.past import Past
from sweeps.record.status import Stage, Status
from sweeps.record.trial import Trial
from sweeps.search.suggestion import metrics_of, status_of, suggestion
from sweeps.search.trainings import Trainings
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import Confirm


class Confirmation(Searcher):
    """Suggests the finalists' trainings to Ray Tune: all finalists on the same seeds, seed by seed.

    :class:`sweeps.search.trainings.Trainings` chooses them.

    Args:
        spec: The sweep.
        settings: The number of seeds.
        folder: The sweep's folder.
        finalists: Rows of the record: the trials of the search with the configurations to train.
        past: The trainings of an earlier confirmation, of these and other configurations.
        facts: The record's facts of the sweep.
    """

    def __init__(
        self,
        spec: SweepSpec,
        settings: Confirm,
        folder: Path,
        finalists: Sequence[dict[str, Any]],
        past: Past,
        facts: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self._spec = spec
        self._folder = folder
        self._finalists = {row["trial_id"]: row for row in finalists}
        self._past = past
        self._unfinished = {trial.trial_id: trial for trial in past.unfinished}
        self._trainings = Trainings(spec, settings, list(self._finalists), facts)
        self._trainings.replay(past.rows)
        self._number = past.n_suggested
        self._running: dict[str, Trial] = {}

    @property
    def most_trials(self) -> int:
        """The largest possible number of trainings, including those of an earlier confirmation."""
        return self._trainings.most

    @property
    def exhausted(self) -> bool:
        """Whether every training has ended."""
        return not self._running and next(self._open(), None) is None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next training, None if Tune must ask again later, or FINISHED."""
        taken = {trial.trial_id for trial in self._running.values()}
        trial = next((trial for trial in self._open() if trial.trial_id not in taken), None)
        if trial is None:
            return None if self._running else str(Searcher.FINISHED)
        self._running[trial_id] = trial
        self._number = max(self._number, trial.number + 1)
        return suggestion(self._spec, self._folder, trial, self._past) | {"sends_weights": False}

    def check(self) -> None:
        """Do nothing: a confirmation has no sampler that could raise."""

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Ray's signature
    ) -> None:
        """Record a training's end; after a failure the recorder calls :meth:`retry` or :meth:`give_up`."""
        if error:
            return
        trial = self._running.pop(trial_id)
        status = status_of(result) if result else None
        if result and status is Status.COMPLETED:
            score = result[f"final/{self._spec.metric[0].name}"]
            self._trainings.end(trial.trial_id, score, metrics_of(result))
        else:
            self._trainings.end(trial.trial_id, has_diverged=status is Status.DIVERGED)

    def retry(self, trial_id: str, past: Past) -> None:
        """Suggest a failed training again; it resumes from the last report in ``past``."""
        trial = self._running.pop(trial_id)
        self._past = past
        self._unfinished[trial.trial_id] = trial

    def give_up(self, trial_id: str) -> None:
        """Record that a training has failed for good."""
        self._trainings.end(self._running.pop(trial_id).trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: a sweep resumes from its record."""

    def close(self) -> None:
        """Do nothing: the record has the trainings that still run as interrupted."""

    def _open(self) -> Iterator[Trial]:
        """Yield the trainings that are wanted so far and have not ended."""
        for of, place in self._trainings.needed():
            yield self._unfinished.get(replica_id(of, place)) or self._new(of, place)

    def _new(self, of: str, place: int) -> Trial:
        found = self._finalists[of]
        seed = {"seed": self._spec.fresh_seed(place)}
        params = found["params"] | (seed if "seed" in found["params"] else {})
        return Trial(
            replica_id(of, place),
            self._number,
            params,
            found["config"] | seed,
            bool(found["is_baseline"]),
            Stage.CONFIRM,
            of,
        )


def asked_for(past: Past, settings: Confirm, finalists: Sequence[str]) -> Past:
    """Return those trainings of an earlier confirmation that this one asks for.

    Trainings on more seeds, or of other configurations, do not count as progress of this confirmation.
    """
    names = {replica_id(of, place) for of in finalists for place in range(settings.looks[-1])}
    return Past([row for row in past.rows if row["trial_id"] in names], past.reports)
