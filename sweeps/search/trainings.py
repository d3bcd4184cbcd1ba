"""Choose the trainings that a confirmation needs next: which finalists, on which seeds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sweeps.analysis.comparison import Scores, race
from sweeps.analysis.contest import looks_taken, replica_id
from sweeps.analysis.evidence import Evidence, Setting
from sweeps.analysis.feasibility import infeasible_over_seeds
from sweeps.analysis.statistics import Scale
from sweeps.record.judging import judged_metrics
from sweeps.record.past import UNFINISHED
from sweeps.record.status import Status
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import Confirm


class Trainings:
    """The trainings of a confirmation: which have ended, and which are needed.

    With ``until_resolved``, finalists that are not yet significantly worse than the best need further seeds
    (:func:`sweeps.analysis.comparison.race`).

    Args:
        spec: The sweep.
        settings: The number of seeds.
        finalists: The trials of the search with the configurations to train.
        facts: The record's facts of the sweep: the extractor, on which the evidence on the noise of seeds
            depends, and earlier confirmations.
    """

    def __init__(
        self, spec: SweepSpec, settings: Confirm, finalists: Sequence[str], facts: Mapping[str, Any]
    ) -> None:
        metric = spec.metric[0]
        self.finalists = list(finalists)
        self._looks, self._until_resolved = settings.looks, settings.until_resolved
        self._taken = looks_taken(facts, settings.looks[0]) if settings.until_resolved else ()
        self._constraints = spec.parsed_constraints
        self._scale = Scale(metric.name, less_is_better=metric.goal == "minimize")
        self._evidence = Evidence.on(self._scale, Setting(spec.dataset, facts.get("extractor"), spec.train))
        self._scores: dict[str, float | None] = {}
        self._diverged: set[str] = set()
        self._judged: dict[str, Mapping[str, Any]] = {}

    def replay(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note the trainings of earlier confirmations that have ended, by their rows in the record."""
        for row in rows:
            if row["status"] not in UNFINISHED:
                final = row["final"]
                score, judged = (final[self._scale.metric], judged_metrics(row)) if final else (None, None)
                self.end(row["trial_id"], score, judged, has_diverged=row["status"] == Status.DIVERGED)

    def end(
        self,
        trial_id: str,
        score: float | None = None,
        judged: Mapping[str, Any] | None = None,
        *,
        has_diverged: bool = False,
    ) -> None:
        """Note how a training ended: its score and what it is judged by, None if it has no score."""
        self._scores[trial_id] = score
        if judged is not None:
            self._judged[trial_id] = judged
        if has_diverged:
            self._diverged.add(trial_id)

    @property
    def most(self) -> int:
        """The largest possible number of trainings, including those of earlier confirmations."""
        return len(self.finalists) * self._looks[-1]

    def needed(self) -> Iterator[tuple[str, int]]:
        """Yield the finalist and the place of the seed of each training that is needed and has not ended."""
        n_seeds, of_these = self._wanted()
        for place in range(n_seeds):
            for of in of_these:
                if replica_id(of, place) not in self._scores:
                    yield of, place

    def _wanted(self) -> tuple[int, list[str]]:
        """Return how many seeds are wanted so far, and for which finalists."""
        names = self.finalists
        if not self._until_resolved:
            return self._looks[0], names
        so_far = race(self._so_far(), self._evidence, self._looks, self._taken)
        if so_far.is_resolved:
            return so_far.n_seeds, []
        later = [look for look in self._looks if look > so_far.n_seeds]
        left = [name for name, is_in in zip(names, so_far.is_in, strict=True) if is_in]
        return (later[0] if later else so_far.n_seeds), left

    def _so_far(self) -> Scores:
        """Return the scores of the finalists on the scale."""
        replicas = [[replica_id(of, place) for place in range(self._looks[-1])] for of in self.finalists]
        scores = np.array([[self._scores.get(each) for each in row] for row in replicas], dtype=float)
        ended = np.array([[each in self._scores for each in row] for row in replicas])
        diverged = np.array([[each in self._diverged for each in row] for row in replicas])
        judged = [[self._judged[each] for each in row if each in self._judged] for row in replicas]
        barred = infeasible_over_seeds(self._constraints, judged)
        return Scores(self._scale.to_scale(scores), diverged, ended, barred)
