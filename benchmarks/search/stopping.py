"""Stop, pause and promote replayed trials: the project's schedulers, and rules to compare them with."""

from collections.abc import Mapping
from enum import Enum, auto
from math import inf
from typing import Any

from ray.tune.schedulers import TrialScheduler

from benchmarks.search.rules import By, Rule, Stopping
from benchmarks.search.trial import ReplayedTrial
from benchmarks.search.world import REPORTS, World
from sweeps.search.schedulers import scheduler


class Decision(Enum):
    """What happens to a trial after a report that is not its last one."""

    CONTINUE = auto()
    PAUSE = auto()
    STOP = auto()


class Judge:
    """Never stops a trial; the base of all other rules."""

    def start(self, trial: ReplayedTrial) -> None:
        """Note that a trial starts."""

    def judge(self, trial: ReplayedTrial, result: Mapping[str, Any]) -> Decision:  # noqa: ARG002
        """Return what happens to a trial after a report that is not its last one."""
        return Decision.CONTINUE

    def end(self, trial: ReplayedTrial, result: Mapping[str, Any]) -> None:
        """Note that a trial has ended, with its last report."""

    def promoted(self) -> ReplayedTrial | None:
        """Return a paused trial to resume, or None if a new one is to start."""
        return None


class RaysJudge(Judge):
    """The project's own scheduler: Ray's ASHA under the project's rules."""

    def __init__(self, rule: Rule, world: World, seed: int) -> None:
        self._asha = scheduler(rule.spec(world, seed))

    def start(self, trial: ReplayedTrial) -> None:  # noqa: D102
        self._asha.on_trial_add(None, trial)

    def judge(self, trial: ReplayedTrial, result: Mapping[str, Any]) -> Decision:  # noqa: D102
        is_kept = self._asha.on_trial_result(None, trial, result) == TrialScheduler.CONTINUE
        return Decision.CONTINUE if is_kept else Decision.STOP

    def end(self, trial: ReplayedTrial, result: Mapping[str, Any]) -> None:  # noqa: D102
        self._asha.on_trial_complete(None, trial, result)


class Hyperband(Judge):
    """Asynchronous Hyperband (arXiv:1603.06560, arXiv:1810.05934): brackets of ASHA that spend equally much.

    Each trial joins the bracket that has spent the fewest reports.
    """

    def __init__(self, rule: Rule, world: World, seed: int) -> None:
        n_brackets = 1
        while rule.min_iter * rule.eta**n_brackets < REPORTS:
            n_brackets += 1
        self._brackets = [RaysJudge(rule.asha(bracket), world, seed) for bracket in range(n_brackets)]
        self._spent = [0] * n_brackets
        self._bracket_of: dict[int, int] = {}

    def start(self, trial: ReplayedTrial) -> None:  # noqa: D102
        bracket = self._spent.index(min(self._spent))
        self._bracket_of[trial.number] = bracket
        self._spent[bracket] += 1
        self._brackets[bracket].start(trial)

    def judge(self, trial: ReplayedTrial, result: Mapping[str, Any]) -> Decision:  # noqa: D102
        bracket = self._bracket_of[trial.number]
        self._spent[bracket] += 1
        return self._brackets[bracket].judge(trial, result)

    def end(self, trial: ReplayedTrial, result: Mapping[str, Any]) -> None:  # noqa: D102
        self._brackets[self._bracket_of[trial.number]].end(trial, result)


class Promotion(Judge):
    """ASHA as published: a trial pauses at each rung, and the best one in eta is promoted."""

    def __init__(self, rule: Rule) -> None:
        self._eta = rule.eta
        self._rungs: dict[int, dict[ReplayedTrial, float]] = {}
        rung = rule.min_iter
        while rung < REPORTS:
            self._rungs[rung] = {}
            rung *= rule.eta
        self._promoted: dict[int, set[ReplayedTrial]] = {rung: set() for rung in self._rungs}

    def judge(self, trial: ReplayedTrial, result: Mapping[str, Any]) -> Decision:  # noqa: ARG002, D102
        if trial.reports not in self._rungs:
            return Decision.CONTINUE
        self._rungs[trial.reports][trial] = trial.score
        if trial.is_baseline:
            self._promoted[trial.reports].add(trial)
            return Decision.CONTINUE
        return Decision.PAUSE

    def promoted(self) -> ReplayedTrial | None:  # noqa: D102
        for rung in reversed(self._rungs):
            scores = self._rungs[rung]
            best = sorted(scores, key=scores.__getitem__)[: len(scores) // self._eta]
            for trial in best:
                if trial not in self._promoted[rung]:
                    self._promoted[rung].add(trial)
                    return trial
        return None


class Discard(Judge):
    """Early discarding (arXiv:2404.04111): all trials train equally few reports, then the best are resumed.

    The most trials start that leave enough reports to train ``top`` of them to the end.
    """

    def __init__(self, rule: Rule, budget: int) -> None:
        self._first = rule.min_iter
        rest = REPORTS - rule.min_iter
        self._n_started, self._most = 0, (budget - (rule.top + 1) * rest) // rule.min_iter
        self._paused: list[ReplayedTrial] = []

    def start(self, trial: ReplayedTrial) -> None:  # noqa: ARG002, D102
        self._n_started += 1

    def judge(self, trial: ReplayedTrial, result: Mapping[str, Any]) -> Decision:  # noqa: ARG002, D102
        if trial.reports != self._first or trial.is_baseline:
            return Decision.CONTINUE
        self._paused.append(trial)
        return Decision.PAUSE

    def promoted(self) -> ReplayedTrial | None:  # noqa: D102
        if self._n_started < self._most or not self._paused:
            return None
        best = min(self._paused, key=lambda trial: trial.score)
        self._paused.remove(best)
        return best


class Clairvoyant(Judge):
    """Knows the last score, or the truth, of each trial, and stops the trial unless it is a new best.

    No real rule can know this, so the result bounds what any rule that stops trials can reach.
    """

    def __init__(self, rule: Rule) -> None:
        self._by, self._best = rule.by, inf

    def judge(self, trial: ReplayedTrial, result: Mapping[str, Any]) -> Decision:  # noqa: ARG002, D102
        last = float((trial.clean if self._by is By.TRUTH else trial.scores)[-1])
        is_best = last <= self._best
        if is_best or trial.is_baseline:
            self._best = min(self._best, last)
            return Decision.CONTINUE
        return Decision.STOP


def judge_for(rule: Rule, world: World, seed: int, budget: int) -> Judge:
    """Return the judge of a rule's trials, for a search of ``budget`` reports."""
    if rule.stopping is Stopping.ASHA:
        return RaysJudge(rule, world, seed)
    if rule.stopping is Stopping.HYPERBAND:
        return Hyperband(rule, world, seed)
    if rule.stopping is Stopping.PROMOTE:
        return Promotion(rule)
    if rule.stopping is Stopping.DISCARD:
        return Discard(rule, budget)
    return Clairvoyant(rule) if rule.stopping is Stopping.CLAIRVOYANT else Judge()
