"""Replay the README's sweep on recorded trials: ``python -m benchmarks.verdict first-day``.

The project's own sampler and early stopping search ``search_spaces/lsgan.yaml`` in the recorded world of its
space and steps (:data:`benchmarks.search.world.FIRST_DAY`). The finalists and the defaults are then trained
again on fresh seeds, each with the noise of recorded seeds, and the verdict judges them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.search.trial import ReplayedTrial
from benchmarks.search.world import FIRST_DAY, RecordedWorld, World
from benchmarks.verdict.methods import shipped_evidence
from sweeps.analysis.comparison import Scores, compare, gain
from sweeps.analysis.configurations import Standings
from sweeps.analysis.evidence import Evidence, Kind
from sweeps.analysis.statistics import Scale
from sweeps.search.schedulers import scheduler
from sweeps.search.searcher import Search
from sweeps.spec.model import SweepSpec
from sweeps.spec.overrides import parse_setting
from sweeps.spec.reading import load_spec

FILE = Path(__file__).parents[2] / "search_spaces" / "lsgan.yaml"
SEEDS, WORKERS = 20, 2
ASKED_SIGNIFICANT, ASKED_QUARTER = 0.95, 0.8
QUARTER = 0.25


@dataclass(frozen=True)
class Day:
    """The result of one sweep.

    Args:
        share: The winner's mean fid over fresh seeds, as a share of that of the defaults.
        truth: The same without noise.
        is_significant: Whether the gain is significant.
        trials: The number of trials that completed all steps.
    """

    share: float
    truth: float
    is_significant: bool
    trials: int


def spec_of(seed: int, world: World, settings: Sequence[str]) -> SweepSpec:
    """Return the README's sweep with another seed, the steps of the world's trials, and ``KEY=VALUE``."""
    steps = [f"parameters.{name}.value={world.fixed[name]}" for name in ("steps", "report_every")]
    return load_spec(FILE, [parse_setting(each) for each in (f"seed={seed}", *steps, *settings)])


def day(world: World, seed: int, settings: Sequence[str]) -> Day:
    """Search and confirm once.

    Raises:
        ValueError: The file asks for no confirmation.
    """
    spec = spec_of(seed, world, settings)
    if spec.confirm is None:
        raise ValueError(f"{FILE.name} has no confirm")
    trials = _searched(spec, world, seed)
    complete = [trial for trial in trials if trial.reports == len(trial.scores)]
    evidence = shipped_evidence(Kind.RECORDED)
    finalists = _finalists(complete, evidence, spec.confirm.top)
    values = np.array([_on_fresh_seeds(trial, world, seed, spec.confirm.seeds) for trial in finalists])
    scores = Scores(values, np.zeros(values.shape, dtype=bool), np.ones(values.shape, dtype=bool))
    winner = compare(scores, evidence).winner or 0
    defaults = next(place for place, trial in enumerate(finalists) if trial.is_baseline)
    found = gain(scores, winner, defaults, evidence, ()) if winner != defaults else None
    truth = finalists[winner].clean[-1] / finalists[defaults].clean[-1]
    share = 1.0 if found is None else exp(-found.mean)
    return Day(share, float(truth), bool(found and found.is_significant), len(complete))


def _finalists(complete: Sequence[ReplayedTrial], evidence: Evidence, top: int) -> list[ReplayedTrial]:
    """Return the first trial of each of the best configurations, and last the trial of the defaults."""
    standings, firsts = Standings(Scale("fid", less_is_better=True)), dict[str, ReplayedTrial]()
    for trial in complete:
        standings.add(trial.configuration, str(trial.config["trial_id"]), trial.score, has_diverged=False)
        firsts.setdefault(trial.configuration, trial)
    estimates = standings.estimates(evidence)
    ranked = [firsts[estimates.names[index]] for index in estimates.order]
    best = [trial for trial in ranked if not trial.is_baseline][:top]
    return best + [trial for trial in ranked if trial.is_baseline]


def _searched(spec: SweepSpec, world: World, seed: int) -> list[ReplayedTrial]:
    """Return all trials of a search, two at a time, which report in turn."""
    trials: list[ReplayedTrial] = []
    running: list[ReplayedTrial] = []
    rule = scheduler(spec)
    with TemporaryDirectory() as folder:
        search = Search(spec, spec.name, Path(folder))
        while True:
            while len(running) < WORKERS and isinstance(given := search.suggest(str(len(trials))), dict):
                running.append(_started(given, str(len(trials)), world, seed))
                trials.append(running[-1])
                rule.on_trial_add(None, running[-1])
            if not running:
                return trials
            running = [trial for trial in running if _goes_on(trial, rule, search)]


def _started(given: Mapping[str, Any], tune_id: str, world: World, seed: int) -> ReplayedTrial:
    expected = world.expected(given["config"])
    luck = world.luck(given["config"], expected, np.random.default_rng([seed, given["number"]]))
    noisy, clean = (np.exp(np.minimum.accumulate(curve)) for curve in (expected + luck, expected))
    return ReplayedTrial(tune_id, given, noisy, clean)


def _goes_on(trial: ReplayedTrial, rule: Any, search: Search) -> bool:  # noqa: ANN401 - Ray's schedulers
    """Make a trial's next report; return whether the trial continues."""
    result = trial.report()
    if not result["done"] and rule.on_trial_result(None, trial, result) == rule.CONTINUE:
        search.on_trial_result(trial.trial_id, result)
        return True
    rule.on_trial_complete(None, trial, result)
    search.on_trial_complete(trial.trial_id, result)
    return False


def _on_fresh_seeds(trial: ReplayedTrial, world: World, seed: int, n_seeds: int) -> list[float]:
    """Return the log of the final fid of a trial's configuration on fresh seeds."""
    config = trial.config["config"]
    expected, rng = world.expected(config), np.random.default_rng([seed, trial.number, 1])
    return [float((expected + world.luck(config, expected, rng)).min()) for _ in range(n_seeds)]


def show(settings: Sequence[str] = (), seeds: int = SEEDS) -> None:
    """Print how many sweeps end with a significant gain, and how many with a quarter of the defaults' fid."""
    world = RecordedWorld.of(FIRST_DAY)
    days = [day(world, seed, settings) for seed in range(seeds)]
    significant = np.mean([each.is_significant for each in days])
    quarter = np.mean([each.share <= QUARTER for each in days])
    true_quarter = np.mean([each.truth <= QUARTER for each in days])
    shares = np.array([each.share for each in days])
    console = Console(highlight=False)
    changed = f" with {', '.join(settings)}" if settings else ""
    console.print(f"{seeds} sweeps of {FILE.name}{changed}, {world.fixed['steps']} steps each trial:")
    console.print(f"a significant gain: {100 * significant:.0f} % (asked {100 * ASKED_SIGNIFICANT:.0f} %)")
    console.print(
        f"a winner of at most a quarter of the defaults' fid: {100 * quarter:.0f} % (asked"
        f" {100 * ASKED_QUARTER:.0f} %); without noise {100 * true_quarter:.0f} %"
    )
    low, middle, high = 1 / np.quantile(shares, [0.9, 0.5, 0.1])
    console.print(f"gain: median {middle:.2g} times, from {low:.2g} to {high:.2g} in four of five sweeps")
