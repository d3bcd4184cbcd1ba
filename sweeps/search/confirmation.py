"""Train the best configurations again, from scratch, on seeds that the search has not used."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ray.tune.search.searcher import Searcher

from sweeps.analysis.comparison import Scores, race
from sweeps.analysis.evidence import Evidence, Setting
from sweeps.analysis.feasibility import infeasible_over_seeds
from sweeps.analysis.statistics import Scale
from sweeps.record.judging import judged_metrics
from sweeps.record.past import Past
from sweeps.record.status import Stage, Status
from sweeps.record.trial import Trial
from sweeps.search.suggestion import metrics_of, status_of, suggestion
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import Confirm


class Confirmation(Searcher):
    """Suggests the finalists' trainings to Ray Tune: all finalists on the same seeds, seed by seed.

    With ``until_resolved``, finalists that are not yet significantly worse than the best are trained on
    further seeds (:func:`sweeps.analysis.comparison.race`).

    Args:
        spec: The sweep.
        settings: The number of seeds.
        folder: The sweep's folder.
        finalists: Rows of the record: the trials of the search with the configurations to train.
        past: The trainings of an earlier confirmation, of these and other configurations.
        extractor: The SHA-256 of the extractor, if it is known. The evidence on the noise of seeds depends
            on it.
    """

    def __init__(
        self,
        spec: SweepSpec,
        settings: Confirm,
        folder: Path,
        finalists: Sequence[dict[str, Any]],
        past: Past,
        extractor: str | None = None,
    ) -> None:
        super().__init__()
        self._spec = spec
        self._looks = settings.looks
        self._until_resolved = settings.until_resolved
        self._folder = folder
        self._finalists = {row["trial_id"]: row for row in finalists}
        self._past = past
        self._unfinished = {trial.trial_id: trial for trial in past.unfinished}
        metric = spec.metric[0]
        self._scale = Scale(metric.name, less_is_better=metric.goal == "minimize")
        self._evidence = Evidence.on(self._scale, Setting(spec.dataset, extractor, spec.train))
        self._number = past.n_suggested
        self._running: dict[str, Trial] = {}
        ended = [row for row in past.rows if row["trial_id"] not in self._unfinished]
        self._scores = {row["trial_id"]: row["final"] and row["final"][metric.name] for row in ended}
        self._diverged = {row["trial_id"] for row in ended if row["status"] == Status.DIVERGED}
        self._judged = {row["trial_id"]: judged_metrics(row) for row in ended if row["final"]}

    @property
    def most_trials(self) -> int:
        """The largest possible number of trainings, including those of an earlier confirmation."""
        return len(self._finalists) * self._looks[-1]

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
        is_scored = result and status_of(result) is Status.COMPLETED
        score = result[f"final/{self._spec.metric[0].name}"] if result and is_scored else None
        self._scores[trial.trial_id] = score
        if result and is_scored:
            self._judged[trial.trial_id] = metrics_of(result)
        if result and status_of(result) is Status.DIVERGED:
            self._diverged.add(trial.trial_id)

    def retry(self, trial_id: str, past: Past) -> None:
        """Suggest a failed training again; it resumes from the last report in ``past``."""
        trial = self._running.pop(trial_id)
        self._past = past
        self._unfinished[trial.trial_id] = trial

    def give_up(self, trial_id: str) -> None:
        """Record that a training has failed for good."""
        self._scores[self._running.pop(trial_id).trial_id] = None

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: a sweep resumes from its record."""

    def close(self) -> None:
        """Do nothing: the record has the trainings that still run as interrupted."""

    def _open(self) -> Iterator[Trial]:
        """Yield the trainings that are wanted so far and have not ended."""
        n_seeds, of_these = self._wanted()
        for place in range(n_seeds):
            for of in of_these:
                trial_id = replica_id(of, place)
                if trial_id not in self._scores:
                    yield self._unfinished.get(trial_id) or self._new(of, place)

    def _wanted(self) -> tuple[int, list[str]]:
        """Return how many seeds are wanted so far, and for which finalists."""
        names = list(self._finalists)
        if not self._until_resolved:
            return self._looks[0], names
        so_far = race(self._so_far(names), self._evidence, self._looks)
        if so_far.is_resolved:
            return so_far.n_seeds, []
        later = [look for look in self._looks if look > so_far.n_seeds]
        left = [name for name, is_in in zip(names, so_far.is_in, strict=True) if is_in]
        return (later[0] if later else so_far.n_seeds), left

    def _so_far(self, names: Sequence[str]) -> Scores:
        """Return the scores of the finalists on the scale."""
        replicas = [[replica_id(of, place) for place in range(self._looks[-1])] for of in names]
        scores = np.array([[self._scores.get(each) for each in row] for row in replicas], dtype=float)
        ended = np.array([[each in self._scores for each in row] for row in replicas])
        diverged = np.array([[each in self._diverged for each in row] for row in replicas])
        judged = [[self._judged[each] for each in row if each in self._judged] for row in replicas]
        barred = infeasible_over_seeds(self._spec.parsed_constraints, judged)
        return Scores(self._scale.to_scale(scores), diverged, ended, barred)

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


def replica_id(of: str, place: int) -> str:
    """Return the name of a confirmation's training.

    >>> replica_id("lsgan-0007", 0)
    'lsgan-0007-seed1'
    """
    return f"{of}-seed{place + 1}"
