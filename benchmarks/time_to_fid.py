"""Replay how soon a search finds a good generator: ``python -m benchmarks.time_to_fid``.

Searches are replayed on recorded trials of the MLP with the loss ``lsgan`` (see ``benchmarks.search``), until
the best fid is a fifth, and a tenth, of the fid of the seed tutorial's defaults. The time of a replay is the
sum of times measured just before: a training step of this project or of the tutorial's loop, the scoring of a
report, and the overhead of a trial. Two trainings run at a time.

This project's search is compared with Ray Tune, used as its documentation shows, with the tutorial's loop and
without early stopping; with Optuna in two processes, with the same loop; and with random search, with this
project's trainer.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

import numpy as np
import torch
from rich.progress import track

from benchmarks.figures import Figure, conclude
from benchmarks.overhead import cost, ray_tune_s
from benchmarks.record import LONG, REPORTS, SPACE
from benchmarks.search import METHODS, WORKERS, Floats, Method, Replay, Surrogate, load, replay, surrogate_of
from benchmarks.step import TUTORIAL, interleaved, ratios
from gan_core import Evaluator, ImageDataset, TrialConfig, keep_freed_memory, load_dataset
from gan_core.images import normalize
from sweeps.spec.domains import Scalar

LOSS = "lsgan"
DESIGN = LONG
SHARE_OF_DEFAULTS = 0.1
SHARE_OF_RECORDED = 0.2
"""The best recorded trials reach about a fifth; only their surrogate reaches a tenth."""
MOST_TRIALS = 60
LEAST_RATIOS = {"Ray Tune": 10.0, "Optuna": 10.0, "random search": 2.0}
OURS = "this project"


@dataclass(frozen=True)
class LsganWorld:
    """The surrogate, restricted to one loss."""

    surrogate: Surrogate

    def expected(self, params: Mapping[str, Scalar]) -> Floats:
        """Return the log fid of every report, without noise."""
        return self.surrogate.expected({**params, "loss": LOSS})

    def luck(self, expected: Floats, seed: int, number: int) -> Floats:
        """Return the noise of one trial, which is added to its expected log fid."""
        return self.surrogate.luck(expected, seed, number)


@dataclass(frozen=True)
class Searcher:
    """A search method and the times of its parts.

    Args:
        method: The sampler and the early stopping.
        report_s: Seconds of training and scoring from one report to the next.
        trial_s: Seconds of overhead per trial.
    """

    method: Method
    report_s: float
    trial_s: float

    def time_s(self, done: Replay, goal: float) -> float:
        """Return the seconds until a replayed search reaches the goal; infinity if it does not."""
        reached = np.flatnonzero(np.array(done.observed) <= goal)
        if not len(reached):
            return float("inf")
        reports = int(reached[0]) + 1
        trials = len({number for number, *_ in done.log[:reports]})
        return (reports * self.report_s + trials * self.trial_s) / WORKERS


def searchers(data: ImageDataset, rounds: int, trials: int) -> dict[str, Searcher]:
    """Measure the times of the parts, and return the searchers."""
    seeds, ours = step_times_s(rounds)
    steps, scoring_s = DESIGN.report_every, score_s(data)
    our_trial_s, their_trial_s = cost(trials, reports=3).trial_ms / 1000, ray_tune_s(trials)
    of_seed, of_ours = steps * seeds + scoring_s, steps * ours + scoring_s
    asha, tpe, random = (replace(METHODS[name], design=DESIGN) for name in ("tpe+asha", "tpe", "random"))
    return {
        OURS: Searcher(asha, of_ours, our_trial_s),
        "Ray Tune": Searcher(tpe, of_seed, their_trial_s),
        "Optuna": Searcher(tpe, of_seed, 0.0),
        "random search": Searcher(random, of_ours, our_trial_s),
    }


def step_times_s(rounds: int) -> tuple[float, float]:
    """Return the seconds per step of the tutorial's loop and of this project's, measured in turn."""
    seconds = interleaved("mlp", rounds, n_steps=10)
    return median(seconds[TUTORIAL]), median(seconds["auto"])


def score_s(data: ImageDataset) -> float:
    """Return the seconds to score the samples of a report."""
    evaluator, samples = Evaluator(data), data.train[: int(str(DESIGN.fixed["eval_samples"]))]
    started = perf_counter()
    evaluator.score(normalize(batch) for batch in samples.split(250))
    return perf_counter() - started


def defaults_fid(world: LsganWorld) -> float:
    """Return the expected fid of the seed tutorial's defaults."""
    defaults = TrialConfig().model_dump()
    expected = world.expected({name: defaults[name] for name in SPACE} | {"leaky_slope": 0.2})
    return float(np.exp(np.minimum.accumulate(expected))[-1])


def figures(*, seeds: int = 20, rounds: int = 15, trials: int = 20) -> list[Figure]:
    """Replay every search with each seed."""
    torch.set_num_threads(1)
    keep_freed_memory()
    world, ways = (
        LsganWorld(surrogate_of(load(DESIGN.output))),
        searchers(load_dataset("mnist-5k"), rounds, trials),
    )
    replays = {
        name: [
            replay(way.method, seed, world, MOST_TRIALS * REPORTS)
            for seed in track(range(seeds), f"Replays of {name}")
        ]
        for name, way in ways.items()
    }
    fid = defaults_fid(world)
    times = {
        share: {name: [way.time_s(done, share * fid) for done in replays[name]] for name, way in ways.items()}
        for share in (SHARE_OF_DEFAULTS, SHARE_OF_RECORDED)
    }
    return [
        *compared("a tenth of the defaults' fid", times[SHARE_OF_DEFAULTS], LEAST_RATIOS),
        *compared("a fifth", times[SHARE_OF_RECORDED], {}),
    ]


def compared(goal: str, times_s: Mapping[str, list[float]], asked: Mapping[str, float]) -> list[Figure]:
    """Return the time of this project's search to a goal, and the ratios of the others' times to it."""
    ours = times_s[OURS]
    return [Figure.of(f"time to {goal}, s", ours)] + [
        Figure.of(
            f"times as long by {name}, to {goal}",
            ratios(times_s[name], ours),
            asked.get(name),
            is_at_most=False,
        )
        for name in LEAST_RATIOS
    ]


def main() -> None:
    """Measure, print the figures, and exit with 1 if any misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="replays of each search (20)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of training steps (15)")
    parser.add_argument("--trials", type=int, default=20, help="trials to measure the overhead (20)")
    asked = parser.parse_args()
    conclude(figures(seeds=asked.seeds, rounds=asked.rounds, trials=asked.trials))


if __name__ == "__main__":
    main()
