"""Measure what a loop that calls ``gan_core.Trainer.step`` costs: ``python -m benchmarks.own_loop``.

A loop as a user writes it, and gan_core's own, train the same configuration in one process, in turns of some
steps up to a report. Each pair of turns gives one ratio of CPU times, which other processes change less than
wall times; the order within a pair alternates. Turns are short, because other users of the memory slow one
minute more than the next. The scores of reports are not part of a turn: they are equal.
"""

import argparse
from collections.abc import Iterator
from math import exp, log
from statistics import mean, stdev
from time import process_time

import torch
from scipy.stats import t

from benchmarks.figures import Figure, conclude
from gan_core import ImageDataset, Snapshot, Trainer, TrialConfig, keep_freed_memory, load_dataset
from gan_core.adversarial import train_gan
from gan_core.loops.run import LoopRun
from gan_core.noise import draw_noise, rng_for

MOST_RATIO = 1.01


def own(config: TrialConfig, data: ImageDataset, device: torch.device) -> Iterator[Snapshot]:
    """Train as the built-in loop does, with the parts of gan_core that users have."""
    trainer = Trainer(config, data.image_shape, device)
    batches, rng = data.batches(config.batch_size, config.seed, device), rng_for("noise", config.seed, device)
    for step in range(1, config.steps + 1):
        metrics = trainer.step(next(batches).images, draw_noise(config, config.batch_size, rng))
        if config.reports_at(step):
            yield Snapshot(
                step,
                lambda n, rng: trainer.generate(draw_noise(config, n, rng)),
                generator=trainer.sampling_generator,
                metrics=metrics,
            )


def cpu_s(run: LoopRun) -> float:
    """Return the CPU seconds of the steps up to a loop's next report, and of its metrics."""
    started = process_time()
    run.advance()
    run.metrics()
    return process_time() - started


def ratios(pairs: int, steps: int) -> list[float]:
    """Return the CPU time of the user's loop over that of the built-in one, for each pair of turns."""
    torch.set_num_threads(1)
    keep_freed_memory()
    data, device = load_dataset("mnist-5k"), torch.device("cpu")
    config = TrialConfig(steps=(pairs + 1) * steps, report_every=steps)
    built_in, ours = LoopRun(train_gan, config, data, device), LoopRun(own, config, data, device)
    found = []
    for pair in range(pairs + 1):
        turns = (built_in, ours) if pair % 2 else (ours, built_in)
        seconds = {run: cpu_s(run) for run in turns}
        found.append(seconds[ours] / seconds[built_in])
    return found[1:]


def bounds(measured: list[float]) -> tuple[float, float, float]:
    """Return the geometric mean of ratios, and its lower and upper one-sided 95 % bounds."""
    logs = [log(ratio) for ratio in measured]
    margin = float(t.ppf(0.95, len(logs) - 1)) * stdev(logs) / len(logs) ** 0.5
    return exp(mean(logs)), exp(mean(logs) - margin), exp(mean(logs) + margin)


def figures(*, pairs: int = 600, steps: int = 5) -> list[Figure]:
    """Measure the overhead of the user's loop."""
    ratio, lower, upper = bounds(ratios(pairs, steps))
    name = f"CPU time of a loop that calls Trainer.step, over the built-in loop's ({pairs} pairs)"
    return [
        Figure(name, ratio, (lower, upper)),
        Figure("its upper 95 % bound", upper, asked=MOST_RATIO),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=600, help="the number of interleaved pairs (600)")
    parser.add_argument("--steps", type=int, default=5, help="the steps of a turn")
    options = parser.parse_args()
    conclude(figures(pairs=options.pairs, steps=options.steps))
