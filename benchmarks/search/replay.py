"""Replay a search: trials report in turn, and the search's sampler and rule decide as in a real sweep."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.search.incumbent import incumbent_of
from benchmarks.search.rules import Rule
from benchmarks.search.stopped_scores import StoppedScoreSearch
from benchmarks.search.stopping import Decision, Judge, judge_for
from benchmarks.search.trial import ReplayedTrial, State
from benchmarks.search.world import World
from sweeps.analysis.evidence import read
from sweeps.search.searcher import Search

WORKERS = 2


@dataclass
class Replay:
    """One search: after each report, the incumbent's best fid as observed and without noise.

    Args:
        observed: ``(reports,)``.
        noise_free: ``(reports,)``.
        log: ``(trial number, reports, score, whether the trial was stopped or paused)`` of each report.
        proposed: The least fid without noise, after a whole training, of all configurations that started.
    """

    observed: list[float] = field(default_factory=list)
    noise_free: list[float] = field(default_factory=list)
    log: list[tuple[int, int, float, bool]] = field(default_factory=list)
    proposed: float = np.inf


class _Course:
    """A search while it is replayed."""

    def __init__(self, rule: Rule, seed: int, world: World, budget: int, folder: Path) -> None:
        self._rule, self._seed, self._world = rule, seed, world
        self._trials: list[ReplayedTrial] = []
        self._judge: Judge = judge_for(rule, world, seed, budget)
        spec = rule.spec(world, seed)
        self._search = (
            Search(spec, spec.name, folder, extractor=read()["extractor"], used=self._used)
            if rule.is_the_projects
            else StoppedScoreSearch(spec, folder, rule.stopped_score, self._trials)
        )
        self._budget, self._incumbent = budget, incumbent_of(rule)
        self.done = Replay()

    def next(self, tune_id: str) -> ReplayedTrial:
        """Return a paused trial to resume, or the next suggested trial."""
        trial = self._judge.promoted() or self._started(tune_id)
        trial.state = State.RUNNING
        return trial

    def report(self, trial: ReplayedTrial) -> None:
        """Make a trial's next report, and decide what happens to the trial."""
        result = trial.report()
        decision = Decision.CONTINUE if result["done"] else self._judge.judge(trial, result)
        trial.state = {
            Decision.CONTINUE: State.COMPLETE if result["done"] else State.RUNNING,
            Decision.PAUSE: State.PAUSED,
            Decision.STOP: State.STOPPED,
        }[decision]
        if trial.state in {State.RUNNING, State.PAUSED}:
            self._search.on_trial_result(trial.trial_id, result)
        else:
            self._judge.end(trial, result)
            self._search.on_trial_complete(trial.trial_id, result)
        self._note(trial)

    def _started(self, tune_id: str) -> ReplayedTrial:
        suggestion = self._search.suggest(tune_id)
        if not isinstance(suggestion, dict):
            raise TypeError(f"the search suggested {suggestion!r}: a replayed space must not be finite")
        expected = self._world.expected(suggestion["params"])
        rng = np.random.default_rng([self._seed, suggestion["number"]])
        luck = self._world.luck(suggestion["params"], expected, rng)
        noisy, clean = (np.exp(np.minimum.accumulate(curve)) for curve in (expected + luck, expected))
        trial = ReplayedTrial(tune_id, suggestion, noisy, clean)
        self._trials.append(trial)
        self._judge.start(trial)
        self.done.proposed = min(self.done.proposed, float(clean[-1]))
        return trial

    def _note(self, trial: ReplayedTrial) -> None:
        """Write down a report, and the incumbent after it."""
        self._incumbent.note(trial)
        self.done.log.append((trial.number, trial.reports, trial.score, trial.state is not State.RUNNING))
        self.done.observed.append(self._incumbent.observed)
        self.done.noise_free.append(self._incumbent.trial.truth)

    def _used(self) -> float:
        """Return the share of the reports that are made."""
        return len(self.done.log) / self._budget


def replay(rule: Rule, seed: int, world: World, budget: int) -> Replay:
    """Search ``world`` until ``budget`` reports are made, in the order of Ray's controller."""
    with TemporaryDirectory() as folder:
        course = _Course(rule, seed, world, budget, Path(folder))
        running = [course.next(str(worker)) for worker in range(WORKERS)]
        for turn in range(budget):
            trial = running[turn % WORKERS]
            course.report(trial)
            if trial.state is not State.RUNNING:
                running[turn % WORKERS] = course.next(str(WORKERS + turn))
    return course.done
