"""Choose the incumbent of a replayed search: by its score, by the truth, or by means over seeds."""

from functools import lru_cache

import numpy as np

from benchmarks.search.rules import By, Rule
from benchmarks.search.trial import ReplayedTrial, State
from sweeps.analysis.configurations import Standings
from sweeps.analysis.evidence import Evidence, Setting, read
from sweeps.analysis.statistics import Scale

METRIC = Scale("fid", less_is_better=True)


class Incumbent:
    """The trial with the least score so far, or the least fid without noise.

    Args:
        by: What the incumbent is chosen by.
    """

    trial: ReplayedTrial

    def __init__(self, by: By) -> None:
        self._by, self._least = by, np.inf

    def note(self, trial: ReplayedTrial) -> None:
        """Take a trial's last report into account."""
        value = trial.truth if self._by is By.TRUTH else trial.score
        if value < self._least:
            self._least, self.trial = value, trial

    @property
    def observed(self) -> float:
        """The incumbent's fid as the search knows it."""
        return self.trial.score


class MeansIncumbent(Incumbent):
    """The configuration with the least estimated mean over seeds, once any has several seeds.

    The model is the sweep's own (:mod:`sweeps.analysis.configurations`).
    """

    def __init__(self) -> None:
        super().__init__(By.SCORE)
        self._standings = Standings(METRIC)
        self._firsts: dict[str, ReplayedTrial] = {}
        self._mean: float | None = None

    def note(self, trial: ReplayedTrial) -> None:
        """Take a trial's last report into account."""
        if self._mean is None and not trial.config.get("of"):
            super().note(trial)
        if trial.state is not State.COMPLETE:
            return
        self._firsts.setdefault(trial.configuration, trial)
        name = str(trial.config["trial_id"])
        self._standings.add(trial.configuration, name, trial.score, has_diverged=False)
        if self._standings.has_seeds:
            estimates = self._standings.estimates(recorded_evidence())
            best = estimates.order[0]
            self.trial = self._firsts[estimates.names[best]]
            self._mean = float(METRIC.from_scale(estimates.mean[best]))

    @property
    def observed(self) -> float:
        """The incumbent's fid as the search knows it: the estimated mean, once there is one."""
        return super().observed if self._mean is None else self._mean


@lru_cache
def recorded_evidence() -> Evidence:
    """Return the evidence on the noise of seeds of recorded worlds."""
    content = read()
    return Evidence.on(METRIC, Setting(content["datasets"][0], content["extractor"]))


def incumbent_of(rule: Rule) -> Incumbent:
    """Return the choice of a rule's incumbent."""
    return MeansIncumbent() if rule.seeds > 1 else Incumbent(rule.by)
