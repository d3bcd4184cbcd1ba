"""Measure whether a search that trains its leaders on further seeds makes the verdict on fresh seeds err."""

from collections.abc import Iterator

import numpy as np

from benchmarks.verdict.methods import Judgements, Model, shipped_evidence
from benchmarks.verdict.scenarios import Scenario
from sweeps.analysis.configurations import Standings
from sweeps.analysis.evidence import Kind
from sweeps.analysis.seed_noise import Array
from sweeps.analysis.statistics import Scale
from sweeps.search.seeds import next_configuration
from sweeps.spec.model import SEEDS_SHARE

TRAININGS = 16
FINALISTS = 2
FRESH_SEEDS = 3
SCALE = Scale("fid", less_is_better=True)


def measure_searches(scenario: Scenario, most_seeds: int, repetitions: int) -> Judgements:
    """Search among configurations that equal the defaults, and judge the finalists on fresh seeds.

    A search has :data:`TRAININGS` trainings. If ``most_seeds`` is more than 1, the last quarter of them are
    further seeds of the leaders, chosen as a sweep chooses them. The best :data:`FINALISTS` and the defaults
    are then judged. Every significant difference is an error.

    Args:
        scenario: The noise. A configuration keeps its deviation from the search to the fresh seeds.
        most_seeds: The most seeds of a configuration in the search.
        repetitions: The number of searches.
    """
    further = 0 if most_seeds == 1 else int(TRAININGS * SEEDS_SHARE)
    n_seeds = most_seeds + FRESH_SEEDS
    drawn = scenario.draw(np.zeros(TRAININGS - further), repetitions, n_seeds, np.random.default_rng(4))
    found = np.array([list(_of_finalists(scores, most_seeds, further)) for scores in drawn])
    return Model.shipped(Kind.RECORDED, 1 + FINALISTS, FRESH_SEEDS).judge(found)


def _of_finalists(scores: Array, most_seeds: int, further: int) -> Iterator[Array]:
    """Yield the scores on fresh seeds of the defaults, which come first, and of the finalists."""
    fresh = scores[:, most_seeds:]
    yield fresh[0]
    order = [index for index in _order(scores[:, :most_seeds], further) if index]
    yield from fresh[order[:FINALISTS]]


def _order(scores: Array, further: int) -> list[int]:
    """Return the indices of the configurations as a search ranks them in the end."""
    standings, evidence = Standings(SCALE), shipped_evidence(Kind.RECORDED)
    fids, names = SCALE.from_scale(scores), [f"{index:04d}" for index in range(len(scores))]
    started = dict.fromkeys(names, 1)
    for name, fid in zip(names, fids[:, 0], strict=True):
        standings.add(name, name, float(fid), has_diverged=False)
    for _ in range(further):
        chosen = next_configuration(standings.estimates(evidence), started, scores.shape[1])
        if chosen is None:
            break
        score = float(fids[int(chosen), started[chosen]])
        standings.add(chosen, f"{chosen}-{started[chosen]}", score, has_diverged=False)
        started[chosen] += 1
    return standings.estimates(evidence).order
