"""Measure how much a winner's score gains from the images that chose it: ``python -m benchmarks.held_out``.

The benchmark trains configurations of the perceptron once each and keeps the features of the samples of every
report. Then it plays many sweeps. Each draws two sets of unseen images and some configurations, chooses
the best report and the best configuration by one set, and scores the winner on both. Without a choice both
scores would be equal on average, so the mean of their log ratio is the gain.

By default, the sets are the two halves of the held-out digits, 500 images each, although a sweep chooses by
all 1,000. ``--unseen mnist --images 1000`` draws two sets of 1,000 from the 10,000 test digits of MNIST.

The better the generators, the larger the gain: the sets differ more, relative to a small fid.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

import numpy as np
import torch
from torch import Tensor

from gan_core import ImageDataset, Trainer, TrialConfig, load_dataset
from gan_core.extractors import load_extractor
from gan_core.images import normalize
from gan_core.metrics import Gaussian, frechet_distance
from gan_core.noise import draw_noise, rng_for
from gan_core.trainer import generate_batches

N_CONFIGURATIONS, N_DRAWN, N_SWEEPS = 10, 8, 400
STEPS, REPORT_EVERY, SAMPLES, BATCH_SIZE = 3000, 250, 1000, 64
FIRST_STEP = 1500


@dataclass(frozen=True)
class Played:
    """A sweep whose winner was chosen by one set of unseen images.

    Args:
        chosen: The winner's fid on the set that chose it.
        fresh: The winner's fid on the other set.
    """

    chosen: float
    fresh: float


def configurations(n: int, seed: int = 0) -> Iterator[TrialConfig]:
    """Yield configurations of the perceptron, drawn at random from a good region."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        yield TrialConfig(
            loss=str(rng.choice(["bce", "hinge"])),
            lr=float(10 ** rng.uniform(-3.3, -2.7)),
            beta1=float(rng.uniform(0, 0.3)),
            batch_size=BATCH_SIZE,
            steps=STEPS,
            seed=number,
        )


def reports(config: TrialConfig, data: ImageDataset) -> list[Gaussian]:
    """Train a configuration, and return the Gaussian of each report's features."""
    extractor, noise = load_extractor("classifier", data), rng_for("noise", config.seed)
    trainer = Trainer(config, data.image_shape)
    order = torch.Generator().manual_seed(config.seed)
    fixed = draw_noise(config, SAMPLES, rng_for("evaluation"))
    found = []
    for step in range(1, config.steps + 1):
        batch = torch.randint(len(data.train), (config.batch_size,), generator=order)
        trainer.step(normalize(data.train[batch]), draw_noise(config, config.batch_size, noise))
        if step % REPORT_EVERY == 0 and step >= FIRST_STEP:
            with torch.inference_mode():
                images = generate_batches(trainer.generator, fixed)
                found.append(Gaussian.fit(torch.cat([extractor.network(each)[0] for each in images])))
    return found


def play(trials: list[list[Gaussian]], unseen: Tensor, images: int, n_sweeps: int) -> Iterator[Played]:
    """Play sweeps: choose the best report and configuration by one set, and score the winner on another.

    Args:
        trials: The Gaussians of each configuration's reports.
        unseen: The features of the unseen images: ``(N, F)``.
        images: The number of images of a set, at most N / 2.
        n_sweeps: The number of sweeps.
    """
    rng = np.random.default_rng(0)
    for _ in range(n_sweeps):
        order = torch.from_numpy(rng.permutation(len(unseen)))[: 2 * images]
        one, other = (Gaussian.fit(unseen[half]) for half in order.chunk(2))
        drawn = rng.choice(len(trials), min(N_DRAWN, len(trials)), replace=False)
        scores = {
            (index, place): frechet_distance(one, report)
            for index in drawn
            for place, report in enumerate(trials[index])
        }
        index, place = min(scores, key=lambda each: scores[each])
        yield Played(scores[index, place], frechet_distance(other, trials[index][place]))


def gain_of(played: list[Played]) -> tuple[float, float]:
    """Return by which share the winners' scores are too low, and the standard error of that share."""
    logs = np.log([each.fresh / each.chosen for each in played])
    return 1 - exp(-logs.mean()), float(logs.std(ddof=1) / len(logs) ** 0.5)


def main() -> None:
    """Train the configurations, play the sweeps and print the gain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configurations", type=int, default=N_CONFIGURATIONS)
    parser.add_argument("--sweeps", type=int, default=N_SWEEPS)
    parser.add_argument("--unseen", default="mnist-5k", help="The dataset with the unseen digits.")
    parser.add_argument("--images", type=int, default=500, help="The images of a set.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_dataset("mnist-5k")
    trials = [reports(config, data) for config in configurations(options.configurations)]
    with torch.inference_mode():
        images = load_dataset(options.unseen).held_out
        unseen, _ = load_extractor("classifier", data).network(normalize(images))
    played = [*play(trials, unseen, options.images, options.sweeps)]
    gain, error = gain_of(played)
    best = float(np.median([each.fresh for each in played]))
    print(  # noqa: T201
        f"winners of {options.sweeps} sweeps: {gain:.1%} too low on the {options.images:,} images that chose"
        f" them (standard error {error:.1%}); median fid {best:.4g} on {options.images:,} others"
    )


if __name__ == "__main__":
    main()
