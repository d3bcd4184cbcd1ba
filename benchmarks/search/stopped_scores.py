"""Choose the states in which a replayed search's sampler gets stopped trials: the true ones, or others."""

from collections.abc import Mapping, Sequence
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.search.rules import StoppedScore
from benchmarks.search.trial import ReplayedTrial, State
from sweeps.search.searcher import Search
from sweeps.spec.domains import Scalar
from sweeps.spec.model import SweepSpec

Values = Mapping[ReplayedTrial, float | None]
"""The value of each ended trial in the study; None leaves the trial out."""


class StoppedScoreSearch(Search):
    """The project's search with a study that is written anew before each suggestion.

    Optuna ends a trial once. Here the values of ended trials may depend on all trials so far, and a paused
    trial may resume.

    Args:
        stopped_score: The score that the sampler gets for a trial that was stopped early.
        trials: The trials of the search; the replay appends each that starts.
    """

    def __init__(
        self, spec: SweepSpec, folder: Path, stopped_score: StoppedScore, trials: Sequence[ReplayedTrial]
    ) -> None:
        super().__init__(spec, spec.name, folder)
        self._stopped_score, self._trials = stopped_score, trials
        self._drawn: dict[int, tuple[dict[str, Any], dict[str, BaseDistribution]]] = {}

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:  # noqa: D102
        pass

    def on_trial_complete(  # noqa: D102
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,  # noqa: ARG002
        error: bool = False,  # noqa: ARG002, FBT001, FBT002 - Ray's signature
    ) -> None:
        self._running.pop(trial_id, None)

    def _sampled(self, trial_id: str, number: int) -> dict[str, Scalar]:
        if number > 0 and self._spec.method != "random":
            self._ot_study = self._study()
        params = super()._sampled(trial_id, number)
        asked = self._ot_trials[trial_id]
        self._drawn[number] = asked.params, asked.distributions
        return params

    def _study(self) -> optuna.Study:
        study = optuna.create_study(storage=InMemoryStorage())
        values = VALUES[self._stopped_score](self._trials)
        study.add_trials(
            _frozen(trial, *self._drawn[trial.number], values.get(trial), self._stopped_score)
            for trial in self._trials
            if trial.number in self._drawn and (trial.state is State.RUNNING or values[trial] is not None)
        )
        return study


def _frozen(
    trial: ReplayedTrial,
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    value: float | None,
    stopped_score: StoppedScore,
) -> FrozenTrial:
    reports = trial.scores[: trial.reports - (trial.state is State.COMPLETE)]
    every = int(trial.config["config"]["report_every"])
    if trial.state is State.RUNNING:
        state = TrialState.RUNNING
    else:
        is_pruned = stopped_score is StoppedScore.PRUNED and trial.state is not State.COMPLETE
        state = TrialState.PRUNED if is_pruned else TrialState.COMPLETE
    return create_trial(
        state=state,
        value=value,
        params=params,
        distributions=distributions,
        intermediate_values={every * place: float(score) for place, score in enumerate(reports, 1)},
    )


def last_scores(trials: Sequence[ReplayedTrial]) -> Values:
    """Return the last score of each ended trial."""
    return {trial: trial.score for trial in trials if trial.state is not State.RUNNING}


def extrapolated(trials: Sequence[ReplayedTrial]) -> Values:
    """Return the score that each ended trial would have had at the end.

    The estimate assumes that, from one report to the next, log fid falls by its average fall in all trials so
    far that made both reports.
    """
    falls = np.zeros(max(len(trial.scores) for trial in trials))
    for place in range(len(falls) - 1):
        both = [log(t.scores[place + 1] / t.scores[place]) for t in trials if t.reports > place + 1]
        falls[place] = np.mean(both) if both else 0.0
    return {
        trial: trial.score * exp(falls[trial.reports - 1 : -1].sum())
        for trial in trials
        if trial.state is not State.RUNNING
    }


def deepest(trials: Sequence[ReplayedTrial]) -> Values:
    """Return the scores after the most reports that enough trials made, as BOHB does (arXiv:1807.01774).

    Enough is one more than the number of searched parameters. Trials with fewer reports are left out.
    """
    ended = [trial for trial in trials if trial.state is not State.RUNNING]
    depths = sorted((trial.reports for trial in ended), reverse=True)
    enough = len(trials[0].config["params"]) + 1
    depth = depths[min(enough, len(depths)) - 1] if depths else 0
    return {trial: float(trial.scores[depth - 1]) if trial.reports >= depth else None for trial in ended}


VALUES = {
    StoppedScore.PRUNED: last_scores,
    StoppedScore.COMPLETE: last_scores,
    StoppedScore.EXTRAPOLATED: extrapolated,
    StoppedScore.DEEPEST: deepest,
}
