"""Spend the last part of a search's budget on further training seeds of the configurations that lead.

The best of many single scores is lucky, and noise in this choice costs a search more than anything else. With
``early_terminate: {seeds: N}`` the last quarter of the budget therefore trains leading configurations on
further seeds. :func:`next_configuration` is the rule. It needs neither Ray nor Optuna.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sweeps.analysis.configurations import Estimates, Standings
from sweeps.analysis.evidence import Evidence, Setting
from sweeps.analysis.statistics import Scale
from sweeps.record.judging import judged_metrics
from sweeps.record.past import UNFINISHED
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.search.suggestion import SCORE, metrics_of, status_of
from sweeps.spec.constraints import are_met
from sweeps.spec.model import SEEDS_SHARE, SweepSpec

LEADERS = 64
"""The number of best configurations among which the rule chooses."""


def next_configuration(
    estimates: Estimates, started: Mapping[str, int], most: int, running: Mapping[str, int] | None = None
) -> str | None:
    """Return the configuration of which one more seed most improves the choice of the best one.

    The gain is by how much the least posterior mean is expected to fall below the mean of the present choice:
    the knowledge gradient (Frazier, Powell and Dayanik 2008, doi:10.1137/070693424), with posteriors taken as
    normal. Nothing is drawn at random. Without any estimate of the noise, it is the best configuration.

    Args:
        estimates: The configurations with a score.
        started: By configuration, the number of its trainings so far, those that run included.
        most: The most trainings of one configuration.
        running: By configuration, the number of its trainings that run.

    Returns:
        The name; None if every configuration has been trained ``most`` times.
    """
    names, pending = estimates.names, running or {}
    has_room = np.array([started[name] < most for name in names], dtype=bool) & estimates.can_win
    if not has_room.any():
        return None
    gains = _gains(estimates, np.array([pending.get(name, 0) for name in names]))
    best = max(np.flatnonzero(has_room), key=lambda index: (gains[index], -estimates.mean[index]))
    return names[int(best)]


def _gains(estimates: Estimates, pending: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the knowledge gradient ``(K,)`` of one more seed of each configuration."""
    from scipy.special import ndtr

    mean, n, gains = estimates.mean, estimates.scores.n, np.zeros(len(estimates.mean))
    able = np.flatnonzero(estimates.can_win)
    if len(able) < 2 or np.isnan(estimates.deviation).any():
        return gains
    best, second = able[np.argsort(mean[able], kind="stable")[:2]]
    rival = np.where(able == best, mean[second], mean[best])
    shrinks = n / (n + pending) - n / (n + pending + 1)
    moves = (estimates.deviation * np.sqrt(shrinks))[able]
    z = -np.abs(mean[able] - rival) / moves
    gains[able] = moves * (np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) + z * ndtr(z))
    return gains


def mean_score(scores: Sequence[float], scale: Scale) -> float:
    """Return the mean over seeds that a sampler is given for a configuration, geometric for fid."""
    return scores[0] if len(scores) == 1 else float(scale.from_scale(scale.to_scale(np.array(scores)).mean()))


class FurtherSeeds:
    """The trainings of a search on further seeds: which are due, and what became of them.

    Args:
        spec: The sweep.
        extractor: The SHA-256 of the extractor, if it is known yet: the evidence on the noise of seeds is of
            one extractor.
        used: Returns the share of the time budget that is used up, from 0 to 1.
    """

    def __init__(
        self,
        spec: SweepSpec,
        extractor: str | None = None,
        used: Callable[[], float] | None = None,
    ) -> None:
        self._spec = spec
        self._extractor = extractor
        self._used = used or (lambda: 0.0)
        metric = spec.metric[0]
        self._scale = Scale(metric.name, less_is_better=metric.goal == "minimize")
        self._standings = Standings(self._scale)
        self._first: dict[str, Trial] = {}
        self._started: dict[str, set[str]] = {}
        self._running: set[str] = set()
        self._reported: dict[str, dict[str, float]] = {}

    def replay(self, trial: Trial, row: Mapping[str, Any]) -> None:
        """Note a trial of an earlier run, by its row in the record."""
        self.start(trial)
        if row["status"] not in UNFINISHED:
            self._end(trial, row["status"], row["final"] or {}, row["score"], judged_metrics(row))

    def start(self, trial: Trial) -> None:
        """Note that a trial has been suggested."""
        self._started.setdefault(trial.of or trial.trial_id, set()).add(trial.trial_id)
        self._running.add(trial.trial_id)
        if trial.of is None:
            self._first[trial.trial_id] = trial

    def end(self, trial: Trial, result: Mapping[str, Any] | None) -> None:
        """Note how a trial ended, by its last result; None if it failed."""
        if not result:
            self._running.discard(trial.trial_id)
            return
        self._extractor = self._extractor or result.get("extractor")
        score, metric = result.get(SCORE), self._scale.metric
        final = {metric: result.get(f"final/{metric}", score)}  # a replay has no final scores
        self._end(trial, status_of(result), final, score, metrics_of(result))

    def _end(
        self,
        trial: Trial,
        status: Status,
        final: Mapping[str, float | None],
        score: float | None,
        judged: Mapping[str, Any],
    ) -> None:
        self._running.discard(trial.trial_id)
        if trial.of is None and are_met(self._spec.parsed_constraints, judged) is False:
            return
        name, is_scored = trial.of or trial.trial_id, status == Status.COMPLETED
        at_end = final.get(self._scale.metric) if is_scored else None
        self._standings.add(name, trial.trial_id, at_end, has_diverged=status == Status.DIVERGED)
        if is_scored and score is not None:
            self._reported.setdefault(name, {})[trial.trial_id] = score

    def next(self, name: str, number: int, *, all_tried: bool) -> Trial | None:
        """Return the next training on a further seed; None if none is due, or no configuration needs one.

        Args:
            name: The name of the sweep.
            number: The number of the trial.
            all_tried: Whether every point of a finite space has been suggested.
        """
        first = self._chosen() if self._is_due(all_tried=all_tried) else None
        if first is None:
            return None
        seed = self._spec.trial_values(first.params, number)["seed"]
        return Trial(
            f"{name}-{number:04d}",
            number,
            first.params,
            first.config | {"seed": seed},
            is_baseline=False,
            of=first.trial_id,
        )

    def can_follow(self, *, all_tried: bool) -> bool:
        """Return whether a training on a further seed is due now."""
        return self._is_due(all_tried=all_tried) and self._chosen() is not None

    def _is_due(self, *, all_tried: bool) -> bool:
        spec = self._spec
        if spec.early_terminate.seeds == 1:
            return False
        is_last_part = len(self._first) >= spec.trials - spec.seed_trials
        return is_last_part or all_tried or self._used() >= 1 - SEEDS_SHARE

    def _chosen(self) -> Trial | None:
        """Return the first trial of the configuration to train next; None without one."""
        setting = Setting(self._spec.dataset, self._extractor, self._spec.train)
        estimates = self._standings.estimates(Evidence.on(self._scale, setting), LEADERS)
        started = {name: len(trials) for name, trials in self._started.items()}
        running = {name: len(trials & self._running) for name, trials in self._started.items()}
        name = next_configuration(estimates, started, self._spec.early_terminate.seeds, running)
        return None if name is None else self._first[name]

    def mean_score(self, configuration: str) -> float | None:
        """Return the mean over seeds of the best reports' scores, by which the search compares trials.

        Returns:
            The mean that the sampler is given, geometric for fid; None without a score.
        """
        scores = [*self._reported.get(configuration, {}).values()]
        return mean_score(scores, self._scale) if scores else None
