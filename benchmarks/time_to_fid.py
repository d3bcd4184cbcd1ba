"""Replay how soon a search finds a good generator: ``python -m benchmarks.time_to_fid``.

Searches are replayed in the world ``lsgan`` of ``benchmarks.search``, until the noise-free fid of the
incumbent stays within twice, and within 1.5 times, the best noise-free fid of the space. The time of a replay
is the sum of times measured just before: a training step of this project or of the tutorial's loop, the
scoring of a report, and the overhead of a trial. Two trainings run at a time.

This project's search is compared with Ray Tune, used as its documentation shows, with the tutorial's loop and
without early stopping; with Optuna in two processes, with the same loop; and with random search, with this
project's trainer.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
import torch
from rich.progress import track

from benchmarks.figures import Figure, conclude
from benchmarks.overhead import cost, ray_tune_s
from benchmarks.search.replay import WORKERS, Replay, replay
from benchmarks.search.rules import rule
from benchmarks.search.world import REPORTS, SOURCES, RecordedWorld
from benchmarks.step import TUTORIAL, interleaved, ratios
from gan_core import Evaluator, ImageDataset, keep_freed_memory, load_dataset
from gan_core.images import normalize

WORLD = "lsgan"
GOALS = (2.0, 1.5)
"""The fids to reach, as multiples of the best noise-free fid: no goal lies below what can be reached."""
MOST_TRIALS = 60
LEAST_RATIOS = {"Ray Tune": 10.0, "Optuna": 10.0, "random search": 2.0}
OURS = "this project"


@dataclass(frozen=True)
class Searcher:
    """A search rule and the times of its parts.

    Args:
        rule: The rule, as text.
        report_s: Seconds of training and scoring from one report to the next.
        trial_s: Seconds of overhead per trial.
    """

    rule: str
    report_s: float
    trial_s: float

    def time_s(self, done: Replay, goal: float) -> float:
        """Return the seconds until the incumbent's noise-free fid stays at or below a goal.

        Infinity means that the search ends before.
        """
        above = np.flatnonzero(np.array(done.noise_free) > goal)
        reports = int(above[-1]) + 2 if len(above) else 1
        if reports > len(done.noise_free):
            return float("inf")
        trials = len({number for number, *_ in done.log[:reports]})
        return (reports * self.report_s + trials * self.trial_s) / WORKERS


def searchers(data: ImageDataset, rounds: int, trials: int) -> dict[str, Searcher]:
    """Measure the times of the parts, and return the searchers."""
    seeds, ours = step_times_s(rounds)
    steps, scoring_s = int(SOURCES[WORLD].fixed["report_every"]), score_s(data)
    our_trial_s, their_trial_s = cost(trials, reports=3).trial_ms / 1000, ray_tune_s(trials)
    of_seed, of_ours = steps * seeds + scoring_s, steps * ours + scoring_s
    return {
        OURS: Searcher("tpe+asha", of_ours, our_trial_s),
        "Ray Tune": Searcher("tpe", of_seed, their_trial_s),
        "Optuna": Searcher("tpe", of_seed, 0.0),
        "random search": Searcher("random", of_ours, our_trial_s),
    }


def step_times_s(rounds: int) -> tuple[float, float]:
    """Return the seconds per step of the tutorial's loop and of this project's, measured in turn."""
    seconds = interleaved("mlp", rounds, n_steps=10)
    return median(seconds[TUTORIAL]), median(seconds["auto"])


def score_s(data: ImageDataset) -> float:
    """Return the seconds to score the samples of a report."""
    evaluator, samples = Evaluator(data), data.train[: int(SOURCES[WORLD].fixed["eval_samples"])]
    started = perf_counter()
    evaluator.score(normalize(batch) for batch in samples.split(250))
    return perf_counter() - started


def figures(*, seeds: int = 20, rounds: int = 15, trials: int = 20) -> list[Figure]:
    """Replay every search with each seed."""
    torch.set_num_threads(1)
    keep_freed_memory()
    world = RecordedWorld.of(SOURCES[WORLD])
    ways = searchers(load_dataset("mnist-5k"), rounds, trials)
    replays = {
        name: [
            replay(rule(way.rule), seed, world, MOST_TRIALS * REPORTS)
            for seed in track(range(seeds), f"Replays of {name}")
        ]
        for name, way in ways.items()
    }
    found = []
    for goal in GOALS:
        times = {
            name: [way.time_s(done, goal * world.best) for done in replays[name]]
            for name, way in ways.items()
        }
        asked = LEAST_RATIOS if goal == max(GOALS) else {}
        found += compared(f"{goal:g} times the best fid, noise-free", times, asked)
    return found


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
